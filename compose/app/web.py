"""web: it calls api-service through its own sidecar, and its answers contain the names of both instances."""

import http.client
import os

from flask import Flask, Response, request

INSTANCE = os.environ["INSTANCE"]
SIDECAR = ("127.0.0.1", 15001)
PASSED_ON = ("traceparent", "tracestate", "x-request-id")
"""The headers that are copied to a request's own calls. They make them one trace, and one choice in sampled logs."""

app = Flask(__name__)


@app.get("/")
def page() -> Response:
    """Call api-service, and return its answer as a text for people."""
    try:
        status, answer, served_by = ask("api-service", "/")
    except OSError as error:
        status, answer, served_by = 0, f"its sidecar does not answer: {error}\n", ""
    if status != 200:
        return Response(f"{INSTANCE} asked api-service, which failed: {answer}", 502, mimetype="text/plain")
    text = f"This is {INSTANCE}. It asked api-service, which says: {answer}"
    return Response(text, mimetype="text/plain", headers={"Served-By": f"{INSTANCE} > {served_by}"})


@app.get("/healthz")
def well() -> Response:
    """Return 200 for health checks, whatever the state of other services is."""
    return Response("well\n", mimetype="text/plain")


def ask(service: str, path: str) -> tuple[int, str, str]:
    """Call a service by its name, by which the sidecar routes. Return the status, the text and who answered."""
    connection = http.client.HTTPConnection(*SIDECAR, timeout=10)
    try:
        context = {name: value for name in PASSED_ON if (value := request.headers.get(name))}
        connection.request("GET", path, headers={"Host": service, **context})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers.get("Served-By", "")
    finally:
        connection.close()
