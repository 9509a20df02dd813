"""SnapshotStore: the one place that knows which views are in use and what each is served now."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from xds.resources.inventory import Inventory
from xds.resources.node import build_node_resources, own_name, services_of
from xds.resources.resource import Resource
from xds.resources.view import GatewayView, GrpcView, NodeKind, NodeView, build_view
from xds.snapshot.snapshot import Snapshot, SnapshotChange, make_change
from xds.wire import LISTENER, ROUTE_CONFIGURATION, TYPE_URLS

Updates = dict[str, dict[str, Resource | None]]


class SnapshotStore:
    """The snapshots of the views that connected nodes use. It changes; what it gives out does not."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._nodes: Counter[NodeKind] = Counter()
        self._views: dict[NodeKind, NodeView] = {}
        self._snapshots: dict[NodeView, Snapshot] = {}

    def acquire(self, kind: NodeKind) -> Snapshot:
        """Count one more stream of nodes of that kind, and give what they are served."""
        view = self._views.get(kind)
        if view is None:
            view = self._views[kind] = build_view(self.inventory.catalog, kind)
        if view not in self._snapshots:
            self._snapshots[view] = build_snapshot(view, self.inventory)
        self._nodes[kind] += 1
        return self._snapshots[view]

    def release(self, kind: NodeKind) -> None:
        """Count one stream less; a view that no stream uses is forgotten."""
        self._nodes[kind] -= 1
        if self._nodes[kind] > 0:
            return
        del self._nodes[kind]
        view = self._views.pop(kind)
        if view not in self._views.values():
            del self._snapshots[view]

    def update(self, inventory: Inventory) -> Mapping[NodeKind, SnapshotChange]:
        """Take a new inventory; give what changed for each kind of node in use that it concerns."""
        before, self.inventory = self.inventory, inventory
        views = {kind: self._view_after(kind, old) for kind, old in self._views.items()}
        changes: dict[tuple[NodeView, NodeView], SnapshotChange | None] = {}
        snapshots: dict[NodeView, Snapshot] = {}
        for view in dict.fromkeys(views.values()):
            if was := self._snapshots.get(view):
                change = changes[view, view] = make_change(was, diff_view(view, before, inventory, was))
                snapshots[view] = change.snapshot if change else was
            else:
                snapshots[view] = build_snapshot(view, inventory)
        for kind, view in views.items():
            old = self._views[kind]
            if (old, view) not in changes:
                changes[old, view] = move(self._snapshots[old], snapshots[view])
        concerned = {
            kind: change for kind, view in views.items() if (change := changes[self._views[kind], view]) is not None
        }
        self._views, self._snapshots = views, snapshots
        return concerned

    def _view_after(self, kind: NodeKind, old: NodeView) -> NodeView:
        if kind.cluster in self.inventory.changed or kind.cluster in self.inventory.changed_gateways:
            return build_view(self.inventory.catalog, kind)
        return old


def build_snapshot(view: NodeView, inventory: Inventory) -> Snapshot:
    """Gather all that a view holds."""
    updates: Updates = {type_url: {} for type_url in TYPE_URLS}
    for name in services_of(view, inventory):
        for type_url, resource in _parts(view, inventory, name).items():
            updates[type_url][resource.name] = resource
    for type_url, resource in build_node_resources(view, inventory).items():
        updates[type_url][resource.name] = resource
    return Snapshot({}).replace(updates)


def diff_view(view: NodeView, before: Inventory, after: Inventory, snapshot: Snapshot) -> Updates:
    """Say what a new inventory means for one view: in time that grows with the change, not with the view."""
    changed = after.changed if view.upstreams is None else after.changed & view.upstreams
    updates: Updates = {type_url: {} for type_url in TYPE_URLS}
    for name in changed:
        old, new = _parts(view, before, name), _parts(view, after, name)
        for type_url in old.keys() | new.keys():
            _note(updates[type_url], old.get(type_url), new.get(type_url))
    if _concerns_node(view, before, after, changed):
        own = build_node_resources(view, after)
        for type_url in (LISTENER, ROUTE_CONFIGURATION):
            _note(updates[type_url], snapshot.of(type_url).resources.get(own_name(view)), own.get(type_url))
    return updates


def move(old: Snapshot, new: Snapshot) -> SnapshotChange | None:
    """Say what a node goes through whose view became another: at its end is `new` itself, which others may share."""
    change = make_change(old, diff_snapshots(old, new))
    if change is None:
        return None
    return replace(change, snapshot=new, made=change.made if change.retained else new)


def diff_snapshots(old: Snapshot, new: Snapshot) -> Updates:
    """Say what turns one snapshot into another; resources that did not change are mostly the identical objects."""
    updates: Updates = {}
    for type_url in TYPE_URLS:
        was, now = old.of(type_url).resources, new.of(type_url).resources
        updates[type_url] = dict.fromkeys(was.keys() - now.keys())
        updates[type_url].update({name: resource for name, resource in now.items() if was.get(name) != resource})
    return updates


def _parts(view: NodeView, inventory: Inventory, name: str) -> Mapping[str, Resource]:
    """Give what a view holds of one service: its local port is for the sidecars of others alone."""
    if isinstance(view, GrpcView):
        return inventory.grpc_resources(name)
    if name not in inventory.parts:
        return {}
    resources = inventory.parts[name].resources
    if LISTENER in resources and (isinstance(view, GatewayView) or view.own_tcp == name):
        return {type_url: resource for type_url, resource in resources.items() if type_url != LISTENER}
    return resources


def _concerns_node(view: NodeView, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
    """Tell whether the node's own listener or routes may differ: not when only endpoints or policy of clusters do."""
    if isinstance(view, GrpcView):
        return False
    if isinstance(view, GatewayView):
        return bool(changed) or view.gateway in after.changed_gateways
    return any(_virtual_host(before, name) != _virtual_host(after, name) for name in changed)


def _virtual_host(inventory: Inventory, name: str) -> bytes | None:
    return inventory.parts[name].virtual_host if name in inventory.parts else None


def _note(updates: dict[str, Resource | None], was: Resource | None, now: Resource | None) -> None:
    if now is not None and now != was:
        updates[now.name] = now
    elif was is not None and now is None:
        updates[was.name] = None
