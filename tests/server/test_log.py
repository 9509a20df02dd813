"""How the log writes its lines: what reads them delays nobody."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.server.serving import DELTA_ADS, NODE, Call, make_catalog
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import await_until, free_port
from xds.server.observe import lines as lines_module
from xds.server.observe.lines import BufferedLines, StreamOutput, ThreadOutput, open_lines
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse


class Collected:
    """An output that keeps what is put together."""

    dropped = 0

    def __init__(self) -> None:
        self.puts: list[list[str]] = []

    def put(self, lines: Sequence[str]) -> None:
        """Keep the lines."""
        self.puts.append([*lines])

    def drain(self, _seconds: float) -> None:
        """Do nothing."""


async def test_lines_of_one_loop_pass_are_passed_on_together() -> None:
    """Each time, another thread runs."""
    output = Collected()
    lines = BufferedLines(output)
    for number in range(100):
        lines.write(f"{number}\n")
    assert not output.puts
    await asyncio.sleep(0)
    assert output.puts == [[f"{number}\n" for number in range(100)]]


def test_a_write_is_whole_lines_that_a_pipe_does_not_mix() -> None:
    """A longer line goes alone."""
    output = ThreadOutput(-1, print)
    texts = [f"{number} {'ä' * (number % 150)}\n" for number in range(100)] + [
        "x" * 3 * select.PIPE_BUF + "\n",
        "end\n",
    ]
    output._lines.extend(texts)
    writes = []
    while output._lines:
        writes.append("".join(output._take()))
    assert "".join(writes) == "".join(texts)
    assert all(text.endswith("\n") for text in writes)
    assert [text for text in writes if len(text.encode()) > select.PIPE_BUF] == [texts[-2]]
    assert len(writes) < len(texts) / 5


def test_a_line_logged_outside_an_event_loop_is_not_kept(tmp_path: Path) -> None:
    """There is no pass of a loop to wait for."""
    with (tmp_path / "log").open("w") as stream:
        BufferedLines(StreamOutput(stream)).write("now\n")
        assert (tmp_path / "log").read_text() == "now\n"
        lines = open_lines(stream, print)
        lines.write("then\n")
        lines.drain(10)
        assert (tmp_path / "log").read_text() == "now\nthen\n"


@pytest.mark.parametrize("blocking", [True, False])
def test_lines_that_nobody_reads_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch, *, blocking: bool) -> None:
    """The log goes on when somebody reads again, and tells how many lines are missing. The end waits for a moment."""
    monkeypatch.setattr(lines_module, "MAX_CHARACTERS", 10_000)
    told: list[int] = []
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    output = ThreadOutput(writer, told.append)
    line = "x" * 99 + "\n"
    for _ in range(2000):
        output.put([line])
    assert output.dropped > 1000
    output.drain(0.01)  # nobody reads, and it returns
    dropped = output.dropped
    os.set_blocking(reader, False)
    read = b""
    while output._size or not told:
        select.select([reader], [], [], 0.1)
        try:
            read += os.read(reader, 2**16)
        except BlockingIOError:
            continue
    read += os.read(reader, 2**16) if select.select([reader], [], [], 0)[0] else b""
    assert told == [dropped]
    assert read == line.encode() * (2000 - dropped)


def test_lines_for_a_reader_that_is_gone_are_counted() -> None:
    """A closed pipe and a full disk end nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    output = ThreadOutput(writer, print)
    output.put(["a\n", "b\n"])
    output.drain(10)
    assert output.dropped == 2


@contextmanager
def serve_unread(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, str, str, int]]:
    """Run `xds serve` with a full pipe as standard error that nobody reads; the last value is the end to read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"\n" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    catalog, address, admin = folder / "catalog.yaml", f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    catalog.write_text(make_catalog("a"))
    command = [sys.executable, "-m", "xds", "serve", str(catalog), "--no-data", "--listen", address, "--admin", admin]
    process = subprocess.Popen([*command, *options], stderr=writer)
    os.close(writer)
    try:
        yield process, catalog, address, admin, reader
    finally:
        process.kill()
        process.wait()
        os.close(reader)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path, workers: int) -> None:
    """Clients, pushes, health, the admin and SIGTERM go on as ever; so they do when somebody reads it again."""
    with serve_unread(tmp_path, "--workers", str(workers)) as (process, catalog, address, admin, reader):
        async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(60):
            call: Call = channel.stream_stream(DELTA_ADS)(wait_for_ready=True)
            request = DeltaDiscoveryRequest(node=NODE, type_url="type.googleapis.com/envoy.config.cluster.v3.Cluster")
            await call.write(request.SerializeToString())
            for number in range(3):
                answer = DeltaDiscoveryResponse.FromString(await call.read())
                assert [one.name for one in answer.resources] == [f"{'ab'[number > 0]}{number or ''}"]
                ack = DeltaDiscoveryRequest(type_url=request.type_url, response_nonce=answer.nonce)
                await call.write(ack.SerializeToString())
                names = [f"b{one}" for one in range(1, number + 2)]
                catalog.write_text(make_catalog("a", *names))
                (tmp_path / "catalog.yaml").touch()
            stub: Any = health_pb2_grpc.HealthStub(channel)
            health = await stub.Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            status, body = await asyncio.to_thread(http_get, admin, "/status", 20.0)
            assert status == 200
            assert len(json.loads(body)["clients"]) == 1
            _, metrics = await asyncio.to_thread(http_get, admin, "/metrics", 20.0)
            assert "xds_log_dropped_total 0.0" in metrics
            process.send_signal(signal.SIGTERM)
            await await_until(lambda: process.poll() is not None, 30)
            assert process.returncode == 0
            os.set_blocking(reader, False)
            assert not os.read(reader, 2**20).strip()  # nothing was written


def test_what_libraries_log_is_a_line_of_the_log(tmp_path: Path) -> None:
    """The last resort of Python's `logging` waits for standard error."""
    script = (
        "import logging\n"
        "from xds.server.observe.log import LogFormat, configure_log, own_standard_error\n"
        "configure_log(LogFormat.JSON, 'info', 3)\n"
        "own_standard_error()\n"
        "try:\n"
        "    1 / 0\n"
        "except ZeroDivisionError:\n"
        "    logging.getLogger('asyncio').exception('Task %s', 'failed')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    [line] = map(json.loads, ended.stderr.splitlines())
    assert line["message"] == "Task failed"
    assert (line["log"]["level"], line["xds"]["logger"]) == ("error", "asyncio")
    assert line["error"]["message"] == "ZeroDivisionError('division by zero')"
    assert "1 / 0" in line["error"]["stack_trace"] or "ZeroDivisionError" in line["error"]["stack_trace"]


def test_a_call_that_grpc_cannot_end_is_no_error_of_the_log(tmp_path: Path) -> None:
    """A client that dies while its stream ends is usual; grpcio logs it with a traceback."""
    script = (
        "import logging\n"
        "from xds.server.observe.log import LogFormat, configure_log, own_standard_error\n"
        "configure_log(LogFormat.JSON, 'info', 3)\n"
        "own_standard_error()\n"
        "method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'\n"
        "try:\n"
        "    raise RuntimeError('Failed grpc_call_start_batch: 8')\n"
        "except RuntimeError:\n"
        "    message = f'ExecuteBatchError raised in core by servicer method [{method}]'\n"
        "    logging.getLogger('grpc._cython.cygrpc').exception(message)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    [line] = map(json.loads, ended.stderr.splitlines())
    assert line["message"] == "gRPC could not end a call: its client has probably gone"
    assert (line["log"]["level"], "error" in line) == ("info", False)
