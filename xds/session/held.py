"""Holding: what one client is served instead of the latest snapshot, until it has accepted what takes its place.

What an edit removes goes last (make before break), and not at all while the client refuses a part of the edit: then the
old listener, cluster or secret is what works. What a draining listener names stays until the drain ends. A listener or
a RouteConfiguration stays as it was while the new one would lead existing traffic to a cluster that the client refused,
or needs a secret that it refused.

For a client that accepts everything there is nothing of its own here: it shares the snapshots of its view.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from xds.resources.mentions import find_addresses, mentions, would_harm
from xds.resources.resource import Resource
from xds.session.batch import is_large, share
from xds.session.memory import Drain, Memory
from xds.session.request import States
from xds.session.subscription import NO_NAMES, Nack, Subscription, find_refused, unite
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshot, TypeSnapshotPool, without_taken_addresses
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET, TYPE_URLS, short_type

Resources = Mapping[str, Mapping[str, Resource]]
"""Resources by type and name. The mappings are replaced, never changed, so that sessions share them."""

Names = Mapping[str, frozenset[str]]
"""Names by type."""

Latest = Callable[[], Snapshot]
"""Returns the latest snapshot of a view."""

STAGED = (LISTENER, ROUTE_CONFIGURATION)
"""The types that name clusters. Their responses wait until the client has the clusters that they name."""

NAMING_SECRETS = (CLUSTER, LISTENER)
"""The types that name secrets. A client asks for a secret when it has accepted what names it."""

NOTED = (SECRET, CLUSTER, LISTENER, ROUTE_CONFIGURATION)
"""The types whose older versions are remembered until the client does without them."""

STATED = {
    CLUSTER: (CLUSTER, CLUSTER_LOAD_ASSIGNMENT),
    LISTENER: (LISTENER, ROUTE_CONFIGURATION, SECRET),
}
"""The types of which a client that comes back states all that it has, each with the types that it has with it."""

UNUSABLE = (SECRET, CLUSTER, CLUSTER_LOAD_ASSIGNMENT)
"""The types of which a new resource that is refused harms what names it."""

NOTHING: Mapping[str, Any] = {}

NO_SNAPSHOT = Snapshot(NOTHING)

HeldReason = Literal["refused", "draining", "unanswered"]


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that a client is served against the catalog: a removed one, or an older version.

    `reason` is what it waits for: that what the client refused is corrected, that connections of earlier listeners
    end, or that the client answers. `refused` are the refused resources, such as `Listener edge/8081`.
    """

    type_url: str
    name: str
    is_removed: bool
    reason: HeldReason
    refused: tuple[str, ...] = ()


class Holding:
    """The differences between the latest snapshot of one client's view and what the client is served.

    `removed` are the resources that the latest snapshot no longer has.
    """

    __slots__ = (
        "_again",
        "_aggregated",
        "_back",
        "_bad_secrets",
        "_drained",
        "_drains",
        "_gave_up",
        "_hidden",
        "_nacks",
        "_older",
        "_outgoing",
        "_own",
        "_pool",
        "_read",
        "_subscriptions",
        "_touched",
        "_unserved",
        "_unusable",
        "_with_drains",
        "removed",
    )

    def __init__(self, subscriptions: Mapping[str, Subscription[Any]], *, aggregated: bool) -> None:
        self._subscriptions = subscriptions
        self._aggregated = aggregated
        self._pool: TypeSnapshotPool | None = None
        self._read: Latest = lambda: NO_SNAPSHOT
        self._own: Snapshot | None = None  # what the client is served in place of the latest snapshot
        self.removed: Resources = NOTHING
        self._touched: Names = NOTHING  # what changed in the edits that removed `removed`
        self._older: Resources = NOTHING  # what the client has, or had, while it may need that in place of what is new
        self._back: Mapping[str, Mapping[str, Resource | None]] = NOTHING  # older versions that stay; None: hidden
        self._hidden: Names = NOTHING  # refused resources of `_back`: until they change, they are not served
        self._unserved: Names = NOTHING  # those of `_hidden` that would harm a client that has what worked
        self._again: Names = NOTHING  # refused on the last stream, and to be decided by the client on this one
        self._unusable: Names = NOTHING  # new clusters (or their endpoints) and secrets that the client refused
        self._bad_secrets: Mapping[str, tuple[str, Nack]] = NOTHING  # the version that the client has, and refused
        self._nacks: Mapping[str, Nack] = NOTHING  # those of an earlier stream, until the client asks for the type
        self._outgoing: tuple[Resource, ...] = ()  # listeners that the client has just replaced
        self._drains: tuple[Drain, ...] = ()
        self._drained: Names | None = None  # of `removed`, what draining listeners name; None: not worked out
        self._with_drains = False
        self._gave_up = False  # waiting for what the new listeners name has lasted too long

    @property
    def latest(self) -> Snapshot:
        """The latest snapshot of the client's view."""
        return self._read()

    @property
    def snapshot(self) -> Snapshot:
        """What the client is served."""
        return self._read() if self._own is None else self._own

    def begin(
        self, latest: Latest, *, drains: bool, memory: Memory | None = None, pool: TypeSnapshotPool | None = None
    ) -> None:
        """Begin with the view's snapshot. `drains` is whether the client drains connections of listeners that change.

        `memory` is that of the client's last stream, `pool` is where the view's TypeSnapshots come from.
        """
        self._read = latest
        self._pool = pool
        self._with_drains = drains
        if memory is not None and not self.latest.is_unknown:
            self._drains = memory.drains
            self._resume(memory)

    @property
    def drains(self) -> tuple[Drain, ...]:
        """The drains that have not ended."""
        return self._drains

    def catch_up(self, type_url: str, states: States, past: Iterable[Snapshot]) -> None:
        """Note what the client has that comes back: what it lacks since then goes and changes as after an edit.

        `past` are the snapshots before the latest, newest first. If the client states none of them, it has mostly what
        was served before the latest.
        """
        if self.latest.is_unknown or states(self.latest.of(type_url)) or states(self.snapshot.of(type_url)):
            return
        kept, seen = self.removed.get(type_url, NOTHING), list[Snapshot]()
        for one in past:
            seen.append(one)
            of_type = one.of(type_url)
            if states(of_type) or (kept and states(of_type.replace(kept))):
                break
        else:
            seen = seen[:1]
        if seen:
            self._catch_up(STATED[type_url], seen[-1], seen)

    def _catch_up(self, types: Iterable[str], had: Snapshot, since: Iterable[Snapshot]) -> None:
        lost: dict[str, Mapping[str, Resource]] = {}
        for one in types:
            changed, gone = _find_lost(had.of(one), self.latest.of(one))
            self._touched = _unite(self._touched, {one: changed})
            if one in NOTED and changed:
                was = had.of(one).resources
                older = {name: was[name] for name in changed if name in was}
                self._older = {**self._older, one: {**older, **self._older.get(one, NOTHING)}}
            if one != LISTENER:
                lost[one] = gone
        for later in since:  # endpoints as they were last
            assignments = later.of(CLUSTER_LOAD_ASSIGNMENT).resources
            gone = lost.get(CLUSTER_LOAD_ASSIGNMENT, NOTHING)
            if gone and any(name in assignments for name in gone):
                lost[CLUSTER_LOAD_ASSIGNMENT] = {name: assignments.get(name, one) for name, one in gone.items()}
                break
        self._merge_removed(self._retain(lost), NO_NAMES)
        self._drained = None
        self._serve()

    def _resume(self, memory: Memory) -> None:
        """Serve what worked on the client's last stream, unless what it refused has changed."""
        refused: dict[str, frozenset[str]] = {}
        for type_url, of_type in memory.refused.items():
            versions = self.latest.of(type_url).versions
            if all(versions.get(name) == version for name, version in of_type.items()):
                refused[type_url] = frozenset(of_type)
        self._unserved = {t: names for t, names in memory.unserved.items() if t in refused}
        self._older = memory.older
        old = {t: names.intersection(memory.older.get(t, ())) for t, names in refused.items()}
        self._hidden = {t: names for t in refused if (names := old[t] | self._unserved.get(t, NO_NAMES))}
        self._unusable = {t: names for t in UNUSABLE if t in refused and (names := refused[t] - old[t])}
        self._again = {t: names for t, of in refused.items() if (names := of - self._hidden.get(t, NO_NAMES))}
        self._nacks = {nack.type_url: nack for nack in memory.nacks if nack.type_url in refused}
        if SECRET in self._nacks:
            versions, nack = self.latest.of(SECRET).versions, self._nacks[SECRET]
            self._bad_secrets = {n: (versions[n], nack) for n in self._unusable.get(SECRET, ())}
        self._touched = refused
        listeners = frozenset(self.latest.of(LISTENER).resources)
        self._merge_removed(memory.removed, listeners - self._hidden.get(LISTENER, NO_NAMES))
        self._back = self._find_back()
        self._serve()

    def on_first(self, type_url: str) -> None:
        """Note the first request for a type. A client that has what worked may try again what it refused."""
        subscription, hidden = self._subscriptions[type_url], self._hidden.get(type_url, NO_NAMES)
        again = hidden - self._unserved.get(type_url, NO_NAMES) if subscription.reconnected else NO_NAMES
        if again:
            self._hidden = _without(self._hidden, {type_url: again})
            self._again = _unite(self._again, {type_url: again})
            self._update_back()
        if (nack := self._nacks.get(type_url)) is not None and not hidden <= again:
            subscription.nack = nack
            self._keep_nacks()

    def remember(self) -> Memory | None:
        """Return what the client's next stream is to begin with; None if that is the latest snapshot."""
        differs = self.overrides or self._again or self._unusable or self._drains
        if not differs and all(one.nack is None for one in self._subscriptions.values()):
            return None
        refused, back = self._find_refused(), self._back
        chosen = {
            t: {n: one for n, one in of.items() if n in refused.get(t, ()) or n in back.get(t, ())}
            for t, of in self._older.items()
        }
        older = {t: of for t, of in chosen.items() if of}
        unserved = dict(self._unserved)
        if back.keys() & {*NAMING_SECRETS} and SECRET in self._unusable:
            unserved[SECRET] = self._unusable[SECRET] | unserved.get(SECRET, NO_NAMES)
        if not (older or self.removed or unserved or self._drains):
            return None
        nacks = dict(self._nacks)
        nacks.update({t: one.nack for t, one in self._subscriptions.items() if one.nack is not None})
        told = tuple(nacks[t] for t in refused if t in nacks)
        return Memory(refused, unserved, older, self.removed, told, self._drains)

    def _find_refused(self) -> Mapping[str, Mapping[str, str]]:
        """Return the versions that the client refuses, of what is in the latest snapshot."""
        found: dict[str, Mapping[str, str]] = {}
        for type_url in TYPE_URLS:
            versions = self.latest.of(type_url).versions
            names = NO_NAMES.union(*(of.get(type_url, ()) for of in (self._hidden, self._unusable)))
            names = names.union(self._find_undecided(type_url))
            one = self._subscriptions.get(type_url)
            if one is not None and one.nack is not None and one.rejected and type_url in NOTED:
                refused = [n for n in find_refused(one.nack) if one.rejected.get(n) == versions.get(n)]
                names = names.union(n for n in refused if one.known.get(n) != versions.get(n))
            if names and (of_type := {name: versions[name] for name in names if name in versions}):
                found[type_url] = of_type
        return found

    @property
    def overrides(self) -> bool:
        """Whether the client is served anything but the latest snapshot."""
        return bool(self.removed or self._back)

    @property
    def is_draining(self) -> bool:
        """Whether everything that is kept waits for the end of a drain."""
        drained = self._drained
        return (
            bool(self.removed)
            and drained is not None
            and all(of <= drained.get(t, NO_NAMES) for t, of in self._removed_names())
        )

    @property
    def is_refused(self) -> bool:
        """Whether the client refused a part of an edit that removed something, or may use older listeners or routes."""
        if self._back or any(one.rejected for type_url in STAGED if (one := self._subscriptions.get(type_url))):
            return True
        if any(map(self._find_undecided, self._again)):
            return True
        return any(
            not names.isdisjoint(one.rejected)
            for type_url, names in self._touched.items()
            if (one := self._subscriptions.get(type_url)) is not None and one.rejected
        )

    def _find_undecided(self, type_url: str) -> frozenset[str]:
        """Return what the client refused on its last stream, and neither has accepted nor refused on this one."""
        names, one = self._again.get(type_url, NO_NAMES), self._subscriptions.get(type_url)
        if not names or one is None:
            return names
        versions = self.latest.of(type_url).versions
        return frozenset(n for n in names if one.known.get(n) != versions.get(n) and n not in one.rejected)

    def on_change(self, change: SnapshotChange) -> None:
        """Note that the view has the next snapshot, and mark in the subscriptions what changed for the client."""
        self._note_older(change)
        self._pool = change.pool or self._pool
        retained = self._retain(change.retained)
        self._unusable = _without(self._unusable, change.names)
        touched = NOTHING if self.is_draining else self._touched
        self._gave_up, self._drained = False, None
        if self._bad_secrets:
            self._refuse_again(change)
        is_plain = not (self.overrides or self._unusable or self._hidden or self._again)
        if is_plain and retained is change.retained:
            self.removed, self._own = retained, change.transitional if retained else None
            self._touched = change.names if retained else NOTHING
            self._mark(change.names)
            return
        before = self._overridden()
        mended = {t: of for t, of in self._hidden.items() if not of.isdisjoint(change.names.get(t, NO_NAMES))}
        self._hidden = {t: of for t, of in self._hidden.items() if t not in mended}
        self._unserved = {t: of for t, of in self._unserved.items() if t not in mended}
        self._again = _without(self._again, change.names)
        self._merge_removed(retained, _unite(change.names, mended).get(LISTENER, NO_NAMES))
        self._touched = _unite(touched, change.names) if touched or self.removed else NOTHING
        self._back = self._find_back()
        self._serve()
        self._mark(_unite(_unite(change.names, before), self._overridden()))
        self._keep_nacks()

    def _retain(self, retained: Resources) -> Resources:
        """Return what the client may still need of removed resources: not what it refused, nor types it has elsewhere.

        The object itself if that is all of it.
        """
        if not retained:
            return retained
        if not self._aggregated:
            retained = {type_url: of_type for type_url, of_type in retained.items() if type_url in self._subscriptions}
        for type_url, of_type in retained.items():
            one = self._subscriptions.get(type_url)
            if one is not None and any(name in one.rejected and name not in one.known for name in of_type):
                known = {name: resource for name, resource in of_type.items() if name in one.known}
                retained = {**retained, type_url: known}
        return retained

    def _merge_removed(self, retained: Resources, changed: frozenset[str]) -> None:
        """Keep what this change and earlier ones removed, without what exists again and listeners in the way."""
        removed: dict[str, Mapping[str, Resource]] = {}
        for type_url in TYPE_URLS:
            both = {**self.removed.get(type_url, NOTHING), **retained.get(type_url, NOTHING)}
            latest = self.latest.of(type_url).resources
            if left := {name: resource for name, resource in both.items() if name not in latest}:
                removed[type_url] = left
        if LISTENER in removed and changed:
            latest = self.latest.of(LISTENER).resources
            new = [latest[name] for name in changed if name in latest]
            removed[LISTENER] = without_taken_addresses(removed[LISTENER], new)
        self.removed = {type_url: of_type for type_url, of_type in removed.items() if of_type}

    def _note_older(self, change: SnapshotChange) -> None:
        """Remember what the client has, before newer versions are due."""
        served = change.before if self._own is None else self._own
        for type_url in NOTED:
            names, subscription = change.names.get(type_url), self._subscriptions.get(type_url)
            if names is None or subscription is None or not subscription.known:
                continue
            had = _find_known(served, subscription, names)
            if had:
                before = self._older.get(type_url, NOTHING)
                self._older = {**self._older, type_url: {**had, **before} if before else had}

    def on_nack(self, nack: Nack) -> None:
        """Note a NACK: keep older versions of what names a refused cluster, and bring back a listener that was lost."""
        type_url = nack.type_url
        latest = self.latest.of(type_url).resources
        if type_url == LISTENER:
            self._restore({name: latest[name] for name in nack.resource_names if name in latest})
        elif type_url in UNUSABLE:
            known, older = self._subscriptions[type_url].known, self._older.get(type_url, NOTHING)
            refused = [name for name in find_refused(nack) if name in latest]
            if type_url == SECRET:  # Envoy may keep what it refused, until it is sent what it had before
                changed = frozenset(name for name in refused if name in older and older[name] != latest[name])
                self._hidden = _unite(self._hidden, {SECRET: changed} if changed else NOTHING)
            new = frozenset(name for name in refused if name not in known and name not in self._hidden.get(SECRET, ()))
            self._unusable = _unite(self._unusable, {type_url: new} if new else NOTHING)
            if type_url == SECRET and new:
                bad = {name: (latest[name].version, nack) for name in new}
                self._bad_secrets = {**self._bad_secrets, **bad}
                listeners = self.latest.of(LISTENER).resources
                self._restore({n: one for n, one in listeners.items() if any(mentions(one, name) for name in new)})
            if new or type_url == SECRET:
                self._update_back()

    def _refuse_again(self, change: SnapshotChange) -> None:
        """Note secrets that an edit brings back in the version that the client has refused, and still asks for.

        Envoy takes no notice of a secret that is as before: it would accept what it has refused.
        """
        subscription, versions = self._subscriptions.get(SECRET), self.latest.of(SECRET).versions
        if subscription is None:
            return
        known, names = subscription.known, subscription.names
        self._bad_secrets = {n: bad for n, bad in self._bad_secrets.items() if n in names and n not in known}
        again = frozenset(n for n, (version, _) in self._bad_secrets.items() if versions.get(n) == version)
        if again := again.intersection(change.names.get(SECRET, ())):
            self._unusable = _unite(self._unusable, {SECRET: again})
            subscription.refuse_again({name: versions[name] for name in again}, self._bad_secrets[min(again)][1])

    def _restore(self, refused: Mapping[str, Resource]) -> None:
        """Bring back listeners that were removed since one of these, which do not work, was to have their address."""
        served = self.snapshot.of(LISTENER).resources
        lost = {name: one for name, one in self._older.get(LISTENER, NOTHING).items() if name not in served}
        if not lost:
            return
        in_the_way = {name for name, one in refused.items() if without_taken_addresses(lost, [one]) != lost}
        taken = without_taken_addresses(lost, [refused[name] for name in in_the_way])
        lost = {name: one for name, one in lost.items() if name not in taken}
        if not lost:
            return
        hidden = {LISTENER: frozenset(in_the_way)}
        self._hidden, self._unserved = _unite(self._hidden, hidden), _unite(self._unserved, hidden)
        self.removed = {**self.removed, LISTENER: {**self.removed.get(LISTENER, NOTHING), **lost}}
        self._touched = _unite(self._touched, {LISTENER: frozenset(refused)})
        self._drained = None
        self._update_back()
        self._mark(_unite(hidden, {LISTENER: frozenset(lost)}))

    def on_accept(self, type_url: str) -> bool:
        """Note an ACK. Returns whether listeners were replaced, so that a drain begins."""
        known = self._subscriptions[type_url].known
        if type_url in self._unusable:
            self._unusable = {
                t: left for t, of in self._unusable.items() if (left := of.difference(known) if t == type_url else of)
            }
            self._update_back()
        if type_url == SECRET:  # what waited for its secrets takes the place of older versions now
            for naming in NAMING_SECRETS:
                if (one := self._subscriptions.get(naming)) is not None and one.known:
                    self._leave_older(naming)
        replaced = self._leave_older(type_url)
        if type_url not in NAMING_SECRETS or not self._with_drains:
            return False
        waiting = self._older.get(type_url, NOTHING)
        draining = {id(one) for drain in self._drains for one in drain.resources}
        self._outgoing = tuple(
            one for one in replaced if id(one) not in draining and (type_url == LISTENER or one.name in waiting)
        )
        return bool(self._outgoing)

    def _leave_older(self, type_url: str) -> tuple[Resource, ...]:
        """Forget older versions that the client does without. Return those that it has accepted another version of."""
        older, subscription = self._older.get(type_url), self._subscriptions.get(type_url)
        if not older or subscription is None:
            return ()
        stay, left, replaced = self._split_older(type_url, older, subscription.known)
        if left:
            self._older = {t: of for t, of in {**self._older, type_url: stay}.items() if of}
        return replaced

    def _split_older(
        self, type_url: str, older: Mapping[str, Resource], known: Mapping[str, str]
    ) -> tuple[Mapping[str, Resource], bool, tuple[Resource, ...]]:
        """Return the older versions that stay, whether others do not, and those that the client has replaced.

        A replaced version stays while what took its place lacks a secret: if the client refuses that, it is needed.
        """
        back = self._back.get(type_url, NOTHING)
        lacking = self._find_lacking_secrets() if type_url in NAMING_SECRETS else ()

        def split() -> tuple[Mapping[str, Resource], bool, tuple[Resource, ...]]:
            replaced = {n: one for n, one in older.items() if known.get(n) != one.version and n not in back}
            left = {n: one for n, one in replaced.items() if not (lacking and self._waits(type_url, one, lacking))}
            return {n: one for n, one in older.items() if n not in left}, bool(left), tuple(replaced.values())

        if back or lacking or not is_large(len(older)):
            return split()
        key = ("older", id(older), id(known))
        return share(self.snapshot.of(type_url), key, lambda: (split(), older, known))[0]

    def _find_lacking_secrets(self) -> tuple[str, ...]:
        """Return the secrets that the client does not have."""
        subscription = self._subscriptions.get(SECRET)
        known = NOTHING if subscription is None else subscription.known
        return tuple(name for name in self.latest.of(SECRET).resources if name not in known)

    def _waits(self, type_url: str, older: Resource, lacking: Collection[str]) -> bool:
        """Whether what took the place of an older version names any of these secrets, which that did not name."""
        served = self.snapshot.of(type_url).resources
        successor = served.get(older.name)
        if successor is not None:
            successors = [successor]
        elif type_url == LISTENER:
            addresses = find_addresses(older)
            successors = [one for one in served.values() if not addresses.isdisjoint(find_addresses(one))]
        else:
            return False
        return any(mentions(one, name) and not mentions(older, name) for one in successors for name in lacking)

    def begin_drain(self, number: int) -> None:
        """Begin the drain of the listeners that were just replaced."""
        self._drains = (*self._drains, Drain(number, self._outgoing))
        self._outgoing = ()
        self._drained = None

    def end_drain(self, number: int) -> None:
        """Note the end of a drain: nothing goes back to what was drained."""
        ended = {id(one) for drain in self._drains if drain.number == number for one in drain.resources}
        self._drains = tuple(drain for drain in self._drains if drain.number != number)
        self._drained = None
        for type_url in NAMING_SECRETS:
            older, back = self._older.get(type_url, NOTHING), self._back.get(type_url, NOTHING)
            left = {name: one for name, one in older.items() if id(one) not in ended or name in back}
            if len(left) < len(older):
                self._older = {t: of for t, of in {**self._older, type_url: left}.items() if of}

    def on_timeout(self) -> None:
        """Stop waiting for what the new listeners name."""
        self._gave_up = True

    def lacks_what_listeners_name(self) -> bool:
        """Whether new listeners name routes or secrets that the client lacks: until it has them, the old ones serve."""
        if self._gave_up or LISTENER not in self.removed:
            return False
        served = self.snapshot.of(LISTENER).resources
        names = self._touched.get(LISTENER, NO_NAMES)
        new = [served[name] for name in names if name in served and name not in self.removed[LISTENER]]
        for type_url in (ROUTE_CONFIGURATION, SECRET):
            subscription, latest = self._subscriptions.get(type_url), self.latest.of(type_url).resources
            for name in self._touched.get(type_url, NO_NAMES):
                lacks = name in latest and (subscription is None or name not in subscription.known)
                if lacks and any(mentions(listener, name) for listener in new):
                    return True
        return False

    def find_going(self) -> Names:
        """Return what may go now: listeners first, then what no draining listener names."""
        if LISTENER in self.removed:
            return {LISTENER: frozenset(self.removed[LISTENER])}
        if self._drained is None:
            self._drained = self._find_drained()
        drained = self._drained
        return {t: going for t, names in self._removed_names() if (going := names - drained.get(t, NO_NAMES))}

    def _find_drained(self) -> Names:
        """Return what draining listeners name: routes, the clusters of both, and their endpoints and secrets."""
        sources = [one for drain in self._drains for one in drain.resources]
        found: dict[str, frozenset[str]] = {}
        for type_url in (ROUTE_CONFIGURATION, CLUSTER, CLUSTER_LOAD_ASSIGNMENT, SECRET):
            of_type = self.removed.get(type_url, NOTHING)
            named = frozenset(name for name in of_type if any(mentions(source, name) for source in sources))
            if named:
                found[type_url] = named
                sources += [of_type[name] for name in named]
        return found

    def let_go(self, going: Names) -> None:
        """Serve these resources no longer."""
        left = {t: {n: r for n, r in of.items() if n not in going.get(t, ())} for t, of in self.removed.items()}
        self.removed = {type_url: of_type for type_url, of_type in left.items() if of_type}
        if not self.removed:
            self._touched = NOTHING
        self._drained = None if LISTENER in going else self._drained
        self._serve()
        self._mark(going)

    def describe(self) -> tuple[Held, ...]:
        """Return what the client is served against the catalog, and why."""
        refused = self._describe_refused() if self.is_refused else ()
        drained = self._drained or NOTHING
        held = [
            Held(
                t,
                name,
                True,
                "refused" if refused else "draining" if name in drained.get(t, ()) else "unanswered",
                refused,
            )
            for t, names in self._removed_names()
            for name in sorted(names)
        ]
        return (*held, *(Held(t, n, False, "refused", refused) for t, of in self._back.items() for n in sorted(of)))

    def _describe_refused(self) -> tuple[str, ...]:
        nacks = [one.nack for one in self._subscriptions.values() if one.nack is not None]
        return tuple(f"{short_type(nack.type_url)} {name}" for nack in nacks for name in find_refused(nack))

    def _removed_names(self) -> list[tuple[str, frozenset[str]]]:
        return [(type_url, frozenset(of_type)) for type_url, of_type in self.removed.items()]

    def _update_back(self) -> None:
        before = self._overridden()
        self._back = self._find_back()
        in_use = {id(one) for of_type in self._back.values() for one in of_type.values()}
        self._drains = tuple(
            replace(drain, resources=tuple(one for one in drain.resources if id(one) not in in_use))
            for drain in self._drains
        )
        self._serve()
        self._mark(_unite(before, self._overridden()))
        self._keep_nacks()

    def _keep_nacks(self) -> None:
        """Keep the NACKs of what is held back: it is not corrected by the ACK of what is served in its place."""
        for type_url, subscription in self._subscriptions.items():
            keeps = bool(self._hidden.get(type_url) or (type_url == SECRET and self._unusable.get(SECRET)))
            if keeps != subscription.keeps_nack:
                subscription.keeps_nack = keeps
                if not subscription.is_pending:
                    subscription.clear_nack()

    def _find_back(self) -> Mapping[str, Mapping[str, Resource | None]]:
        """Return the older versions that stay: of what is hidden, and where the new ones would harm."""
        back: dict[str, dict[str, Resource | None]] = {}
        for type_url, names in self._hidden.items():
            latest, older = self.latest.of(type_url).resources, self._older.get(type_url, NOTHING)
            back[type_url] = {name: older.get(name) for name in names if name in latest}
        secrets = self._unusable.get(SECRET, NO_NAMES)
        unusable = NO_NAMES.union(*self._unusable.values())
        for type_url in (CLUSTER, *STAGED) if unusable else ():
            harmful = secrets if type_url == CLUSTER else unusable
            latest = self.latest.of(type_url).resources
            for name, one in self._older.get(type_url, NOTHING).items() if harmful else ():
                if name in latest and latest[name] != one and would_harm(one, latest[name], harmful):
                    back.setdefault(type_url, {}).setdefault(name, one)
        return back

    def _serve(self) -> None:
        """Make the snapshot that is served. Sessions with the same differences share its TypeSnapshots."""
        if not self.overrides:
            self._own = None
            return
        types = {*self.removed, *self._back}
        both = {t: {**self.removed.get(t, NOTHING), **self._back.get(t, NOTHING)} for t in types}
        self._own = self.latest.replace(both, self._pool)

    def _overridden(self) -> Names:
        return {t: frozenset({*self.removed.get(t, ()), *self._back.get(t, ())}) for t in {*self.removed, *self._back}}

    def _mark(self, names: Names) -> None:
        """Mark names as changed in the subscriptions, except removed ones that are kept."""
        for type_url, of_type in names.items():
            if subscription := self._subscriptions.get(type_url):
                kept = self.removed.get(type_url)
                subscription.on_change(of_type.difference(kept) if kept else of_type)


def _find_known(snapshot: Snapshot, subscription: Subscription[Any], names: frozenset[str]) -> Mapping[str, Resource]:
    """Return the resources among `names` that the client has in the version that the snapshot has."""
    of_type, known = snapshot.of(subscription.type_url), subscription.known

    def find() -> Mapping[str, Resource]:
        resources = of_type.resources
        return {n: resources[n] for n in names if n in resources and known.get(n) == resources[n].version}

    if not is_large(len(names)):
        return find()
    return share(of_type, ("known", names, id(known)), lambda: (find(), known))[0]


def _find_lost(had: TypeSnapshot, latest: TypeSnapshot) -> tuple[frozenset[str], Mapping[str, Resource]]:
    """Return the names of what changed, came or went since a client had a type, and the resources that went."""

    def find() -> tuple[frozenset[str], Mapping[str, Resource]]:
        was, now = had.resources, latest.resources
        changed = frozenset(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        return changed, {name: was[name] for name in changed if name in was and name not in now}

    # The result keeps a reference to `had`, so that no other object gets its id while it is shared.
    return share(latest, ("lost", id(had)), lambda: (find(), had))[0]


def _without(names: Names, some: Names) -> Names:
    """Return the names without some of them; the same object if it has none of these types."""
    if names.keys().isdisjoint(some):
        return names
    return {t: left for t, of in names.items() if (left := of.difference(some.get(t, ())))}


def _unite(some: Names, more: Names) -> Names:
    if not some or not more:
        return some or more
    return {t: unite(some.get(t, NO_NAMES), more.get(t, NO_NAMES)) for t in {*some, *more}}
