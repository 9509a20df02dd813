"""The server's own spans: each edit is a trace from the reading of the file to the last client's answer."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from tests.collector import Collector, start_collector
from tests.ecs import read_log
from tests.server.serving import DELTA_ADS, Call, delta, read_delta
from tests.warm import start_control_plane
from xds.cli.demo.processes import await_until, free_port
from xds.wire import CLUSTER_LOAD_ASSIGNMENT
from xds.wording import write_install

CATALOG = "services: {api-service: {endpoints: ['127.0.0.1:5000']}}\nmesh: {strangers: serve}\n"


def trees(collector: Collector) -> dict[str, list[str]]:
    """Return the names of each root span's children in order. Of several roots with one name, the last counts."""
    roots = [span for span in collector.of("xds") if not span.parent]
    return {
        root.name: [
            span.name for span in collector.spans if (span.trace_id, span.parent) == (root.trace_id, root.span_id)
        ]
        for root in roots
    }


async def test_an_edit_is_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start, a pushed edit and a refused edit are traces. The server sends the last spans when it ends."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG)
    with start_collector() as collector:
        with start_control_plane(catalog, free_port(), tmp_path, "--log", "json", "--otlp", collector.address) as xds:
            await xds.ready()
            async with grpc.aio.insecure_channel(xds.address) as channel:
                call: Call = channel.stream_stream(DELTA_ADS)()
                await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, "api-service"))
                first = await read_delta(call)
                await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=first.nonce))
                catalog.write_text(CATALOG.replace("5000", "5001"))
                change = await read_delta(call)
                answered_at = time.time_ns()
                await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=change.nonce))
                await call.done_writing()
                assert await call.read() is grpc.aio.EOF
            assert xds.stop() == 0
        assert trees(collector) == {"load": ["read", "check", "build"], "reload": ["check", "build", "push", "accept"]}
        [push] = [span for span in collector.spans if span.name == "push"]
        assert push.attributes["xds.streams"] == 1
        [accept] = [span for span in collector.spans if span.name == "accept"]
        assert push.start < answered_at < accept.end
        collector.spans.clear()
        monkeypatch.setenv("XDS_OTLP", collector.address)  # equivalent to the option
        with start_control_plane(catalog, free_port(), tmp_path) as xds:
            await xds.ready()
            catalog.write_text("services: {api-service: {endpoint: []}}\n")
            await await_until(lambda: "edit REFUSED" in xds.log.read_text(), 20)
            assert xds.stop() == 0
        assert trees(collector)["reload"] == ["check", "build"]
        [refused] = [span for span in collector.spans if span.name == "reload"]
        assert refused.attributes["error.type"] == "CatalogError"


async def test_an_unreachable_collector_is_logged(tmp_path: Path) -> None:
    """The log has one ordinary line about it. The server still serves, and ends in time."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG)
    nowhere = f"127.0.0.1:{free_port()}"
    with start_control_plane(catalog, free_port(), tmp_path, "--log", "json", "--otlp", nowhere) as xds:
        await xds.ready()
        xds.process.send_signal(signal.SIGTERM)
        assert await xds.ended(15) == 0
        assert nowhere in str(read_log(xds.log.read_text(), "spans"))


def test_without_the_extra_the_option_explains_what_to_install(tmp_path: Path) -> None:
    """Without the option, the server imports nothing of OpenTelemetry."""
    script = "import sys, xds.cli.serve; assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("raise ImportError('none of it here')\n")
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-m", "xds", "serve", "--catalog", str(catalog), "--listen", f"127.0.0.1:{free_port()}"]
    asked = subprocess.run(
        [*command, "--otlp", "127.0.0.1:4317"], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    assert asked.returncode == 1
    message = f"--otlp needs OpenTelemetry's SDK (none of it here): {write_install('otlp')}"
    assert json.loads(asked.stderr)["message"] == message  # the log is JSON, since stderr is no terminal
    wrong = subprocess.run([*command, "--otlp", "collector"], capture_output=True, text=True, check=False, timeout=60)
    assert wrong.returncode == 2
    assert "the port is missing" in wrong.stderr
