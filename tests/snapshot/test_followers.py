"""Whoever follows a place is told of all changes of what it asks for, and of nothing else, before anything else."""

from collections.abc import Iterator
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from tests.sampling import examples
from tests.snapshot.test_update import KINDS, NAMES, chains
from xds.catalog.catalog import Catalog
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, build_view
from xds.snapshot.building import build_snapshot
from xds.snapshot.interest import Asked
from xds.snapshot.snapshot import Snapshot, SnapshotChange
from xds.snapshot.store import SnapshotStore
from xds.wire import LISTENER, TYPE_URLS

asked = st.none() | st.frozensets(st.sampled_from([*NAMES, "sidecar", "edge", "tcp/a", "edge/80", "a:80"]))
wishes = st.fixed_dictionaries(dict.fromkeys(TYPE_URLS, asked))


class Watcher:
    """A follower that has what it was told last."""

    def __init__(self, store: SnapshotStore, kind: NodeKind, wishes: dict[str, Asked]) -> None:
        self.kind = kind
        self.wishes = wishes
        self.place = store.acquire(kind)
        self.place.follow(self)
        for type_url, names in wishes.items():
            self.place.note(self, type_url, names)
        self.has = self.select(self.place.read())

    def select(self, snapshot: Snapshot) -> dict[str, dict[str, Resource]]:
        """Return what it asks for."""
        return {
            type_url: {
                name: one
                for name, one in snapshot.of(type_url).resources.items()
                if names is None or name in names or (type_url == LISTENER and f"{name}:80" in names)
            }
            for type_url, names in self.wishes.items()
        }

    def on_change(self, change: SnapshotChange) -> bool:
        """Take a change."""
        assert self.select(change.before) == self.has
        self.has = self.select(change.snapshot)
        assert self.has != self.select(change.before)
        assert self.select(self.place.read()) == self.has
        return True

    def leave(self, store: SnapshotStore) -> None:
        """Follow no more."""
        self.place.leave(self)
        store.release(self.kind)


def update_in_steps(store: SnapshotStore, catalog: Catalog) -> Iterator[None]:
    """Let the store have a new catalog. It yields where the server may do other things."""
    update = store.begin_update(build_inventory(catalog, store.inventory))
    yield from update.build()
    for step in store.take(update):
        for follower in step.concerned:
            assert follower.on_change(step.change)
        yield


@examples(300)
@given(chains(), st.data())
def test_followers_that_come_and_go_during_an_update_miss_nothing(chain: list[Catalog], data: st.DataObject) -> None:
    """At each moment, a follower has been told all that its place has of what it asks for."""
    store = SnapshotStore(build_inventory(chain[0]))
    kinds = st.sampled_from(KINDS)
    watchers = [Watcher(store, data.draw(kinds), data.draw(wishes)) for _ in range(data.draw(st.integers(1, 4)))]
    for catalog in chain[1:]:
        for _ in update_in_steps(store, catalog):
            for watcher in watchers:
                assert watcher.select(watcher.place.read()) == watcher.has
            with suppress(IndexError):
                if data.draw(st.booleans()):
                    watchers.append(Watcher(store, data.draw(kinds), data.draw(wishes)))
                else:
                    watchers.pop(data.draw(st.integers(0, 3))).leave(store)
        for watcher in watchers:
            assert watcher.select(watcher.place.read()) == watcher.has
            assert watcher.has == watcher.select(store.build_snapshot(watcher.kind))
    while watchers:
        watchers.pop().leave(store)
    assert not store._views
    fresh = build_inventory(chain[-1])
    for kind in KINDS:
        if store._kept.get(kind.cluster) is None:
            made = store.acquire(kind).read()
            assert made == build_snapshot(build_view(fresh, kind), fresh)


def test_who_connects_when_a_view_is_left_does_not_get_what_it_was() -> None:
    """Two kinds of node leave a view, one after the other. Another kind has that view, but as it is now."""
    mesh = "mesh: {strangers: serve}\n"
    services = "services: {a: {endpoints: ['10.0.0.1:80']}, web: {endpoints: []}, jobs: {endpoints: []}}"
    store = SnapshotStore(build_inventory(build(mesh + services)))
    leaving = [store.acquire(NodeKind(name)) for name in ("web", "jobs")]
    assert leaving[0].served is leaving[1].served
    edited = services.replace("0.1:80", "0.9:80").replace("web: {", "web: {upstreams: [a], ")
    edited = edited.replace("jobs: {", "jobs: {upstreams: [web], ")
    update = store.begin_update(build_inventory(build(mesh + edited), store.inventory))
    for _ in update.build():
        pass
    steps = store.take(update)
    next(steps)
    anyone = store.acquire(NodeKind("anyone"))
    assert len([*steps]) == 1
    assert anyone.read() == store.build_snapshot(NodeKind("anyone"))
