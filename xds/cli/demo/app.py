"""The demo's api-service, in Flask: `python -m xds.cli.demo.app --name api-1 --port 5001`.

Start it as often as you like, with different names. It knows nothing about Envoy or the mesh.
"""

import argparse

from flask import Flask, Response, jsonify
from werkzeug.serving import WSGIRequestHandler, make_server

from xds.cli.demo.ports import LOOPBACK


def make_app(name: str) -> Flask:
    """Return the service's application. `name` is the instance's name in its answers."""
    app = Flask(__name__)

    @app.get("/")
    def hello() -> Response:
        return Response(f"Hello from {name}!\n", mimetype="text/plain")

    @app.get("/api/data")
    def data() -> Response:
        return jsonify(service="api-service", instance=name, data=[1, 2, 3])

    return app


class QuietRequestHandler(WSGIRequestHandler):
    """Answers with HTTP/1.1 and logs no requests. Werkzeug closes each connection after its answer, and says so."""

    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # headers and body are written together: an instance that is killed sends a whole answer or none

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the demo's screen shows who answered."""


def main() -> None:
    """Serve one instance until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m xds.cli.demo.app", description="One instance of api-service.")
    parser.add_argument("--name", default="api-1", help="the instance's name in its answers (default: api-1)")
    parser.add_argument("--port", type=int, default=5001, help="the port to listen on (default: 5001)")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (default: 127.0.0.1)")
    options = parser.parse_args()
    server = make_server(
        options.host, options.port, make_app(options.name), threaded=True, request_handler=QuietRequestHandler
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
