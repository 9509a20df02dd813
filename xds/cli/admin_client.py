"""AdminClient: sends requests to the server's admin over plain HTTP, and explains errors to the operator."""

import http.client
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from xds.wording import join_host_and_port, printable

Json = Any
"""A document as `json.loads` returns it. xds/server/clients/documents.py defines its shape."""

SECONDS = 60.0
"""How many seconds the server may take for an answer. A dump of ten thousand services takes a while."""


class AdminError(Exception):
    """The server does not answer as the admin of xds. The message says why, and what to check."""


class NotFoundError(Exception):
    """The server answered 404. The message is the server's."""


class ConflictError(Exception):
    """The server answered 409: its state is another one. The message is the server's."""


class AdminClient:
    """A client for one admin address. `seconds` is its timeout. As a context manager, it closes its connection."""

    def __init__(self, address: tuple[str, int], seconds: float = SECONDS) -> None:
        host, port = address
        self.address = join_host_and_port(host, port)
        self._connection = http.client.HTTPConnection(host, port, timeout=seconds)

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Json:
        """Return a document of the server. Raises AdminError, and NotFoundError if the server does not have it."""
        return self._ask("GET", path, query)

    def post(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Json:
        """Have the server do something, and return its answer.

        Raises AdminError, NotFoundError, and ConflictError if something else would be done than is meant.
        """
        return self._ask("POST", path, query)

    def _ask(self, method: str, path: str, query: Sequence[tuple[str, str]]) -> Json:
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        try:
            self._connection.request(method, f"{path}?{urlencode(query)}" if query else path, headers=headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = (
                str(getattr(error, "strerror", None) or error) if isinstance(error, OSError) else "it is no HTTP server"
            )
            raise AdminError(
                f"cannot ask {self.address}: {reason}: "
                "is `xds serve` running here, and does its log have an `admin` line with this address?"
            ) from None
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise AdminError(f"{self.address} is not the admin of `xds serve`: it answered {response.status} to {path}")
        words = printable(str(document.get("error", path)))  # it may repeat names that clients chose
        if response.status == http.client.NOT_FOUND:
            raise NotFoundError(words)
        if response.status == http.client.CONFLICT:
            raise ConflictError(words)
        if response.status != http.client.OK:
            raise AdminError(f"{self.address} answered {response.status} to {path}: {words}")
        return document

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()
