"""Limits on connections: descriptors are left for edits and for the admin, whatever clients do."""

import asyncio
import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.server.serving import DELTA_ADS, NODE, Call, make_catalog
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import await_until, free_port
from xds.server import connections as connections_module
from xds.server import descriptors as descriptors_module
from xds.server.address import ListenAddress
from xds.server.connections import Doorkeeper
from xds.server.descriptors import share_connections
from xds.server.http_server import HttpServer
from xds.server.peer import Peer, parse_peer
from xds.server.protocols.discovery import OPTIONS
from xds.wire import CLUSTER
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of HTTP/2 begins."""


def connect(stack: ExitStack, port: int, host: str = "127.0.0.1") -> socket.socket:
    """Connect from an address of this machine."""
    made = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, (host, 0)))
    made.setblocking(False)
    return made


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection."""
    try:
        while data := connection.recv(2**16, socket.MSG_DONTWAIT):
            assert data
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("ipv4:10.0.0.3:4711", Peer("10.0.0.3", 4711)),
        ("ipv6:%5B2001:db8::1%5D:4711", Peer("2001:db8::1", 4711)),
        ("ipv6:[::ffff:10.0.0.3]:1", Peer("10.0.0.3", 1)),
        ("unix:/run/xds.sock", None),
    ],
)
def test_a_peer_is_known_by_its_address_and_port(text: str, peer: Peer | None) -> None:
    """IPv4 in IPv6 is IPv4. A network of 2^64 addresses is one address."""
    assert parse_peer(text) == peer
    assert peer is None or peer.network in ("10.0.0.3", "2001:db8::/64")


@pytest.mark.parametrize("limit", [64, 1024, 20_000, resource.RLIM_INFINITY])
@pytest.mark.parametrize("has_rest", [False, True])
def test_all_ports_together_leave_descriptors(monkeypatch: pytest.MonkeyPatch, limit: int, *, has_rest: bool) -> None:
    """What the files and the admin need is not shared out."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    shares = share_connections(has_rest=has_rest)
    allowed = descriptors_module.MOST if limit == resource.RLIM_INFINITY else limit
    assert shares.grpc + shares.rest + shares.admin == allowed - min(256, allowed // 4)
    assert shares.admin >= 6
    assert (shares.rest > 0) == has_rest
    assert shares.grpc > allowed // 2.5
    all_of_them = share_connections(has_rest=has_rest, has_registry=True)
    assert all_of_them.registry > 0
    assert all_of_them.grpc + all_of_them.registry == shares.grpc


async def test_an_address_with_too_many_connections_loses_those_without_a_stream() -> None:
    """The oldest of them go first. Another address, and another port, lose none."""
    with ExitStack() as stack:
        ports = []
        accepted = []
        for _ in range(2):
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            ports.append(listening.getsockname()[1])
            accepted.append(listening)
        clients = [connect(stack, ports[0]) for _ in range(10)]
        others = [connect(stack, ports[0], "127.0.0.2") for _ in range(4)]
        at_other = [connect(stack, ports[1]) for _ in range(10)]
        door = Doorkeeper(ports[0], 4)
        servers = [stack.enter_context(accepted[0].accept()[0]) for _ in range(6)]
        assert door._end_excess(set())  # knows the first six; two of them go
        assert sum(map(is_closed, clients)) == 2
        servers += [stack.enter_context(accepted[0].accept()[0]) for _ in range(8)]
        servers += [stack.enter_context(accepted[1].accept()[0]) for _ in range(10)]
        busy = {Peer(*client.getsockname()) for client in clients if not is_closed(client)}
        busy -= {Peer(*clients[9].getsockname())}
        door._end_excess({*busy, None})
        assert is_closed(clients[9])  # it is the newest, but has no stream
        assert sum(not is_closed(client) for client in clients) == 4
        assert not any(map(is_closed, others + at_other))


@contextmanager
def serve(folder: Path, limit: int, *options: str) -> Iterator[tuple[int, int, Path]]:
    """Run `xds serve` with a soft limit of 256 descriptors and a hard limit; return its ports and its log."""
    port, admin = free_port(), free_port()
    catalog, log = folder / "catalog", folder / "log"
    for number in range(3):
        (folder / f"..{number}").mkdir()
        (folder / f"..{number}" / "a.yaml").write_text(make_catalog(*"abc"[: number + 1]))
    catalog.symlink_to("..0")
    command = [sys.executable, "-m", "xds", "serve", str(catalog), "--no-data", "--log", "json"]
    command += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", *options]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            ["/bin/bash", "-c", f'ulimit -Sn 256; ulimit -Hn {limit}; exec "$@"', "-", *command], stderr=stderr
        )
    try:
        yield port, admin, log
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


async def test_a_flood_of_connections_leaves_descriptors_for_edits_and_the_admin(tmp_path: Path) -> None:
    """Idle connections of one address lock out neither another address, nor the admin, nor an edit of a link."""
    with serve(tmp_path, 600) as (port, admin, log), ExitStack() as stack:
        await await_until(lambda: "limits" in log.read_text(), 30)
        [limits] = [line for line in map(json.loads, log.read_text().splitlines()) if line["message"] == "limits"]
        assert limits["xds"]["open_files"] == 600
        half = limits["xds"]["connections_per_address"]
        assert limits["xds"]["connections"] // 2 == half
        flood = [connect(stack, port) for _ in range(450)]
        for one in flood:
            with suppress(OSError):
                one.sendall(PREFACE)
        flood += [connect(stack, admin) for _ in range(150)]
        await await_until(lambda: "connections-closed" in log.read_text(), 20)
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel, asyncio.timeout(60):
            call: Call = channel.stream_stream(DELTA_ADS)(wait_for_ready=True)
            request = DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER)
            await call.write(request.SerializeToString())
            for number in range(3):
                answer = DeltaDiscoveryResponse.FromString(await call.read())
                assert [one.name for one in answer.resources] == ["abc"[number]]
                ack = DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=answer.nonce)
                await call.write(ack.SerializeToString())
                if number < 2:
                    (tmp_path / "..new").symlink_to(f"..{number + 1}")
                    (tmp_path / "..new").rename(tmp_path / "catalog")
            status, body = await asyncio.to_thread(http_get, f"127.0.0.1:{admin}", "/status", 20.0)
            assert (status, len(json.loads(body)["clients"])) == (200, 1)
            await await_until(lambda: sum(not is_closed(one) for one in flood[:450]) <= half, 20)
    assert "events-missing" not in log.read_text()


async def test_a_connection_without_a_call_is_closed(tmp_path: Path) -> None:
    """gRPC does it; here within a shorter time."""
    assert dict(OPTIONS)["grpc.max_connection_idle_ms"] == 60_000
    quick = {"grpc.max_connection_idle_ms": 300, "grpc.server_handshake_timeout_ms": 300}
    server = grpc.aio.server(options=[*{**dict(OPTIONS), **quick}.items()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with ExitStack() as stack:
        idle, silent = connect(stack, port), connect(stack, port)
        idle.sendall(PREFACE)
        await await_until(lambda: is_closed(idle), 20)
        await await_until(lambda: is_closed(silent), 20)
    await server.stop(0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_idle_connections_lock_nobody_out_of_an_http_port(host: str) -> None:
    """For one more connection the oldest is closed: of the address that has half of all, or of all."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", answer)
    server = HttpServer(ListenAddress("127.0.0.1", 0), app, connections=8)
    await server.start()
    with ExitStack() as stack:
        idle = []
        for number in range(12):
            idle.append(connect(stack, server.address.port, host if number < 8 else "127.0.0.3"))
            await asyncio.sleep(0.02)
        await await_until(lambda: [is_closed(one) for one in idle] == [True] * 4 + [False] * 8, 20)
        for _ in range(3):
            status, body = await asyncio.to_thread(http_get, str(server.address), "/", 10.0)
            assert (status, body) == (200, "here")
    await server.stop()


async def test_an_address_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood floods no log."""
    monkeypatch.setattr(connections_module, "LOOK_SECONDS", 0.01)
    door, ended = Doorkeeper(1, 0), [{"10.0.0.1": 3}, {"10.0.0.1": 2, "10.0.0.2": 1}, {}]
    monkeypatch.setattr(door, "_end_excess", lambda _busy: ended.pop(0))
    with capture_logs() as logs:
        watching = asyncio.create_task(door.watch(list))
        await await_until(watching.done, 10)
    assert [(line["peer"], line["closed"]) for line in logs] == [("10.0.0.1", 3), ("10.0.0.2", 1)]
    assert isinstance(watching.exception(), IndexError)
