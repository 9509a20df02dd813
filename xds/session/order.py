"""UpdateOrder: which type waits for which other type, so that no route names what the client lacks (rules 32 to 34).

A change is sent in the order "make before break". Clusters and endpoints go first. Listeners, and then routes, follow
when the client has accepted those of them that they name. Removals go last. What is served in the meantime, and after
the client refused something, is in `held.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from xds.resources.mentions import mentions
from xds.session.batch import Batch, is_large, share
from xds.session.held import STAGED, STATED, Held, Holding, Latest
from xds.session.memory import Memory
from xds.session.request import States
from xds.session.subscription import NO_NAMES, Nack, Subscription, unite
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshotPool
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET, TYPE_URLS

EARLIER = {
    LISTENER: (SECRET, CLUSTER, CLUSTER_LOAD_ASSIGNMENT),
    ROUTE_CONFIGURATION: (CLUSTER, CLUSTER_LOAD_ASSIGNMENT),
}
"""The types that a type's resources may name, and so wait for."""

BEFORE_REMOVALS = (SECRET, CLUSTER, LISTENER, ROUTE_CONFIGURATION)
"""The types whose removals wait until the client has answered everything of all of them."""

MANY = 64
"""From how many names on, nobody looks whether a resource names any of them: it is assumed to."""


class Pause(Enum):
    """A time after which the session goes on without an answer: for a new cluster's endpoints, or a drain."""

    ENDPOINTS = "endpoints"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Alarm:
    """The beginning of a pause. The caller reports its end with the same object.

    A drain that has begun on an earlier stream has the number that it had there.
    """

    pause: Pause
    number: int


class UpdateOrder:
    """How far one client is with the changes of its snapshot.

    `subscriptions` are the session's. On a stream of one type (`aggregated` is False) it has one subscription only.
    `alarms` are the pauses that began since the caller last took them. `is_blind` is whether removals wait although
    nothing is unanswered, since the client has the types that name them on other streams.
    """

    __slots__ = (
        "_aggregated",
        "_alarm_count",
        "_awaited",
        "_given_up",
        "_kept",
        "_overdue",
        "_reconnecting",
        "_resumes",
        "_subscriptions",
        "_unfollowed",
        "alarms",
        "is_blind",
    )

    def __init__(self, subscriptions: Mapping[str, Subscription[Any]], *, aggregated: bool) -> None:
        self._subscriptions = subscriptions
        self._aggregated = aggregated
        self._kept = Holding(subscriptions, aggregated=aggregated)
        self._awaited: tuple[tuple[int, frozenset[str]], ...] = ()  # new clusters without endpoints, by alarm
        self._unfollowed = NO_NAMES  # clusters that were sent before the client subscribed to endpoints
        self._reconnecting = False  # the client reconnected with clusters; its subscriptions to other types follow soon
        self._resumes = False  # the client had more on its last stream than the latest snapshot has
        self.is_blind = False  # a change concerns other types too, which the client has on other streams
        self._overdue: set[str] = set()  # types that removals no longer wait for, until the next change
        self._given_up: set[str] = set()  # types for whose unanswered response others have waited long enough
        self._alarm_count = 0
        self.alarms: tuple[Alarm, ...] = ()

    @property
    def snapshot(self) -> Snapshot:
        """What is served now, with what is kept and without what is held back."""
        return self._kept.snapshot

    def begin(
        self, latest: Latest, *, drains: bool, memory: Memory | None = None, pool: TypeSnapshotPool | None = None
    ) -> None:
        """Begin with the view's snapshot. `drains` is whether the client drains connections of listeners that change.

        `memory` is that of the client's last stream, `pool` is where the view's TypeSnapshots come from.
        """
        self._kept.begin(latest, drains=drains, memory=memory, pool=pool)
        self._resumes = self._reconnecting = self._aggregated and bool(self._kept.removed)
        self.alarms = tuple(Alarm(Pause.DRAIN, drain.number) for drain in self._kept.drains)
        self._alarm_count = max((alarm.number for alarm in self.alarms), default=0)

    def catch_up(self, type_url: str, states: States, past: Iterable[Snapshot]) -> None:
        """Note what a client that comes back has, before its first request for the type is answered.

        `past` are the snapshots before the latest, newest first.
        """
        if type_url in STATED:
            self._kept.catch_up(type_url, states, past)
            self.is_blind = not self._aggregated and bool(self._kept.removed)

    def remember(self) -> Memory | None:
        """Return what the client's next stream is to begin with; None if that is the latest snapshot."""
        return self._kept.remember()

    def on_change(self, change: SnapshotChange) -> bool:
        """Note that the view has the next snapshot, and mark in the subscriptions the names that changed.

        Returns False if the change concerns nothing that the client subscribed to.
        """
        if not (self.overrides or self._concerns(change)):
            return False
        self._overdue.clear()  # removals wait again with each change
        self._kept.on_change(change)
        self.is_blind = not self._aggregated and any(
            not names <= change.retained.get(type_url, {}).keys() for type_url, names in change.names.items()
        )
        return True

    @property
    def overrides(self) -> bool:
        """Whether the client is served anything but the latest snapshot, so that every change concerns it."""
        return self._kept.overrides

    def _concerns(self, change: SnapshotChange) -> bool:
        for type_url, names in change.names.items():
            one = self._subscriptions.get(type_url)
            if one is not None and (one.wildcard or one.names_any(names)):
                return True
        return False

    def on_first(self, type_url: str) -> None:
        """Note the first request for a type on the stream."""
        self._kept.on_first(type_url)
        if type_url == CLUSTER_LOAD_ASSIGNMENT:
            if self._subscriptions[type_url].known:  # a reconnecting client needs its endpoints again (rule 33)
                self._subscriptions[type_url].follow(self._unfollowed)
            self._unfollowed = NO_NAMES
        elif type_url == CLUSTER:
            reconnects = self._subscriptions[type_url].reconnected or self._resumes
            self._reconnecting = self._aggregated and reconnects

    def on_reply(self, type_url: str, nack: Nack | None, *, accepted: bool) -> None:
        """Note the client's answer to a response: nothing waits for the endpoints of a cluster that it refused."""
        if self._subscriptions[type_url].in_flight is None:
            self._overdue.discard(type_url)
            self._given_up.discard(type_url)
        if nack is not None:
            if type_url == CLUSTER:
                self._awaited = _subtract(self._awaited, frozenset(nack.resource_names))
            self._kept.on_nack(nack)
        elif accepted and self._kept.on_accept(type_url):
            self._start(Pause.DRAIN)
            self._kept.begin_drain(self._alarm_count)

    def on_send(self, type_url: str, batch: Batch) -> None:
        """Note a response that is sent. New and changed clusters are followed by their endpoints (rule 33)."""
        self._overdue.discard(type_url)
        self._given_up.discard(type_url)
        if type_url != CLUSTER:
            return
        changed, new = self._compare(type_url, batch.versions)
        if new:
            self._start(Pause.ENDPOINTS)
            self._awaited = (*self._awaited, (self._alarm_count, new))
        if assignments := self._subscriptions.get(CLUSTER_LOAD_ASSIGNMENT):
            assignments.follow(changed)
        else:
            self._unfollowed = unite(self._unfollowed, changed)

    def _start(self, pause: Pause) -> None:
        self._alarm_count += 1
        self.alarms = (*self.alarms, Alarm(pause, self._alarm_count))

    def _compare(self, type_url: str, versions: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names whose version differs from what the client has, and those of them that it lacks."""
        known = self._subscriptions[type_url].known

        def compare() -> tuple[frozenset[str], frozenset[str]]:
            changed = frozenset(name for name, version in versions.items() if known.get(name) != version)
            return changed, changed.difference(known)

        if not is_large(len(versions)):
            return compare()
        # The result keeps references to both, so that no other object gets their ids while it is shared.
        key = ("changed", id(known), id(versions))
        return share(self.snapshot.of(type_url), key, lambda: (compare(), known, versions))[0]

    def on_timeout(self) -> None:
        """Stop waiting for responses that are unanswered, and for types that the client has not asked for."""
        self._overdue = {type_url for type_url in TYPE_URLS if self._is_open(type_url)}
        self._given_up |= {type_url for type_url in self._overdue if type_url in self._subscriptions}
        self._awaited = ()
        self._reconnecting = self.is_blind = False
        self._kept.on_timeout()

    def on_alarm(self, alarm: Alarm) -> None:
        """Stop waiting for endpoints of clusters that were sent when the pause began, or note the end of a drain."""
        if alarm.pause is Pause.DRAIN:
            self._kept.end_drain(alarm.number)
        else:
            self._awaited = tuple(one for one in self._awaited if one[0] != alarm.number)

    @property
    def has_pending_removals(self) -> bool:
        """Whether the client has removed resources that can go as soon as it answers."""
        return (bool(self._kept.removed) or self._has_withheld) and not (self._kept.is_draining or self.is_refused)

    @property
    def is_refused(self) -> bool:
        """Whether the client refused a part of an edit, and so needs what the edit removes."""
        return self._kept.is_refused

    def describe_held(self) -> tuple[Held, ...]:
        """Return what the client still has against the catalog, and why."""
        return self._kept.describe()

    def release(self) -> bool:
        """Let removals be sent, once the client has all that takes their place. Listeners go before what they name.

        Returns whether it did so.
        """
        kept = self._kept
        if not (kept.removed or self._has_withheld) or kept.is_refused or self.is_blind:
            return False
        if any(map(self._is_behind, BEFORE_REMOVALS)) or (self._aggregated and kept.lacks_what_listeners_name()):
            return False
        going = kept.find_going()
        if not (going or self._has_withheld):
            return False
        for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT):
            if subscription := self._subscriptions.get(type_url):
                subscription.release()
        kept.let_go(going)
        return True

    def must_wait(self, subscription: Subscription[Any]) -> bool:
        """Whether a type's next response must wait, since the client lacks what its resources name."""
        type_url = subscription.type_url
        if type_url not in STAGED or not (subscription.answered or subscription.reconnected):
            return False
        for earlier in EARLIER[type_url]:
            for names in (self._find_unanswered(earlier), self._find_unsent(earlier)):
                if names and self._names_any(subscription, names):
                    return True
        if type_url == ROUTE_CONFIGURATION and self._awaits_listeners(subscription):
            return True
        awaited = self._find_awaited()
        return bool(awaited) and self._names_any(subscription, awaited)

    def _find_unanswered(self, type_url: str) -> frozenset[str]:
        """Return the names that an unanswered response of a type adds or changes."""
        subscription = self._subscriptions.get(type_url)
        if subscription is None or subscription.in_flight is None or type_url in self._given_up:
            return NO_NAMES
        return self._compare(type_url, subscription.in_flight.batch.versions)[0]

    def _find_unsent(self, type_url: str) -> frozenset[str]:
        """Return the names that cannot be sent yet, since a response of their type is unanswered.

        These are the names that the client lacks, without end: a route to a cluster that was never sent fails. They are
        also the clusters that changed, until the unanswered response has been waited for long enough.
        """
        subscription = self._subscriptions.get(type_url)
        if subscription is None or subscription.in_flight is None or not subscription.is_pending:
            return NO_NAMES
        served, due = self.snapshot.of(type_url).resources, subscription.find_due()
        # With what is on the way, as if it had arrived; None: on the way is a removal.
        has = {**subscription.known, **subscription.refused(subscription.in_flight.batch)}
        names = [one for one in (served if due is None else due) if one in served and subscription.wants(one)]
        if type_url == CLUSTER and type_url not in self._given_up:
            return frozenset(one for one in names if has.get(one) != served[one].version)
        return frozenset(one for one in names if has.get(one) is None)

    def _names_any(self, subscription: Subscription[Any], names: Collection[str]) -> bool:
        """Whether a resource that is due names any of these."""
        due = subscription.find_due()
        if due is None or len(names) > MANY:
            return True
        of_type = self.snapshot.of(subscription.type_url)

        def look() -> bool:
            found = [of_type.resources[one] for one in due if one in of_type.resources]
            return any(mentions(resource, name) for resource in found for name in names)

        return share(of_type, ("names", subscription.type_url, due, frozenset(names)), look)

    def _awaits_listeners(self, routes: Subscription[Any]) -> bool:
        """Whether a listener that names a due RouteConfiguration is due itself, or not answered yet."""
        listeners = self._subscriptions.get(LISTENER)
        if listeners is None or LISTENER in self._given_up:
            return False
        due, sent = listeners.find_due(), self._find_unanswered(LISTENER)
        if not (due is None or due or sent):
            return False
        names = routes.find_due()
        if due is None or names is None or len(names) > MANY or len(due) + len(sent) > MANY:
            return True
        of_type = self.snapshot.of(LISTENER).resources
        open_listeners = [of_type[one] for one in due.union(sent) if one in of_type]
        return any(mentions(listener, name) for listener in open_listeners for name in names)

    @property
    def _has_withheld(self) -> bool:
        clusters = self._subscriptions.get(CLUSTER)
        assignments = self._subscriptions.get(CLUSTER_LOAD_ASSIGNMENT)
        return bool((clusters and clusters.withheld) or (assignments and assignments.withheld))

    def _is_open(self, type_url: str) -> bool:
        """Whether a response is unanswered, or a reconnecting client has not asked for the type yet."""
        if (subscription := self._subscriptions.get(type_url)) is None:
            return self._reconnecting and type_url in STAGED
        return subscription.in_flight is not None

    def _find_awaited(self) -> frozenset[str]:
        """Return the clusters that are new to the client and whose endpoints it lacks."""
        if not self._awaited:
            return NO_NAMES
        if assignments := self._subscriptions.get(CLUSTER_LOAD_ASSIGNMENT):
            self._awaited = _subtract(self._awaited, assignments.known.keys() | assignments.rejected.keys())
        wanted = self._kept.latest.of(CLUSTER_LOAD_ASSIGNMENT).resources
        self._awaited = tuple(
            (number, left) for number, names in self._awaited if (left := frozenset(n for n in names if n in wanted))
        )
        return NO_NAMES.union(*(names for _, names in self._awaited))

    def _is_behind(self, type_url: str) -> bool:
        """Whether the client does not have the current state of a type yet."""
        if type_url in self._overdue:
            return False
        subscription = self._subscriptions.get(type_url)
        return self._is_open(type_url) or (subscription is not None and subscription.is_pending)


def _subtract(
    awaited: tuple[tuple[int, frozenset[str]], ...], names: Collection[str]
) -> tuple[tuple[int, frozenset[str]], ...]:
    return tuple((number, left) for number, some in awaited if (left := some.difference(names)))
