"""One client never delays another (rules 38 and 39): limits, floods, and clients that do not read."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from tests.server.serving import DELTA_ADS, NODE, Call, Serving, delta, make_catalog, read_delta, serving
from tests.warm import start_control_plane
from xds.cli.demo.processes import await_until, free_port
from xds.server.control_plane import OPTIONS
from xds.session.limits import Limits
from xds.session.session import Session
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, Status

CATALOG = make_catalog("a", "b")


async def test_streams_over_the_limit_are_refused_and_others_served() -> None:
    """The status is RESOURCE_EXHAUSTED. When a stream ends, another one may open."""
    async with serving(CATALOG, Limits(streams=2)) as server:
        first, second = server.open(), server.open()
        for stream in (first, second):
            await stream.write(delta())
            await read_delta(stream)
        third = server.open()
        await third.write(delta())
        assert await third.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        first.cancel()
        await await_until(lambda: len(list(server.servicer.streams())) == 1, 10)
        fourth = server.open()
        await fourth.write(delta())
        assert (await read_delta(fourth)).resources


async def test_a_stream_keeps_no_request_until_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of a thousand names takes 80 KB, and each client of a mesh sends one."""
    parsed = [DeltaDiscoveryRequest()]  # the first one is held by this list alone
    real = Session[DeltaDiscoveryRequest].parse

    def parse(self: Session[DeltaDiscoveryRequest], data: bytes) -> DeltaDiscoveryRequest:
        request = real(self, data)
        parsed.append(request)
        return request

    monkeypatch.setattr(Session, "parse", parse)
    async with serving(CATALOG) as server:
        stream = server.open()
        await stream.write(delta(CLUSTER_LOAD_ASSIGNMENT, "a"))
        await read_delta(stream)
        assert len(parsed) == 2
        await await_until(lambda: len({sys.getrefcount(one) for one in parsed}) == 1, 10)


async def test_names_over_the_limit_are_refused() -> None:
    """The status is RESOURCE_EXHAUSTED."""
    async with serving(CATALOG, Limits(names=10)) as server:
        stream = server.open()
        await stream.write(delta(CLUSTER_LOAD_ASSIGNMENT, *(f"name-{number}" for number in range(11))))
        assert await stream.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_38_a_client_that_does_not_read_delays_nobody_and_is_closed() -> None:
    """Rule 38: its backlog is one response for each type, and its stream ends after a deadline.

    Other clients get every change. The test lets the deadline pass without the time.
    """
    names = [f"service-{number}" for number in range(3000)]
    async with serving(make_catalog(*names)) as server, grpc.aio.insecure_channel(server.address) as other:
        deaf: Call = other.stream_stream(DELTA_ADS)()
        await deaf.write(delta())
        await deaf.write(delta(CLUSTER_LOAD_ASSIGNMENT, *names))
        good = server.open()
        await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, "service-0"))
        response = await read_delta(good)
        for weight in range(2, 8):
            await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=response.nonce))
            first = make_catalog("service-0", weight=weight)
            await server.edit(first + make_catalog(*names[1:]).partition("services:\n")[2])
            response = await read_delta(good)
        await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=response.nonce))
        of_deaf, of_good = sorted(server.servicer.streams(), key=lambda stream: -len(stream.session.subscriptions))
        await await_until(lambda: of_good.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT].in_flight is None, 20)
        for stream in (of_good, of_deaf, of_good, of_deaf):
            if stream._answer_timer is not None:
                stream._answer_timer.cancel()
                stream._check_unanswered()
        await await_until(lambda: list(server.servicer.streams()) == [of_good], 20)
        assert not good.done()


async def test_a_request_that_is_too_large_ends_its_stream(tmp_path: Path) -> None:
    """`--max-message-bytes` sets the limit, and the status is RESOURCE_EXHAUSTED.

    Other streams of the connection go on.
    """
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG)
    options = ("--max-message-bytes", "65536", "--admin", "off")
    with start_control_plane(catalog, free_port(), tmp_path, *options) as control_plane:
        await control_plane.ready()
        async with grpc.aio.insecure_channel(control_plane.address) as channel:
            good: Call = channel.stream_stream(DELTA_ADS)()
            await good.write(delta())
            await read_delta(good)
            large: Call = channel.stream_stream(DELTA_ADS)()
            await large.write(delta(CLUSTER, "x" * 70_000))
            assert await large.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, "a"))
            assert (await read_delta(good)).resources


async def test_39_a_flood_from_one_client_does_not_delay_another() -> None:
    """Rule 39: while one client sends ACKs and NACKs without end, every edit reaches the other."""
    async with serving(CATALOG) as server, grpc.aio.insecure_channel(server.address) as other:
        flood: Call = other.stream_stream(DELTA_ADS)()
        await flood.write(delta())
        stop = asyncio.Event()
        sent = 0

        async def send_without_end() -> None:
            nonlocal sent
            nack = DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER, response_nonce="x", error_detail=Status(code=3))
            while not stop.is_set():
                await flood.write(nack.SerializeToString() if sent % 2 else delta(CLUSTER, nonce="y"))
                sent += 1

        flooding = asyncio.create_task(send_without_end())
        good = server.open()
        await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, "a"))
        response = await read_delta(good)
        for weight in range(2, 22):
            await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=response.nonce))
            await await_until(lambda: not _in_flight(server, CLUSTER_LOAD_ASSIGNMENT), 10)
            flooded = sent + 10
            await await_until(lambda: sent > flooded, 10)  # noqa: B023 - the loop awaits it
            await server.edit(make_catalog("a", "b", weight=weight))
            response = await asyncio.wait_for(read_delta(good), 20)
        stop.set()
        await flooding
        assert sent > 200


def _in_flight(server: Serving, type_url: str) -> bool:
    """Whether some stream has an unanswered response of a type."""
    subscriptions = [stream.session.subscriptions.get(type_url) for stream in server.servicer.streams()]
    return any(one is not None and one.in_flight is not None for one in subscriptions)


async def test_keepalive_finds_a_half_open_connection() -> None:
    """When a client's network goes away silently, the server drops the client after the keepalive time, here 1 s."""
    sooner = {name: 1000 for name, _ in OPTIONS if "keepalive" in name or "ping_timeout" in name}
    options = {**dict(OPTIONS), **sooner}
    assert len(sooner) == 3
    async with (
        serving(CATALOG, options=options) as server,
        relay(server.address) as (address, cut),
        grpc.aio.insecure_channel(address) as channel,
    ):
        stream: Call = channel.stream_stream(DELTA_ADS)()
        await stream.write(delta())
        await read_delta(stream)
        assert len(list(server.servicer.streams())) == 1
        cut.set()
        await await_until(lambda: not list(server.servicer.streams()), 20)


@asynccontextmanager
async def relay(target: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Pass bytes to a server until the event is set. Then pass nothing more, and close nothing."""
    cut = asyncio.Event()
    host, _, port = target.rpartition(":")
    writers: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not cut.is_set():
                writer.write(data)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writers.extend((writer, upstream_writer))
        await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer), return_exceptions=True)

    listener = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}", cut
    finally:
        listener.close()
        for writer in writers:
            writer.close()
