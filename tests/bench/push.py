"""The cost of clients for a server: their first sync, and one changed endpoint, in CPU time, memory and bytes."""

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench.documents import make_name
from tests.bench.figures import Row, write_number
from tests.bench.fleet import FIRST_MARK
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
    assignments: int | None
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
    assignments: int | None = None,
) -> Figures:
    """Measure one cell: a sync of all clients, then weight changes of one endpoint, each in one file of a folder.

    `clusters` and `assignments` are those of `start_fleet`.

    Without a number of `workers`, the server has one core and the clients the other. With it, all share both.
    """
    pinned = workers is None
    with ExitStack() as stack:
        catalog = stack.enter_context(write_catalog(services))
        server = stack.enter_context(start_server(catalog, "--workers", str(workers or 1), pinned=pinned))
        started = server.rest()
        began = time.monotonic()
        fleet = stack.enter_context(
            start_fleet(
                server.address, variant, clients, clusters, services, at_once, assignments=assignments, pinned=pinned
            )
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
            assignments,
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


def describe_crowd(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of 10,000 clients."""
    [crowd] = cells
    return (
        "10,000 clients, all clusters, delta (`push --clients 10000`)",
        f"{write_number(crowd['memory_mb'])} MB of memory; a change costs {crowd['change_cpu_ms'] / 1000:.1f} s of "
        f"CPU; half of the clients have it after {write_number(crowd['change_p50_ms'])} ms and 99% "
        f"after {write_number(crowd['change_p99_ms'])} ms; idle, the server takes {crowd['idle_core_percent']:.1f}% "
        "of a core",
    )


def describe_workers(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of two workers as a part of those of one process."""
    one, two = (
        next(cell for cell in cells if (cell["variant"], cell["workers"]) == ("delta", workers)) for workers in (1, 2)
    )

    def gain(name: str) -> str:
        return f"{two[name] / one[name]:.2f}"

    return (
        "`--workers 2` beside one process; both share two cores with the clients (`workers`), delta",
        f"{gain('first_sync_s')} of the time and {gain('first_sync_cpu_s')} of the CPU for a first sync; "
        f"{gain('change_p99_ms')} of the time until 99% of the clients have a change; {gain('memory_mb')} "
        "of the memory",
    )
