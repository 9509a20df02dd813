"""A request as the operator asks about it: a URL, a method and headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEMES = {"http": 80, "https": 443, "tcp": 0, "grpc": 0}
"""The schemes that are taken, and the port that each stands for; 0 is any."""


class AskedError(ValueError):
    """It is no request; the message says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `port` is 0 if the URL has none. `path` has the query, and no fragment, which is never sent."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    method: str
    headers: Mapping[str, str]


def parse_asked(url: str, method: str, headers: Sequence[str]) -> Asked:
    """Read a request; a URL without a scheme is one of http. Raises AskedError."""
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise AskedError(f"{url} is no URL: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise AskedError(f"{url} has the scheme {scheme}: write http:// or https://, or tcp:// for a connection")
    if not parts.hostname:
        raise AskedError(f"{url} has no host: write it as in http://shop.example.com/path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    method = "POST" if scheme == "grpc" and method == "GET" else method
    return Asked(text, scheme, parts.hostname.lower(), port or 0, path, method, _read_headers(headers))


def _read_headers(headers: Sequence[str]) -> dict[str, str]:
    """Return headers by name in small letters; values of one that is given several times are joined."""
    found: dict[str, str] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            raise AskedError(f"{header!r} is no header: write it as in 'x-team: a'")
        if name == "host":
            raise AskedError("the Host header is that of the URL: write the host there")
        found[name] = f"{found[name]},{value.strip()}" if name in found else value.strip()
    return found
