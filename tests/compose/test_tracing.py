"""`python3 -m mesh tracing` with the demo's own catalog and applications and with real Envoys, without containers."""

import argparse
import asyncio
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mesh.control_plane
import mesh.edits
from mesh.edits import MESH_FILE, tracing
from mesh.project import Container, MeshError
from tests.collector import Collector, start_collector
from tests.compose.engine import FOLDER
from tests.envoy_server.mesh import until
from tests.envoy_server.test_tracing import trace
from tests.envoy_server.watched import WatchedMesh
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import Child, free_port

WEB = "import sys, web; web.SIDECAR = '127.0.0.1', int(sys.argv[1]); web.app.run('127.0.0.1', int(sys.argv[2]))"
API = "import sys, api; api.app.run('127.0.0.1', int(sys.argv[1]))"


class DemoMesh(WatchedMesh):
    """The catalog of compose/ with other addresses."""

    def write(self, catalog: str) -> None:
        """Save the catalog with other ports."""
        self.catalog = self.folder / "catalog"
        shutil.copytree(FOLDER / "catalog", self.catalog)
        self.ports = {name: free_port() for name in ("web", "api", "api-v2", "sidecar")}
        for file in self.catalog.iterdir():
            text = file.read_text().replace("port: 10000", f"address: 127.0.0.1\n    port: {self.gateway_port}")
            text = text.replace("  web:\n", f"  web:\n    sidecar: {self.ports['sidecar']}\n")
            for name in ("web", "api", "api-v2"):
                text = text.replace(f'"{name}:5000"', f'"localhost:{self.ports[name]}"')
            file.write_text(text)

    def start_applications(self) -> None:
        """Start one instance of each service."""
        places = {"web": [WEB, self.ports["sidecar"], self.ports["web"]], "api": [API, self.ports["api"]]}
        for name, (script, *ports) in places.items():
            environment = {"INSTANCE": f"{name}-1", "VERSION": "v1", "PYTHONPATH": str(FOLDER / "app")}
            command = [sys.executable, "-c", *map(str, (script, *ports))]
            self.children.enter_context(Child(name, command, self.folder, environment=environment))

    def find(self, service: str, _port: int) -> str:
        """Return a published address as Docker would."""
        return {"edge": f"127.0.0.1:{self.gateway_port}", "control-plane": self.admin, "jaeger": "127.0.0.1:1"}[service]


def run_tracing(percent: int) -> int:
    """Run the command."""
    return tracing(argparse.Namespace(percent=percent, rate=20, seconds=0.5))


async def test_tracing_can_be_enabled_and_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No request fails. A trace goes from the gateway through web to api. Without a collector, the command refuses."""
    containers: list[Container] = []
    with start_collector() as collector, DemoMesh(tmp_path, "") as demo:
        for module in (mesh.edits, mesh.control_plane):
            monkeypatch.setattr(module, "find_published", demo.find)
        monkeypatch.setattr(mesh.edits, "list_containers", lambda: containers)
        monkeypatch.setattr(mesh.edits, "OTLP", collector.address)
        monkeypatch.setenv("XDS_CATALOG", str(demo.catalog))
        demo.start_applications()
        await demo.start_gateway()
        side = await demo.start_envoy("web-1", "web")
        await side.listening(f"127.0.0.1:{demo.ports['sidecar']}")
        await until(lambda: answers(demo))
        shipped = (demo.catalog / MESH_FILE).read_text()
        with pytest.raises(MeshError, match="--profile traces up -d"):
            await asyncio.to_thread(run_tracing, 100)
        assert (demo.catalog / MESH_FILE).read_text() == shipped

        containers.append(Container("1", "xds_collector_1", "collector-1", "collector", "", "", {}))
        assert await asyncio.to_thread(run_tracing, 100) == 0
        check = await asyncio.create_subprocess_exec(sys.executable, "-m", "xds", "check", str(demo.catalog))
        assert await check.wait() == 0
        await until(lambda: find_whole(collector))
        assert trace(find_whole(collector)) == [
            ("edge", "SERVER", "GET"),
            ("edge", "CLIENT", "GET web"),
            ("web", "SERVER", "GET"),
            ("web", "CLIENT", "GET api-service"),
        ]
        assert await asyncio.to_thread(run_tracing, 0) == 0
        assert (demo.catalog / MESH_FILE).read_text() == shipped
    printed = capsys.readouterr().out
    assert f'+  tracing: {{otlp: "{collector.address}", sample: 100%}}' in printed
    assert f'-  tracing: {{otlp: "{collector.address}", sample: 100%}}' in printed
    assert printed.count("In effect at the edge") == printed.count(", 0 failed;") == 2


def answers(demo: DemoMesh) -> bool:
    """Whether a request reaches the last application."""
    return "Hello from api-1!" in http_get(f"127.0.0.1:{demo.gateway_port}", "/")[1]


def find_whole(collector: Collector) -> list[Any]:
    """Return the spans of a complete trace."""
    counts = Counter(span.trace_id for span in collector.spans)
    whole = next((name for name, times in counts.items() if times == 4), None)
    return [span for span in collector.spans if span.trace_id == whole]
