"""The cost of a catalog's size for a server: its start, its memory, and one change.

The server is a real process on one core, with a folder of one file for each service. One delta client asks it for
everything.
"""

import queue
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import grpc

from tests.bench.documents import NODE, make_name
from tests.bench.figures import Row, write_number
from tests.bench.fleet import FIRST_MARK
from tests.bench.running import Catalog, Server, write_catalog
from xds.cli.demo.ports import free_port
from xds.cli.demo.processes import start_control_plane
from xds.wire import ADS, CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

CHANGES = 100
"""The number of weight changes."""

SECONDS = 120.0
"""The time limit for a start, and again for all changes."""

CHANNEL = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),  # the server does not listen yet at the first try
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 50),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One size of catalog: the time from the start to the first complete answer, memory with one client, one change.

    `endpoint_bytes` is the resident memory for each endpoint, beyond that of a server with one service.
    """

    services: int
    endpoints: int
    start_cpu_s: float
    start_wall_s: float
    memory_mb: float
    endpoint_bytes: float
    change_cpu_ms: float
    change_bytes: float


class Client:
    """A delta client that subscribes to every cluster and its endpoints, and accepts everything."""

    def __init__(self, channel: grpc.Channel, services: int) -> None:
        self.received = 0
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._names = [make_name(number) for number in range(services)]
        stream: Any = channel.stream_stream(f"/{ADS}/DeltaAggregatedResources")
        self._responses = stream(iter(self._requests.get, None), timeout=SECONDS, wait_for_ready=True)

    def ask_for_all(self) -> None:
        """Subscribe, and wait for the endpoints of every service."""
        self._send(DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER))
        self._send(DeltaDiscoveryRequest(type_url=CLUSTER_LOAD_ASSIGNMENT, resource_names_subscribe=self._names))
        missing = set(self._names)
        while missing:
            response = self._take()
            if response.type_url == CLUSTER_LOAD_ASSIGNMENT:
                missing -= {resource.name for resource in response.resources}

    def await_change(self) -> None:
        """Wait for the next endpoints of one service."""
        [resource] = self._take().resources
        assert resource.name == make_name(0)

    def close(self) -> None:
        """End the stream."""
        self._requests.put(None)
        self._responses.cancel()

    def _take(self) -> DeltaDiscoveryResponse:
        data = next(self._responses)
        self.received += len(data)
        response = DeltaDiscoveryResponse.FromString(data)
        self._send(DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce))
        return response

    def _send(self, request: DeltaDiscoveryRequest) -> None:
        self._requests.put(request.SerializeToString())


def measure_scale(
    services: int, endpoints_per_service: int, changes: int = CHANGES, least: float | None = None
) -> Figures:
    """Measure a catalog of this size in a server of its own. `least` is the memory in MB of a server with one service.

    Without it, another server measures it.
    """
    if least is None:
        least = measure_least(endpoints_per_service)
    with write_catalog(services, endpoints_per_service) as catalog:
        started = time.monotonic()
        with _serve(catalog, services) as (server, client):
            wall, cpu = time.monotonic() - started, server.cpu()
            before = server.rest()
            memory, received = server.memory(), client.received
            for mark in range(FIRST_MARK, FIRST_MARK + changes):
                catalog.save(0, mark)
                client.await_change()
            spent = server.rest() - before
    return Figures(
        services,
        endpoints=services * endpoints_per_service,
        start_cpu_s=cpu,
        start_wall_s=wall,
        memory_mb=memory,
        endpoint_bytes=(memory - least) * 1e6 / max(1, (services - 1) * endpoints_per_service),
        change_cpu_ms=spent * 1000 / changes,
        change_bytes=(client.received - received) / changes,
    )


@cache
def measure_least(endpoints: int) -> float:
    """Measure the memory in MB of a server with one service. All sizes are compared with it."""
    with write_catalog(1, endpoints) as catalog, _serve(catalog, 1) as (server, _):
        server.rest()
        return server.memory()


@contextmanager
def _serve(catalog: Catalog, services: int) -> Iterator[tuple[Server, Client]]:
    """Start a server, and a client that connects as soon as possible. Continue when the client has everything."""
    with ExitStack() as stack:
        control_plane = stack.enter_context(
            start_control_plane(catalog.folder, free_port(), catalog.room, "--admin", "off")
        )
        server = Server(control_plane)
        channel = stack.enter_context(grpc.insecure_channel(f"ipv4:{control_plane.address}", options=CHANNEL))
        client = Client(channel, services)
        stack.callback(client.close)
        client.ask_for_all()
        yield server, client


def describe_scale(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of many services, and the cost of a change beside that in few."""
    few, many = cells
    return (
        f"{many['endpoints']:,} endpoints in {many['services']:,} services (`scale`)",
        f"{many['start_cpu_s']:.1f} s of CPU from the start to the first full answer; "
        f"{write_number(many['endpoint_bytes'])} bytes of memory for each endpoint; one change costs "
        f"{many['change_cpu_ms']:.1f} ms of CPU and {write_number(many['change_bytes'])} bytes, "
        f"{many['change_cpu_ms'] / few['change_cpu_ms']:.2f} times the CPU of one in {few['services']:,} services",
    )
