"""The cost of clients for a server: their first sync, and one changed endpoint, in CPU time, memory and bytes."""

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass

from tests.bench.fleet import FIRST_MARK
from tests.bench.load import make_name
from tests.bench.running import start_fleet, start_server, write_catalog

IDLE_SECONDS = 10.0
"""The time for which the idle server is measured."""

PAUSE_SECONDS = 0.3
"""The pause after a change has reached all clients, which is long enough for their ACKs."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One cell of the table: CPU in seconds, and in ms for each change, delays in milliseconds, memory in MB.

    CPU is the server's own, but `client_cpu_ms` is that of all clients. It must be well below a change's delay, or the
    clients cause the delay. The CPU of a change excludes the share of a core that the server needs while idle.
    """

    variant: str
    clusters: int | None
    clients: int
    workers: int | None
    first_sync_cpu_s: float
    first_sync_s: float
    change_cpu_ms: float
    change_p50_ms: float
    change_p99_ms: float
    change_kb: float
    memory_mb: float
    client_cpu_ms: float
    idle_core_percent: float


def measure_push(
    variant: str,
    clients: int,
    clusters: int | None,
    services: int,
    changes: int,
    at_once: int | None = None,
    idle_seconds: float = IDLE_SECONDS,
    workers: int | None = None,
) -> Figures:
    """Measure one cell: a sync of all clients, then weight changes of one endpoint, each in one file of a folder.

    Without a number of `workers`, the server has one core and the clients the other. With it, all share both.
    """
    pinned = workers is None
    with ExitStack() as stack:
        catalog = stack.enter_context(write_catalog(services))
        server = stack.enter_context(start_server(catalog, "--workers", str(workers or 1), pinned=pinned))
        started = server.rest()
        began = time.monotonic()
        fleet = stack.enter_context(
            start_fleet(server.address, variant, clients, clusters, services, at_once, pinned=pinned)
        )
        synced = last = fleet.next("synced")
        sync = time.monotonic() - began
        first = server.rest() - started
        memory = server.memory()
        idle = server.load(idle_seconds)
        delays: list[float] = []
        before, began = server.cpu(), time.monotonic()
        for mark in range(FIRST_MARK, FIRST_MARK + changes):
            saved = catalog.save(0, mark)
            fleet.tell(**{"await": {make_name(0): mark}})
            last = fleet.next("converged")
            delays += [(moment - saved) * 1000 for moment in last["converged"]]
            time.sleep(PAUSE_SECONDS)
        spent = server.rest() - before - idle * (time.monotonic() - began)
        cuts = statistics.quantiles(delays, n=100, method="inclusive")
        return Figures(
            variant,
            clusters,
            clients,
            workers,
            first_sync_cpu_s=first,
            first_sync_s=sync,
            change_cpu_ms=spent * 1000 / changes,
            change_p50_ms=cuts[49],
            change_p99_ms=cuts[98],
            change_kb=(last["bytes"] - synced["bytes"]) / changes / 1000,
            memory_mb=memory,
            client_cpu_ms=(last["cpu"] - synced["cpu"]) * 1000 / changes,
            idle_core_percent=idle * 100,
        )
