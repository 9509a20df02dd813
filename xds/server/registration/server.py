"""RegistrationServer: Consul's HTTP API at an address of its own.

What holds for every request is in `http_server`. Here are the forms of Consul's answers to what it does not take, and
who may ask.
"""

import inspect
import ipaddress
import posixpath
from collections.abc import Collection, Mapping
from html import escape
from urllib.parse import quote, unquote

from aiohttp import HttpVersion11, web

from xds.endpoints.registrations.refusal import Refusal
from xds.server.address import ListenAddress
from xds.server.http_server import HttpServer
from xds.server.peer import make_peer
from xds.server.registration.api import Api, Call
from xds.server.registration.registry import Registry
from xds.server.registration.tokens import ANYBODY, Grant, Tokens, read_token
from xds.server.settings import Settings

MAX_BODY = 2**16
"""The largest body that is read: a registration has some hundred bytes."""

OPEN = ("/v1/status/leader", "/v1/status/peers")
"""What may be asked without a token: whether a server is there."""

INDEX = "xds registry: the part of Consul's HTTP API below /v1 that services and discovery clients use.\n"


class RegistrationServer(HttpServer):
    """Answers requests at its own address. Without tokens everybody who can connect may do everything."""

    def __init__(self, address: ListenAddress, registry: Registry, tokens: Tokens | None, connections: int) -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer, expect_handler=_continue)
        app.on_response_prepare.append(_omit_empty_type)
        super().__init__(address, app, connections=connections)
        self.registry = registry
        self._api = Api(registry, lambda: str(self.address))
        self._tokens = tokens

    def answer_error(self, text: str, status: int, headers: Mapping[str, str]) -> web.Response:
        """Return an error as Consul writes it."""
        return web.Response(text=text, status=status, headers=headers)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.rel_url.raw_path, errors="replace")
        clean = _clean(path, self._api.prefixes)
        if clean != path:
            moved = quote(clean) + (f"?{request.query_string}" if request.query_string else "")
            body = f'<a href="{escape(moved)}">Moved Permanently</a>.\n\n' if request.method in ("GET", "HEAD") else ""
            return web.Response(text=body, status=301, headers={"Location": moved}, content_type="text/html")
        if path == "/":
            return web.Response(text=INDEX)
        found = self._api.find(path)
        if found is None:
            return web.Response(status=404)
        known, name = found
        allowed = {"Allow": f"OPTIONS,{known.method}"}
        if request.method == "OPTIONS":
            return web.Response(headers=allowed)
        if request.method != known.method:
            return web.Response(text=f"method {request.method} not allowed", status=405, headers=allowed)
        try:
            call = await self._read_call(request, path, name)
            response = known.act(call)
            return await response if inspect.isawaitable(response) else response
        except Refusal as refusal:
            return web.Response(text=str(refusal), status=refusal.status)

    async def _read_call(self, request: web.Request, path: str, name: str) -> Call:
        grant: Grant = ANYBODY
        if self._tokens is not None and path not in OPEN:
            grant = self._tokens.find(read_token(request))
        peername = request.transport.get_extra_info("peername") if request.transport else None
        if not peername:
            raise ConnectionResetError("the client is gone")
        peer = make_peer(*peername[:2])
        return Call(request, name, await request.read(), peer.host, grant.name or peer.network, grant)


def make_registration_server(settings: Settings) -> RegistrationServer | None:
    """Return the server that the settings ask for, with a registry; None for none. Raises ListenError."""
    if settings.registry is None:
        return None
    tokens = None if settings.registry_tokens is None else Tokens(settings.registry_tokens)
    any_address = ipaddress.ip_address(settings.registry.host).is_unspecified
    registry = Registry("127.0.0.1" if any_address else settings.registry.host)
    return RegistrationServer(settings.registry, registry, tokens, settings.connection_shares.registry)


def _clean(path: str, prefixes: Collection[str]) -> str:
    """Return a path without empty steps and dots, and with a slash before a name, as Go's router wants it."""
    clean = "/" + posixpath.normpath(path).lstrip("/")
    has_slash = path.endswith("/") or f"{clean}/" in prefixes
    return f"{clean}/" if has_slash and clean != "/" else clean


async def _continue(request: web.Request) -> web.Response | None:
    """Ask for a body whose sender waits for that, unless it is too large."""
    if (request.content_length or 0) > MAX_BODY:
        return web.Response(text=f"the body may have {MAX_BODY} bytes", status=413, headers={"Connection": "close"})
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    return None


async def _omit_empty_type(_request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer without a body no type, as Consul does."""
    if isinstance(response, web.Response) and not response.body:
        response.headers.pop("Content-Type", None)
