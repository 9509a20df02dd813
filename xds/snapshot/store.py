"""SnapshotStore: the views that connected nodes use, and the current snapshot of each.

It keeps them up to date when the inventory changes, in a time that grows with the change and not with the mesh.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from xds.catalog.catalog import Catalog
from xds.catalog.versions import Need
from xds.resources.inventory import Inventory
from xds.resources.versions import Needs, find_unsupported, list_needs, read_envoy_version
from xds.resources.view import NodeKind, NodeView, Standing, build_view, find_standing, kind_of
from xds.snapshot.building import build_services, build_snapshot, has_services
from xds.snapshot.kept import KeptClusters, build_kept_view, find_named
from xds.snapshot.served import Place, Views
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshotPool
from xds.snapshot.update import Step, Update
from xds.wire.discovery_pb2 import Node
from xds.wording import MAX_LOOKUPS

MAX_PAST = 8
"""How many earlier inventories are kept, for clients that were away meanwhile. Those that differ in endpoints only do
not count."""


class SnapshotStore:
    """The snapshots of the views that connected nodes use. The store is mutable, the snapshots are not.

    `past` are the inventories before the present one, newest first.
    """

    def __init__(self, inventory: Inventory, past: Iterable[Inventory] = ()) -> None:
        self.inventory = inventory
        self.past = deque(past, MAX_PAST)
        self._views = Views()
        self.pool = TypeSnapshotPool()
        self._kept = KeptClusters()
        self._hints: dict[str, str | None] = {}
        self._needs: tuple[Catalog, Needs] | None = None

    def acquire(self, kind: NodeKind) -> Place:
        """Count one more stream of nodes of that kind, and return their place, which has their latest snapshot."""
        self._kept.touch(kind.cluster)
        place = self._views.places.get(kind)
        if place is None:
            view = self._build_view(kind)
            place = self._views.find_place(kind, view, lambda: build_snapshot(view, self.inventory, self.pool))
        place.count += 1
        return place

    def has_place(self, kind: NodeKind) -> bool:
        """Whether nodes of that kind are connected."""
        return kind in self._views.places

    def is_prepared(self, kind: NodeKind) -> bool:
        """Whether what takes long of a kind's view is built. It is the same for many views."""
        return has_services(self._build_view(kind), self.inventory, self.pool)

    def prepare(self, kind: NodeKind) -> Iterator[None]:
        """Build what takes long of a kind's view. It yields every now and then, and the inventory may then change."""
        return build_services(self._build_view(kind), self.inventory, self.pool)

    def release(self, kind: NodeKind) -> None:
        """Count one stream fewer. A view that no stream uses is dropped."""
        place = self._views.places[kind]
        place.count -= 1
        if not place.count:
            self._views.remove(place)
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
        return build_snapshot(self._build_view(kind), self.inventory)

    def build_past(self, kind: NodeKind) -> Iterator[Snapshot]:
        """Build what nodes of a kind were served before the latest snapshot, newest first."""
        for inventory in self.past:
            yield build_snapshot(build_view(inventory, kind), inventory, self.pool)

    def _build_view(self, kind: NodeKind) -> NodeView:
        kept = self._kept.get(kind.cluster)
        return build_view(self.inventory, kind) if kept is None else build_kept_view(kept, kind)

    def update(self, inventory: Inventory) -> Mapping[NodeKind, SnapshotChange]:
        """Set a new inventory in one go, and return the change for each kind of node that it concerns."""
        update = self.begin_update(inventory)
        for _ in update.build():
            pass
        changes: dict[NodeKind, SnapshotChange] = {}
        for step in self.take(update):
            changes.update((place.kind, step.change) for place in step.places)
        return changes

    def begin_update(self, inventory: Inventory) -> Update:
        """Return what a new inventory means, which is to be built, and then passed to `take` without a pause.

        The time grows with the views that it concerns, not with all views in use. The store changes only in `take`: if
        an exception is raised before, the next update contains this update's changes too.
        """
        return Update(self._views, self._kept, self.pool, self.inventory, inventory)

    def take(self, update: Update) -> Iterator[Step]:
        """Set the inventory of an update that is built, and let every view take its part, one a step."""
        inventory = self.inventory = update.after
        if not inventory.is_reassignment:
            self.past.appendleft(replace(update.before, shared={}))
        self._kept.put(update.kept)
        if inventory.changed - inventory.reassigned or inventory.changed_gateways:
            self._hints.clear()
        self._kept.trim(self._views.clusters)
        yield from update.take()
