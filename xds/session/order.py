"""UpdateOrder: which type waits for which other type, so that no route names what the client lacks (rules 32 to 34).

A change is sent in the order "make before break". Clusters and endpoints go first. Listeners, and then routes, follow
when the client has accepted these. Removals go last, when the client has accepted the routes.
"""

from collections.abc import Mapping
from typing import Any

from xds.resources.resource import Resource
from xds.session.batch import Batch, is_large, share
from xds.session.subscription import NO_NAMES, Nack, Subscription, unite
from xds.snapshot.snapshot import Snapshot, SnapshotChange
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, TYPE_URLS

STAGED = frozenset({LISTENER, ROUTE_CONFIGURATION})
"""The types that name clusters. Their responses wait until the client has the clusters and their endpoints."""

EARLIER = {type_url: TYPE_URLS[:position] for position, type_url in enumerate(TYPE_URLS)}
"""The types that a type's resources may name, and so wait for."""


class UpdateOrder:
    """How far one client is with the changes of its snapshot.

    `subscriptions` are the session's. On a stream of one type (`aggregated` is False) it has one subscription only.
    """

    __slots__ = (
        "_aggregated",
        "_awaited",
        "_latest",
        "_overdue",
        "_reconnecting",
        "_retained",
        "_subscriptions",
        "_unfollowed",
        "snapshot",
    )

    def __init__(self, subscriptions: Mapping[str, Subscription[Any]], *, aggregated: bool) -> None:
        self._subscriptions = subscriptions
        self._aggregated = aggregated
        self.snapshot = Snapshot({})  # what is served now, including `_retained`
        self._latest = self.snapshot  # what is served when nothing is retained
        self._retained: dict[str, dict[str, Resource]] = {}  # removed resources that are still served
        self._awaited = NO_NAMES  # new clusters whose endpoints the client does not have yet
        self._unfollowed = NO_NAMES  # clusters that were sent before the client subscribed to endpoints
        self._reconnecting = False  # the client reconnected with clusters; its subscriptions to other types follow soon
        self._overdue: set[str] = set()  # types that others no longer wait for, after a timeout

    def begin(self, snapshot: Snapshot) -> None:
        """Set the first snapshot."""
        self.snapshot = self._latest = snapshot

    def on_change(self, change: SnapshotChange) -> bool:
        """Set the next snapshot, and mark in the subscriptions the names that changed.

        Returns False if the change concerns nothing that the client subscribed to.
        """
        if not (self._retained or self._concerns(change)):
            self._latest = self.snapshot = change.snapshot
            return False
        self._latest, self.snapshot = change.snapshot, change.transitional
        self._overdue.clear()  # the waits start again with each change
        if self._retained:  # of an earlier change that the client has not finished yet
            self._retain(change)
        else:
            self._retained = {type_url: dict(of_type) for type_url, of_type in change.retained.items()}
        for type_url, names in change.names.items():
            if subscription := self._subscriptions.get(type_url):
                retained = self._retained.get(type_url)
                subscription.on_change(names.difference(retained) if retained else names)
        return True

    def _concerns(self, change: SnapshotChange) -> bool:
        for type_url, names in change.names.items():
            one = self._subscriptions.get(type_url)
            if one is not None and (one.wildcard or one.names_any(names)):
                return True
        return False

    def on_first(self, type_url: str) -> None:
        """Note the first request for a type on the stream."""
        if type_url == CLUSTER_LOAD_ASSIGNMENT:
            if self._subscriptions[type_url].known:  # a reconnecting client needs its endpoints again (rule 33)
                self._subscriptions[type_url].follow(self._unfollowed)
            self._unfollowed = NO_NAMES
        elif type_url == CLUSTER:
            self._reconnecting = self._aggregated and self._subscriptions[type_url].reconnected

    def on_reply(self, type_url: str, nack: Nack | None) -> None:
        """Note the client's answer to a response: nothing waits for the endpoints of a cluster that it refused."""
        if self._subscriptions[type_url].in_flight is None:
            self._overdue.discard(type_url)
        if nack is not None and type_url == CLUSTER:
            self._awaited = self._awaited.difference(nack.resource_names)

    def on_send(self, type_url: str, batch: Batch) -> None:
        """Note a response that is sent. New and changed clusters are followed by their endpoints (rule 33)."""
        self._overdue.discard(type_url)
        if type_url != CLUSTER:
            return
        changed, new = self._compare(batch.versions)
        self._awaited = unite(self._awaited, new)
        if assignments := self._subscriptions.get(CLUSTER_LOAD_ASSIGNMENT):
            assignments.follow(changed)
        else:
            self._unfollowed = unite(self._unfollowed, changed)

    def _compare(self, versions: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the clusters whose version differs from what the client has, and those of them that it lacks."""
        known = self._subscriptions[CLUSTER].known

        def compare() -> tuple[frozenset[str], frozenset[str]]:
            changed = frozenset(name for name, version in versions.items() if known.get(name) != version)
            return changed, changed.difference(known)

        if not is_large(len(versions)):
            return compare()
        # The result keeps references to both, so that no other object gets their ids while it is shared.
        key = ("changed", id(known), id(versions))
        return share(self.snapshot.of(CLUSTER), key, lambda: (compare(), known, versions))[0]

    def on_timeout(self) -> None:
        """Stop waiting for responses that are unanswered, and for types that the client has not asked for."""
        self._overdue = {type_url for type_url in TYPE_URLS if self._is_open(type_url)}
        self._awaited = NO_NAMES
        self._reconnecting = False

    @property
    def has_pending_removals(self) -> bool:
        """Whether the client still has removed resources that its listeners or routes may name."""
        return bool(self._retained) or self._has_withheld

    @property
    def is_refused(self) -> bool:
        """Whether the client refused its latest listeners or routes, and so uses older ones."""
        return any(one.rejected for type_url in STAGED if (one := self._subscriptions.get(type_url)))

    def release(self) -> bool:
        """Let the removals be sent, once the client has listeners and routes that do not name these resources.

        Returns whether it did so.
        """
        if not self.has_pending_removals or self.is_refused or any(map(self._is_behind, STAGED)):
            return False
        gone, self._retained, self.snapshot = self._retained, {}, self._latest
        for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT):
            if subscription := self._subscriptions.get(type_url):
                subscription.release()
                subscription.on_change(frozenset(gone.get(type_url, ())))
        return True

    def must_wait(self, subscription: Subscription[Any]) -> bool:
        """Whether a type's next response must wait, since the client lacks what its resources may name."""
        type_url = subscription.type_url
        if type_url not in STAGED or not (subscription.answered or subscription.reconnected):
            return False
        return any(map(self._is_unanswered, EARLIER[type_url])) or self._lacks_assignments()

    @property
    def _has_withheld(self) -> bool:
        clusters = self._subscriptions.get(CLUSTER)
        assignments = self._subscriptions.get(CLUSTER_LOAD_ASSIGNMENT)
        return bool((clusters and clusters.withheld) or (assignments and assignments.withheld))

    def _retain(self, change: SnapshotChange) -> None:
        """Retain the resources that this change and earlier ones removed, except those that exist again."""
        for type_url, of_type in change.retained.items():
            self._retained.setdefault(type_url, {}).update(of_type)
        self._retained = {
            type_url: {name: r for name, r in of_type.items() if name not in change.snapshot.of(type_url).resources}
            for type_url, of_type in self._retained.items()
        }
        self.snapshot = change.snapshot.replace(self._retained)

    def _is_open(self, type_url: str) -> bool:
        """Whether a response is unanswered, or a reconnecting client has not asked for the type yet."""
        if (subscription := self._subscriptions.get(type_url)) is None:
            return self._reconnecting
        return subscription.in_flight is not None

    def _is_unanswered(self, type_url: str) -> bool:
        subscription = self._subscriptions.get(type_url)
        return subscription is not None and subscription.in_flight is not None and type_url not in self._overdue

    def _lacks_assignments(self) -> bool:
        """Whether the client lacks the endpoints of a cluster that is new to it."""
        if self._awaited:
            if assignments := self._subscriptions.get(CLUSTER_LOAD_ASSIGNMENT):
                self._awaited = self._awaited.difference(assignments.known, assignments.rejected)
            wanted = self._latest.of(CLUSTER_LOAD_ASSIGNMENT).resources
            self._awaited = frozenset(name for name in self._awaited if name in wanted)
        return bool(self._awaited)

    def _is_behind(self, type_url: str) -> bool:
        """Whether the client does not have the current state of a type yet."""
        if type_url in self._overdue:
            return False
        subscription = self._subscriptions.get(type_url)
        return self._is_open(type_url) or (subscription is not None and subscription.is_pending)
