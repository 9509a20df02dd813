"""What clients cost a server: their first sync, and one changed endpoint, in its own CPU time, memory and bytes.

The server is a real process on one core, the fleet of clients another on the other.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.fleet import FIRST_MARK
from tests.bench.load import make_documents
from xds.cli.demo.ports import free_port
from xds.cli.demo.processes import Child, start_control_plane

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CORES = sorted(os.sched_getaffinity(0))
"""The server gets the first, the clients the last."""

REST_SECONDS = 0.5
"""A server whose CPU time does not grow for this long is at rest."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One cell of the table: CPU in seconds and milliseconds a change, delays in milliseconds, memory in MB."""

    variant: str
    clusters: int | None
    clients: int
    first_sync_cpu_s: float
    change_cpu_ms: float
    change_p50_ms: float
    change_p99_ms: float
    change_kb: float
    memory_mb: float


class Server:
    """A running `xds serve` on one core, and what the kernel says of it."""

    def __init__(self, child: Child) -> None:
        self.child = child
        os.sched_setaffinity(child.pid, {CORES[0]})

    def cpu(self) -> float:
        """User and system time so far, in seconds."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> float:
        """Resident memory, in MB."""
        return int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]) * PAGE / 1e6

    def rest(self) -> float:
        """Wait until the CPU time no longer grows; what it is then."""
        before = self.cpu()
        while True:
            time.sleep(REST_SECONDS)
            after = self.cpu()
            if after - before <= 1 / TICK:
                return after
            before = after


@contextmanager
def start_fleet(address: str, variant: str, clients: int, clusters: int | None, services: int) -> Iterator[Any]:
    """Start the clients on the other core; give the lines that they print, decoded."""
    command = [sys.executable, "-m", "tests.bench.fleet", address, "--clients", str(clients), "--variant", variant]
    command += ["--services", str(services)] + (["--clusters", str(clusters)] if clusters else [])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as fleet:
        os.sched_setaffinity(fleet.pid, {CORES[-1]})
        try:
            yield map(json.loads, fleet.stdout or [])
        finally:
            fleet.terminate()


def measure_push(variant: str, clients: int, clusters: int | None, services: int, changes: int) -> Figures:
    """Measure one cell: a sync of all clients, then changes of one endpoint's weight, each in one file of a folder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        catalog = folder / "catalog"
        catalog.mkdir()
        for name, document in make_documents(services, folder=True).items():
            (catalog / name).write_bytes(document.content or b"")
        control_plane = stack.enter_context(start_control_plane(catalog, free_port(), folder, "--admin", "off"))
        _await_log(control_plane, "serving")
        server = Server(control_plane)
        idle = server.rest()
        lines = stack.enter_context(start_fleet(control_plane.address, variant, clients, clusters, services))
        synced = next(lines)
        first = server.rest() - idle
        memory = server.memory()
        delays: list[float] = []
        before, size = server.cpu(), synced["bytes"]
        for mark in range(FIRST_MARK, FIRST_MARK + changes):
            [(name, document)] = make_documents(1, folder=True, weight=mark).items()
            fresh = catalog / f".{name}"
            fresh.write_bytes(document.content or b"")
            saved = time.monotonic()
            fresh.replace(catalog / name)
            line = next(lines)
            assert line["weight"] == mark
            delays += [(moment - saved) * 1000 for moment in line["seen"]]
            size_now = line["bytes"]
            server.rest()
        spent = server.rest() - before
        cuts = statistics.quantiles(delays, n=100)
        return Figures(
            variant, clusters, clients, first, spent * 1000 / changes, cuts[49], cuts[98],
            (size_now - size) / changes / 1000, memory,
        )  # fmt: skip


def _await_log(child: Child, event: str) -> None:
    deadline = time.monotonic() + 60
    while f'"{event}"' not in child.log.read_text():
        if time.monotonic() > deadline or not child.is_running:
            raise TimeoutError(child.last_words())
        time.sleep(0.05)
