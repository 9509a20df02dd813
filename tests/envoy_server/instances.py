"""Many instances of a service in this process, in several zones. Each can become unhealthy, stop and start again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from xds.catalog.model.locality import Locality
from xds.cli.demo.processes import free_port


@dataclass
class Instance:
    """One instance. While `unhealthy`, it answers health checks with 503 and other requests with 200."""

    name: str
    locality: Locality
    port: int
    unhealthy: bool = False
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Transport] = field(default_factory=set)

    @property
    def address(self) -> str:
        """Its address as in a catalog."""
        return f"127.0.0.1:{self.port}"

    @property
    def zone(self) -> str:
        """The zone of its locality."""
        return self.locality.zone

    def endpoint(self, **fields: Any) -> dict[str, Any]:
        """Return it as an endpoint of a catalog."""
        locality = {name: value for name, value in self.locality._asdict().items() if value}
        return {"address": self.address, **locality, **fields}

    @property
    def is_stopped(self) -> bool:
        """Whether it refuses connections."""
        return self._server is None

    async def start(self) -> None:
        """Start to listen."""
        serve = asyncio.get_running_loop().create_server
        self._server = await serve(lambda: _Connection(self, self._connections), "127.0.0.1", self.port)

    def stop(self) -> None:
        """Refuse new connections, and break the existing ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.abort()


class _Connection(asyncio.Protocol):
    """Answers each request at once."""

    def __init__(self, instance: Instance, connections: set[asyncio.Transport]) -> None:
        self._instance, self._connections, self._received = instance, connections, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)
        if self._instance.is_stopped:  # it was accepted before, and no `stop` comes after it
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            status = 503 if self._instance.unhealthy and b" /health" in request.partition(b"\r\n")[0] else 200
            body = f'{{"instance": "{self._instance.name}"}}'
            self._transport.write(f"HTTP/1.1 {status} So\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())


class Instances(list[Instance]):
    """All instances, in the order of their zones."""

    def of(self, zone: str) -> list[Instance]:
        """Return the instances of one zone."""
        return [instance for instance in self if instance.zone == zone]

    def count_zones(self, counts: Counter[str]) -> Counter[str]:
        """Return counts by zone from counts by name."""
        zones = {instance.name: instance.zone for instance in self}
        return Counter({zone: sum(n for name, n in counts.items() if zones[name] == zone) for zone in zones.values()})


@asynccontextmanager
async def start_instances(**zones: tuple[str, int]) -> AsyncIterator[Instances]:
    """Start this number of instances in each zone: `a=("eu", 5)` starts a-1 to a-5 in region eu, zone a."""
    instances = Instances(
        Instance(f"{zone}-{number}", Locality(region, zone), free_port())
        for zone, (region, size) in zones.items()
        for number in range(1, size + 1)
    )
    for instance in instances:
        await instance.start()
    try:
        yield instances
    finally:
        for instance in instances:
            instance.stop()


def priority_shares(healthy: Iterable[tuple[int, int]], overprovisioning: int = 140) -> list[float]:
    """Return each priority's share of the requests, between 0 and 1, by Envoy's documented formula.

    `healthy` has the number of healthy endpoints and of all endpoints for each priority. A priority's health is its
    healthy share times the overprovisioning factor, at most 100. Each priority gets its health until 100 is used up. If
    all have less than 100 together, they are scaled up. All are whole numbers, and the first priority gets the rounding
    remainder.
    """
    health = [min(100, overprovisioning * well // all_of_them) for well, all_of_them in healthy]
    total = min(100, sum(health))
    loads: list[int] = []
    for one in health:
        loads.append(min(100 - sum(loads), one * 100 // total))
    loads[next(index for index, one in enumerate(health) if one)] += 100 - sum(loads)
    return [load / 100 for load in loads]
