"""Tally: what a process counts as it goes. A push adds integers to what is there; all else is done at the scrape."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of a histogram's buckets; one more has what took longer."""

BOUNDS = tuple(int(seconds * 1e9) for seconds in SECONDS)

MAX_GROUPS = 50
"""How many values of `node.cluster`, which clients choose, a metric names; the rest are OTHER together."""

OTHER = "other"


@dataclass(slots=True)
class Histogram:
    """How many things took how long, in nanoseconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    nanoseconds: int = 0

    def observe(self, nanoseconds: int) -> None:
        """Count one."""
        self.buckets[bisect_left(BOUNDS, nanoseconds)] += 1
        self.nanoseconds += nanoseconds

    def add(self, other: "Histogram") -> None:
        """Count all that another counted."""
        self.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        self.nanoseconds += other.nanoseconds


@dataclass(slots=True)
class Pushes:
    """The responses of one type that were sent for one reason."""

    count: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Tally:
    """What the streams of a process, or of several, have come to since they began.

    `pushes` are by type_url and reason, `writes` by type_url, `nacks` by type_url and `node.cluster`.
    """

    pushes: dict[tuple[str, str], Pushes] = field(default_factory=dict)
    writes: dict[str, Histogram] = field(default_factory=dict)
    nacks: Counter[tuple[str, str]] = field(default_factory=Counter)
    groups: set[str] = field(default_factory=set)

    def count_push(self, type_url: str, reason: str, size: int, nanoseconds: int) -> None:
        """Count a response that gRPC has taken, so long after it was made."""
        pushes = self.pushes.get((type_url, reason))
        if pushes is None:
            pushes = self.pushes[type_url, reason] = Pushes()
        pushes.count += 1
        pushes.bytes += size
        writes = self.writes.get(type_url)
        if writes is None:
            writes = self.writes[type_url] = Histogram()
        writes.observe(nanoseconds)

    def count_nacks(self, type_url: str, cluster: str, number: int = 1) -> None:
        """Count refusals by a client of that `node.cluster`."""
        if len(self.groups) < MAX_GROUPS:
            self.groups.add(cluster)
        self.nacks[type_url, cluster if cluster in self.groups else OTHER] += number

    def add(self, other: "Tally") -> None:
        """Count all that another process counted."""
        for key, pushes in other.pushes.items():
            mine = self.pushes.setdefault(key, Pushes())
            mine.count += pushes.count
            mine.bytes += pushes.bytes
        for type_url, writes in other.writes.items():
            self.writes.setdefault(type_url, Histogram()).add(writes)
        for (type_url, cluster), number in other.nacks.items():
            self.count_nacks(type_url, cluster, number)


@dataclass(slots=True)
class CatalogTally:
    """What the process that holds the catalog counts.

    `loads` are by "accepted", "refused" and "failed"; `propagation` has an observation for each change that concerned
    anybody; `problems` are the present ones, by severity; `accepted_at` is a time.time().
    """

    loads: Counter[str] = field(default_factory=Counter)
    parses: Histogram = field(default_factory=Histogram)
    builds: Histogram = field(default_factory=Histogram)
    propagation: Histogram = field(default_factory=Histogram)
    problems: Counter[str] = field(default_factory=Counter)
    accepted_at: float = 0.0


def add_up(tallies: Iterable[Tally], groups: set[str]) -> Tally:
    """Add up what processes counted. `groups` are those that were named before, and still are: no counter goes back."""
    total = Tally(groups=groups)
    for tally in tallies:
        total.add(tally)
    return total
