"""A crowd: many instances in this process, in several zones; each can fall ill or die, and come back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from xds.catalog.model.locality import Locality
from xds.cli.demo.processes import free_port


@dataclass
class Member:
    """One instance; `ill` it answers health checks with 503, and real requests as ever."""

    name: str
    locality: Locality
    port: int
    ill: bool = False
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Transport] = field(default_factory=set)

    @property
    def address(self) -> str:
        """Its address as a catalog has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def zone(self) -> str:
        """Where it is."""
        return self.locality.zone

    def endpoint(self, **words: Any) -> dict[str, Any]:
        """Write it as a catalog does."""
        where = {word: value for word, value in self.locality._asdict().items() if value}
        return {"address": self.address, **where, **words}

    async def live(self) -> None:
        """Begin to listen."""
        serve = asyncio.get_running_loop().create_server
        self._server = await serve(lambda: _Connection(self, self._connections), "127.0.0.1", self.port)

    def die(self) -> None:
        """Refuse connections, and break those that are there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.abort()


class _Connection(asyncio.Protocol):
    """Answers each request at once."""

    def __init__(self, member: Member, connections: set[asyncio.Transport]) -> None:
        self._member, self._connections, self._received = member, connections, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            status = 503 if self._member.ill and b" /health" in request.partition(b"\r\n")[0] else 200
            body = f'{{"instance": "{self._member.name}"}}'
            self._transport.write(f"HTTP/1.1 {status} So\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())


class Crowd(list[Member]):
    """Members in the order of their zones."""

    def of(self, zone: str) -> list[Member]:
        """Give those of one zone."""
        return [member for member in self if member.zone == zone]

    def count_zones(self, counts: Counter[str]) -> Counter[str]:
        """Count by zone what was counted by name."""
        zones = {member.name: member.zone for member in self}
        return Counter({zone: sum(n for name, n in counts.items() if zones[name] == zone) for zone in zones.values()})


@asynccontextmanager
async def gather_crowd(**zones: tuple[str, int]) -> AsyncIterator[Crowd]:
    """Have so many instances in each zone of a region: `a=("eu", 5)` gives a-1 to a-5 in eu/a."""
    crowd = Crowd(
        Member(f"{zone}-{number}", Locality(region, zone), free_port())
        for zone, (region, size) in zones.items()
        for number in range(1, size + 1)
    )
    for member in crowd:
        await member.live()
    try:
        yield crowd
    finally:
        for member in crowd:
            member.die()


def priority_shares(healthy: Iterable[tuple[int, int]], overprovisioning: int = 140) -> list[float]:
    """Compute each priority's share of the requests, of 1, by Envoy's documented formula.

    Of each priority it is given how many endpoints are healthy, and how many there are. A priority's health is
    its healthy share times the factor, 100 at most; each gets its health until 100 is given away, and all
    are scaled up when they have less than 100 together. All are whole numbers; what rounding leaves is the first's.
    """
    health = [min(100, overprovisioning * well // all_of_them) for well, all_of_them in healthy]
    total = min(100, sum(health))
    loads: list[int] = []
    for one in health:
        loads.append(min(100 - sum(loads), one * 100 // total))
    loads[next(index for index, one in enumerate(health) if one)] += 100 - sum(loads)
    return [load / 100 for load in loads]
