"""Metering: how many requests and names a stream, and all streams of one address, may send in a time.

A request costs MESSAGE_COST, and 1 more for each name or each NAME_BYTES bytes, whichever is more. In State of the
World each ACK repeats all names: the one answer to a response costs nothing for names that are the same as before. Who
has used up its allowance waits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from xds.server.peer import parse_peer

MESSAGE_COST = 20
"""What a small request costs that has no names."""

NAME_BYTES = 256
"""How many bytes cost as much as a name. A name has about 100 with its version."""

REFUSED_COST = 20_000
"""What a request costs at most that is refused: about as many names are read of it."""

STREAM_BURST, STREAM_RATE = 400_000, 100_000
"""What one stream may use at once, and per second."""

ADDRESS_BURST, ADDRESS_RATE = 4_000_000, 500_000
"""The same for all streams of one address. The burst is a restart of 2,000 Envoys with 1,000 services each."""

CROWDED = 3 / 4
"""From this share of all streams on, an address that has more than SHARE of them gets no more."""

SHARE = 1 / 4


def cost_of(size: int, names: int) -> int:
    """Return the cost of a request of so many bytes and names."""
    return MESSAGE_COST + max(names, size // NAME_BYTES)


class Meter:
    """An allowance that grows by `rate` per second, up to `burst`. Times are in seconds of any one clock."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._at = burst, now

    def take(self, cost: float, now: float) -> float:
        """Use some of the allowance, and return the seconds to wait until it has grown that much."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - cost
        self._at = now
        return max(0.0, -self._left / self._rate)


@dataclass(slots=True)
class Address:
    """A client's address (`Peer.network`): its open streams, and their common allowance."""

    host: str
    meter: Meter
    streams: int = 0


@dataclass(slots=True)
class Addresses:
    """The addresses with open streams. `limit` is the maximum number of streams, and `now` returns the time."""

    limit: int
    now: Callable[[], float]
    streams: int = 0
    _by_host: dict[str, Address] = field(default_factory=dict)

    def open(self, peer: str) -> Address | None:
        """Count a stream of a peer (`ipv4:10.0.0.3:4711`) until `close`. Return None when it must be refused.

        When most of the streams are open, the last ones are for addresses that have few.
        """
        found = parse_peer(peer)
        host = peer if found is None else found.network
        address = self._by_host.get(host)
        if self.streams >= self.limit:
            return None
        if address is not None and self.streams >= self.limit * CROWDED and address.streams > self.limit * SHARE:
            return None
        if address is None:
            address = self._by_host[host] = Address(host, Meter(ADDRESS_BURST, ADDRESS_RATE, self.now()))
        address.streams += 1
        self.streams += 1
        return address

    def close(self, address: Address) -> None:
        """Count a stream no more."""
        address.streams -= 1
        self.streams -= 1
        if not address.streams:
            del self._by_host[address.host]
