"""The time from the save of one of thousands of routes until a client has it: quiet, and while endpoints change.

Half of the routes are for a host of their own, and half for any host, so that Envoy's virtual hosts would multiply. A
gateway's list may have 1,000 routes, so it listens at several ports.
"""

import asyncio
import queue
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.documents import make_name
from tests.bench.figures import Row
from tests.bench.fleet import FIRST_MARK, METHODS
from tests.bench.http2 import Connection, build_opening
from tests.bench.running import Catalog, start_server, write_catalog
from xds.wire import ADS, CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node

GATEWAY = "edge"
FIRST_PORT = 10_000
OF_PORT = 1000
"""The most routes of one port."""

CHURN = 20
"""The number of endpoints that change in a second."""

PAUSE_S = (0.02, 0.12)
"""The random pause before the next edit, so that edits follow no other clock."""

IDLE_SECONDS = 5.0

SECONDS = 60.0
"""The time limit for a sync, and for an edit."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The times of edits in milliseconds: with nothing else to do, and while endpoints of other services change.

    CPU is the server's, for one edit while it is quiet. An edit sends `edit_kb`.
    """

    routes: int
    services: int
    edits: int
    churn_per_s: int
    quiet_p50_ms: float
    quiet_p99_ms: float
    churn_p50_ms: float
    churn_p99_ms: float
    edit_cpu_ms: float
    edit_kb: float


class GatewayFile:
    """The file of the gateway, with one line for each route."""

    def __init__(self, folder: Path, routes: int, services: int) -> None:
        self._file = folder / f"{GATEWAY}.yaml"
        self._services = services
        self._numbers: dict[int, int] = {}  # by line, the number of its route
        self._lines = ["gateways:", f"  {GATEWAY}:", "    listeners:"]
        self.ports = 0
        for number in range(routes):
            if number % OF_PORT == 0:
                self._lines += [f"      - port: {FIRST_PORT + self.ports}", "        routes:"]
                self.ports += 1
            self._numbers[len(self._lines)] = number
            self._lines.append(self._write_route(number))
        self._save()

    def edit(self, mark: int) -> float:
        """Let one route set a header to the mark. Return the time of the save."""
        line, number = random.choice([*self._numbers.items()])
        self._lines[line] = self._write_route(number, f", response_headers: {{set: {{x-mark: mark-{mark}}}}}")
        return self._save()

    def _write_route(self, number: int, more: str = "") -> str:
        host = f"host: h{number}.example.com, " if number % 2 else ""
        return f"          - {{{host}prefix: /p{number:05}, to: {make_name(number % self._services)}{more}}}"

    def _save(self) -> float:
        fresh = self._file.with_name(f".{self._file.name}")
        fresh.write_text("\n".join(self._lines) + "\n")
        saved = time.monotonic()
        fresh.replace(self._file)
        return saved


class Client:
    """A delta client with Envoy's windows that asks for what a gateway's Envoy asks for, and accepts everything."""

    def __init__(self, address: str, services: int, ports: int) -> None:
        self.received = 0
        self.routes: queue.SimpleQueue[tuple[float, bytes] | str] = queue.SimpleQueue()  # when and what, or the end
        self._address, self._services, self._ports = address, services, ports
        self._loop = asyncio.new_event_loop()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._loop.run_forever)

    @contextmanager
    def open(self) -> Iterator["Client"]:
        """Subscribe to everything, and continue when the client has all RouteConfigurations."""
        host, _, port = self._address.rpartition(":")
        opening = build_opening(f"/{ADS}/{METHODS['delta']}", self._address)
        connecting = self._loop.create_connection(lambda: Connection(opening, self), host, int(port))
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(connecting, self._loop).result(SECONDS)
            for _ in range(self._ports):
                self._take()
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            if self._connection is not None:
                self._connection.close()
            self._loop.run_until_complete(asyncio.sleep(0))  # only then it is closed
            self._loop.close()

    def await_mark(self, mark: int) -> float:
        """Wait for a RouteConfiguration with the mark, and return when it came."""
        while True:
            moment, body = self._take()
            if f"mark-{mark}".encode() in body:
                return moment

    def _take(self) -> tuple[float, bytes]:
        found = self.routes.get(timeout=SECONDS)
        if isinstance(found, str):
            raise ConnectionError(found)
        return found

    def on_open(self, connection: Connection) -> None:
        """Subscribe."""
        self._connection = connection
        node = Node(id=f"{GATEWAY}-1", cluster=GATEWAY, user_agent_name="envoy")
        wanted = {
            CLUSTER: [],
            CLUSTER_LOAD_ASSIGNMENT: [make_name(number) for number in range(self._services)],
            LISTENER: [],
            ROUTE_CONFIGURATION: [f"{GATEWAY}/{FIRST_PORT + port}" for port in range(self._ports)],
        }
        for type_url, names in wanted.items():
            request = DeltaDiscoveryRequest(node=node, type_url=type_url, resource_names_subscribe=names)
            connection.send(request.SerializeToString())

    def on_message(self, message: bytes) -> None:
        """Accept a response."""
        now = time.monotonic()
        response = DeltaDiscoveryResponse.FromString(message)
        request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        if self._connection is not None:
            self._connection.send(request.SerializeToString())
        if response.type_url == ROUTE_CONFIGURATION:
            self.received += len(message)
            for resource in response.resources:
                self.routes.put((now, resource.resource))

    def on_read(self) -> None:
        """Nothing asks for it."""

    def on_end(self, reason: str) -> None:
        """Report the end."""
        self.routes.put(reason)


def measure_routes(routes: int, services: int, edits: int, idle_seconds: float = IDLE_SECONDS) -> Figures:
    """Measure edits of one route of a gateway, twice."""
    with ExitStack() as stack:
        catalog = stack.enter_context(write_catalog(services))
        file = GatewayFile(catalog.folder, routes, services)
        server = stack.enter_context(start_server(catalog))
        client = stack.enter_context(Client(server.address, services, file.ports).open())
        _edit(file, client, FIRST_MARK, 2)  # the first may cost more than later ones
        server.rest()
        received, idle = client.received, server.load(idle_seconds)
        before, began = server.cpu(), time.monotonic()
        quiet = _edit(file, client, FIRST_MARK + 2, edits)
        spent = server.rest() - before - idle * (time.monotonic() - began)
        sent = client.received - received
        with _churn(catalog, services):
            churn = _edit(file, client, FIRST_MARK + 2 + edits, edits)
    quiet_cuts, churn_cuts = (statistics.quantiles(some, n=100, method="inclusive") for some in (quiet, churn))
    return Figures(
        routes,
        services,
        edits,
        CHURN,
        quiet_p50_ms=quiet_cuts[49],
        quiet_p99_ms=quiet_cuts[98],
        churn_p50_ms=churn_cuts[49],
        churn_p99_ms=churn_cuts[98],
        edit_cpu_ms=spent * 1000 / edits,
        edit_kb=sent / edits / 1000,
    )


def _edit(file: GatewayFile, client: Client, first: int, edits: int) -> list[float]:
    """Edit one route after the other. Return the delays in milliseconds."""
    delays = []
    for mark in range(first, first + edits):
        time.sleep(random.uniform(*PAUSE_S))
        saved = file.edit(mark)
        delays.append((client.await_mark(mark) - saved) * 1000)
    return delays


@contextmanager
def _churn(catalog: Catalog, services: int) -> Iterator[None]:
    """Change endpoints at a steady rate while the block runs."""
    ending = threading.Event()

    def change() -> None:
        for weight in range(FIRST_MARK, 2**31):
            if ending.wait(1 / CHURN):
                return
            catalog.save(random.randrange(services), weight)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def describe_routes(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of edits of one route."""
    [cell] = cells
    return (
        f"one edited route of a gateway with {cell['routes']:,}, half of them by host, from the save to the client "
        f"(`routes`), {cell['edits']} edits",
        f"half within {cell['quiet_p50_ms']:.0f} ms, 99% within {cell['quiet_p99_ms']:.0f} ms; while "
        f"{cell['churn_per_s']} endpoints change a second {cell['churn_p50_ms']:.0f} and {cell['churn_p99_ms']:.0f} "
        f"ms; {cell['edit_cpu_ms']:.0f} ms of CPU and {cell['edit_kb']:,.0f} KB for each edit",
    )
