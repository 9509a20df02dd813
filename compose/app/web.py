"""web: it asks api-service, through the sidecar beside it, and tells who answered."""

import http.client
import os

from flask import Flask, Response, request

INSTANCE = os.environ["INSTANCE"]
SIDECAR = ("127.0.0.1", 15001)
PASSED_ON = ("traceparent", "tracestate", "x-request-id")
"""What a request passes on to those that it causes, so that they are one trace, and one choice in access logs."""

app = Flask(__name__)


@app.get("/")
def page() -> Response:
    """Ask api-service, and tell of it."""
    try:
        status, answer, served_by = ask("api-service", "/")
    except OSError as error:
        status, answer, served_by = 0, f"its sidecar cannot be asked: {error}\n", ""
    if status != 200:
        return Response(f"{INSTANCE} asked api-service, in vain: {answer}", 502, mimetype="text/plain")
    text = f"This is {INSTANCE}. It asked api-service, which says: {answer}"
    return Response(text, mimetype="text/plain", headers={"Served-By": f"{INSTANCE} > {served_by}"})


@app.get("/healthz")
def well() -> Response:
    """Say that this instance is well, whatever the others are."""
    return Response("well\n", mimetype="text/plain")


def ask(service: str, path: str) -> tuple[int, str, str]:
    """Ask a service by its name, which is the Host that the sidecar goes by: status, text and who answered."""
    connection = http.client.HTTPConnection(*SIDECAR, timeout=10)
    try:
        context = {name: value for name in PASSED_ON if (value := request.headers.get(name))}
        connection.request("GET", path, headers={"Host": service, **context})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers.get("Served-By", "")
    finally:
        connection.close()
