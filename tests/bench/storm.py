"""A reconnect storm: all clients return at once with their resources, after a restart and beside a quiet client."""

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench.documents import make_name
from tests.bench.figures import Row, by_variant, write_both
from tests.bench.fleet import FIRST_MARK
from tests.bench.running import Catalog, RunningFleet, start_fleet, start_server, write_catalog

PUSHES = 200
"""The number of changes for the bystander while the server is idle. With fewer, the p99 would be the maximum."""

STORMS = 5
"""The number of times that all clients drop their connections beside the bystander."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One storm: the server's CPU seconds until it is idle again, what it sent again, and another client's delays.

    The seconds start with a restart and exclude those of a start alone. Delays are from the save of a file to the other
    client, in milliseconds: while the many clients are quiet, and during the storm.
    """

    variant: str
    clients: int
    services: int
    restart_cpu_s: float
    resources_again: int
    bytes_per_client: float
    memory_mb: float
    quiet_p50_ms: float
    quiet_p99_ms: float
    storm_p50_ms: float
    storm_p99_ms: float
    storm_pushes: int


def measure_storm(variant: str, clients: int, services: int, pushes: int = PUSHES, storms: int = STORMS) -> Figures:
    """Measure both. Only the bystander has the last service, so its changes affect nobody else."""
    with ExitStack() as stack:
        catalog = stack.enter_context(write_catalog(services + 1))
        with start_server(catalog) as server:
            starting = server.rest()
            fleet = stack.enter_context(start_fleet(server.address, variant, clients, None, services))
            before = fleet.next("synced")
            server.rest()
            server.child.kill()
        server = stack.enter_context(start_server(catalog, port=int(server.address.rpartition(":")[2])))
        fleet.next("synced")
        restart = server.rest() - starting
        fleet.tell(**{"await": {}})
        after = fleet.next("converged")

        bystander = stack.enter_context(start_fleet(server.address, variant, 1, None, services + 1))
        bystander.next("synced")
        server.rest()
        delays = _push(catalog, bystander, services)
        quiet = [next(delays) for _ in range(pushes)]
        stormy: list[float] = []
        for _ in range(storms):
            fleet.tell(drop=clients)
            over = time.monotonic() + max(restart, 0.2)  # about the time for which it keeps the server busy
            while time.monotonic() < over or len(stormy) < 2:  # a percentile needs two
                stormy.append(next(delays))
            fleet.next("synced")
            server.rest()
        quiet_cuts, storm_cuts = (statistics.quantiles(some, n=100, method="inclusive") for some in (quiet, stormy))
        return Figures(
            variant,
            clients,
            services,
            restart_cpu_s=restart,
            resources_again=after["resources"] - before["resources"],
            bytes_per_client=(after["bytes"] - before["bytes"]) / clients,
            memory_mb=server.memory(),
            quiet_p50_ms=quiet_cuts[49],
            quiet_p99_ms=quiet_cuts[98],
            storm_p50_ms=storm_cuts[49],
            storm_p99_ms=storm_cuts[98],
            storm_pushes=len(stormy),
        )


def _push(catalog: Catalog, bystander: RunningFleet, service: int) -> Iterator[float]:
    """Change the bystander's service again and again. Return the delays in milliseconds."""
    for mark in itertools.count(FIRST_MARK):
        saved = catalog.save(service, mark)
        bystander.tell(**{"await": {make_name(service): mark}})
        [moment] = bystander.next("converged")["converged"]
        yield (moment - saved) * 1000


def describe_storm(cells: list[dict[str, Any]]) -> tuple[Row, Row]:
    """Return the figures of the restart, and those of the client that stays."""
    delta, sotw = by_variant(cells)
    return (
        (
            "2,000 clients reconnect at once after a restart (`storm`), delta / State of the World",
            f"{write_both(cells, 'restart_cpu_s')} s of CPU until the server is idle; resources sent again: "
            f"{delta['resources_again']:,} / {sotw['resources_again']:,}",
        ),
        (
            "a push to another client while 2,000 lose their connections and reconnect (`storm`), "
            "delta / State of the World",
            f"99% of the pushes take at most {write_both(cells, 'storm_p99_ms')} ms, "
            f"and {write_both(cells, 'quiet_p99_ms')} ms without the storm "
            f"({delta['storm_p99_ms'] / delta['quiet_p99_ms']:.0f} / {sotw['storm_p99_ms'] / sotw['quiet_p99_ms']:.0f} "
            f"times as long); half of them take {write_both(cells, 'storm_p50_ms')} ms",
        ),
    )
