"""The workspace: the current documents, the catalog that is built from them, and the last good catalog.

A document with errors does not delay changes of other documents. Its last good version is served, together with the
newest versions of the others, as long as these fit together.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TypeVar

from xds.catalog.assembly.assembly import Assembly, publish
from xds.catalog.assembly.brake import ADDED, Brake, Stop, find_emptied, find_losses
from xds.catalog.catalog import Catalog, Subject
from xds.catalog.model.gateway import Gateway
from xds.catalog.reading.edit import put_values, reuse_ends
from xds.catalog.reading.fragment import Fragment, parse_edit, parse_fragment
from xds.catalog.text.envoy_version import Version
from xds.errors import CatalogError, Problem, Severity
from xds.sources.document import Document, digest_document

T = TypeVar("T")


class Workspace:
    """Takes changes of documents and returns catalogs. It parses only what changed, and checks only what that concerns.

    After an error it keeps the current documents, so that a later change in any file may correct the error.
    `has_all_endpoints` and `oldest` are those of an `Assembly`.
    """

    def __init__(
        self,
        fragments: Mapping[str, Fragment] | None = None,
        *,
        has_all_endpoints: bool = True,
        oldest: Version | None = None,
    ) -> None:
        self._assembly = Assembly(has_all_endpoints=has_all_endpoints, oldest=oldest)
        self._assembly.put(fragments or {})

    @property
    def fragments(self) -> dict[str, Fragment]:
        """A copy of the fragments of the current documents, by name."""
        return self._assembly.fragments

    def get(self, name: str) -> Fragment | None:
        """Return the fragment of a current document; None if there is none."""
        return self._assembly.get(name)

    @property
    def names(self) -> Iterator[str]:
        """The names of the current documents, without those that are no part of the catalog."""
        return (name for name, one in self._assembly.fragments.items() if not one.document.skipped)

    def update(self, changes: Mapping[str, Document | None]) -> Catalog:
        """Apply changed documents by name, None for a removed one, and return the catalog of all documents.

        A service or gateway that did not change is the identical object in both catalogs. Raises CatalogError with
        every error of all documents and, after them, every warning.
        """
        self.take(changes)
        return publish(self._assembly)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems of the current documents, errors before warnings."""
        return self._assembly.problems

    def take(self, changes: Mapping[str, Document | None]) -> dict[str, Fragment | None]:
        """Apply changed documents, and return the fragments of those that really differ."""
        fragments: dict[str, Fragment | None] = {}
        for name, document in changes.items():
            old = self._assembly.get(name)
            if document is None:
                fragments[name] = None
            elif old is None:
                fragments[name] = parse_fragment(document)
            elif document != old.document:
                fragments[name] = parse_edit(old, document) or _reuse(old, parse_fragment(document))
        self._assembly.put(fragments)
        return fragments


def _reuse(old: Fragment, new: Fragment) -> Fragment:
    services = {name: _reuse_equal(old.services.get(name), one) for name, one in new.services.items()}
    gateways = {name: _reuse_routes(old.gateways.get(name), one) for name, one in new.gateways.items()}
    return replace(new, services=services, gateways=gateways)


def _reuse_equal(old: T | None, new: T) -> T:
    return old if old is not None and old is not new and old == new else new


def _reuse_routes(old: Gateway | None, new: Gateway) -> Gateway:
    """Return the old gateway if it equals the new one, else the new one with the old routes that did not change.

    What was checked and encoded is known by the identity of a route.
    """
    if old is None or old is new or old == new:
        return _reuse_equal(old, new)
    routes = reuse_ends(old.routes, new.routes)
    pairs = zip_longest(old.listeners[: len(new.listeners)], new.listeners)
    listeners = tuple(
        one if was is None else put_values(one, routes=reuse_ends(was.routes, one.routes)) for was, one in pairs
    )
    return put_values(new, routes=routes, listeners=listeners)


Fragments = dict[str, Fragment | None]

MAX_SINGLES = 100
"""How many changes are tried one by one, at most, when they cannot be applied together."""

AGAIN_S = 2.0
"""How much later a save of the same state confirms it: an editor may write a file twice for one save."""

BY_APPLY, BY_SAVE, BY_TIME = "`xds apply --yes`", "a second save", "`brake.confirm_after`"
"""How a removal was confirmed, in words for the operator."""


@dataclass(frozen=True, slots=True)
class Held:
    """Removals that are not served until somebody confirms them.

    `files` are the documents that are held, and would take away `services` and `gateways`. `id` stands for exactly
    this. `since` is a time of the caller's clock. `reason` says in words for the operator why they are held.
    """

    id: str
    files: tuple[str, ...]
    services: tuple[str, ...]
    gateways: tuple[str, ...]
    since: float
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The catalog to serve, the problems of the current documents, and the names of the documents that are not served.

    `refused` has the names of documents whose current version is not in the catalog because of a mistake, `held` those
    whose version takes away too much. `taken` has the names of the documents whose current version is in the catalog
    since this update, and how their removals were confirmed; None: there was nothing to confirm.
    """

    catalog: Catalog
    problems: tuple[Problem, ...]
    refused: tuple[str, ...]
    held: Held | None = None
    taken: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The whole state of a LastGood at a moment."""

    documents: Mapping[str, Fragment]
    served: Mapping[str, Fragment]
    waiting: Fragments
    since: Mapping[str, float]
    confirmed: Mapping[str, str]
    brake: Brake
    held: Held | None
    started: bool


class LastGood:
    """Takes changes of documents and returns the catalog to serve: the last good one where a change has errors.

    A change that takes away too much waits as well, until it is confirmed: by `confirm`, by a second save, or by time.
    Of a document that is held, what it adds is served beside its last good version, until a later version is taken or
    held. So a mistake in it, or its deletion, takes nothing away.

    `now` is in seconds, of a clock that does not jump. `has_all_endpoints` is that of an `Assembly`.
    """

    def __init__(self, *, has_all_endpoints: bool = True) -> None:
        self._has_all_endpoints = has_all_endpoints
        self._workspace = Workspace(has_all_endpoints=has_all_endpoints)
        self._served = Assembly(has_all_endpoints=has_all_endpoints)
        self._waiting: Fragments = {}
        self._brake = Brake()
        self._since: dict[str, float] = {}  # when each document was held first as it is
        self._confirmed: dict[str, str] = {}  # how, by document
        self._added: set[str] = set()  # the documents of which additions are served
        self._taken: dict[str, str | None] = {}
        self._held: Held | None = None
        self._started = False
        self._outcome: Outcome | None = None

    def update(self, changes: Mapping[str, Document | None], now: float = 0.0) -> Outcome:
        """Apply changed documents, None for a removed one, and return what to serve.

        A document that is held and comes again as it was is confirmed. Raises CatalogError if there are errors and
        there has been no good catalog yet.
        """
        self._outcome = None
        self._taken = {}
        newest = self._workspace.take(changes)
        self._waiting.update(newest)
        self._note_confirmations(changes.keys(), newest, now)
        is_good = not any(problem.severity is Severity.ERROR for problem in self._workspace.problems[:1])
        if not self._started:
            if not is_good:
                raise CatalogError(self._workspace.problems)
            self._started = True
            self._served.put(self._waiting)
            self._note_taken(self._waiting)
        elif self._waiting:
            stop = self._find_stopped(now)
            if is_good and not stop.losses:
                self._take(self._waiting, now)
            else:
                self._take_valid(newest, stop, now)
            self._hold(stop, now)
        return self.outcome

    @property
    def outcome(self) -> Outcome:
        """What to serve after the last update."""
        if self._outcome is None:
            problems = self._workspace.problems
            wrong = {problem.source for problem in problems if problem.severity is Severity.ERROR}
            held = set(self._held.files) - wrong if self._held else set()
            refused = tuple(sorted(self._waiting.keys() - held))
            self._outcome = Outcome(publish(self._served), problems, refused, self._held, self._taken)
        return self._outcome

    def confirm(self, held_id: str) -> bool:
        """Let go what is held, with the next update. Return False if something else, or nothing, is held."""
        if self._held is None or self._held.id != held_id:
            return False
        self._confirmed.update(dict.fromkeys(self._held.files, BY_APPLY))
        return True

    @property
    def due(self) -> float | None:
        """When the next update confirms something by time, of the caller's clock; None: never."""
        after = self._served.mesh.confirm_after
        return None if after is None or not self._since else min(self._since.values()) + after.total_seconds()

    def collect_served(self) -> Callable[[], dict[str, Document]]:
        """Return a function that returns the documents which are served now, by name, whatever comes later."""
        fragments = self._served.fragments
        return lambda: {name: one.document for name, one in fragments.items() if not name.endswith(ADDED)}

    @property
    def served(self) -> dict[str, Document]:
        """The documents that are served, by name."""
        return self.collect_served()()

    def get(self, name: str) -> Document | None:
        """Return the current document of that name, served or not; None if there is none."""
        fragment = self._workspace.get(name)
        return None if fragment is None else fragment.document

    def save(self) -> Checkpoint:
        """Return the whole state, to go back to it."""
        return Checkpoint(
            self._workspace.fragments,
            self._served.fragments,
            self._waiting.copy(),
            self._since.copy(),
            self._confirmed.copy(),
            self._brake.copy(),
            self._held,
            self._started,
        )

    def go_back(self, state: Checkpoint) -> None:
        """Become what it was, whatever happened since: everything is checked again."""
        self._outcome = None
        self._workspace = Workspace(state.documents, has_all_endpoints=self._has_all_endpoints)
        self._served = Assembly(has_all_endpoints=self._has_all_endpoints)
        self._served.put(state.served)
        self._waiting = dict(state.waiting)
        self._since = dict(state.since)
        self._confirmed = dict(state.confirmed)
        self._added = {name.removesuffix(ADDED) for name in state.served if name.endswith(ADDED)}
        self._taken = {}
        self._brake = state.brake.copy()
        self._held = state.held
        self._started = state.started

    def _note_confirmations(self, named: AbstractSet[str], newest: Fragments, now: float) -> None:
        """Note which documents that are held are confirmed by a second save or by time, and which are others now."""
        after = self._served.mesh.confirm_after
        for name in newest:
            self._since.pop(name, None)
            self._confirmed.pop(name, None)
        for name, since in self._since.items():
            if name in named and now - since >= AGAIN_S:
                self._confirmed.setdefault(name, BY_SAVE)
            elif after and now - since >= after.total_seconds():
                self._confirmed.setdefault(name, BY_TIME)

    def _find_stopped(self, now: float) -> Stop:
        """Return what the documents that wait must not remove yet."""
        valid = {name: one for name, one in self._waiting.items() if not (one and one.has_errors)}
        emptied = find_emptied(valid, self._workspace.names)
        return self._brake.find_stopped(self._served, valid, self._confirmed.keys(), emptied, now)

    def _take(self, changes: Fragments, now: float) -> None:
        """Serve changes, and note what goes with them. What was served of their additions ends."""
        self._note_removals(changes, now)
        self._served.put(self._expand(changes))
        self._note_taken(changes)

    def _expand(self, changes: Fragments) -> Fragments:
        return {**changes, **{name + ADDED: None for name in changes if name in self._added}}

    def _note_removals(self, changes: Fragments, now: float) -> None:
        if find_losses(self._served, changes):
            self._brake.note(self._served, now)

    def _note_taken(self, changes: Fragments) -> None:
        confirmed = self._confirmed.keys() & changes.keys()
        self._taken |= {name: self._confirmed.pop(name, None) for name in changes}
        self._added -= changes.keys()
        self._waiting = {name: fragment for name, fragment in self._waiting.items() if name not in changes}
        if confirmed:
            self._brake.forget()

    def _take_valid(self, newest: Fragments, stop: Stop, now: float) -> None:
        """Serve what can be served of the documents that wait, and the additions of those that are stopped."""
        waits = self._find_companions(stop.losses)
        for candidate in self._candidates(newest, waits):
            changes = self._without_moved(candidate)
            if not changes:
                continue
            brake = self._brake.copy()
            self._note_removals(changes, now)
            additions = self._select_additions(waits, changes)
            if self._try({**self._expand(changes), **additions}):
                self._note_added(additions)
            elif not additions or not self._try(self._expand(changes)):
                self._brake = brake
                continue
            self._note_taken(changes)

    def _try(self, changes: Fragments) -> bool:
        """Serve changes, if they fit to what is served; return whether they do."""
        before = {name: self._served.get(name) for name in changes}
        self._served.put(changes)
        if self._served.problems and self._served.problems[0].severity is Severity.ERROR:
            self._served.put(before)
            return False
        return True

    def _candidates(self, newest: Fragments, waits: AbstractSet[str]) -> Iterator[Fragments]:
        """Yield the changes to try: all whose own document has no errors, then the newest of these, then each alone."""
        for names in (list(self._waiting), list(newest), *([name] for name in list(self._waiting)[:MAX_SINGLES])):
            waiting = {name: self._waiting[name] for name in names if name in self._waiting and name not in waits}
            valid = {name: fragment for name, fragment in waiting.items() if not (fragment and fragment.has_errors)}
            if valid:
                yield valid

    def _find_companions(self, stopped: Iterable[str]) -> set[str]:
        """Return the documents that are stopped, and those that define now what these still define."""
        waits = set(stopped)
        while True:
            more = {
                name
                for name, fragment in self._waiting.items()
                if fragment and not fragment.has_errors and name not in waits
                for subject in fragment.starts
                if self._served.owners_of(subject) & waits
            }
            if not more:
                return waits
            waits |= more

    def _without_moved(self, candidate: Fragments) -> Fragments:
        """Leave out documents that lose a service or gateway which another document, not in the candidate, gains."""
        candidate = dict(candidate)
        while candidate:
            gained = self._find_gained(candidate.keys())
            moved = [name for name, lost in find_losses(self._served, candidate).items() if lost & gained]
            if not moved:
                break
            for name in moved:
                del candidate[name]
        return candidate

    def _hold(self, stop: Stop, now: float) -> None:
        """Note what is held. Of what these documents add, all is served nevertheless."""
        waits = self._find_companions(stop.losses)
        self._since = {name: self._since.get(name, now) for name in sorted(waits)}
        self._put_additions(waits)
        if not waits:
            self._held = None
            return
        lost = sorted({subject for losses in stop.losses.values() for subject in losses})
        hashed = hashlib.sha256(usedforsecurity=False)
        for name in sorted(waits):
            fragment = self._waiting[name]
            content = digest_document(fragment.document) if fragment else None
            hashed.update(f"{name}\0{content}\0".encode(errors="replace"))
        hashed.update(repr(lost).encode(errors="replace"))
        self._held = Held(
            hashed.hexdigest()[:16],
            tuple(sorted(waits)),
            tuple(name for kind, name in lost if kind == "services"),
            tuple(name for kind, name in lost if kind == "gateways"),
            min(self._since.values()),
            "; ".join(stop.reasons),
        )

    def _put_additions(self, held: Iterable[str]) -> None:
        """Serve what documents add that are held, as far as it fits to what is served."""
        additions = self._select_additions(held, {})
        for changes in (additions, *({name: added} for name, added in additions.items())):
            if self._try(changes):
                self._note_added(changes)
                if changes is additions:
                    return

    def _select_additions(self, held: Iterable[str], others: Fragments) -> Fragments:
        """Return how the additions change that are served of documents that are held, beside changes of others.

        What an addition loses and another document gains, which is not taken yet, stays.
        """
        found: Fragments = {}
        for name in sorted(held):
            own = name + ADDED
            fragment, was = self._waiting.get(name), self._served.get(own)
            if fragment is None or fragment.has_errors:
                continue
            added = _select(fragment, own, self._served)
            lost = was.starts.keys() - (added.starts if added else {}) if was else set[Subject]()
            if added != was and not (lost and lost & self._find_gained({name, *others})):
                found[own] = added
        return found

    def _find_gained(self, beside: AbstractSet[str]) -> set[Subject]:
        """Return what the documents define that wait, beside some."""
        return {
            subject
            for name, fragment in self._waiting.items()
            if fragment and name not in beside
            for subject in fragment.starts
        }

    def _note_added(self, additions: Fragments) -> None:
        for own, added in additions.items():
            (self._added.add if added else self._added.discard)(own.removesuffix(ADDED))


def _select(fragment: Fragment, own: str, served: Assembly) -> Fragment | None:
    """Return what a fragment adds to what is served, as one with the name `own`; None: nothing."""
    starts = {
        subject: start
        for subject, start in fragment.starts.items()
        if subject[0] != "mesh" and served.owners_of(subject) <= {own}
    }
    if not starts:
        return None
    services = {name: one for name, one in fragment.services.items() if ("services", name) in starts}
    gateways = {name: one for name, one in fragment.gateways.items() if ("gateways", name) in starts}
    return Fragment(replace(fragment.document, name=own), services, gateways, (), starts)
