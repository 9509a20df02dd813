"""A change that a few of many clients asked for, and one that nobody asked for, each with and without a file.

`python -m tests.bench.asked PORT --services N` serves the services of `tests.bench.load` from memory. SIGUSR1 changes
the weight of the first service, starting with FIRST_MARK, and SIGUSR2 that of the last.
"""

import argparse
import asyncio
import signal
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import uvloop

from tests.bench.documents import make_document, make_documents, make_name
from tests.bench.fleet import FIRST_MARK
from tests.bench.floor import measure_change, start_bare
from tests.bench.running import Catalog, Server, start_fleet, start_server, write_catalog
from xds.cli.demo.ports import LOOPBACK, free_port
from xds.cli.demo.processes import ControlPlane
from xds.server.address import ListenAddress
from xds.server.control_plane import run
from xds.server.observe.log import LogFormat, configure_log
from xds.server.settings import Settings
from xds.sources.document import Document

CLUSTERS = 20
"""How many clusters each client asks for, so that of 1,000 clients and services, 20 clients ask for each service."""

WINDOW_SECONDS = 0.1
"""How long a server is watched for each change, and as long before it: what it does all the time does not count."""

IDLE_SECONDS = 5.0

Changes = tuple[Callable[[int], object], Callable[[int], object]]
"""What makes a server change the first service, and the last; with a weight."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The CPU of a change in milliseconds (the median), without what the server needs while idle.

    `asked` is how many clients asked for the first service; nobody asks for the last one. `bare` is a grpc.aio server
    that pushes ready bytes to FEW clients.
    """

    variant: str
    clients: int
    services: int
    asked: int
    bare_cpu_ms: float
    file_cpu_ms: float
    file_unasked_cpu_ms: float
    memory_cpu_ms: float
    memory_unasked_cpu_ms: float


def measure_asked(
    variant: str, clients: int, services: int, changes: int, idle_seconds: float = IDLE_SECONDS
) -> Figures:
    """Measure a change with this number of clients."""
    with write_catalog(services + 1) as catalog:
        bare = start_bare(catalog, variant, services, changes)
        floor = measure_change(bare, variant, services, changes, idle_seconds)
        found = [
            _measure(running, variant, clients, services, changes)
            for running in (_start_file(catalog, services), _start_memory(catalog, services))
        ]
    (asked, *file), (_, *memory) = found
    return Figures(variant, clients, services, int(asked), floor * 1000, *file, *memory)


def _measure(
    running: AbstractContextManager[tuple[Server, Changes]], variant: str, clients: int, services: int, changes: int
) -> tuple[int, float, float]:
    """Return how many clients asked for the first service, and the CPU of a change of the first and the last."""
    clusters = min(CLUSTERS, services)
    with ExitStack() as stack:
        server, (change, change_unasked) = stack.enter_context(running)
        fleet = stack.enter_context(start_fleet(server.address, variant, clients, clusters, services))
        fleet.next("synced")
        server.rest()

        def spend(work: Callable[[int], object]) -> float:
            """Return the median of what a change takes more than nothing does in the same time."""
            spent = []
            for mark in range(FIRST_MARK, FIRST_MARK + changes):
                idle, busy = _watch(server), _watch(server, partial(work, mark))
                spent.append((busy - idle) * 1000)
            return statistics.median(spent)

        asked = 0

        def push(mark: int) -> None:
            nonlocal asked
            change(mark)
            fleet.tell(**{"await": {make_name(0): mark}})
            asked = len(fleet.next("converged")["converged"])

        cpu = spend(push)
        return asked, cpu, spend(change_unasked)


def _watch(server: Server, work: Callable[[], object] = lambda: None) -> float:
    """Return the CPU time in WINDOW_SECONDS from the beginning of some work on."""
    before, end = server.cpu(), time.monotonic() + WINDOW_SECONDS
    work()
    time.sleep(max(0.0, end - time.monotonic()))
    return server.cpu() - before


@contextmanager
def _start_file(catalog: Catalog, services: int) -> Iterator[tuple[Server, Changes]]:
    with start_server(catalog) as server:
        yield server, (partial(catalog.save, 0), partial(catalog.save, services))


@contextmanager
def _start_memory(catalog: Catalog, services: int) -> Iterator[tuple[Server, Changes]]:
    address = f"{LOOPBACK}:{free_port()}"
    command = [sys.executable, "-m", "tests.bench.asked", address.rpartition(":")[2], "--services", str(services + 1)]
    child = ControlPlane("memory", command, catalog.room)
    child.address = address
    with child:
        server = Server(child, len(child.log.read_text()))
        server.await_log("serving")
        first, last = (
            lambda _, number=number: child.process.send_signal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)
        )
        yield server, (first, last)


class MemorySource:
    """A source of documents that has no files."""

    def __init__(self, services: int) -> None:
        self.noticed_at = time.monotonic_ns()
        self.digest = ""
        self.unfinished: tuple[str, ...] = ()
        self._documents = make_documents(services, folder=True)
        self._changed: asyncio.Queue[Document] = asyncio.Queue()

    def read(self, last: Mapping[str, Document] = {}) -> dict[str, Document]:
        """Return every document."""
        return {**last, **self._documents}

    def yield_again(self, names: Collection[str]) -> AbstractSet[str]:
        """Return none: no document is saved twice."""
        return {*names} & set[str]()

    async def watch(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield what `change` was called with."""
        while True:
            document = await self._changed.get()
            self.noticed_at = time.monotonic_ns()
            yield {document.name: document}

    def change(self, number: int, weights: Iterator[int]) -> None:
        """Set the weight of a service's first endpoint to the next one."""
        self._changed.put_nowait(make_document(number, weight=next(weights)))


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--services", type=int, required=True)
    options = parser.parse_args()
    configure_log(LogFormat.JSON, "info")
    source, loop, stopping = MemorySource(options.services), asyncio.get_running_loop(), asyncio.Event()
    for number, service in ((signal.SIGUSR1, 0), (signal.SIGUSR2, options.services - 1)):
        loop.add_signal_handler(number, source.change, service, count(FIRST_MARK))
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    await run(source, Settings(ListenAddress(LOOPBACK, options.port), log_format=LogFormat.JSON), stopping)


if __name__ == "__main__":
    uvloop.run(main())
