"""Filters on a gateway's routes as clients see them: faults, limits, CORS, WebSockets, gRPC-Web."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web

from tests.chance import by_chance
from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, answered, under, until
from tests.envoy_server.test_routes import ask, make_catalog
from xds.cli.demo.processes import Envoy, free_port

CONCURRENT = 16
ONE_IN_A_WHILE = {"requests": 1, "per": "10m"}


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Start a service that answers with the request."""
    with start_echo("echo") as echo:
        yield echo


async def ask_often(mesh: Mesh, path: str, requests: int, **headers: str) -> tuple[Counter[int], list[float]]:
    """Send this number of requests, some concurrently. Return the count of each status, and each request's seconds."""
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    turn = asyncio.Semaphore(CONCURRENT)

    async def one(client: aiohttp.ClientSession, method: str) -> None:
        async with turn:
            start = time.monotonic()
            async with client.request(method, f"http://127.0.0.1:{mesh.gateway_port}{path}", headers=headers) as found:
                await found.read()
            seconds.append(time.monotonic() - start)
            statuses[found.status] += 1

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(one(client, ("GET", "POST")[index % 2]) for index in range(requests)))
    return statuses, seconds


TEMPLATES = {
    "/t/": "/t/",
    "/t/{a}/{b}/{c}/{d}/{abcdefghijklmno1}": "/t/1/2/3/4/5",
    "/t/{a=x/*/y}/z": "/t/x/1/y/z",
    "/t/v{a}/{b}.json/x-{c}-y": "/t/v2/1.json/x-3-y",
    "/t/w{a}/{b=**}.mp4": "/t/w2/1/2.mp4",
    "/t/{a=**}.m4s": "/t/1/2.m4s",
    "/t/**/end/last": "/t/1/2/end/last",
    "/t/a.b~%!$&'()+,;:@-_=": "/t/a.b~%!$&'()+,;:@-_=",
    "/t/" + "x" * 251 + "/*": "/t/" + "x" * 251 + "/1",
}
"""Templates of every kind that the checker accepts, each with a path that it matches."""


async def test_routes_match_header_and_query_values_in_every_way(tmp_path: Path, echo: Echo) -> None:
    """A match may be exact, a prefix, a suffix, a part, a regex, or absence. In `exact`, a star means a star."""
    ways: dict[str, tuple[dict[str, object] | str, str, str]] = {
        "exact": ({"exact": "*"}, "*", "a"),
        "prefix": ({"prefix": "v1."}, "v1.2", "v12"),
        "suffix": ({"suffix": "-eu"}, "shop-eu", "shop-eu-1"),
        "contains": ({"contains": "beta"}, "a-beta-b", "bet"),
        "regex": ({"regex": "[0-9]+"}, "17", "17a"),
        "whole": ("17", "17", "170"),
    }
    routes: list[dict[str, Any]] = []
    for name, (wanted, _, _) in ways.items():
        routes.append({"path": f"/h/{name}", "headers": {"x-a": wanted}, "respond": {"body": name}})
        routes.append({"path": f"/q/{name}", "query": {"a": wanted}, "respond": {"body": name}})
    routes += [
        {"path": "/absent", "headers": {"x-a": {"absent": True}}, "query": {"a": {"absent": True}}, "respond": {}},
        {"template": "/users/{id}/orders/*", "to": "echo", "rewrite": {"template": "/v2/o/{id}"}},
        {"template": "/files/{path=**}", "to": "echo", "rewrite": {"template": "/{path};a=b%!$&'()+,:@-_~"}},
        {"template": "/long/{id}", "to": "echo", "rewrite": {"template": "/" + "x" * 250 + "/{id}"}},
        {"template": "/pages/*.html", "respond": {"body": "page"}},
        *({"template": template, "respond": {"body": "template"}} for template in TEMPLATES),
    ]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes)) as mesh:
        await mesh.start_gateway()
        for name, (_, good, bad) in ways.items():
            assert ask(mesh, f"/h/{name}", x_a=good).body == name
            assert ask(mesh, f"/h/{name}", x_a=bad).status == 404
            assert ask(mesh, f"/h/{name}").status == 404
            assert ask(mesh, f"/q/{name}?a={good}").body == name
            assert ask(mesh, f"/q/{name}?a={bad}").status == 404
            assert ask(mesh, f"/q/{name}?b={good}").status == 404
        assert ask(mesh, "/absent?b=1").status == 200
        assert ask(mesh, "/absent?a=1").status == 404
        assert ask(mesh, "/absent", x_a="1").status == 404
        assert ask(mesh, "/users/17/orders/3?q=1").asked["path"] == "/v2/o/17?q=1"
        assert ask(mesh, "/users/17/orders/3/x").status == 404
        assert ask(mesh, "/users/17/orders").status == 404
        assert ask(mesh, "/users/a=b/orders/*").asked["path"] == "/v2/o/a=b"
        assert ask(mesh, "/files/a/b.txt").asked["path"] == "/a/b.txt;a=b%!$&'()+,:@-_~"
        assert ask(mesh, "/long/1").asked["path"] == "/" + "x" * 250 + "/1"
        assert ask(mesh, "/pages/a.html").body == "page"
        assert ask(mesh, "/pages/a.htm").status == 404
        for path in TEMPLATES.values():
            assert ask(mesh, path).body == "template"


async def test_faults_rate_limits_and_size_limits_hold_for_their_own_route(tmp_path: Path, echo: Echo) -> None:
    """They do not affect any other route."""
    routes: list[dict[str, Any]] = [
        {"prefix": "/abort", "to": "echo", "fault": {"abort": {"status": 418, "percent": 5}}},
        {"prefix": "/delay", "to": "echo", "fault": {"delay": {"time": "500ms", "percent": 25}}},
        {"path": "/late", "to": "echo", "timeout": "1200ms", "fault": {"delay": {"time": "1500ms", "percent": 100}}},
        {"prefix": "/header", "to": "echo", "fault": {"by_header": True}},
        {"prefix": "/limit", "to": "echo", "rate_limit": {"requests": 20, "per": "10m"}},
        {"prefix": "/burst", "to": "echo", "rate_limit": {"requests": 1, "per": "10m", "burst": 5}},
        {"prefix": "/small", "to": "echo", "max_body": "1KiB"},
        {"to": "echo", "host": "shop.example.com"},
        {"to": "echo"},
    ]
    services: dict[str, Any] = {"echo": echo.endpoint}
    with Mesh(tmp_path, make_catalog(services, *routes)) as mesh:
        envoy = await mesh.start_gateway()

        statuses, _ = await ask_often(mesh, "/abort", 1000)
        assert statuses.keys() == {200, 418}
        assert statuses[418] in by_chance(1000, 0.05)

        statuses, seconds = await ask_often(mesh, "/delay", 200)
        assert statuses.keys() == {200}
        [delays] = envoy.admin.stats("fault.delays_injected$").values()
        assert delays in by_chance(200, 0.25)
        assert sum(one >= 0.45 for one in seconds) >= delays
        start = time.monotonic()
        assert ask(mesh, "/late").status == 200  # its timeout starts after the delay
        assert time.monotonic() - start >= 1.4

        asks = {"x-envoy-fault-abort-request": "418", "x-envoy-fault-delay-request": "300"}
        start = time.monotonic()
        assert ask(mesh, "/header", **asks).status == 418
        assert time.monotonic() - start >= 0.25
        assert ask(mesh, "/header").status == 200
        assert ask(mesh, "/", **asks).status == 200

        # There is one bucket for all methods and hosts.
        statuses = Counter()
        for host in ("shop.example.com", "other.example.com"):
            statuses += (await ask_often(mesh, "/limit", 25, Host=host))[0]
        assert statuses == {200: 20, 429: 30}
        limited = ask(mesh, "/limit")
        assert (limited.headers["x-ratelimit-limit"], limited.headers["x-ratelimit-remaining"]) == ("20", "0")
        assert (await ask_often(mesh, "/burst", 10))[0] == {200: 5, 429: 5}
        free = ask(mesh, "/")
        assert free.status == 200
        assert "x-ratelimit-limit" not in free.headers

        async with aiohttp.ClientSession() as client:
            for path, size, status in (("/small", 1024, 200), ("/small", 1025, 413), ("/", 100_000, 200)):
                url = f"http://127.0.0.1:{mesh.gateway_port}{path}"
                async with client.post(url, data=b"x" * size) as found:
                    assert found.status == status

        assert ask(mesh, "/limit").status == 429
        mesh.write(make_catalog(services, {"path": "/new", "respond": {}}, *routes))
        await until(lambda: ask(mesh, "/new").body == "")
        assert (await ask_often(mesh, "/limit", 25))[0] == {200: 20, 429: 5}  # an edit fills the bucket


CORS = {"origins": ["https://shop.example.com", "https://*.b.com", {"regex": "https://pr-[0-9]+\\.c\\.com"}]}
CORS_ROUTES: list[dict[str, Any]] = [
    {
        "path": "/orders",
        "method": ["PUT", "DELETE"],
        "headers": {"x-team": "a"},
        "to": "echo",
        "cors": {**CORS, "headers": ["x-team"], "expose": ["x-internal"], "max_age": "10m", "credentials": True},
    },
    {
        "path": "/orders",
        "method": "GET",
        "to": "echo",
        "cors": {"origins": ["*"]},
        "rate_limit": {"requests": 1, "per": "10m"},
    },
]
"""Two routes of one path: only the second, for GET, lets every page call."""


async def test_the_gateway_answers_cors_preflights(tmp_path: Path, echo: Echo) -> None:
    """It answers a preflight, even if the route has conditions that only the next request can meet."""
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *CORS_ROUTES)) as mesh:
        await mesh.start_gateway()

        def preflight(origin: str, method: str) -> tuple[int, dict[str, str]]:
            asks = {"Origin": origin, "Access-Control-Request-Method": method}
            found = ask(mesh, "/orders", "OPTIONS", **asks, **{"Access-Control-Request-Headers": "x-team"})
            prefix = "access-control-"
            headers = {
                name.removeprefix(prefix): value for name, value in found.headers.items() if name.startswith(prefix)
            }
            return found.status, headers

        for origin in ("https://shop.example.com", "https://a.b.com", "https://pr-7.c.com"):
            assert preflight(origin, "DELETE") == (
                200,
                {
                    "allow-origin": origin,
                    "allow-credentials": "true",
                    "allow-methods": "PUT,DELETE",
                    "allow-headers": "x-team",
                    "expose-headers": "x-internal",
                    "max-age": "600",
                },
            )
        for origin in ("https://shop.example.org", "https://b.com", "https://evilb.com", "http://a.b.com"):
            status, headers = preflight(origin, "PUT")
            assert status == 200
            assert "allow-origin" not in headers
        for _ in range(5):  # rate limits do not count preflights
            status, headers = preflight("https://any.example.org", "GET")
            assert (status, headers) == (200, {"allow-origin": "https://any.example.org", "allow-methods": "GET"})
        assert preflight("https://shop.example.com", "POST")[0] == 404
        assert echo.requests == []

        found = ask(mesh, "/orders", "PUT", Origin="https://a.b.com", x_team="a")
        assert found.headers["access-control-allow-origin"] == "https://a.b.com"
        assert found.headers["access-control-expose-headers"] == "x-internal"
        found = ask(mesh, "/orders", "PUT", Origin="https://evilb.com", x_team="a")
        assert "access-control-allow-origin" not in found.headers
        found = ask(mesh, "/orders", Origin="https://any.example.org")
        assert (found.status, found.headers["access-control-allow-origin"]) == (200, "https://any.example.org")
        found = ask(mesh, "/orders", Origin="https://any.example.org")  # a web page can read the reason
        assert (found.status, found.headers["access-control-allow-origin"]) == (429, "https://any.example.org")


@asynccontextmanager
async def websocket_echo() -> AsyncIterator[str]:
    """Serve WebSockets that send each message back. Yield the address."""

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", talk)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_a_websocket_outlives_the_request_timeout(tmp_path: Path) -> None:
    """It ends when a peer closes it or when it is idle for too long. A route without the option allows none."""
    routes: list[dict[str, Any]] = [
        {"path": "/chat", "to": "chat", "websocket": True, "timeout": "1s"},
        {"path": "/idle", "to": "idle", "websocket": True},
        {"path": "/plain", "to": "chat"},
    ]
    async with websocket_echo() as address:
        services: dict[str, Any] = {"chat": address, "idle": {"endpoints": [address], "timeouts": {"idle": "1s"}}}
        with Mesh(tmp_path, make_catalog(services, *routes)) as mesh:
            await mesh.start_gateway()
            url = f"http://127.0.0.1:{mesh.gateway_port}"
            async with aiohttp.ClientSession() as client:
                start = time.monotonic()
                async with client.ws_connect(f"{url}/chat") as socket:
                    count = 0
                    mesh.write(make_catalog(services, {"path": "/new", "respond": {"body": "new"}}, *routes))
                    await until(lambda: ask(mesh, "/new").body == "new")
                    while count < 2 or time.monotonic() - start < 1.5:
                        await socket.send_str(f"message {count}")
                        assert await socket.receive_str(timeout=20) == f"message {count}"
                        count += 1
                        await asyncio.sleep(0.2)
                    await socket.send_str("last")
                    assert await socket.receive_str(timeout=20) == "last"
                async with client.ws_connect(f"{url}/idle") as socket:
                    await socket.send_str("a")
                    assert await socket.receive_str(timeout=20) == "a"
                    assert (await socket.receive(timeout=10)).type in (
                        aiohttp.WSMsgType.CLOSE,
                        aiohttp.WSMsgType.CLOSED,
                        aiohttp.WSMsgType.CLOSING,
                        aiohttp.WSMsgType.ERROR,
                    )
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await client.ws_connect(f"{url}/plain")
                assert refused.value.status == 403


@asynccontextmanager
async def grpc_echo() -> AsyncIterator[str]:
    """Serve gRPC: `/demo.Echo/Say` sends its message back twice. Yield the address."""

    async def say(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        if request == b"fail":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        return request * 2

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(say)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Echo", {"Say": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def frame(message: bytes, kind: int = 0) -> bytes:
    """Return a gRPC-Web frame. Kind 128 is for trailers."""
    return bytes([kind]) + len(message).to_bytes(4, "big") + message


async def test_the_gateway_translates_grpc_web_and_passes_grpc(tmp_path: Path) -> None:
    """A browser's POST becomes a gRPC call. Its answer has the message, and the status as the last frame.

    A gRPC call stays as it is. A call over the limit gets a gRPC status.
    """
    async with grpc_echo() as address:
        services = {"calls": {"endpoints": [address], "protocol": "grpc"}}
        routes: list[dict[str, Any]] = [
            {"prefix": "/demo.Echo/", "headers": {"x-limited": "yes"}, "to": "calls", "rate_limit": ONE_IN_A_WHILE},
            {"prefix": "/demo.Echo/", "to": "calls", "grpc_web": True},
        ]
        with Mesh(tmp_path, make_catalog(services, *routes)) as mesh:
            await mesh.start_gateway()

            async def call(message: bytes) -> tuple[str, bytes, bytes, str]:
                url = f"http://127.0.0.1:{mesh.gateway_port}/demo.Echo/Say"
                headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
                async with (
                    aiohttp.ClientSession() as client,
                    client.post(url, data=frame(message), headers=headers) as found,
                ):
                    assert found.status == 200
                    body = await found.read()
                    trailers = body[body.find(b"\x80") :]
                    answer = body[: len(body) - len(trailers)]
                    return found.content_type, answer, trailers, found.headers.get("grpc-status", "")

            kind, answer, trailers, _ = await call(b"ab")
            assert (kind, answer) == ("application/grpc-web+proto", frame(b"abab"))
            length = int.from_bytes(trailers[1:5], "big")
            assert length == len(trailers) - 5
            assert b"grpc-status:0" in trailers.replace(b" ", b"")
            _, answer, trailers, status = await call(b"fail")
            assert answer == b""
            assert status == "5" or b"grpc-status:5" in trailers.replace(b" ", b"")

            async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.gateway_port}") as channel:
                say: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/demo.Echo/Say")
                assert await say(b"ab", timeout=10) == b"abab"
                assert await say(b"ab", timeout=10, metadata=(("x-limited", "yes"),)) == b"abab"
                with pytest.raises(grpc.aio.AioRpcError) as limited:
                    await say(b"ab", timeout=10, metadata=(("x-limited", "yes"),))
                assert limited.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def listener_state(envoy: Envoy) -> tuple[str, str]:
    """Return the version of a gateway's listener, and the time of its last update."""
    for section in envoy.admin.config_dump()["configs"]:
        for listener in section.get("dynamic_listeners", ()):
            state = listener["active_state"]
            return state["version_info"], state["last_updated"]
    raise AssertionError("no listener")


async def test_enabling_a_filter_changes_routes_only(tmp_path: Path, echo: Echo) -> None:
    """An edit that makes a route need a filter does not replace the listener, and no request fails."""
    fields: dict[str, Any] = {
        "rate_limit": {"requests": 1_000_000},
        "cors": {"origins": ["https://a.com"]},
        "fault": {"delay": {"time": "1ms", "percent": 100}},
        "max_body": "1MiB",
    }
    plain = make_catalog({"echo": echo.endpoint}, {"to": "echo"})
    with Mesh(tmp_path, plain) as mesh:
        envoy = await mesh.start_gateway()
        before = listener_state(envoy)

        def headers() -> dict[str, str]:
            return ask(mesh, "/", Origin="https://a.com").headers

        async with under(mesh.load(200)) as load:
            for _ in range(2):
                mesh.write(make_catalog({"echo": echo.endpoint}, {"to": "echo", **fields}))
                await until(lambda: {"x-ratelimit-limit", "access-control-allow-origin"} <= headers().keys())
                await answered(load, 100)
                mesh.write(plain)
                await until(lambda: not {"x-ratelimit-limit", "access-control-allow-origin"} & headers().keys())
                await answered(load, 100)
        assert listener_state(envoy) == before
