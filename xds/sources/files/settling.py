"""Settling: when a changed file is finished, so that it may be taken. The clock is handed in.

Half a file is a valid catalog that lacks services, and a folder in the middle of a checkout lacks files. So a change
waits: while a program has the file open for writing, and the longer, the more it would take away.
"""

import re
import time
from dataclasses import dataclass

from xds.sources.document import Document
from xds.sources.files.layout import Identity
from xds.sources.files.read import FileAttributes

UNCHANGED_S = 0.1
"""How long a file that looks unfinished must stay unchanged to count as finished."""

SHRUNK_S = 2.0
"""The same for a file that lost most of its content or its gateways in place: it may be written in two goes."""

DELETED_S = 1.0
"""How long a file must be gone to count as deleted: it may be replaced, or moved to another name of the catalog."""

OPEN_S = 60.0
"""How long a file may stay unchanged while a program has it open for writing; then it is taken as it is."""

TOGETHER_S = 1.0
"""How long before and after a second save of a file nothing else may be saved: a release writes every file anew."""

GROUP_S = 0.2
"""How long an unfinished file may delay the files that changed at the same moment. They may belong together."""

OFTEN = 5
"""A file that changes so many times in OFTEN_S delays no other file."""

OFTEN_S = 1.0

POLL_S, SLOW_POLL_S = 0.02, 0.1
"""How often it is tried whether a file is still being written: in the first second, and after it."""

GATEWAYS = re.compile(rb"^[\"']?gateways[\"']?\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Record:
    """A document as it was read. `recent` is whether the content may change while the attributes stay the same.

    `writing` is whether a program still writes it; None: unknown. `folder` is that of the file itself; None: a link
    leads to it, or it is unknown.
    """

    document: Document
    digest: int
    attributes: FileAttributes | None
    recent: bool
    writing: bool | None = False
    folder: Identity | None = None


@dataclass(slots=True)
class Waiting:
    """A change that waits. `record` is None for a deleted document.

    `since` is when this version was first seen, `settle` how many seconds it must stay so, and `batch` the moment at
    which the first of the changes that came together was seen. Times are of the clock that the caller hands in, except
    `noticed_at`, which is `since` as time.monotonic_ns().
    """

    record: Record | None
    since: float
    settle: float
    batch: float
    noticed_at: int

    @property
    def due(self) -> float:
        """When it is finished, unless it changes again."""
        return self.since + self.settle

    @property
    def is_being_written(self) -> bool:
        """Whether a program is known to write the file."""
        return self.record is not None and self.record.writing is True


class Settling:
    """The changes that wait, by name."""

    def __init__(self) -> None:
        self.waiting: dict[str, Waiting] = {}
        self._changed: dict[str, list[float]] = {}  # when versions were noted lately

    def note(self, name: str, old: Record | None, new: Record | None, now: float, least: float = 0.0) -> bool:
        """Note that a document differs from its record, and must stay so for `least` seconds at least.

        Return False if this version was noted already: it goes on waiting.
        """
        was = self.waiting.get(name)
        if was is not None and _is_same(was.record, new):
            return False
        settle = max(find_settle_time(old, new), least)
        self.waiting[name] = Waiting(new, now, settle, now if was is None else was.batch, time.monotonic_ns())
        self._changed[name] = [at for at in self._changed.get(name, ()) if now - at < OFTEN_S] + [now]
        return True

    def drop(self, name: str) -> None:
        """Forget a change: the document is again as it was."""
        self.waiting.pop(name, None)

    def take(self, now: float) -> dict[str, Waiting]:
        """Return the changes that are finished, and forget them.

        Those of one batch come together, unless one of them takes too long.
        """
        patience: dict[float, float] = {}
        self._changed = {name: times for name, times in self._changed.items() if now - times[-1] < OFTEN_S}
        for name, one in self.waiting.items():
            if now < one.due and len(self._changed.get(name, ())) < OFTEN:
                limit = one.batch + (one.settle if one.record is None else 0) + GROUP_S
                patience[one.batch] = max(limit, patience.get(one.batch, limit))
        taken = {
            name: one
            for name, one in self.waiting.items()
            if now >= one.due and (one.batch not in patience or now >= patience[one.batch])
        }
        for name in taken:
            del self.waiting[name]
        return taken

    def find_due(self, now: float) -> float | None:
        """Return in how many seconds something has to be looked at again; None: not without an event."""
        times = [_next_look(one, now) for one in self.waiting.values()]
        return max(0.0, min(times) - now) if times else None


def _next_look(one: Waiting, now: float) -> float:
    times = [one.batch + GROUP_S, one.batch + DELETED_S + GROUP_S, one.due]
    if one.is_being_written:
        times.append(now + (POLL_S if now - one.since < 1 else SLOW_POLL_S))
    return min((moment for moment in times if moment > now), default=now)


def find_settle_time(old: Record | None, new: Record | None) -> float:
    """Return how many seconds a change must stay as it is to count as finished.

    A file that replaced the old one by a rename is finished, and so is one that was closed. A value that is too large
    costs a wait; one that is too small, an error that goes away with the next read, or a part of the catalog.
    """
    if new is None:
        return 0.0 if old is not None and old.document.fault is not None and old.attributes is None else DELETED_S
    if new.writing:
        return OPEN_S
    if new.document.skipped:
        return 0.0
    content = new.document.content
    if content is None or new.attributes is None:
        return UNCHANGED_S
    before = old.document.content if old is not None else None
    if before is None or old is None or old.attributes is None or old.attributes[:2] != new.attributes[:2]:
        return 0.0 if content.endswith(b"\n") else UNCHANGED_S
    if _loses_much(before, content) or (new.writing is None and len(content) < len(before)):
        return SHRUNK_S
    kept = len(before) if new.writing is None else len(before) * 3 // 4
    return 0.0 if content.endswith(b"\n") and len(content) >= kept else UNCHANGED_S


def _loses_much(before: bytes, now: bytes) -> bool:
    """Whether most of a file is gone, or its gateways are."""
    return 2 * len(now) < len(before) or (GATEWAYS.search(now) is None and GATEWAYS.search(before) is not None)


def _is_same(one: Record | None, other: Record | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.document, one.attributes, one.writing) == (other.document, other.attributes, other.writing)
