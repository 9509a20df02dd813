"""Tokens: who may register which services, by a file that holds no token itself.

A line of the file is the SHA-256 of a token in hex, and the prefixes of the services that it may register, `*` for
all. A token without a prefix may ask. What follows a # is a comment:

    # printf %s "$TOKEN" | sha256sum
    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  api- web-
"""

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from xds.endpoints.registrations.refusal import Refusal
from xds.server.address import ListenError

LOOK_SECONDS = 1.0
"""How often the file is looked at."""

HASH = re.compile(r"[0-9a-f]{64}")
ALL = "*"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may do. `name` is the start of its token's hash, for the log; "" without tokens."""

    prefixes: tuple[str, ...]
    name: str = ""

    def check_service(self, name: str) -> None:
        """Refuse a change of a service that is not of the token. Raises Refusal."""
        if ALL not in self.prefixes and not name.lower().startswith(self.prefixes):
            raise Refusal(f"Permission denied: the token may not change the service {name}", 403)

    def check_all(self) -> None:
        """Refuse what only a token for all services may change. Raises Refusal."""
        if ALL not in self.prefixes:
            raise Refusal("Permission denied: only a token for all services may change what is of no service", 403)


ANYBODY = Grant((ALL,))


def read_token(request: web.Request) -> str:
    """Return the token of a request, "" without one."""
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    found = request.headers.get("X-Consul-Token") or (bearer.strip() if kind.lower() == "bearer" else "")
    return found or request.query.get("token", "")


def parse_tokens(text: str) -> dict[str, Grant]:
    """Return what each token may do, by its hash. Raises ValueError with a message for the operator."""
    grants: dict[str, Grant] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        digest, *prefixes = line.partition("#")[0].split() or [""]
        if not digest:
            continue
        if not HASH.fullmatch(digest.lower()):
            raise ValueError(f"line {number}: expected the SHA-256 of a token in hex, and prefixes of services")
        grants[digest.lower()] = Grant(tuple(prefix.lower() for prefix in prefixes), digest[:8].lower())
    return grants


class Tokens:
    """The tokens of a file, which is read again when it changes. Raises ListenError if it cannot be read at first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_at = time.monotonic()
        try:
            self._stamp = self._find_stamp()
            self._grants = parse_tokens(path.read_text())
        except (OSError, ValueError) as error:
            raise ListenError(f"cannot read the tokens in {path}: {error}") from None

    def _find_stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def find(self, token: str) -> Grant:
        """Return what the holder of a token may do. Raises Refusal for an unknown one."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._look()
        grant = self._grants.get(hashlib.sha256(token.encode(errors="replace")).hexdigest()) if token else None
        if grant is None:
            raise Refusal("ACL not found" if token else "Permission denied: a token is needed", 403)
        return grant

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            if (stamp := self._find_stamp()) != self._stamp:
                self._stamp = stamp
                self._grants = parse_tokens(self._path.read_text())
                log.info("tokens read again", file=str(self._path))
        except (OSError, ValueError) as error:
            log.error("the file of tokens cannot be read: the last ones count", file=str(self._path), reason=str(error))
