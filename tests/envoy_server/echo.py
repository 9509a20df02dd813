"""A service that answers with the request: the method, the path, the headers, and the connection that it used."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Thread
from typing import Any


class Echo(ThreadingHTTPServer):
    """One instance on a free loopback port. It keeps its `requests`, and answers after `delay` with `status`.

    If `load` is not empty, each answer reports it as the load of the instance. With `tls` it uses TLS.
    """

    request_queue_size = 64

    def __init__(self, name: str, tls: SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.name = name
        self.requests: list[dict[str, Any]] = []
        self.status = 200
        self.delay = 0.0
        self.load = ""
        self.ended = Event()

    @property
    def endpoint(self) -> str:
        """Its address as in a catalog."""
        return f"127.0.0.1:{self.server_port}"


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for each answer: the body must not wait for the headers' ACK
    server: Echo

    def answer(self) -> None:
        """Answer with the request."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))  # unread bytes would become the next request
        asked = {
            "instance": self.server.name,
            "method": self.command,
            "path": self.path,
            "client": self.client_address[1],
            "at": time.monotonic(),
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
        }
        self.server.requests.append(asked)
        self.server.ended.wait(self.server.delay)
        body = json.dumps(asked).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Internal", "yes")
        if self.server.load:
            self.send_header("endpoint-load-metrics", self.server.load)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Write no log."""


@contextmanager
def start_echo(name: str, tls: SSLContext | None = None) -> Iterator[Echo]:
    """Run the instance while the block runs."""
    with Echo(name, tls) as echo:
        thread = Thread(target=echo.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield echo
        finally:
            echo.ended.set()
            echo.shutdown()
            thread.join()
