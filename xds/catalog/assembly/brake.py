"""The brake: whether a change of documents takes away so much that it is probably an accident.

A folder that is emptied, a file that is cut off, a template that finds nothing: each is a valid catalog. What it lacks
would be gone for every client at once. So it is held until somebody confirms it.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from xds.catalog.assembly.assembly import Assembly
from xds.catalog.catalog import Subject
from xds.catalog.reading.fragment import Fragment

KINDS = ("services", "gateways")

LEAST = 4
"""Of fewer services or gateways, any but the last may go."""

WINDOW_S = 60.0
"""What went in this time counts as one change: a folder is not always emptied in a moment."""

Fragments = Mapping[str, Fragment | None]


def takes_too_much(before: int, gone: int, left: int, share: float) -> bool:
    """Whether too many of `before` services or gateways would be `gone`: all, or more than `share` percent.

    `left` is the number afterwards, with new ones.
    """
    return gone > 0 and (left == 0 or (before >= LEAST and 100 * gone > share * before))


def find_losses(served: Assembly, changes: Fragments) -> dict[str, frozenset[Subject]]:
    """Return the services and gateways that changes would remove, by the document that has them now.

    What another document of the changes, or of those that are served, defines is moved and not removed.
    """
    kept = {subject for fragment in changes.values() if fragment for subject in fragment.starts}
    losses: dict[str, frozenset[Subject]] = {}
    for name in changes:
        old = served.get(name)
        lost = {
            subject
            for subject in (old.starts if old else ())
            if subject[0] in KINDS and subject not in kept and served.owners_of(subject) <= changes.keys()
        }
        if lost:
            losses[name] = frozenset(lost)
    return losses


@dataclass(slots=True)
class Brake:
    """How many there were lately. Times are in seconds, of a clock that the caller hands in."""

    _counts: list[tuple[float, str, int]] = field(default_factory=list)  # before each removal, by time and kind

    def find_stopped(
        self, served: Assembly, changes: Fragments, confirmed: AbstractSet[str], now: float
    ) -> dict[str, frozenset[Subject]]:
        """Return what must not go yet, by document: all that the changes of these documents would remove.

        `confirmed` are the documents whose removals are confirmed. The share is that of the catalog that is served: a
        change cannot release the brake for itself.
        """
        share = served.mesh.brake_share
        losses = {} if share is None else find_losses(served, changes)
        if share is None or not losses.keys() - confirmed:
            return {}
        stopped: set[str] = set()
        for kind in KINDS:
            lost = {name: sum(one[0] == kind for one in of_document) for name, of_document in losses.items()}
            gone = sum(number for name, number in lost.items() if name not in confirmed)
            known = sum(number for name, number in lost.items() if name in confirmed)
            before = served.count(kind) - known
            left = before - gone + _count_added(served, changes, kind)
            most = max(
                [before, *(count for at, of_kind, count in self._counts if of_kind == kind and now - at < WINDOW_S)]
            )
            if gone and (takes_too_much(before, gone, left, share) or takes_too_much(most, most - left, left, share)):
                stopped |= {name for name, number in lost.items() if number and name not in confirmed}
        return {name: losses[name] for name in stopped}

    def note(self, served: Assembly, now: float) -> None:
        """Note how many there are before some of them are removed without a confirmation."""
        self._counts = [one for one in self._counts if now - one[0] < WINDOW_S]
        self._counts += [(now, kind, served.count(kind)) for kind in KINDS]

    def forget(self) -> None:
        """Forget what there was before: its removal was confirmed."""
        self._counts.clear()

    def copy(self) -> "Brake":
        """Return a copy, which changes by itself."""
        return Brake(self._counts.copy())


def _count_added(served: Assembly, changes: Fragments, kind: str) -> int:
    added = {one for fragment in changes.values() if fragment for one in fragment.starts if one[0] == kind}
    return sum(not served.owners_of(one) for one in added)
