"""How a command asks the server's admin: one connection, plain HTTP, and a sentence for whatever goes wrong."""

import http.client
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

Json = Any
"""What `json.loads` gives, in the shapes of xds/server/documents.py."""

SECONDS = 60.0
"""How long the server may take; a dump of ten thousand services takes a while."""


class AdminError(Exception):
    """The server cannot be asked; the message says why, and what to look at."""


class NotFoundError(Exception):
    """The server answers that there is no such thing; the message is its own."""


class AdminClient:
    """Asks one admin address, and waits so long for an answer. As a context manager it closes its connection."""

    def __init__(self, address: tuple[str, int], seconds: float = SECONDS) -> None:
        host, port = address
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._connection = http.client.HTTPConnection(host, port, timeout=seconds)

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Json:
        """Ask for a document. Raises AdminError, and NotFoundError for what the server does not have."""
        try:
            self._connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = (
                str(getattr(error, "strerror", None) or error) if isinstance(error, OSError) else "it speaks no HTTP"
            )
            raise AdminError(
                f"cannot ask {self.address}: {reason}: "
                "is `xds serve` running here, and does its log say `admin` with this address?"
            ) from None
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise AdminError(f"{self.address} is not the admin of `xds serve`: it answered {response.status} to {path}")
        if response.status == http.client.NOT_FOUND:
            raise NotFoundError(document.get("error", path))
        if response.status != http.client.OK:
            raise AdminError(f"{self.address} answered {response.status} to {path}: {document.get('error')}")
        return document

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()


def printable(text: str) -> str:
    """Write out what would move a terminal's cursor: a client may call itself anything."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
