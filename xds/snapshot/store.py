"""SnapshotStore: the views that connected nodes use, and the current snapshot of each.

It keeps them up to date when the inventory changes, in a time that grows with the change and not with the mesh.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import starmap
from typing import TypeVar

from xds.catalog.catalog import Catalog
from xds.catalog.model.locality import NOWHERE
from xds.catalog.versions import Need
from xds.resources.clusters.fallback import name_cluster
from xds.resources.grpc.targets import ByTarget, Listeners
from xds.resources.inventory import Inventory
from xds.resources.resource import Resource
from xds.resources.versions import Needs, find_unsupported, list_needs, read_envoy_version
from xds.resources.view import (
    OWN_TYPES,
    GrpcView,
    NodeKind,
    NodeView,
    Standing,
    build_view,
    find_standing,
    kind_of,
)
from xds.snapshot.kept import KeptCluster, KeptClusters, build_kept_view, find_named
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshot, TypeSnapshotPool, make_change
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, TYPE_URLS
from xds.wire.discovery_pb2 import Node
from xds.wording import MAX_LOOKUPS

K = TypeVar("K")
V = TypeVar("V")

Updates = dict[str, dict[str, Resource | None]]

NO_CHANGES: Mapping[str, KeptCluster | None] = {}


class SnapshotStore:
    """The snapshots of the views that connected nodes use. The store is mutable, the snapshots are not."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._nodes: Counter[NodeKind] = Counter()
        self._views = _Views()
        self._snapshots: dict[NodeView, Snapshot] = {}
        self.pool = TypeSnapshotPool()
        self._kept = KeptClusters()
        self._hints: dict[str, str | None] = {}
        self._needs: tuple[Catalog, Needs] | None = None

    def acquire(self, kind: NodeKind) -> Snapshot:
        """Count one more stream of nodes of that kind, and return their snapshot."""
        self._kept.touch(kind.cluster)
        view = self._views.by_kind.get(kind) or self._build_view(self.inventory, kind)
        if view not in self._snapshots:
            self._snapshots[view] = build_snapshot(view, self.inventory, self.pool)
        self._put({kind: view})
        self._nodes[kind] += 1
        return self._snapshots[view]

    def release(self, kind: NodeKind) -> None:
        """Count one stream fewer. A view that no stream uses is dropped."""
        self._nodes[kind] -= 1
        if self._nodes[kind] <= 0:
            del self._nodes[kind]
            self._put({kind: None})
            self._kept.touch(kind.cluster)
            self._kept.trim(self._views.clusters)

    def sweep(self) -> None:
        """Forget what is kept for clusters of which no node was connected since the last sweep."""
        self._kept.sweep(self._views.clusters)

    def find_standing(self, cluster: str) -> Standing:
        """Return what nodes of a cluster are served."""
        standing = find_standing(self.inventory.catalog, cluster)
        is_kept = standing is not Standing.NAMED and self._kept.get(cluster) is not None
        return Standing.KEPT if is_kept else standing

    def find_hint(self, cluster: str) -> str | None:
        """Return the service or gateway that is meant by a cluster which the catalog does not name; None if unknown."""
        catalog, kept = self.inventory.catalog, self._kept.get(cluster)
        successor = None if kept is None else kept.successor
        if successor is not None and find_standing(catalog, successor) is Standing.NAMED:
            return successor
        if cluster not in self._hints:
            if len(self._hints) >= MAX_LOOKUPS:
                return None
            self._hints[cluster] = find_named(catalog, cluster)
        return self._hints[cluster]

    def find_unsupported(self, node: Node) -> list[Need]:
        """Return what a node is sent that its Envoy does not take; nothing while its cluster's state is kept."""
        kind, version = kind_of(node), read_envoy_version(node)
        if version is None or self.find_standing(kind.cluster) in (Standing.KEPT, Standing.UNKNOWN):
            return []
        catalog = self.inventory.catalog
        if self._needs is None or self._needs[0] is not catalog:
            self._needs = catalog, list_needs(catalog)
        needs = self._needs[1]
        return list(find_unsupported(needs, build_view(self.inventory, kind), kind.cluster, version)) if needs else []

    @property
    def clusters(self) -> AbstractSet[str]:
        """The values of `node.cluster` of the nodes in use."""
        return self._views.clusters

    def build_snapshot(self, kind: NodeKind) -> Snapshot:
        """Return the snapshot that nodes of a kind are served, whether or not one is connected."""
        return build_snapshot(self._build_view(self.inventory, kind), self.inventory)

    def _build_view(
        self, inventory: Inventory, kind: NodeKind, changed: Mapping[str, KeptCluster | None] = NO_CHANGES
    ) -> NodeView:
        """Build the view of a kind of node; `changed` is what an edit changes about the clusters that are kept."""
        kept = changed[kind.cluster] if kind.cluster in changed else self._kept.get(kind.cluster)
        return build_view(inventory, kind) if kept is None else build_kept_view(kept, kind)

    def update(self, inventory: Inventory) -> Mapping[NodeKind, SnapshotChange]:
        """Set a new inventory, and return the change for each kind of node that it concerns.

        The time grows with the number of these kinds, not with all kinds in use. The store changes only at the end: if
        an exception is raised before, the next update contains this update's changes too.
        """
        rebuilt = self._find_kinds_to_rebuild(inventory)
        kept = self._kept.find(self.inventory, inventory, self._views.clusters)
        views = {kind: self._build_view(inventory, kind, kept) for kind in rebuilt}
        moves = {kind: view for kind, view in views.items() if view != self._views.by_kind[kind]}
        targets = set(moves.values())
        snapshots: dict[NodeView, Snapshot] = {}
        changes: dict[NodeKind, SnapshotChange] = {}
        endpoints = _Reassignment(inventory, self.pool) if inventory.is_reassignment else None
        for view in self._views.find_views(inventory.changed | inventory.dependents) | {
            self._views.by_kind[kind] for kind in rebuilt
        }:
            staying = self._views.kinds[view] - moves.keys()
            if staying or view in targets:
                was = self._snapshots[view]
                if endpoints is not None and view.local not in inventory.changed:
                    change = endpoints.change(view, was)
                else:
                    change = make_change(was, diff_view(view, self.inventory, inventory, was), self.pool)
                snapshots[view] = change.snapshot if change else was
                changes.update(dict.fromkeys(staying, change) if change else {})
        for view in targets - snapshots.keys():
            snapshots[view] = self._snapshots.get(view) or build_snapshot(view, inventory, self.pool)
        changes.update(self._diff_moves(moves, snapshots))
        self.inventory = inventory
        self._snapshots.update(snapshots)
        self._put(moves)
        self._kept.put(kept)
        if inventory.changed - inventory.reassigned or inventory.changed_gateways:
            self._hints.clear()
        self._kept.trim(self._views.clusters)
        return changes

    def _find_kinds_to_rebuild(self, inventory: Inventory) -> set[NodeKind]:
        """Return the kinds of node whose view may change.

        These are all kinds if the mesh's settings changed. Otherwise they are the kinds of the changed services and
        gateways; the kinds that see a service whose routes or raw fields now name other services; and the kinds with a
        locality that see a service for which a caller's locality now matters in another way.
        """
        if inventory.mesh_changed:
            return {*self._views.by_kind}
        before, after = self.inventory.catalog, inventory.catalog
        changed = inventory.changed - inventory.reassigned
        rerouted = frozenset(name for name in changed if _find_routed(before, name) != _find_routed(after, name))
        views_of_rerouted = self._views.find_views(rerouted)
        return {
            *self._views.find_kinds(changed | inventory.changed_gateways),
            *self._views.find_kinds_with_locality(_find_changed_reliance(self.inventory, inventory)),
            *(kind for view in views_of_rerouted if view.upstreams is not None for kind in self._views.kinds[view]),
        }

    def _diff_moves(
        self, moves: Mapping[NodeKind, NodeView], snapshots: Mapping[NodeView, Snapshot]
    ) -> Mapping[NodeKind, SnapshotChange]:
        """Return the change for each kind that moves to another view. Kinds with the same move share one change."""
        kinds: dict[tuple[NodeView, NodeView], list[NodeKind]] = {}
        for kind, view in moves.items():
            kinds.setdefault((self._views.by_kind[kind], view), []).append(kind)
        changes: dict[NodeKind, SnapshotChange] = {}
        for (old, new), movers in kinds.items():
            if change := diff_move(self._snapshots[old], snapshots[new], self.pool):
                changes.update(dict.fromkeys(movers, change))
        return changes

    def _put(self, views: Mapping[NodeKind, NodeView | None]) -> None:
        """Set, replace or remove (None) the views of kinds, and drop the snapshots of views that are no longer used."""
        left = [self._views.by_kind[kind] for kind in views if kind in self._views.by_kind]
        for kind, view in views.items():
            self._views.put(kind, view)
        for view in left:
            if view not in self._views.kinds:
                self._snapshots.pop(view, None)


class _Reassignment:
    """A change of nothing but endpoints: worked out once for all views that hold the same of them."""

    def __init__(self, inventory: Inventory, pool: TypeSnapshotPool) -> None:
        self._inventory = inventory
        self._pool = pool
        self._made: dict[tuple[Hashable, int], tuple[TypeSnapshot, frozenset[str]]] = {}

    def change(self, view: NodeView, before: Snapshot) -> SnapshotChange | None:
        """Return what becomes of a view's snapshot; None when nothing does."""
        was = before.of(CLUSTER_LOAD_ASSIGNMENT)
        key = view.assignment_key, id(was)  # it lives as long as this
        if key not in self._made:
            reassigned = self._inventory.reassigned
            updates: dict[str, Resource | None] = {}
            for name in reassigned if view.upstreams is None else reassigned & view.upstreams:
                assignment = view.parts(self._inventory, name).get(CLUSTER_LOAD_ASSIGNMENT)
                if assignment is not None and assignment != was.resources.get(name):
                    updates[name] = assignment
            self._made[key] = self._pool.replace(CLUSTER_LOAD_ASSIGNMENT, was, updates), frozenset(updates)
        now, names = self._made[key]
        if not names:
            return None
        snapshot = Snapshot({**before.types, CLUSTER_LOAD_ASSIGNMENT: now}, before.is_unknown)
        return SnapshotChange(snapshot, {CLUSTER_LOAD_ASSIGNMENT: names}, {}, snapshot, self._pool)


class _Views:
    """The view of each kind of node in use, with indexes from a view to its kinds and from a service to its views."""

    def __init__(self) -> None:
        self.by_kind: dict[NodeKind, NodeView] = {}
        self.kinds: dict[NodeView, set[NodeKind]] = {}
        self._by_service: dict[str | None, set[NodeView]] = {}  # None: views that see all services
        self._by_cluster: dict[str, set[NodeKind]] = {}

    def __bool__(self) -> bool:
        return bool(self.by_kind or self.kinds or self._by_service or self._by_cluster)

    @property
    def clusters(self) -> AbstractSet[str]:
        """The clusters of the kinds in use."""
        return self._by_cluster.keys()

    def find_kinds(self, clusters: Iterable[str]) -> set[NodeKind]:
        """Return the kinds of node in use whose `node.cluster` is one of these."""
        return {kind for cluster in clusters for kind in self._by_cluster.get(cluster, ())}

    def find_kinds_with_locality(self, services: frozenset[str]) -> set[NodeKind]:
        """Return the kinds of node in use that have a locality and see any of these services."""
        views = self.find_views(services)
        return {kind for view in views for kind in self.kinds[view] if kind.locality != NOWHERE}

    def find_views(self, services: frozenset[str]) -> set[NodeView]:
        """Return the views that see any of these services."""
        keys = (*services, None) if services else ()
        return {view for key in keys for view in self._by_service.get(key, ())}

    def put(self, kind: NodeKind, view: NodeView | None) -> None:
        """Set, replace or remove (None) a kind's view."""
        old = self.by_kind.get(kind)
        if view == old:
            return
        if old is not None:
            del self.by_kind[kind]
            _discard(self._by_cluster, kind.cluster, kind)
            _discard(self.kinds, old, kind)
            if old not in self.kinds:
                for key in _keys(old):
                    _discard(self._by_service, key, old)
        if view is not None:
            if view not in self.kinds:
                for key in _keys(view):
                    self._by_service.setdefault(key, set()).add(view)
            self.kinds.setdefault(view, set()).add(kind)
            self._by_cluster.setdefault(kind.cluster, set()).add(kind)
            self.by_kind[kind] = view


def _keys(view: NodeView) -> Iterable[str | None]:
    local = view.local
    services: frozenset[str | None] = frozenset((None,)) if view.upstreams is None else view.upstreams
    return services if local is None else services | {local}


def _find_changed_reliance(before: Inventory, after: Inventory) -> frozenset[str]:
    """Return the services whose resources now depend on a caller's locality in another way than before."""
    return frozenset(name for name in after.changed if before.reliant.get(name) != after.reliant.get(name))


def _discard(sets: dict[K, set[V]], key: K, value: V) -> None:
    sets[key].remove(value)
    if not sets[key]:
        del sets[key]


def build_snapshot(view: NodeView, inventory: Inventory, pool: TypeSnapshotPool | None = None) -> Snapshot:
    """Return the snapshot of a view. TypeSnapshots that exist in the pool are taken from there."""
    updates: Updates = {type_url: {} for type_url in TYPE_URLS}
    for name in view.find_services(inventory):
        for type_url, resource in view.parts(inventory, name).items():
            updates[type_url][resource.name] = resource
    for type_url, of_type in view.build_own(inventory).items():
        updates[type_url].update(of_type)
    for type_url, resource in _local_resources(view, inventory).items():
        updates[type_url][resource.name] = resource
    first = {LISTENER: TypeSnapshot(Listeners(), versions=ByTarget())} if isinstance(view, GrpcView) else {}
    return Snapshot(first, view.is_unknown).replace(updates, pool)


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
        was, now = old.of(type_url).resources, new.of(type_url).resources
        updates[type_url] = dict.fromkeys(was.keys() - now.keys())
        updates[type_url].update({name: resource for name, resource in now.items() if was.get(name) != resource})
    return updates


def _local_resources(view: NodeView, inventory: Inventory) -> Mapping[str, Resource]:
    return {} if view.local is None else inventory.local_resources(view.local)


def _find_routed(catalog: Catalog, name: str) -> frozenset[str]:
    service = catalog.services.get(name)
    if service is None or not (service.routes or service.envoy):
        return frozenset()
    return service.needed_by_callers | service.needed_by_cluster


def _add_update(updates: dict[str, Resource | None], was: Resource | None, now: Resource | None) -> None:
    if now is not None and now != was:
        updates[now.name] = now
    elif was is not None and now is None:
        updates[was.name] = None
