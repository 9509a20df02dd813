"""The views that connected nodes use, with the latest snapshot of each and with those who follow it."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

from xds.catalog.model.locality import NOWHERE
from xds.resources.view import NodeKind, NodeView
from xds.snapshot.interest import Asked, Interests
from xds.snapshot.snapshot import Snapshot, SnapshotChange

K = TypeVar("K")
V = TypeVar("V")


class Follower(Protocol):
    """Who is told of the changes that concern it, such as a stream."""

    def on_change(self, change: SnapshotChange, /) -> bool:
        """Take a change; return whether it concerned the follower."""
        ...


class Served:
    """A view in use: its latest snapshot, the places in it, and what their followers ask for."""

    __slots__ = ("interests", "places", "snapshot", "view")

    def __init__(self, view: NodeView, snapshot: Snapshot) -> None:
        self.view = view
        self.snapshot = snapshot
        self.places: set[Place] = set()
        self.interests: Interests[Follower] = Interests()


class Place:
    """Where the nodes of one kind are: in a view, which may become another. `count` is how many streams they have.

    While a place is to move to another view, its snapshot stays as it was.
    """

    __slots__ = ("_frozen", "count", "followers", "kind", "served")

    def __init__(self, kind: NodeKind, served: Served) -> None:
        self.kind = kind
        self.served = served
        self.followers: set[Follower] = set()
        self.count = 0
        self._frozen: Snapshot | None = None

    def read(self) -> Snapshot:
        """Return the latest snapshot."""
        return self._frozen or self.served.snapshot

    def follow(self, follower: Follower) -> None:
        """Tell a follower of each change that concerns it, by what it has noted."""
        self.followers.add(follower)

    def note(self, follower: Follower, type_url: str, asked: Asked) -> None:
        """Note what a follower asks for of a type."""
        self.served.interests.note(follower, type_url, asked)

    def note_always(self, follower: Follower, *, always: bool) -> None:
        """Note whether every change concerns a follower, whatever it asks for."""
        self.served.interests.note_always(follower, always=always)

    def leave(self, follower: Follower) -> None:
        """Tell a follower no more."""
        self.followers.discard(follower)
        self.served.interests.drop(follower)

    @property
    def is_moving(self) -> bool:
        """Whether it is to move to another view."""
        return self._frozen is not None

    def freeze(self) -> None:
        """Keep the snapshot as it is until the place moves."""
        self._frozen = self.served.snapshot

    def enter(self, served: Served) -> None:
        """Move to another view, with the followers."""
        for follower in self.followers:
            self.served.interests.move(follower, served.interests)
        self.served, self._frozen = served, None


class Views:
    """The views in use, with indexes from a kind of node to its place, and from a service to the views that see it."""

    def __init__(self) -> None:
        self.places: dict[NodeKind, Place] = {}
        self.by_view: dict[NodeView, Served] = {}
        self._by_service: dict[str | None, set[Served]] = {}  # None: views that see all services
        self._by_cluster: dict[str, set[Place]] = {}

    def __bool__(self) -> bool:
        return bool(self.places or self.by_view or self._by_service or self._by_cluster)

    @property
    def clusters(self) -> AbstractSet[str]:
        """The clusters of the kinds in use."""
        return self._by_cluster.keys()

    def find_places(self, clusters: Iterable[str]) -> set[Place]:
        """Return the places of nodes whose `node.cluster` is one of these."""
        return {place for cluster in clusters for place in self._by_cluster.get(cluster, ())}

    def find_with_locality(self, services: frozenset[str]) -> set[Place]:
        """Return the places of nodes that have a locality and see any of these services."""
        served = self.find_served(services)
        return {place for one in served for place in one.places if place.kind.locality != NOWHERE}

    def find_scoped(self, services: frozenset[str]) -> set[Place]:
        """Return the places of nodes that see any of these services, but not all services."""
        served = self.find_served(services)
        return {place for one in served if one.view.upstreams is not None for place in one.places}

    def find_served(self, services: frozenset[str]) -> set[Served]:
        """Return the views that see any of these services."""
        keys = (*services, None) if services else ()
        return {served for key in keys for served in self._by_service.get(key, ())}

    def find_place(self, kind: NodeKind, view: NodeView, build: Callable[[], Snapshot]) -> Place:
        """Return the new place of a kind in a view, whose snapshot is built if it is not in use."""
        place = self.places[kind] = Place(kind, self._find(view, build))
        place.served.places.add(place)
        self._by_cluster.setdefault(kind.cluster, set()).add(place)
        return place

    def move(self, place: Place, view: NodeView, build: Callable[[], Snapshot]) -> None:
        """Move a place to another view."""
        before, after = place.served, self._find(view, build)
        place.enter(after)
        after.places.add(place)
        self._leave(place, before)

    def retire(self, served: Served) -> None:
        """Let no further place enter a view, since all places are to leave it, and it stays as it was."""
        del self.by_view[served.view]
        for key in _keys(served.view):
            _discard(self._by_service, key, served)

    def remove(self, place: Place) -> None:
        """Remove a place, and its view if no other place is in it."""
        del self.places[place.kind]
        _discard(self._by_cluster, place.kind.cluster, place)
        self._leave(place, place.served)

    def _find(self, view: NodeView, build: Callable[[], Snapshot]) -> Served:
        served = self.by_view.get(view)
        if served is None:
            served = self.by_view[view] = Served(view, build())
            for key in _keys(view):
                self._by_service.setdefault(key, set()).add(served)
        return served

    def _leave(self, place: Place, served: Served) -> None:
        served.places.discard(place)
        if not served.places and self.by_view.get(served.view) is served:
            self.retire(served)


def _keys(view: NodeView) -> Iterable[str | None]:
    local = view.local
    services: frozenset[str | None] = frozenset((None,)) if view.upstreams is None else view.upstreams
    return services if local is None else services | {local}


def _discard(sets: dict[K, set[V]], key: K, value: V) -> None:
    sets[key].remove(value)
    if not sets[key]:
        del sets[key]
