"""The part of a cost that is gRPC's: xds and a grpc.aio server that only sends ready bytes, in one run."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.bench.documents import make_name
from tests.bench.figures import Row, by_variant
from tests.bench.fleet import FIRST_MARK
from tests.bench.push import PAUSE_SECONDS
from tests.bench.running import Catalog, Server, start_fleet, start_server, write_catalog
from xds.cli.demo.ports import LOOPBACK, free_port
from xds.cli.demo.processes import ControlPlane

FEW = 20
"""The number of clients that a change affects."""

IDLE_SECONDS = 5.0

Change = Callable[[int], object]
"""Makes a server push a change to this weight."""

Running = AbstractContextManager[tuple[Server, Change]]


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU time of a bare server and of xds for the first sync of all clients, and for a change at a few.

    The change of xds starts with the save of a file.
    """

    variant: str
    clients: int
    services: int
    bare_sync_cpu_s: float
    sync_cpu_s: float
    bare_change_cpu_ms: float
    change_cpu_ms: float


def measure_floor(
    variant: str, clients: int, services: int, changes: int, idle_seconds: float = IDLE_SECONDS
) -> Figures:
    """Measure both servers. The same clients ask each for the same."""
    with write_catalog(services) as catalog:
        starts = (partial(start_bare, catalog, variant, services, changes), partial(_start_xds, catalog))
        bare_sync, sync = (_measure_sync(start(), variant, clients, services) for start in starts)
        bare_change, change = (measure_change(start(), variant, services, changes, idle_seconds) for start in starts)
    return Figures(variant, clients, services, bare_sync, sync, bare_change * 1000, change * 1000)


def _measure_sync(running: Running, variant: str, clients: int, services: int) -> float:
    with running as (server, _):
        started = server.rest()
        with start_fleet(server.address, variant, clients, None, services) as fleet:
            fleet.next("synced")
            return server.rest() - started


def measure_change(running: Running, variant: str, services: int, changes: int, idle_seconds: float) -> float:
    """Return the CPU time of a change for FEW clients, which ask for all, in seconds."""
    with running as (server, change), start_fleet(server.address, variant, FEW, None, services) as fleet:
        fleet.next("synced")
        server.rest()
        idle = server.load(idle_seconds)
        before, began = server.cpu(), time.monotonic()
        for mark in range(FIRST_MARK, FIRST_MARK + changes):
            change(mark)
            fleet.tell(**{"await": {make_name(0): mark}})
            fleet.next("converged")
            time.sleep(PAUSE_SECONDS)
        return (server.rest() - before - idle * (time.monotonic() - began)) / changes


@contextmanager
def _start_xds(catalog: Catalog) -> Iterator[tuple[Server, Change]]:
    with start_server(catalog) as server:
        yield server, partial(catalog.save, 0)


@contextmanager
def start_bare(catalog: Catalog, variant: str, services: int, changes: int) -> Iterator[tuple[Server, Change]]:
    """Start the bare server."""
    address = f"{LOOPBACK}:{free_port()}"
    command = [sys.executable, "-m", "tests.bench.bare", address.rpartition(":")[2]]
    command += ["--variant", variant, "--services", str(services), "--changes", str(changes)]
    child = ControlPlane("bare", command, catalog.room)
    child.address = address
    with child:
        server = Server(child, len(child.log.read_text()))
        server.await_log("serving")
        yield server, lambda _: child.process.send_signal(signal.SIGUSR1)


def describe_floor(cells: list[dict[str, Any]]) -> Row:
    """Return the bare server's figures as a part of those of xds."""

    def bare(name: str) -> str:
        return " / ".join(f"{cell[f'bare_{name}'] / cell[name]:.2f}" for cell in by_variant(cells))

    return (
        "gRPC's part: a bare gRPC server that only sends ready bytes, as a part of xds (`floor`), "
        "delta / State of the World",
        f"{bare('sync_cpu_s')} of the CPU of a first sync of 1,000 clients of all clusters; "
        f"{bare('change_cpu_ms')} of the CPU of one change at 20 clients",
    )
