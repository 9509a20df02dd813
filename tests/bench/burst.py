"""A burst: a thousand changes within a second, and the time until the last client has the last of each."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench.documents import make_name
from tests.bench.figures import Row, write_both
from tests.bench.fleet import FIRST_MARK
from tests.bench.running import start_fleet, start_server, write_catalog

FILES = 100
"""The number of services that the changes go to in turn."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One burst: the duration of its saves in seconds, and the time from the last save to the last client in ms.

    `most_messages` is the highest number of messages that a client got. CPU is the server's.
    """

    variant: str
    clients: int
    services: int
    changes: int
    saved_s: float
    first_ms: float
    worst_ms: float
    most_messages: int
    cpu_s: float
    kb_per_client: float


def measure_burst(variant: str, clients: int, services: int, changes: int, seconds: float = 1.0) -> Figures:
    """Save this number of weight changes, evenly over the seconds. Wait until every client has the last of each."""
    with ExitStack() as stack:
        catalog = stack.enter_context(write_catalog(services))
        server = stack.enter_context(start_server(catalog))
        fleet = stack.enter_context(start_fleet(server.address, variant, clients, None, services))
        fleet.next("synced")
        files = min(FILES, services)
        for service in range(files):  # the first change of a watched file may cost more than later ones
            catalog.save(service, FIRST_MARK)
        fleet.tell(**{"await": {make_name(service): FIRST_MARK for service in range(files)}})
        before = fleet.next("converged")
        spent = server.rest()
        began = time.monotonic()
        last: dict[int, int] = {}
        for number in range(changes):
            time.sleep(max(0.0, began + number * seconds / changes - time.monotonic()))
            service, weight = number % files, FIRST_MARK + 1 + number
            last[service] = weight
            saved = catalog.save(service, weight)
        fleet.tell(**{"await": {make_name(service): weight for service, weight in last.items()}})
        after = fleet.next("converged")
        moments = after["converged"]
        return Figures(
            variant,
            clients,
            services,
            changes,
            saved_s=saved - began,
            first_ms=(min(moments) - saved) * 1000,
            worst_ms=(max(moments) - saved) * 1000,
            most_messages=after["most_messages"],
            cpu_s=server.rest() - spent,
            kb_per_client=(after["bytes"] - before["bytes"]) / clients / 1000,
        )


def describe_burst(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of a burst of changes."""
    return (
        "1,000 changes in a second, 1,000 clients (`burst`), delta / State of the World",
        f"the last client has the last change {write_both(cells, 'worst_ms')} ms after its save; a client gets at most "
        f"{write_both(cells, 'most_messages')} messages; {write_both(cells, 'cpu_s')} s of CPU",
    )
