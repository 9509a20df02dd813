"""The journal: which services and gateways were put into an assembly, in order.

Two catalogs of one assembly differ at most in what was put between them, so that a change among thousands of services
is found without a look at all of them.
"""

from dataclasses import dataclass, field

from xds.catalog.fragment import Subject

MAX_ENTRIES = 10_000
"""A journal that is longer ends, and another begins: a comparison of all, once in so many changes, costs less."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a journal: the first `length` of its entries had been written. Entries are added, never changed."""

    entries: list[Subject] = field(default_factory=list)
    length: int = 0

    def add(self, subjects: set[Subject]) -> "Mark":
        """Write down what is put, in this journal if this is its newest moment and it is not full, else in another."""
        if self.length > MAX_ENTRIES or self.length != len(self.entries):
            return Mark([*subjects], len(subjects))
        self.entries.extend(subjects)
        return Mark(self.entries, len(self.entries))

    def find_since(self, other: "Mark") -> frozenset[Subject] | None:
        """Name what was put between two moments, whichever came first; None when they are of different journals."""
        if self.entries is not other.entries:
            return None
        return frozenset(self.entries[min(self.length, other.length) : max(self.length, other.length)])
