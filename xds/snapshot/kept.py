"""What nodes of a cluster keep that the catalog no longer names: the resources of its last view.

An edit that renames or removes a gateway or a service must not take what its Envoys have: they serve requests, and an
Envoy's `node.cluster` changes only when it is started again. So the last inventory in which a cluster was served is
kept, and with it what its nodes had: listeners, routes and secrets. Clusters and endpoints of services that the catalog
still has stay up to date, since instances come and go while the Envoy runs.
"""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from xds.catalog.catalog import Catalog
from xds.catalog.model.locality import Locality
from xds.resources.inventory import Inventory
from xds.resources.listeners.gateway import Resources
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, NodeView, Standing, build_open_view, find_standing
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wording import find_nearest

LIVE_TYPES = (CLUSTER, CLUSTER_LOAD_ASSIGNMENT)
"""The types that stay up to date for services that the catalog still has."""

MAX_UNUSED = 100
"""How many clusters are kept of which no node is connected. The ones that were removed or used last stay."""


@dataclass(frozen=True, slots=True)
class KeptCluster:
    """The last inventory in which a cluster was served, and the name that it seems to have now (None: none is near).

    `serial` is another number for each removal.
    """

    inventory: Inventory
    successor: str | None
    serial: int


@dataclass(frozen=True, slots=True)
class KeptView(NodeView):
    """The view `view` of the inventory `kept`, with what the present inventory has of its services."""

    view: NodeView
    serial: int
    upstreams: frozenset[str]
    locality: Locality
    kept: Inventory = field(compare=False, repr=False)
    local: None = None

    @property
    def assignment_key(self) -> Hashable:
        """What the kept view depends on, and of which removal it is."""
        return self.view.assignment_key, self.serial

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return what the node had of a service; its cluster and endpoints as they are now, if it still exists."""
        had = self.view.parts(self.kept, name)
        live = self.view.parts(inventory, name) if name in inventory.parts else {}
        if CLUSTER not in live or CLUSTER not in had:  # it is gone, or is or was none for gRPC's own clients
            return had
        now = {type_url: live[type_url] for type_url in LIVE_TYPES if type_url in live}
        return {**{type_url: one for type_url, one in had.items() if type_url not in LIVE_TYPES}, **now}

    def build_own(self, inventory: Inventory) -> Resources:
        """Return the node's own resources as they were, with the endpoints of its own service if it had them."""
        own = self.view.build_own(self.kept)
        if self.view.local is None:
            return own
        local = self.kept.local_resources(self.view.local)
        return {**own, **{type_url: {one.name: one} for type_url, one in local.items()}}

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the names of the node's own resources."""
        return self.view.find_own(resources)

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return the changed services: routes are as they were, so that no other service depends on these."""
        return inventory.changed

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Return False: the node's own resources are as they were."""
        return False


class KeptClusters:
    """The clusters that the catalog named before, or whose nodes it served before, and does not any more.

    A cluster without a connected node is dropped at the second `sweep` after its last node has left or it was removed,
    and before that if MAX_UNUSED others follow it. So the caller decides how long that is.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, KeptCluster] = OrderedDict()
        self._swept: set[str] = set()
        self._serial = 0

    def get(self, cluster: str) -> KeptCluster | None:
        """Return what is kept for a cluster, or None."""
        return self._kept.get(cluster)

    def find(self, before: Inventory, after: Inventory, in_use: Iterable[str]) -> Mapping[str, KeptCluster | None]:
        """Return what an edit changes: a cluster to keep, or None for one that the catalog names again.

        `in_use` are the clusters of connected nodes.
        """
        old, new = before.catalog, after.catalog
        names = after.changed | after.changed_gateways
        if before.catalog.mesh != after.catalog.mesh:
            names |= frozenset(in_use)
        found: dict[str, KeptCluster | None] = {}
        for name in sorted(names):
            standing = find_standing(new, name)
            if standing is Standing.NAMED:
                if name in self._kept:
                    found[name] = None
            elif name not in self._kept and _is_lost(find_standing(old, name), standing):
                self._serial += 1
                found[name] = KeptCluster(before, find_successor(old, new, name), self._serial)
        return found

    def put(self, changes: Mapping[str, KeptCluster | None]) -> None:
        """Take over what `find` returned."""
        for name, kept in changes.items():
            self._kept.pop(name, None)
            self._swept.discard(name)
            if kept is not None:
                self._kept[name] = kept

    def touch(self, cluster: str) -> None:
        """Note that a node of the cluster connects or leaves now."""
        if cluster in self._kept:
            self._kept.move_to_end(cluster)
            self._swept.discard(cluster)

    def sweep(self, in_use: Collection[str]) -> None:
        """Drop the clusters that no node has used since the last sweep, and note which may be dropped at the next."""
        unused = [name for name in self._kept if name not in in_use]
        for name in unused:
            if name in self._swept:
                del self._kept[name]
        self._swept = {name for name in unused if name in self._kept}

    def trim(self, in_use: Collection[str]) -> None:
        """Drop the clusters that were used least recently, if more than MAX_UNUSED are not in use."""
        unused = [name for name in self._kept if name not in in_use]
        for name in unused[: max(0, len(unused) - MAX_UNUSED)]:
            del self._kept[name]
            self._swept.discard(name)


def build_kept_view(kept: KeptCluster, kind: NodeKind) -> KeptView:
    """Build the view of a kind of node whose cluster is kept."""
    view = build_open_view(kept.inventory, kind)
    upstreams = frozenset(kept.inventory.parts) if view.upstreams is None else view.upstreams
    return KeptView(view, kept.serial, upstreams, view.locality, kept.inventory)


def find_successor(before: Catalog, after: Catalog, name: str) -> str | None:
    """Return the new name of a removed service or gateway: an added one with the same content, or else the nearest."""
    for old, new in ((before.gateways, after.gateways), (before.services, after.services)):
        if (removed := old.get(name)) is None:
            continue
        added = sorted(new.keys() - old.keys())
        same = [one for one in added if new[one] == removed]
        if same:
            return same[0] if len(same) == 1 else find_nearest(name, same) or same[0]
        if (near := find_nearest(name, added) or find_extended(name, added)) is not None:
            return near
    return find_named(after, name)


def find_named(catalog: Catalog, name: str) -> str | None:
    """Return the service or gateway whose name is nearest to a cluster's, or None."""
    names = [*catalog.gateways, *catalog.services]
    return (find_nearest(name, names) or find_extended(name, names)) if name else None


def find_extended(name: str, names: Iterable[str]) -> str | None:
    """Return the shortest of the names that begins or ends with the name, such as `edge-public` for `edge`."""
    extended = [one for one in names if len(name) > 1 and (one.startswith(name) or one.endswith(name))]
    return min(extended, key=lambda one: (len(one), one), default=None)


def _is_lost(was: Standing, now: Standing) -> bool:
    """Whether nodes would lose what they are served: they get nothing now, or another view than that of their own."""
    return was is Standing.NAMED or (was is Standing.STRANGER and now is Standing.UNKNOWN)
