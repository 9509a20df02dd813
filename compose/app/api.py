"""api-service: it says which instance answers. Nothing in it knows of Envoy or of the mesh."""

import os

from flask import Flask, Response, jsonify

INSTANCE = os.environ["INSTANCE"]

app = Flask(__name__)


@app.get("/")
def hello() -> Response:
    """Greet a person."""
    return Response(f"Hello from {INSTANCE}!\n", mimetype="text/plain")


@app.get("/api/data")
def data() -> Response:
    """Answer a program."""
    return jsonify(service="api-service", version=os.environ["VERSION"], instance=INSTANCE, data=[1, 2, 3])


@app.get("/healthz")
def well() -> Response:
    """Say that this instance is well."""
    return Response("well\n", mimetype="text/plain")


@app.after_request
def sign(response: Response) -> Response:
    """Say in a header who answered."""
    response.headers["Served-By"] = INSTANCE
    return response
