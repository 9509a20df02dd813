"""Debian's Prometheus, which is not on PyPI. Tests that need it are skipped without it."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import Child, await_until, free_port

FOLDER = Path(__file__).parents[2] / "compose" / "prometheus"


def find_program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return path


class Prometheus:
    """A running Prometheus at `address`."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str) -> Any:
        """Return an answer of its API."""
        status, body = http_get(self.address, f"/api/v1/{path}", 10.0)
        assert status == 200, body
        return json.loads(body)["data"]

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return http_get(self.address, "/-/ready")[0] == 200
        except OSError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return each series of an expression with its labels and value."""
        result = self.get(f"query?query={quote(expression)}")["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def targets(self) -> dict[str, dict[str, str]]:
        """Return the labels of the healthy targets of the job `envoy`, by node id."""
        active = [one for one in self.get("targets?state=active")["activeTargets"] if one["scrapePool"] == "envoy"]
        return {one["labels"]["node_id"]: one["labels"] for one in active if one["health"] == "up"}


@asynccontextmanager
async def started(folder: Path, admin: str) -> AsyncIterator[Prometheus]:
    """Run Prometheus with the configuration of compose/ and another address for the control plane."""
    text = (FOLDER / "prometheus.yml").read_text().replace("control-plane:18002", admin)
    (folder / "prometheus.yml").write_text(re.sub(r"\b5s\b", "500ms", text))
    (folder / "rules.yml").write_text((FOLDER / "rules.yml").read_text())
    prometheus = Prometheus(f"127.0.0.1:{free_port()}")
    command = [
        find_program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={prometheus.address}",
    ]
    with Child("prometheus", command, folder):
        await await_until(prometheus.is_ready, 20.0)
        yield prometheus
