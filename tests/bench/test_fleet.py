"""The behaviour of the fleet of clients and of its HTTP/2 client, not their speed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.bench import http2
from tests.bench.documents import make_document, make_documents, make_name
from tests.bench.fleet import FIRST_MARK, Reader
from tests.bench.http2 import Connection, build_opening, encode_frame
from tests.bench.running import start_fleet
from xds.cli.demo.ports import free_port
from xds.cli.demo.processes import ControlPlane, await_until, start_control_plane
from xds.session.session import DELTA, SOTW, Variant
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, encode_any
from xds.wire.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse, Resource
from xds.wire.endpoint_pb2 import ClusterLoadAssignment

METHOD = "/bench.Echo/Echo"
CLIENTS, SERVICES = 4, 6
SECONDS = 30.0


# HTTP/2


@dataclass
class Owner:
    """The receiver of a connection's events, which records all of them."""

    connection: Connection | None = None
    messages: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    reads: int = 0
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def on_open(self, connection: Connection) -> None:
        """Keep the connection."""
        self.connection = connection

    def on_message(self, message: bytes) -> None:
        """Keep a message."""
        self.messages.put_nowait(message)

    def on_read(self) -> None:
        """Count the event."""
        self.reads += 1

    def on_end(self, reason: str) -> None:
        """Keep the reason."""
        self.ended.put_nowait(reason)


@asynccontextmanager
async def echo(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[grpc.aio.Server, str]]:
    """Serve a stream that echoes each message. The empty message ends it."""

    async def serve(_requests: object, context: Any) -> None:
        while message := await context.read():
            await context.write(answer(message))

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    service, _, method = METHOD.removeprefix("/").partition("/")
    handlers: dict[str, Any] = {method: grpc.stream_stream_rpc_method_handler(serve)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield server, address
    finally:
        await server.stop(None)


async def connect(address: str) -> tuple[Owner, Connection]:
    """Open a stream to a server."""
    owner = Owner()
    host, _, port = address.rpartition(":")
    opening = build_opening(METHOD, address)
    await asyncio.get_running_loop().create_connection(lambda: Connection(opening, owner), host, int(port))
    assert owner.connection
    return owner, owner.connection


async def test_messages_larger_than_the_windows_pass_in_both_directions() -> None:
    """They exceed the initial windows of both sides. Each side waits for more window, and gets it."""
    async with echo(lambda message: message * 5) as (_, address):
        owner, connection = await connect(address)
        for number in range(6):
            message = bytes([number]) * 2**20
            connection.send(message[:10], message[10:])
            assert await asyncio.wait_for(owner.messages.get(), SECONDS) == message * 5
        connection.close()
        assert owner.ended.empty()


async def test_messages_sent_at_once_arrive_in_order() -> None:
    """A small message does not overtake a large one that waits for a window.

    The client learns that the server reads.
    """
    async with echo(lambda message: str(len(message)).encode()) as (_, address):
        owner, connection = await connect(address)
        for size in (300_000, 1, 20_000):
            connection.send(bytes([1]) * size)
        connection.ask_read()
        answers = [await asyncio.wait_for(owner.messages.get(), SECONDS) for _ in range(3)]
        assert (answers, owner.reads) == ([b"300000", b"1", b"20000"], 1)
        connection.close()


@pytest.mark.parametrize("how", ["ends the stream", "stops"])
async def test_the_owner_learns_of_the_end_once(how: str) -> None:
    """This holds for the end of the stream by trailers, and for the end of the server."""
    async with echo(bytes) as (server, address):
        owner, connection = await connect(address)
        connection.send(b"hello")
        assert await asyncio.wait_for(owner.messages.get(), SECONDS) == b"hello"
        if how == "stops":
            await server.stop(None)
        else:
            connection.send(b"")
        assert await asyncio.wait_for(owner.ended.get(), SECONDS)
        await server.stop(None)
        assert owner.ended.empty()


async def test_an_owner_that_closes_the_connection_gets_no_event() -> None:
    """The owner knows what it did itself."""
    async with echo(bytes) as (server, address):
        owner, connection = await connect(address)
        connection.close()
        connection.send(b"too late")
        await server.stop(None)
        await asyncio.sleep(0)
        assert owner.ended.empty()


class Wire(asyncio.Transport):
    """A transport that records what is written to it, for frames that no server in these tests sends."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Record the data."""
        self.written += data

    def close(self) -> None:
        """Record the close."""
        self.is_closed = True

    def frames(self) -> list[tuple[int, int, int, bytes]]:
        """Return the frames since the last call: type, flags, stream and payload."""
        data, frames = bytes(self.written), []
        self.written.clear()
        while data:
            head, flags, stream = http2.FRAME_HEAD.unpack_from(data)
            end = http2.FRAME_HEAD.size + (head >> 8)
            frames.append((head & 0xFF, flags, stream, data[http2.FRAME_HEAD.size : end]))
            data = data[end:]
        return frames


def wire() -> tuple[Owner, Connection, Wire]:
    """Open a stream without a server."""
    owner, transport = Owner(), Wire()
    connection = Connection(b"", owner)
    connection.connection_made(transport)
    return owner, connection, transport


def message(body: bytes) -> bytes:
    """Return a message as gRPC sends it."""
    return b"\0" + len(body).to_bytes(4, "big") + body


def test_frames_and_messages_may_be_cut_anywhere() -> None:
    """Bytes arrive one by one. A message may have several frames, a frame several messages, and there is padding."""
    owner, connection, _ = wire()
    text = message(b"one") + message(b"") + message(b"three" * 100)
    padded = bytes([4]) + text[9:200] + bytes(4)
    frames = (
        encode_frame(http2.DATA, 0, 1, text[:9])
        + encode_frame(http2.DATA, http2.PADDED, 1, padded)
        + encode_frame(99, 0, 1, b"of a type that nobody knows")
        + encode_frame(http2.DATA, 0, 1, text[200:])
    )
    for byte in frames:
        connection.data_received(bytes([byte]))
    assert [owner.messages.get_nowait() for _ in range(3)] == [b"one", b"", b"three" * 100]


def test_settings_and_pings_are_answered() -> None:
    """Otherwise a server considers its client dead."""
    _, connection, transport = wire()
    connection.data_received(encode_frame(http2.SETTINGS, 0, 0) + encode_frame(http2.PING, 0, 0, b"12345678"))
    connection.data_received(encode_frame(http2.SETTINGS, http2.ACK, 0))
    assert transport.frames() == [(http2.SETTINGS, http2.ACK, 0, b""), (http2.PING, http2.ACK, 0, b"12345678")]


def test_no_more_is_sent_than_windows_and_frames_allow() -> None:
    """This holds for both windows, even if settings made one negative. The rest follows later."""
    _, connection, transport = wire()
    body = bytes(range(256)) * 400

    def sent() -> bytes:
        frames = [frame for frame in transport.frames() if frame[0] == http2.DATA]
        assert all(len(payload) <= 20_000 for _, _, _, payload in frames)
        return b"".join(payload for _, _, _, payload in frames)

    settings = b"".join(
        key.to_bytes(2, "big") + value.to_bytes(4, "big")
        for key, value in ((http2.MAX_FRAME_SIZE, 20_000), (http2.INITIAL_WINDOW_SIZE, 50_000))
    )
    connection.data_received(encode_frame(http2.SETTINGS, 0, 0, settings))
    connection.send(body)
    received = sent()
    assert len(received) == 50_000
    smaller = http2.INITIAL_WINDOW_SIZE.to_bytes(2, "big") + (40_000).to_bytes(4, "big")
    connection.data_received(encode_frame(http2.SETTINGS, 0, 0, smaller))
    connection.data_received(encode_frame(http2.WINDOW_UPDATE, 0, 1, (10_000).to_bytes(4, "big")))
    assert not sent()
    connection.data_received(encode_frame(http2.WINDOW_UPDATE, 0, 1, (100_000).to_bytes(4, "big")))
    received += sent()
    assert len(received) == http2.FIRST_WINDOW
    connection.data_received(encode_frame(http2.WINDOW_UPDATE, 0, 0, (100_000).to_bytes(4, "big")))
    assert received + sent() == message(body)


def test_a_server_that_returns_window_has_read_the_stream() -> None:
    """Its machine answers a PING. A server may keep the window of small data."""
    pong, window = (
        encode_frame(http2.PING, http2.ACK, 0, bytes(8)),
        encode_frame(http2.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"),
    )
    for size, first, second in ((100, 1, 1), (60_000, 0, 1)):
        owner, connection, transport = wire()
        connection.send(bytes(size))
        connection.ask_read()
        assert transport.frames()[-1] == (http2.PING, 0, 0, bytes(8))
        connection.data_received(pong)
        assert owner.reads == first
        connection.data_received(window + window)
        assert owner.reads == second


def test_windows_are_returned_when_half_is_used() -> None:
    """The stream's window comes before the connection's, since it is smaller."""
    _, connection, transport = wire()
    frame = encode_frame(http2.DATA, 0, 1, message(bytes(2**14 - 5)))
    for _ in range(http2.CONNECTION_WINDOW // 2 // 2**14):
        connection.data_received(frame)
    assert transport.frames() == [
        (http2.WINDOW_UPDATE, 0, 1, (http2.STREAM_WINDOW // 2).to_bytes(4, "big")),
        (http2.WINDOW_UPDATE, 0, 0, (http2.CONNECTION_WINDOW // 2).to_bytes(4, "big")),
    ]


GRACEFUL = encode_frame(http2.GOAWAY, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))
TRAILERS = encode_frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, b"\x88")


@pytest.mark.parametrize(
    ("frame", "ends"),
    [
        (encode_frame(http2.HEADERS, http2.END_HEADERS, 1, b"\x88"), False),
        (TRAILERS, True),
        (encode_frame(http2.DATA, http2.END_STREAM, 1), True),
        (encode_frame(http2.RST_STREAM, 0, 1, (8).to_bytes(4, "big")), True),
        (GRACEFUL, False),
        (GRACEFUL + TRAILERS, True),
        (encode_frame(http2.GOAWAY, 0, 0, bytes(8)), True),
        (encode_frame(http2.GOAWAY, 0, 0, (1).to_bytes(4, "big") + (11).to_bytes(4, "big") + b"calm"), True),
        (encode_frame(http2.DATA, 0, 1, b"\1\0\0\0\1x"), True),
    ],
    ids=[
        "headers",
        "trailers",
        "data",
        "reset",
        "graceful",
        "graceful, then trailers",
        "refused",
        "calm",
        "compressed",
    ],
)
def test_an_error_or_a_reset_ends_a_stream(frame: bytes, *, ends: bool) -> None:
    """A server that goes away gracefully lets the stream continue to its own end."""
    owner, connection, transport = wire()
    connection.data_received(frame)
    if ends:
        connection.connection_lost(None)
    assert (transport.is_closed, owner.ended.qsize()) == (ends, int(ends))


# The fleet


def write_delta(nonce: str, *bodies: bytes) -> bytes:
    """Return a response with bytes after the nonce that look like a nonce."""
    resources = [Resource(resource=body) for body in bodies]
    return DeltaDiscoveryResponse(resources=resources, nonce=nonce, removed_resources=["*\x03n-1"]).SerializeToString()


def write_sotw(nonce: str, *bodies: bytes) -> bytes:
    """Return a response."""
    return DiscoveryResponse(version_info="1", resources=bodies, nonce=nonce).SerializeToString()


@pytest.mark.parametrize(("variant", "write"), [(DELTA, write_delta), (SOTW, write_sotw)], ids=["delta", "sotw"])
def test_a_content_for_many_clients_is_parsed_once(variant: Variant[Any], write: Callable[..., bytes]) -> None:
    """Responses that differ only in the nonce have one content. Bytes elsewhere that look like a nonce are not one."""
    reader = Reader(variant)
    bodies = [
        encode_any(CLUSTER_LOAD_ASSIGNMENT, ClusterLoadAssignment(cluster_name=name).SerializeToString())
        for name in ("a*\x03n-1", "b")
    ]
    for nonce in ("n-1", "", "n" * 300, "n-2"):
        content, found = reader.read(write(nonce, *bodies))
        assert (list(content.versions), content.bodies, found) == (["a*\x03n-1", "b"], 2, nonce)
    for nonce in ("n-1", "n-345", "n"):
        assert reader.read(write(nonce, *bodies)) == (content, nonce)
    assert list(reader.read(write("n-1", bodies[1]))[0].versions) == ["b"]


class Bench:
    """A running `xds serve`, a fleet of its clients, and the catalog, in which each change has its own mark."""

    def __init__(self, variant: str, folder: Path, stack: ExitStack) -> None:
        self.variant = variant
        self._folder = folder
        self._stack = stack
        self._marks = count(FIRST_MARK)
        self._port = free_port()
        self.catalog = folder / "catalog"
        self.catalog.mkdir()
        for name, document in make_documents(SERVICES, folder=True).items():
            (self.catalog / name).write_bytes(document.content or b"")
        self.control_plane = self.serve()
        self.fleet = stack.enter_context(start_fleet(self.control_plane.address, variant, CLIENTS, None, SERVICES))
        self.synced = self.fleet.next("synced")

    def serve(self) -> ControlPlane:
        """Start `xds serve`, on the same port each time."""
        return self._stack.enter_context(start_control_plane(self.catalog, self._port, self._folder, "--admin", "off"))

    def change(self) -> dict[str, int]:
        """Change the first service. Return the weights to await."""
        mark = next(self._marks)
        document = make_document(0, weight=mark)
        fresh = self.catalog / f".{document.name}"
        fresh.write_bytes(document.content or b"")
        fresh.replace(self.catalog / document.name)
        return {make_name(0): mark}

    def converge(self, marks: dict[str, int]) -> dict[str, Any]:
        """Wait until all clients have the change."""
        self.fleet.tell(**{"await": marks})
        return self.fleet.next("converged", SECONDS)


@pytest.fixture(scope="module", params=["delta", "sotw"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run a server and a fleet of each variant for all tests of this module."""
    with ExitStack() as stack:
        yield Bench(request.param, tmp_path_factory.mktemp("bench"), stack)


def test_all_clients_sync(bench: Bench) -> None:
    """Each client has two responses: all clusters, and all their endpoints."""
    counted = {key: bench.synced[key] for key in ("synced", "messages", "resources")}
    assert counted == {"synced": CLIENTS, "messages": 2 * CLIENTS, "resources": 2 * CLIENTS * SERVICES}
    assert bench.synced["bytes"] > 100 * bench.synced["resources"]


def test_an_await_may_come_before_or_after_the_change(bench: Bench) -> None:
    """All clients get the change. Awaiting an old change reports it again."""
    bench.converge({})
    first = bench.change()
    seen = bench.converge(first)
    assert (len(seen["converged"]), seen["most_messages"]) == (CLIENTS, 1)
    again = bench.converge(first)
    assert (sorted(again["converged"]), again["most_messages"]) == (sorted(seen["converged"]), 0)
    bench.fleet.tell(**{"await": {make_name(0): next(iter(first.values())) + 1}})
    bench.change()
    later = bench.fleet.next("converged", SECONDS)
    assert min(later["converged"]) > max(seen["converged"])
    assert later["resources"] == seen["resources"] + CLIENTS


def test_a_dropped_client_reconnects_with_its_resources(bench: Bench) -> None:
    """A delta client gets nothing again, and a State of the World client gets its named resources.

    Changes reach both.
    """
    before = bench.converge({})
    bench.fleet.tell(drop=2)
    assert bench.fleet.next("synced", SECONDS)["synced"] == CLIENTS
    after = bench.converge(bench.change())
    assert len(after["converged"]) == CLIENTS
    again = 0 if bench.variant == "delta" else 2 * SERVICES
    assert after["resources"] == before["resources"] + again + CLIENTS


async def test_a_rejected_response_is_reported_to_the_server(bench: Bench) -> None:
    """The server gets a NACK and goes on, and the next change reaches all clients."""
    log = bench.control_plane.log
    before = log.read_text().count("tried by the bench")
    bench.fleet.tell(nack=1)
    bench.change()
    await await_until(lambda: log.read_text().count("tried by the bench") > before, SECONDS)
    assert len(bench.converge(bench.change())["converged"]) == CLIENTS
    assert log.read_text().count("tried by the bench") == before + 1


def test_all_clients_reconnect_to_a_restarted_server(bench: Bench) -> None:
    """The server has forgotten them. A delta client states its resources, and gets nothing again."""
    before = bench.converge({})
    bench.control_plane.stop()
    lost = 0
    while lost < CLIENTS:
        lost += bench.fleet.next("lost", SECONDS)["lost"]
    bench.control_plane = bench.serve()
    assert bench.fleet.next("synced", SECONDS)["synced"] == CLIENTS
    after = bench.converge(bench.change())
    again = 0 if bench.variant == "delta" else CLIENTS * SERVICES
    assert (lost, after["resources"]) == (CLIENTS, before["resources"] + again + CLIENTS)


@pytest.mark.parametrize(
    ("clusters", "assignments", "resources"), [(2, None, 2 + 2), (None, 2, SERVICES + 2)], ids=["few", "all"]
)
def test_clients_can_each_ask_for_the_endpoints_of_a_few_services(
    bench: Bench, clusters: int | None, assignments: int | None, resources: int
) -> None:
    """They ask for these services' Clusters or for all Clusters, and connect one after the other.

    An await covers only the clients that asked for the service's endpoints.
    """
    with start_fleet(
        bench.control_plane.address, bench.variant, CLIENTS, clusters, SERVICES, at_once=1, assignments=assignments
    ) as fleet:
        assert fleet.next("synced", SECONDS)["resources"] == CLIENTS * resources
        fleet.tell(**{"await": bench.change()})
        assert len(fleet.next("converged", SECONDS)["converged"]) == 2


def test_the_fleet_ends_with_its_input_or_by_a_signal(bench: Bench) -> None:
    """The exit code is 0 in both cases: with delta clients the input ends, and with others there is a signal."""
    with start_fleet(bench.control_plane.address, bench.variant, CLIENTS, None, SERVICES) as fleet:
        assert fleet.next("synced", SECONDS)
        if bench.variant == "delta":
            fleet.close()
        else:
            os.kill(fleet.pid, signal.SIGTERM)
        assert fleet.wait(SECONDS) == 0
