// The same program as caller.py, on gRPC's client in Node: `node caller.js TARGET RATE`.
"use strict";

const grpc = require("@grpc/grpc-js");
require("@grpc/grpc-js-xds").register();

const METHOD = "/tests.Who/Answer";
const [target, rate] = process.argv.slice(2);
const client = new grpc.Client(target, grpc.credentials.createInsecure());
const asBytes = (value) => value;

function call() {
  const started = Date.now();
  const deadline = started + 30_000;
  client.makeUnaryRequest(METHOD, asBytes, asBytes, Buffer.alloc(0), { deadline }, (error, answer) => {
    console.log(error ? `!${grpc.status[error.code]} ${error.details}` : answer.toString());
    setTimeout(call, Math.max(0, 1000 / Number(rate) - (Date.now() - started)));
  });
}

process.on("SIGTERM", () => process.exit(0));
call();
