"""A real Envoy keeps a service's failures from spreading: limits, retries, and the connection pool."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.chance import by_chance, longest_wait
from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, answering, until
from tests.envoy_server.test_routes import Response, ask, make_catalog
from xds.cli.demo.processes import free_port


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Start an instance."""
    with start_echo("echo") as echo:
        yield echo


@pytest.fixture
def other() -> Iterator[Echo]:
    """Start another instance."""
    with start_echo("other") as echo:
        yield echo


async def ask_at_once(mesh: Mesh, path: str, requests: int) -> list[Response]:
    """Send this number of requests together, and return the responses in order of arrival."""
    with ThreadPoolExecutor(requests) as threads:
        asking = [asyncio.wrap_future(threads.submit(ask, mesh, path)) for _ in range(requests)]
        return [await one for one in asyncio.as_completed(asking)]


def route(*names: str, **fields: Any) -> list[dict[str, Any]]:
    """Route each service's name as a path to the service."""
    return [{"path": f"/{name}", "to": name, **fields} for name in names]


async def test_circuit_breakers_refuse_requests_over_the_limit(tmp_path: Path, echo: Echo) -> None:
    """Requests over the limit get 503 at once, and the instance does not receive them."""
    echo.delay = 9.0
    services = {
        "running": {"endpoints": [echo.endpoint], "circuit_breakers": {"requests": 3}},
        "waiting": {"endpoints": [echo.endpoint], "circuit_breakers": {"connections": 2, "pending_requests": 1}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        envoy = await mesh.start_gateway()

        async def reach(stat: str, value: int) -> None:
            await until(lambda: envoy.admin.stats(f"cluster.{stat}$").get(f"cluster.{stat}") == value)

        asking = [asyncio.create_task(ask_at_once(mesh, "/running", 10))]
        for running in (1, 2):  # one by one, since a request waits while its connection opens
            asking.append(asyncio.create_task(ask_at_once(mesh, "/waiting", 1)))
            await reach("waiting.upstream_rq_active", running)
        asking.append(asyncio.create_task(ask_at_once(mesh, "/waiting", 8)))
        await reach("running.upstream_rq_active_overflow", 7)
        await reach("waiting.upstream_rq_pending_overflow", 7)
        echo.ended.set()  # the answers of accepted requests come after the refused ones
        first, *rest = await asyncio.gather(*asking)
        second = rest[2] + rest[0] + rest[1]
        for answers in (first, second):
            assert [answer.status for answer in answers] == [503] * 7 + [200] * 3
            assert all(answer.headers["x-envoy-overloaded"] == "true" for answer in answers[:7])
        assert Counter(one["path"] for one in echo.requests) == {"/running": 3, "/waiting": 3}


async def test_a_try_that_times_out_is_repeated_at_another_instance(tmp_path: Path, echo: Echo, other: Echo) -> None:
    """A POST that may have started is not repeated unless the catalog says so."""
    echo.delay = 9.0
    service: dict[str, Any] = {"endpoints": [echo.endpoint, other.endpoint], "outlier_detection": "off"}
    once = {"per_try": "500ms", "attempts": 1}
    services = {"safe": {**service, "retries": once}, "any": {**service, "retries": {**once, "any_method": True}}}
    routes = [*route(*services), {"path": "/longer", "to": "safe", "retries": {"attempts": 0}, "timeout": "1s"}]
    with Mesh(tmp_path, make_catalog(services, *routes)) as mesh:
        await mesh.start_gateway()

        def try_twice(path: str, method: str = "GET") -> list[tuple[int, bool]]:
            """Send two requests, and return for each the status and whether the slow instance got it."""
            found = []
            for _ in range(2):
                before = len(echo.requests)
                status = ask(mesh, path, method).status
                found.append((status, len(echo.requests) > before))
            return sorted(found)

        # A retry takes a turn too. The slow instance is the first at least once, or both times.
        for answers in (try_twice("/safe"), try_twice("/any", "POST")):
            assert [status for status, _ in answers] == [200, 200]
            assert answers[1] == (200, True)
        assert try_twice("/safe", "POST") == [(200, False), (504, True)]
        assert try_twice("/longer") == [(200, False), (504, True)]


async def test_a_retry_budget_limits_the_retries(tmp_path: Path, echo: Echo) -> None:
    """Ten requests fail at once. Envoy retries all of them, or as many as the budget or the circuit breaker allows."""
    echo.delay, echo.status = 0.4, 503
    service: dict[str, Any] = {"endpoints": [echo.endpoint], "outlier_detection": "off"}
    small = {"attempts": 1, "budget": {"percent": 1, "min": 1}}
    services = {
        "usual": {**service, "retries": 1},
        "small": {**service, "retries": small},
        "broken": {**service, "retries": 1, "circuit_breakers": {"retries": 0}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        envoy = await mesh.start_gateway()
        for name, tries in (("usual", 20), ("small", 11), ("broken", 10)):
            echo.requests.clear()
            answers = await ask_at_once(mesh, f"/{name}", 10)
            assert [answer.status for answer in answers] == [503] * 10
            assert len(echo.requests) == tries, name
            stats = envoy.admin.stats(f"cluster.{name}.upstream_rq_retry_overflow$")
            assert [*stats.values()] == [20 - tries]


async def test_retries_follow_statuses_and_envoys_reasons(tmp_path: Path, echo: Echo) -> None:
    """The method decides whether a request that may have started is repeated, unless the catalog says otherwise."""
    service: dict[str, Any] = {"endpoints": [echo.endpoint], "outlier_detection": "off"}
    services = {
        "usual": service,
        "by-status": {**service, "retries": {"on": [409, "5xx"]}},
        "any-method": {**service, "retries": {"attempts": 1, "on": "5xx", "any_method": True}},
    }
    routes = [*route(*services), {"path": "/route", "to": "by-status", "retries": {"on": 404}}]
    with Mesh(tmp_path, make_catalog(services, *routes)) as mesh:
        await mesh.start_gateway()
        for path, status, method, tries in (
            ("/usual", 500, "GET", 1),
            ("/usual", 503, "GET", 3),
            ("/by-status", 500, "GET", 3),
            ("/by-status", 409, "GET", 3),
            ("/by-status", 409, "POST", 1),
            ("/by-status", 404, "GET", 1),
            ("/route", 404, "GET", 3),
            ("/route", 409, "GET", 1),
            ("/any-method", 500, "POST", 2),
        ):
            echo.requests.clear()
            echo.status = status
            assert ask(mesh, path, method).status == status
            assert len(echo.requests) == tries, (path, status, method)


async def test_a_retry_waits_for_the_back_off(tmp_path: Path, echo: Echo) -> None:
    """The wait is random up to `base`. The longest of 16 waits is much longer than the default `base`."""
    echo.status = 503
    service: dict[str, Any] = {"endpoints": [echo.endpoint], "outlier_detection": "off"}
    services = {
        "usual": {**service, "retries": 1},
        "slow": {**service, "retries": {"attempts": 1, "back_off": {"base": "1s"}}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        await mesh.start_gateway()
        longest = {}
        for name in services:
            echo.requests.clear()
            await asyncio.gather(*(asyncio.to_thread(ask, mesh, f"/{name}", "GET", x_n=str(n)) for n in range(16)))
            at: dict[str, list[float]] = {}
            for one in echo.requests:
                at.setdefault(dict(one["headers"])["x-n"], []).append(one["at"])
            longest[name] = max(again - first for first, again in at.values())
        print({name: f"{seconds:.3f} s" for name, seconds in longest.items()})
        assert longest["slow"] > longest_wait(1.0, 16) > 0.25 > 0.025


async def test_a_retry_goes_to_another_instance(tmp_path: Path, echo: Echo, other: Echo) -> None:
    """Half of the first tries fail.

    At random, half of the retries would fail too. Avoiding the first instance fails few.
    """
    echo.status = 503
    service: dict[str, Any] = {
        "endpoints": [echo.endpoint, other.endpoint],
        "balance": "random",
        "outlier_detection": "off",
    }
    services = {
        "avoiding": {**service, "retries": 1},
        "careless": {**service, "retries": {"attempts": 1, "avoid_previous": False}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        await mesh.start_gateway()
        failed = {name: sum(ask(mesh, f"/{name}").status == 503 for _ in range(200)) for name in services}
        print(f"of 200: {failed}")
        assert failed["careless"] in by_chance(200, 1 / 4)
        assert failed["avoiding"] in by_chance(200, 1 / 2 / 2**6)  # Envoy looks for another instance five times


async def test_the_pool_limits_the_life_of_connections(tmp_path: Path, echo: Echo) -> None:
    """A connection ends after a number of requests or an idle time. By default one connection serves all requests."""
    endpoints = [echo.endpoint]
    services = {
        "usual": {"endpoints": endpoints},
        "thrice": {"endpoints": endpoints, "connection_pool": {"max_requests_per_connection": 3}},
        "idle": {"endpoints": endpoints, "connection_pool": {"idle_timeout": "100ms"}, "keepalive": {}},
        "brief": {"endpoints": endpoints, "connection_pool": {"max_connection_duration": "100ms"}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        envoy = await mesh.start_gateway()

        def connections(name: str, requests: int) -> int:
            return len({ask(mesh, f"/{name}").asked["client"] for _ in range(requests)})

        assert connections("usual", 9) == 1
        assert connections("thrice", 9) == 3
        for name, stat in (("idle", "upstream_cx_idle_timeout"), ("brief", "upstream_cx_max_duration_reached")):
            first = ask(mesh, f"/{name}").asked["client"]
            counter = f"cluster.{name}.{stat}"
            await until(lambda: envoy.admin.stats(f"{counter}$")[counter])  # noqa: B023 - the loop awaits it
            assert ask(mesh, f"/{name}").asked["client"] != first


async def test_tcp_keepalive_probes_idle_connections(tmp_path: Path, echo: Echo) -> None:
    """The kernel has a probe timer only on the connections of the service with keepalive."""
    services = {
        "usual": {"endpoints": [echo.endpoint]},
        "probed": {"endpoints": [echo.endpoint], "keepalive": {"idle": "77s"}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        await mesh.start_gateway()
        for name, seconds in (("usual", None), ("probed", pytest.approx(77, abs=10))):
            assert read_keepalive(ask(mesh, f"/{name}").asked["client"]) == seconds


def read_keepalive(port: int) -> float | None:
    """Return the seconds until the kernel probes the connection from this loopback port, or None without a probe."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, _, timer, *_ = line.split()
        kind, _, ticks = timer.partition(":")
        if local.endswith(f":{port:04X}") and state == "01":
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK") if kind == "02" else None
    raise AssertionError(f"no connection from {port}")


@asynccontextmanager
async def grpc_together(calls: int) -> AsyncIterator[tuple[str, set[str]]]:
    """Serve calls that end when so many have come. Yield the address and the connections that carried calls."""
    peers, all_here = set[str](), asyncio.Barrier(calls)

    async def answer(_request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        peers.add(context.peer())
        await all_here.wait()
        return b"well"

    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Call": grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("slow", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", peers
    finally:
        await server.stop(0)


@pytest.mark.parametrize(("pool", "connections"), [({}, 1), ({"max_concurrent_streams": 2}, 3)])
async def test_the_pool_limits_the_streams_of_a_connection(
    tmp_path: Path, pool: dict[str, int], connections: int
) -> None:
    """Six concurrent calls share one connection, or use a connection for each two."""
    async with grpc_together(6) as (address, peers):
        services = {"slow": {"protocol": "grpc", "endpoints": [address], "connection_pool": pool}}
        with Mesh(tmp_path, make_catalog(services, {"to": "slow"})) as mesh:
            await mesh.start_gateway()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.gateway_port}") as channel:
                call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/slow/Call")
                await asyncio.gather(*(call(b"", timeout=30) for _ in range(6)))
        assert len(peers) == connections


@asynccontextmanager
async def silent_http2() -> AsyncIterator[str]:
    """Serve HTTP/2 that starts normally and then sends nothing, like a network that drops packets."""

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex("000000040000000000"))  # empty SETTINGS
        while await reader.read(4096):
            pass

    async with answering(begin, "127.0.0.1", port := free_port()):
        yield f"127.0.0.1:{port}"


async def test_a_ping_without_an_answer_ends_the_connection(tmp_path: Path) -> None:
    """The request that waits on the connection fails long before its timeout."""
    keepalive = {"ping_interval": "200ms", "ping_timeout": "200ms"}
    async with silent_http2() as address:
        services = {"silent": {"endpoints": [address], "protocol": "http2", "keepalive": keepalive, "retries": 0}}
        with Mesh(tmp_path, make_catalog(services, {"to": "silent"})) as mesh:
            envoy = await mesh.start_gateway()
            assert (await asyncio.to_thread(ask, mesh)).status == 503  # a timeout would be 504
            counter = "cluster.silent.http2.keepalive_timeout"
            assert envoy.admin.stats(f"{counter}$")[counter] == 1


@asynccontextmanager
async def grpc_instance(status: grpc.StatusCode) -> AsyncIterator[str]:
    """Answer every call with this status."""

    async def answer(_request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        if status is not grpc.StatusCode.OK:
            await context.abort(status, "")
        return b"well"

    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Call": grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("usual", methods),))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("by-status", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_grpc_calls_are_retried_by_status(tmp_path: Path) -> None:
    """The catalog names the statuses. By default there are none, since the call may have started."""
    async with (
        grpc_instance(grpc.StatusCode.UNAVAILABLE) as away,
        grpc_instance(grpc.StatusCode.OK) as well,
        grpc_instance(grpc.StatusCode.PERMISSION_DENIED) as denied,
    ):
        service: dict[str, Any] = {"protocol": "grpc", "outlier_detection": "off"}
        by_status = {"retries": {"on": ["unavailable"]}}
        services = {
            "usual": {**service, "endpoints": [away, well]},
            "by-status": {**service, "endpoints": [away, well], **by_status},
            "denied": {**service, "endpoints": [denied, well], **by_status},
        }
        routes: list[dict[str, Any]] = [
            {"path": "/usual/Call", "to": "usual"},
            {"path": "/by-status/Call", "headers": {"x-to": "denied"}, "to": "denied"},
            {"path": "/by-status/Call", "to": "by-status"},
        ]
        with Mesh(tmp_path, make_catalog(services, *routes)) as mesh:
            await mesh.start_gateway()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.gateway_port}") as channel:

                async def call(path: str, *metadata: tuple[str, str]) -> str:
                    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
                    try:
                        await method(b"", metadata=metadata)
                    except grpc.aio.AioRpcError as error:
                        return error.code().name
                    return "OK"

                assert Counter([await call("/usual/Call") for _ in range(20)]) == {"OK": 10, "UNAVAILABLE": 10}
                assert [await call("/by-status/Call") for _ in range(20)] == ["OK"] * 20
                denials = [await call("/by-status/Call", ("x-to", "denied")) for _ in range(20)]
                assert Counter(denials) == {"OK": 10, "PERMISSION_DENIED": 10}
