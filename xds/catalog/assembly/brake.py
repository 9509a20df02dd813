"""The brake: whether a change of documents takes away so much that it is probably an accident.

A folder that is emptied, a file that is cut off, a template that finds nothing: each is a valid catalog. What it lacks
would be gone for every client at once. So it is held until somebody confirms it.

What a document adds that is held is served, and counts for nothing here: it must not make the catalog look larger.
"""

from collections.abc import Iterable, Mapping
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

ADDED = "\0"
"""The end of the name of a fragment with the additions alone of a document that is held."""

Fragments = Mapping[str, Fragment | None]


@dataclass(frozen=True, slots=True)
class Stop:
    """What must not go yet, by the document that has it, and why, in words for the operator."""

    losses: Mapping[str, frozenset[Subject]] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


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


def find_emptied(changes: Fragments, left: Iterable[str]) -> dict[str, str]:
    """Return the folder of each document that changes delete, where no document is left in it or below it.

    `left` are the names of the documents that there are after the changes. A name without a folder has none.
    """
    folders = {name: folder for name, now in changes.items() if now is None and (folder := name.rpartition("/")[0])}
    if not folders:
        return {}
    filled: set[str] = set()
    for name in left:
        while (name := name.rpartition("/")[0]) and name not in filled:
            filled.add(name)
    return {name: folder for name, folder in folders.items() if folder not in filled}


@dataclass(slots=True)
class Brake:
    """How many there were lately. Times are in seconds, of a clock that the caller hands in."""

    _counts: list[tuple[float, str, int]] = field(default_factory=list)  # before each removal, by time and kind

    def find_stopped(
        self,
        served: Assembly,
        changes: Fragments,
        confirmed: AbstractSet[str],
        emptied: Mapping[str, str],
        now: float,
    ) -> Stop:
        """Return what must not go yet: all that the changes of these documents would remove.

        `confirmed` are the documents whose removals are confirmed, `emptied` those that `find_emptied` returns. The
        share is that of the catalog that is served: a change cannot release the brake for itself.
        """
        share = served.mesh.brake_share
        losses = {} if share is None else find_losses(served, changes)
        if share is None or not losses.keys() - confirmed:
            return Stop()
        stopped: dict[str, None] = {}
        reasons: list[str] = []
        for kind in KINDS:
            lost = {name: sum(one[0] == kind for one in of_document) for name, of_document in losses.items()}
            gone = sum(number for name, number in lost.items() if name not in confirmed)
            known = sum(number for name, number in lost.items() if name in confirmed)
            before = _count(served, kind) - known
            left = before - gone + _count_added(served, changes, kind)
            most = max(
                [before, *(count for at, of_kind, count in self._counts if of_kind == kind and now - at < WINDOW_S)]
            )
            if not gone:
                continue
            if takes_too_much(before, gone, left, share):
                reasons.append(_explain(kind, before, gone, left, share, ""))
            elif takes_too_much(most, most - left, left, share):
                reasons.append(_explain(kind, most, most - left, left, share, " within a minute"))
            else:
                continue
            stopped |= {name: None for name, number in lost.items() if number and name not in confirmed}
        whole = {name: emptied[name] for name in losses if name in emptied and name not in confirmed}
        reasons += (f"the folder {folder} has no YAML file any more" for folder in sorted({*whole.values()}))
        stopped |= dict.fromkeys(whole)
        return Stop({name: losses[name] for name in stopped}, tuple(reasons))

    def note(self, served: Assembly, now: float) -> None:
        """Note how many there are before some of them are removed without a confirmation."""
        self._counts = [one for one in self._counts if now - one[0] < WINDOW_S]
        self._counts += [(now, kind, _count(served, kind)) for kind in KINDS]

    def forget(self) -> None:
        """Forget what there was before: its removal was confirmed."""
        self._counts.clear()

    def copy(self) -> "Brake":
        """Return a copy, which changes by itself."""
        return Brake(self._counts.copy())


def _explain(kind: str, before: int, gone: int, left: int, share: float, when: str) -> str:
    if left == 0:
        return f"no {kind[:-1]} would be left"
    return f"{gone} of {before} {kind} would be gone{when}, more than {share:g}%"


def _count(served: Assembly, kind: str) -> int:
    """Return the number of `services` or `gateways` of the documents that were taken."""
    additions = (one.starts for name, one in served.fragments.items() if name.endswith(ADDED))
    return served.count(kind) - sum(subject[0] == kind for starts in additions for subject in starts)


def _count_added(served: Assembly, changes: Fragments, kind: str) -> int:
    added = {one for fragment in changes.values() if fragment for one in fragment.starts if one[0] == kind}
    return sum(all(owner.endswith(ADDED) for owner in served.owners_of(one)) for one in added)
