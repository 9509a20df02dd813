"""What a view's snapshot contains, and what becomes of it when the inventory changes."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import starmap

from xds.resources.clusters.fallback import name_cluster
from xds.resources.grpc.targets import ByTarget, Listeners
from xds.resources.inventory import Inventory
from xds.resources.resource import Resource
from xds.resources.view import OWN_TYPES, GrpcView, NodeView
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshot, TypeSnapshotPool, make_change
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, TYPE_URLS

Updates = dict[str, dict[str, Resource | None]]

SLICE = 10
"""After how many services the building of a view pauses."""


def build_snapshot(view: NodeView, inventory: Inventory, pool: TypeSnapshotPool | None = None) -> Snapshot:
    """Return the snapshot of a view. TypeSnapshots that exist in the pool are taken from there."""
    for _ in build_services(view, inventory, pool):
        pass
    snapshot: Snapshot = inventory.shared[_describe(view, inventory, pool)]
    updates: Updates = {type_url: {} for type_url in TYPE_URLS}
    for type_url, of_type in view.build_own(inventory).items():
        updates[type_url].update(of_type)
    for type_url, resource in _local_resources(view, inventory).items():
        updates[type_url][resource.name] = resource
    return snapshot.replace(updates, pool)


def build_services(view: NodeView, inventory: Inventory, pool: TypeSnapshotPool | None = None) -> Iterator[None]:
    """Build the resources of a view's services, once for all views that have the same. It yields every now and then."""
    key = _describe(view, inventory, pool)
    if key in inventory.shared:
        return
    updates: Updates = {type_url: {} for type_url in TYPE_URLS}
    for number, name in enumerate(view.find_services(inventory), 1):
        for type_url, resource in view.parts(inventory, name).items():
            updates[type_url][resource.name] = resource
        if not number % SLICE:
            yield
    first = {LISTENER: TypeSnapshot(Listeners(), versions=ByTarget())} if isinstance(view, GrpcView) else {}
    snapshot = Snapshot(first, view.is_unknown).replace(updates, pool)
    inventory.share(key, lambda: snapshot)


def has_services(view: NodeView, inventory: Inventory, pool: TypeSnapshotPool) -> bool:
    """Whether the resources of a view's services are built."""
    return _describe(view, inventory, pool) in inventory.shared


def _describe(view: NodeView, inventory: Inventory, pool: TypeSnapshotPool | None) -> Hashable:
    return "services", pool is not None, view.describe_services(inventory)


def diff_view(view: NodeView, before: Inventory, after: Inventory, snapshot: Snapshot) -> Updates:
    """Return what a new inventory means for one view, in time that grows with the change and not with the view."""
    changed = view.find_changed(after)
    changed = changed if view.upstreams is None else changed & view.upstreams
    updates: Updates = {type_url: {} for type_url in TYPE_URLS}
    assignments = snapshot.of(CLUSTER_LOAD_ASSIGNMENT).resources
    for name in changed & after.reassigned:
        if (assignment := view.parts(after, name).get(CLUSTER_LOAD_ASSIGNMENT)) is not None:
            _add_update(updates[CLUSTER_LOAD_ASSIGNMENT], assignments.get(name), assignment)
    for name in changed - after.reassigned:
        old, new = view.parts(before, name), view.parts(after, name)
        for type_url in old.keys() | new.keys():
            _add_update(updates[type_url], old.get(type_url), new.get(type_url))
    if view.local in after.changed:
        was, now = _local_resources(view, before), _local_resources(view, after)
        _add_update(
            updates[CLUSTER_LOAD_ASSIGNMENT], was.get(CLUSTER_LOAD_ASSIGNMENT), now.get(CLUSTER_LOAD_ASSIGNMENT)
        )
    if view.may_own_differ(before, after, changed):
        own = view.build_own(after)
        for type_url in OWN_TYPES:
            was, now = snapshot.of(type_url).resources, own.get(type_url, {})
            for name in {*view.find_own(was), *now}:
                _add_update(updates[type_url], was.get(name), now.get(name))
        clusters, now = snapshot.of(CLUSTER).resources, own.get(CLUSTER, {})
        for name in {*starmap(name_cluster, view.find_fallbacks(before)), *now}:
            _add_update(updates[CLUSTER], clusters.get(name), now.get(name))
    return updates


def diff_move(old: Snapshot, new: Snapshot, pool: TypeSnapshotPool | None = None) -> SnapshotChange | None:
    """Return the change for a node that moves to another view. It ends at the object `new`, which others may share."""
    change = make_change(old, diff_snapshots(old, new), pool)
    if change is None:
        return None
    return replace(change, snapshot=new, transitional=change.transitional if change.retained else new)


def diff_snapshots(old: Snapshot, new: Snapshot) -> Updates:
    """Return the updates from one snapshot to another. Unchanged resources are mostly identical objects."""
    updates: Updates = {}
    for type_url in TYPE_URLS:
        if old.of(type_url) is new.of(type_url):
            continue
        was, now = old.of(type_url).resources, new.of(type_url).resources
        updates[type_url] = dict.fromkeys(was.keys() - now.keys())
        updates[type_url].update({name: resource for name, resource in now.items() if was.get(name) != resource})
    return updates


def _local_resources(view: NodeView, inventory: Inventory) -> Mapping[str, Resource]:
    return {} if view.local is None else inventory.local_resources(view.local)


def _add_update(updates: dict[str, Resource | None], was: Resource | None, now: Resource | None) -> None:
    if now is not None and now != was:
        updates[now.name] = now
    elif was is not None and now is None:
        updates[was.name] = None


class Reassignment:
    """A change of nothing but endpoints: worked out once for all views that hold the same of them."""

    def __init__(self, inventory: Inventory, pool: TypeSnapshotPool) -> None:
        self._inventory = inventory
        self._pool = pool
        self._made: dict[tuple[Hashable, int], tuple[TypeSnapshot, frozenset[str], TypeSnapshot]] = {}

    def change(self, view: NodeView, before: Snapshot) -> SnapshotChange | None:
        """Return what becomes of a view's snapshot; None when nothing does."""
        was = before.of(CLUSTER_LOAD_ASSIGNMENT)
        key = view.assignment_key, id(was)
        if key not in self._made:
            reassigned = self._inventory.reassigned
            updates: dict[str, Resource | None] = {}
            for name in reassigned if view.upstreams is None else reassigned & view.upstreams:
                assignment = view.parts(self._inventory, name).get(CLUSTER_LOAD_ASSIGNMENT)
                if assignment is not None and assignment != was.resources.get(name):
                    updates[name] = assignment
            now = self._pool.replace(CLUSTER_LOAD_ASSIGNMENT, was, updates)
            self._made[key] = now, frozenset(updates), was  # so that no other gets its id
        now, names, _ = self._made[key]
        if not names:
            return None
        snapshot = Snapshot({**before.types, CLUSTER_LOAD_ASSIGNMENT: now}, before.is_unknown)
        return SnapshotChange(snapshot, {CLUSTER_LOAD_ASSIGNMENT: names}, {}, snapshot, before, self._pool)
