"""Deadlines: what is due when, with one entry for each key however often its time changes."""

import heapq
from collections.abc import Hashable, Iterator


class Deadlines:
    """The times at which something is due, by key."""

    def __init__(self) -> None:
        self._due: dict[Hashable, float] = {}
        self._entries: dict[Hashable, float] = {}  # the time at which the heap has a key
        self._heap: list[tuple[float, int, Hashable]] = []
        self._count = 0

    def set(self, key: Hashable, at: float) -> None:
        """Make something due at this time, and no longer at another."""
        self._due[key] = at
        entry = self._entries.get(key)
        if entry is None or at < entry:  # a later time is found when the earlier one comes
            self._push(key, at)

    def clear(self, key: Hashable) -> None:
        """Make something due never."""
        self._due.pop(key, None)

    def has(self, key: Hashable) -> bool:
        """Whether something is due at any time."""
        return key in self._due

    def _push(self, key: Hashable, at: float) -> None:
        self._entries[key] = at
        self._count += 1  # keys of several kinds do not compare
        heapq.heappush(self._heap, (at, self._count, key))

    @property
    def next(self) -> float | None:
        """When to call `take` next, at the latest; None: nothing is due."""
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Iterator[Hashable]:
        """Yield what is due, each once."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._entries.get(key) != at:
                continue
            del self._entries[key]
            due = self._due.get(key)
            if due is None:
                continue
            if due > now:
                self._push(key, due)
            else:
                del self._due[key]
                yield key
