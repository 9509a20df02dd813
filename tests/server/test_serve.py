"""`xds serve` as a process: how it starts, refuses to start, answers and ends."""

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests import warm
from tests.ecs import read_log
from tests.warm import start_control_plane
from xds.cli.demo.processes import ControlPlane, await_until, free_port
from xds.wire import ADS, CLUSTER
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Status

CATALOG = "services: {api-service: {endpoints: ['127.0.0.1:5000']}}\nmesh: {strangers: serve}\n"
STREAM = f"/{ADS}/DeltaAggregatedResources"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Write a catalog and return its path."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return path


@pytest.fixture
def control_plane(tmp_path: Path, catalog: Path) -> Iterator[ControlPlane]:
    """Start `xds serve`, which logs JSON because its output is not a terminal."""
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off") as running:
        asyncio.run(running.ready())
        yield running


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `xds serve` in a case in which it cannot start."""
    return warm.call(["serve", *options])


def log_of(control_plane: ControlPlane, event: str) -> list[dict[str, object]]:
    """Return the log's lines of one kind."""
    return read_log(control_plane.log.read_text(), event)


def open_stream(channel: grpc.aio.Channel) -> "grpc.aio.StreamStreamCall[bytes, bytes]":
    """Open a delta ADS stream that passes messages as bytes."""
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
    return method()


async def read(stream: "grpc.aio.StreamStreamCall[bytes, bytes]") -> DeltaDiscoveryResponse:
    """Read one response."""
    data = await stream.read()
    assert isinstance(data, bytes)
    return DeltaDiscoveryResponse.FromString(data)


def make_request(**fields: Any) -> bytes:
    """Encode a delta request for clusters."""
    return DeltaDiscoveryRequest(
        **{"node": Node(id="web-1", cluster="web"), "type_url": CLUSTER, **fields}
    ).SerializeToString()


async def test_the_health_service_reports_serving_and_then_not_serving(control_plane: ControlPlane) -> None:
    """The standard protocol covers the server and ADS. The status changes after SIGTERM."""
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the stubs of the package lack the methods
        for service in ("", ADS):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=ADS))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        control_plane.process.send_signal(signal.SIGTERM)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_sigterm_ends_streams_with_unavailable_and_the_process_with_0(control_plane: ControlPlane) -> None:
    """The status makes clients try another server, so that they do not find a dead connection."""
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        stream = open_stream(channel)
        await stream.write(make_request())
        await stream.read()
        control_plane.process.send_signal(signal.SIGTERM)
        assert await stream.code() == grpc.StatusCode.UNAVAILABLE
        assert "stopping" in (await stream.details() or "")
        assert await control_plane.ended() == 0
    assert [line["message"] for line in log_of(control_plane, "stopped")] == ["stopped"]


async def test_a_second_sigterm_ends_at_once(control_plane: ControlPlane) -> None:
    """An operator need not wait for the grace period of a client that stays connected."""
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        control_plane.process.send_signal(signal.SIGTERM)
        await await_until(lambda: log_of(control_plane, "stopping"), 10)
        control_plane.process.send_signal(signal.SIGTERM)
        assert await control_plane.ended() == -signal.SIGTERM  # after the grace period the exit code would be 0


async def test_an_edit_is_pushed_and_a_nack_is_logged(control_plane: ControlPlane, catalog: Path) -> None:
    """One line has the node, the type, the resource and the client's message."""
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        stream = open_stream(channel)
        await stream.write(make_request())
        first = await read(stream)
        assert [resource.name for resource in first.resources] == ["api-service"]
        await stream.write(make_request(response_nonce=first.nonce))
        catalog.write_text(CATALOG.replace("api-service", "other-service"))
        second = await read(stream)
        assert [resource.name for resource in second.resources] == ["other-service"]
        assert list(second.removed_resources) == []
        refusal = Status(code=13, message="no such luck")
        await stream.write(make_request(response_nonce=second.nonce, error_detail=refusal))
        [nack] = await await_until(lambda: log_of(control_plane, "NACK"), 10)
    assert nack["xds.node_id"] == "web-1"
    assert nack["xds.cluster"] == "web"
    assert nack["xds.type"] == "Cluster"
    assert nack["xds.resources"] == ["other-service"]
    assert nack["error.message"] == "no such luck"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xff\xff\xff", "not a DeltaDiscoveryRequest"),
        (DeltaDiscoveryRequest(type_url=CLUSTER).SerializeToString(), "needs a node with an id"),
        (DeltaDiscoveryRequest(node=Node(id="web-1")).SerializeToString(), "needs a type_url"),
    ],
    ids=["junk", "no node", "no type"],
)
async def test_a_bad_request_ends_its_stream_and_no_other(
    control_plane: ControlPlane, data: bytes, message: str
) -> None:
    """The status is INVALID_ARGUMENT with the reason. Another client's stream goes on (rule 39)."""
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        good = open_stream(channel)
        await good.write(make_request())
        await good.read()
        bad = open_stream(channel)
        await bad.write(data)
        assert await bad.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert message in (await bad.details() or "")
        await good.write(make_request(resource_names_subscribe=["api-service"]))
        await good.write(make_request(resource_names_subscribe=["api-service"]))
        assert not good.done()
    assert "Traceback" not in control_plane.log.read_text()


async def test_clients_that_vanish_leave_nothing(control_plane: ControlPlane, catalog: Path) -> None:
    """The server logs a connection that breaks during a push as gone. Later edits go to the others."""
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        stays = open_stream(channel)
        await stays.write(make_request())
        await stays.read()
        for _ in range(5):
            async with grpc.aio.insecure_channel(control_plane.address) as other:
                goes = open_stream(other)
                await goes.write(make_request())
                await goes.read()
        await await_until(lambda: len(log_of(control_plane, "sidecar gone")) == 5, 10)
        catalog.write_text(CATALOG.replace("api-service", "other-service"))
        [change] = await await_until(lambda: log_of(control_plane, "catalog changed"), 10)
        assert change["xds.streams"] == 1
    assert "Traceback" not in control_plane.log.read_text()


def test_a_port_in_use_ends_the_start_with_one_line(catalog: Path) -> None:
    """The line names the address and the remedy. The exit code is 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = serve("--catalog", str(catalog), "--listen", f"127.0.0.1:{port}")
    assert answer.returncode == 1
    assert json.loads(answer.stderr.splitlines()[-1])["message"] == (
        f"cannot listen at 127.0.0.1:{port}: the port is in use: stop the program that has it, or choose another port"
    )
    assert "Traceback" not in answer.stderr


def test_35_a_bad_catalog_is_not_served(catalog: Path) -> None:
    """Rule 35: at the start there is no last good state, and the server never serves an empty one.

    Each mistake is a line, and the exit code is 1.
    """
    catalog.write_text(CATALOG.replace("endpoints", "endpints") + "gateway: {}\n")
    answer = serve("--catalog", str(catalog), "--listen", f"127.0.0.1:{free_port()}")
    assert answer.returncode == 1
    told = [json.loads(line)["message"] for line in answer.stderr.splitlines()]
    assert any("did you mean `endpoints`" in message for message in told)
    assert any("it is `gateways: " in message for message in told)
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("log_format", ["json", "human"])
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["--catalog", "bad.yaml", "--listen", f"127.0.0.1:{free_port()}"],
            1,
            "bad.yaml:1:18: error: services.web.blance",
        ),
        (["--catalog", "missing.yaml"], 2, "missing.yaml"),
        (["good.yaml", "--listen", "0.0.0.0:18000"], 2, "this server has no TLS"),
        (["good.yaml", "--lisen", "0.0.0.0:18000"], 2, "--lisen"),
        (["good.yaml", "--catalog", "bad.yaml"], 2, "the catalog is given twice: good.yaml and --catalog bad.yaml"),
        (["good.yaml", "--listen", "192.0.2.1:18000", "--allow-plaintext"], 1, "cannot listen at 192.0.2.1:18000"),
        ([], 2, "Missing argument 'CATALOG'"),
    ],
)
def test_an_error_at_the_start_is_written_as_the_log_is(
    tmp_path: Path, arguments: list[str], code: int, said: str, log_format: str
) -> None:
    """As JSON, each error is an object in a line of its own: who collects logs need not read other lines."""
    (tmp_path / "good.yaml").write_text(CATALOG)
    (tmp_path / "bad.yaml").write_text("services: {web: {blance: random}}")
    answer = warm.call(["serve", *arguments, "--log", log_format], folder=tmp_path)
    assert answer.returncode == code
    lines = answer.stderr.splitlines()
    told = [json.loads(line)["message"] for line in lines] if log_format == "json" else lines
    assert any(said in message for message in told), told
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("0.0.0.0:18000", "--allow-plaintext"),
        ("[::]:18000", "--allow-plaintext"),
        ("18000", "not an address and a port"),
        ("127.0.0.1:port", "not an address and a port"),
        ("127.0.0.1:70000", "not an address and a port"),
        ("::1:18000", "in brackets, as in"),
        ("[::1]:65536", "is not an address and a port"),
        ("example.com:18000", "not an IP address"),
    ],
)
def test_a_wrong_listen_address_is_wrong_usage(catalog: Path, listen: str, message: str) -> None:
    """The exit code is 2 with a hint. An address that other machines can reach needs an option."""
    answer = serve("--catalog", str(catalog), "--listen", listen)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
