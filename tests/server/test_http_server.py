"""What holds for every HTTP port: who may ask, what ends, and what is not logged."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.server.administered import administered
from tests.server.serving import make_catalog, serving
from xds.cli.demo.processes import await_until
from xds.server import http_server
from xds.server.address import ListenAddress
from xds.server.http_server import HttpServer
from xds.server.protocols.rest import RestServer
from xds.session.limits import Limits

ANY = ListenAddress("127.0.0.1", 0)


@asynccontextmanager
async def ports() -> AsyncIterator[list[tuple[str, str, str]]]:
    """Serve every HTTP port; yield their names, their addresses and a path that each answers."""
    async with administered() as admin, serving(make_catalog("a")) as server:
        rest = RestServer(ANY, server.servicer, Limits())
        await rest.start()
        try:
            yield [("admin", admin.address, "/status"), ("rest", str(rest.address), "/v3/discovery:clusters")]
        finally:
            await rest.stop()


async def ask(address: str, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
    """Send a request, and return the status and the body. `_` in a header's name stands for `-`."""

    def call() -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
            connection.request(
                method, path, body or None, {name.replace("_", "-"): text for name, text in headers.items()}
            )
            response = connection.getresponse()
            return response.status, response.read()

    return await asyncio.to_thread(call)


async def send(address: str, data: bytes, seconds: float = 20) -> bytes:
    """Send bytes, and return all that comes until the server closes the connection."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with closing(writer):
        writer.write(data)
        async with asyncio.timeout(seconds):
            return await reader.read()


POLL = json.dumps({"node": {"id": "web-1", "cluster": "web"}})


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"Host": "evil.example"}, True),
        ({"Host": "evil.example:18003"}, True),
        ({"Host": "localhost:18003"}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://127.0.0.1:18002"}, True),
        ({"Sec_Fetch_Site": "cross-site"}, True),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}, True),
        ({"Sec_Fetch_Site": "none"}, False),
    ],
    ids=str,
)
async def test_no_page_in_a_browser_can_use_a_port(headers: dict[str, str], *, is_refused: bool) -> None:
    """Not under a name that DNS points to this machine, and not from another site. No NACK can be forged."""
    async with ports() as all_ports:
        for name, address, path in all_ports:
            method, body = ("GET", "") if name == "admin" else ("POST", POLL)
            status, answer = await ask(address, method, path, body=body, **headers)
            assert status == (403 if is_refused else 200), (name, answer)


async def test_a_link_to_the_admin_opens_in_a_browser() -> None:
    """A page that shows the link cannot read what opens."""
    opened = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    async with ports() as [(_, admin, path), (_, rest, poll)]:
        assert (await ask(admin, "GET", path, **opened))[0] == 200
        assert (await ask(rest, "POST", poll, POLL, **opened))[0] == 403


async def test_an_envoy_that_polls_names_its_cluster_as_host() -> None:
    """Envoy's own Host is no name of this machine. The admin refuses it."""
    async with ports() as [(_, admin, path), (_, rest, poll)]:
        assert (await ask(rest, "POST", poll, POLL, Host="xds_cluster"))[0] == 200
        assert (await ask(admin, "GET", path, Host="xds_cluster"))[0] == 403


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Ha", b""),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf", b"HTTP/1.1 408 "),
        (b"POST /x HTTP/1.1\r\nHost: evil\r\nContent-Length: 100\r\n\r\nhalf", b"HTTP/1.1 403 "),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 "),
    ],
    ids=["nothing", "half a head", "half a body", "half a refused body", "nothing more"],
)
async def test_what_does_not_arrive_ends(sent: bytes, answered: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection and half a request hold a descriptor for a limited time. Nothing of it is logged."""
    monkeypatch.setattr(http_server, "IDLE_S", 0.3)
    monkeypatch.setattr(http_server, "READ_S", 0.3)
    with capture_logs() as logs:
        async with ports() as all_ports:
            for _, address, _ in all_ports:
                assert (await send(address, sent)).startswith(answered)
    assert not [line for line in logs if "HTTP" in line["event"]]


async def test_a_client_that_does_not_read_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is not kept for it, however long that is."""
    monkeypatch.setattr(http_server, "UNREAD_S", 1)
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 2**16)
        finally:
            ended.set()

    app = web.Application()
    app.router.add_get("/", answer)
    server = HttpServer(ANY, app)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port, limit=1)
        with closing(writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readexactly(1)
            async with asyncio.timeout(60):
                await ended.wait()
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(1000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n",
        b"POST /apply?id=x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v3/discovery:clusters HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v3/discovery:clusters HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda sent: str(sent[:24]),
)
async def test_malformed_http_is_refused_and_not_logged(
    sent: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client can write what it likes: that is no fault of xds, and no traceback."""
    monkeypatch.setattr(http_server, "IDLE_S", 1.0)
    with capture_logs() as logs:
        async with ports() as all_ports:
            for _, address, _ in all_ports:
                answer = await send(address, sent)
                assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 200")), answer
                assert b"HTTP/1.1 500" not in answer
    assert not [line for line in logs if "HTTP" in line["event"]]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=x", "application/openmetrics-text;version=", "text/plain;version=1.x",
        "application/openmetrics-text;version=1.0.0;escaping=\x80", "application/openmetrics-text;version=99999.0.0",
        "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8", "text/plain;version=1.0.0", ";;==,", "*/*",
    ],
)  # fmt: skip
async def test_any_accept_gets_metrics(accept: str) -> None:
    """A version that is no number is as good as none."""
    async with administered() as admin:
        for path in ("/metrics", "/metrics/endpoints"):
            status, body = await ask(admin.address, "GET", path, Accept=accept)
            assert status == 200
            assert b"# HELP" in body


async def test_a_fault_is_one_line() -> None:
    """The answer does not tell what it was. Later requests are answered."""

    async def fail(_request: web.Request) -> web.Response:
        raise ZeroDivisionError

    app = web.Application()
    app.router.add_get("/", fail)
    server = HttpServer(ANY, app)
    await server.start()
    try:
        with capture_logs() as logs:
            assert [await ask(str(server.address), "GET", "/") for _ in range(2)] == [
                (500, b'{"error": "a bug in xds: its log has the exception"}')
            ] * 2
        assert [(line["event"], line["error"]) for line in logs] == [("HTTP request failed", "ZeroDivisionError()")] * 2
    finally:
        await server.stop()


async def test_a_request_of_a_client_that_is_gone_is_cancelled() -> None:
    """Nobody would read the answer."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request) -> web.Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", wait)
    server = HttpServer(ANY, app)
    await server.start()
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await begun.wait()
        writer.close()
        await await_until(cancelled.is_set, 20)
    finally:
        await server.stop()
