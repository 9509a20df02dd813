"""An HTTP application at one address, and what holds for every HTTP port of the server.

- No page in a browser can use it. A page of another site sends an Origin or a Sec-Fetch-Site. A page whose name DNS
  points to this machine (DNS rebinding) sends that name as Host: on a connection to loopback it must be `localhost` or
  an address.
- A connection that is idle, a request that does not arrive and a client that does not read end after some seconds.
- When a client is gone, the work for its request is cancelled.
- An error is answered as JSON. What a client does wrong is not logged; a fault of xds is a line without a traceback.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from xds.server.address import ListenAddress, ListenError
from xds.server.connections import LimitedRunner
from xds.server.descriptors import MOST
from xds.wording import split_host_and_port, write_json

IDLE_S = 60.0
"""How long a connection may have no whole head of a request."""

READ_S = 10.0
"""How long the body of a request may take; and what is left of one that was refused."""

UNREAD_S = 30
"""How long a client may take nothing of an answer."""

SENT_BY_PAGES = ("cross-site", "same-site", "same-origin")

log = structlog.get_logger()


class HttpServer:
    """An HTTP application at one address. After `start`, `address` holds the real port, also where port 0 was given.

    `hosts` are names that its clients write as Host, beside those of this machine. `connections` is how many may be
    open.
    """

    def __init__(
        self,
        address: ListenAddress,
        app: web.Application,
        hosts: frozenset[str] = frozenset(),
        connections: int = MOST,
    ) -> None:
        self.address = address
        self._hosts = hosts
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(_forbid_caching)
        self._runner = LimitedRunner(
            app,
            access_log=None,
            shutdown_timeout=1.0,
            keepalive_timeout=IDLE_S,
            lingering_time=READ_S,
            handler_cancellation=True,
            logger=_make_logger(),
        )
        self._runner.connections = connections

    async def start(self) -> None:
        """Listen. Raises ListenError when the server cannot listen at the address."""
        await self._runner.setup()
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        try:
            listening = socket.create_server((self.address.host, self.address.port), family=family, backlog=128)
            # Linux gives the option to each connection: it ends when nothing was taken for so long.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)
            await web.SockSite(self._runner, listening).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"cannot listen at {self.address}: {error.strerror or error}") from None
        self.address = ListenAddress(self.address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening, and end requests in progress after 1 s."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what no client of this server sends, and answer every error as JSON."""
        try:
            self._check_sender(request)
            await _read_body(request)
            return await handler(request)
        except web.HTTPException as error:
            kept = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
            return self.answer_error(error.text or error.reason, error.status, kept)
        except ConnectionError:
            raise  # the client is gone
        except Exception as error:  # a bug in an answer must not stop the streams
            log.error("HTTP request failed", path=request.path, error=repr(error))
            return self.answer_error("a bug in xds: its log has the exception", 500, {})

    def answer_error(self, text: str, status: int, headers: Mapping[str, str]) -> web.Response:
        """Return an error as the answer."""
        return answer_json({"error": text}, status, headers)

    def _check_sender(self, request: web.Request) -> None:
        host = request.headers.get("Host", "")
        own = request.transport.get_extra_info("sockname") if request.transport else None
        if own and _is_loopback(own[0]) and host not in self._hosts and not names_this_machine(host):
            raise web.HTTPForbidden(text="the Host header must be localhost or an IP address")
        opened = request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Dest") == "document"
        if "Origin" in request.headers or (
            request.headers.get("Sec-Fetch-Site", "").lower() in SENT_BY_PAGES and not opened
        ):
            raise web.HTTPForbidden(text="no page in a browser may do this")


def answer_json(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a document as the answer."""
    return web.Response(text=write_json(document), status=status, headers=headers, content_type="application/json")


def names_this_machine(host: str) -> bool:
    """Whether a Host header is `localhost` or an IP address, and not a name that DNS can point to this machine."""
    name, _ = split_host_and_port(host) or (host.removeprefix("[").removesuffix("]"), None)
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


async def _read_body(request: web.Request) -> None:
    """Read the body, which the request keeps. One that says that it is too large is not read."""
    most, size = request.client_max_size, request.content_length
    if size is not None and size > most:
        raise web.HTTPRequestEntityTooLarge(most, size, text=f"the body may have {most} bytes, not {size}")
    try:
        async with asyncio.timeout(READ_S):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {READ_S:g} s") from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="the body is not what its headers say") from None


async def _forbid_caching(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


class _Faults(logging.Handler):
    """Logs the faults that aiohttp meets in one line, and not what a client did wrong."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        theirs = HttpProcessingError | web.RequestPayloadError | ConnectionError
        if record.levelno >= logging.ERROR and not isinstance(error, theirs):
            log.error("HTTP request failed", error=repr(error) if error else record.getMessage())


def _make_logger() -> logging.Logger:
    """Return a logger for aiohttp, which would write tracebacks to Python's own log."""
    logger = logging.Logger("xds.http", logging.WARNING)
    logger.addHandler(_Faults())
    return logger
