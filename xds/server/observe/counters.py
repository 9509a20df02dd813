"""The counters and histograms that each process keeps: `StreamCounters`, and `CatalogCounters` for the catalog.

A push only adds integers here, so that it stays fast. `admin/metrics.py` makes Prometheus metrics of them at a scrape.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of a histogram's buckets. One more bucket counts what took longer."""

BOUNDS = tuple(int(seconds * 1e9) for seconds in SECONDS)
"""The same in nanoseconds."""

MAX_CLUSTERS = 50
"""How many values of `node.cluster` a metric names. Clients choose the values; the rest count as OTHER."""

OTHER = "other"


@dataclass(slots=True)
class Histogram:
    """Durations: how many fell into each bucket, and their sum in nanoseconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    nanoseconds: int = 0

    def observe(self, nanoseconds: int) -> None:
        """Count one duration."""
        self.buckets[bisect_left(BOUNDS, nanoseconds)] += 1
        self.nanoseconds += nanoseconds

    def add(self, other: "Histogram") -> None:
        """Add another histogram's counts."""
        self.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        self.nanoseconds += other.nanoseconds


@dataclass(slots=True)
class Pushes:
    """The number and the bytes of the responses of one type that were sent for one reason."""

    count: int = 0
    bytes: int = 0


@dataclass(slots=True)
class StreamCounters:
    """What the streams of one or more processes have counted since the processes started.

    `pushes` are by type_url and reason, `push_durations` by type_url, `nacks` by type_url and `node.cluster`.
    `clusters` are the values of `node.cluster` that are named, `dropped_lines` the lines of the log that were dropped.
    """

    pushes: dict[tuple[str, str], Pushes] = field(default_factory=dict)
    push_durations: dict[str, Histogram] = field(default_factory=dict)
    nacks: Counter[tuple[str, str]] = field(default_factory=Counter)
    clusters: set[str] = field(default_factory=set)
    dropped_lines: int = 0

    def count_push(self, type_url: str, reason: str, size: int, nanoseconds: int) -> None:
        """Count a response of `size` bytes that gRPC accepted `nanoseconds` after it was made."""
        pushes = self.pushes.get((type_url, reason))
        if pushes is None:
            pushes = self.pushes[type_url, reason] = Pushes()
        pushes.count += 1
        pushes.bytes += size
        push_durations = self.push_durations.get(type_url)
        if push_durations is None:
            push_durations = self.push_durations[type_url] = Histogram()
        push_durations.observe(nanoseconds)

    def count_nacks(self, type_url: str, cluster: str, number: int = 1) -> None:
        """Count `number` NACKs from clients with that `node.cluster`."""
        if len(self.clusters) < MAX_CLUSTERS:
            self.clusters.add(cluster)
        self.nacks[type_url, cluster if cluster in self.clusters else OTHER] += number

    def add(self, other: "StreamCounters") -> None:
        """Add another process's counts."""
        for key, pushes in other.pushes.items():
            mine = self.pushes.setdefault(key, Pushes())
            mine.count += pushes.count
            mine.bytes += pushes.bytes
        for type_url, push_durations in other.push_durations.items():
            self.push_durations.setdefault(type_url, Histogram()).add(push_durations)
        for (type_url, cluster), number in other.nacks.items():
            self.count_nacks(type_url, cluster, number)
        self.dropped_lines += other.dropped_lines


@dataclass(slots=True)
class CatalogCounters:
    """What the process that holds the catalog counts.

    `loads` are by "accepted", "refused" and "failed". `propagation` has one observation for each change that concerned
    a client. `problems` are the current ones, by severity. `accepted_at` is a time.time().
    """

    loads: Counter[str] = field(default_factory=Counter)
    parses: Histogram = field(default_factory=Histogram)
    builds: Histogram = field(default_factory=Histogram)
    propagation: Histogram = field(default_factory=Histogram)
    problems: Counter[str] = field(default_factory=Counter)
    accepted_at: float = 0.0


def sum_counters(of_processes: Iterable[StreamCounters], clusters: set[str]) -> StreamCounters:
    """Return the sum of several processes' counts.

    `clusters` are the values of `node.cluster` that earlier scrapes named. They stay named, so that no counter
    decreases.
    """
    total = StreamCounters(clusters=clusters)
    for counters in of_processes:
        total.add(counters)
    return total
