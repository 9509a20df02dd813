"""api-service: its answers contain the name of the instance. It knows nothing about Envoy or the mesh."""

import os

from flask import Flask, Response, jsonify

INSTANCE = os.environ["INSTANCE"]

app = Flask(__name__)


@app.get("/")
def hello() -> Response:
    """Return a text for people."""
    return Response(f"Hello from {INSTANCE}!\n", mimetype="text/plain")


@app.get("/api/data")
def data() -> Response:
    """Return JSON for programs."""
    return jsonify(service="api-service", version=os.environ["VERSION"], instance=INSTANCE, data=[1, 2, 3])


@app.get("/healthz")
def well() -> Response:
    """Return 200 for health checks."""
    return Response("well\n", mimetype="text/plain")


@app.after_request
def sign(response: Response) -> Response:
    """Add a header with the name of the instance that answered."""
    response.headers["Served-By"] = INSTANCE
    return response
