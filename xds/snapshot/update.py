"""Update: one change of the inventory on its way into the views.

First what every view becomes is built, view by view, and nothing changes. Then every view takes its part, one by one.
Between two of them the caller may do other things: who connects meanwhile begins with what its view has at that moment.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from xds.catalog.catalog import Catalog
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind, NodeView, build_view
from xds.snapshot.building import Reassignment, build_services, build_snapshot, diff_move, diff_view
from xds.snapshot.kept import KeptCluster, KeptClusters, build_kept_view
from xds.snapshot.served import Follower, Place, Served, Views
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshotPool, make_change

MAX_PASSES = 5
"""How often an update looks for views that came into use while it was built; then it builds the rest in one go."""

Move = tuple[Served, NodeView]
"""A view, and the one to which places of it move."""


@dataclass(frozen=True, slots=True)
class Step:
    """One view's part: its change, the places in the view, and the followers whom the change concerns.

    Places that move from one view to another have a step of their own.
    """

    change: SnapshotChange
    places: Collection[Place]
    concerned: Collection[Follower]


class Update:
    """What a new inventory means for the views. Exhaust `build`, and then `take` without a pause in between.

    `before` is the inventory that the views have, `after` is the new one. `kept` is what the update changes about the
    clusters that are kept.
    """

    def __init__(
        self, views: Views, clusters: KeptClusters, pool: TypeSnapshotPool, before: Inventory, after: Inventory
    ) -> None:
        self.before = before
        self.after = after
        self.kept: dict[str, KeptCluster | None] = {}
        self._views = views
        self._clusters = clusters
        self._pool = pool
        self._reassignment = Reassignment(after, pool) if after.is_reassignment else None
        self._new_views: dict[NodeKind, NodeView] = {}
        self._changes: dict[Served, SnapshotChange | None] = {}  # of the views that stay in use
        self._fresh: dict[NodeView, Snapshot] = {}  # of the views that come into use
        self._moves: dict[Move, tuple[Snapshot, SnapshotChange | None]] = {}

    def build(self) -> Iterator[None]:
        """Build what every view becomes. It yields after each."""
        passes = 0
        while missing := [*self._find_missing()]:
            passes += 1
            for work in missing:
                for _ in self._build(work):
                    if passes < MAX_PASSES:
                        yield

    def take(self) -> Iterator[Step]:
        """Let every view have its new snapshot. Whoever is concerned must be told before the next step."""
        moves = self._find_moves()
        moving: dict[Served, set[Place]] = {}
        for (served, _), places in moves.items():
            moving.setdefault(served, set()).update(places)
            for place in places:
                place.freeze()
        for served in moving.keys() - self._changes.keys():
            self._views.retire(served)
        for served, change in self._changes.items():
            if change is not None and self._views.by_view.get(served.view) is served:
                yield self._advance(served, change, moving.get(served, set()))
        for move, places in moves.items():
            step = self._move(move, places)
            if step is not None:
                yield step

    def _find_missing(self) -> Iterator[NodeKind | Served | NodeView | Move]:
        """Yield what is not built yet, in the order in which it can be."""
        rebuilt = self._find_places_to_rebuild()
        found = self._clusters.find(self.before, self.after, self._views.clusters)
        self.kept = {**found, **self.kept}
        if missing := [place.kind for place in rebuilt if place.kind not in self._new_views]:
            yield from missing
            return
        moves = self._find_moves()
        targets = {view for _, view in moves}
        moving = {place for places in moves.values() for place in places}
        affected = self._views.find_served(self.after.changed | self.after.dependents)
        for served in affected | {place.served for place in rebuilt}:
            stays = not moving or served.view in targets or not served.places <= moving
            if stays and served not in self._changes:
                yield served
        yield from (view for view in targets if view not in self._views.by_view and view not in self._fresh)
        yield from (move for move in moves if move not in self._moves)

    def _build(self, work: NodeKind | Served | NodeView | Move) -> Iterator[None]:
        if isinstance(work, NodeKind):
            self._new_views[work] = self._build_view(work)
        elif isinstance(work, Served):
            self._changes[work] = self._diff(work)
        elif isinstance(work, NodeView):
            yield from build_services(work, self.after, self._pool)
            self._fresh[work] = build_snapshot(work, self.after, self._pool)
        else:
            served, view = work
            snapshot = self._find_snapshot(view)
            self._moves[work] = snapshot, diff_move(served.snapshot, snapshot, self._pool)
        yield

    def _build_view(self, kind: NodeKind) -> NodeView:
        kept = self.kept[kind.cluster] if kind.cluster in self.kept else self._clusters.get(kind.cluster)
        return build_view(self.after, kind) if kept is None else build_kept_view(kept, kind)

    def _diff(self, served: Served) -> SnapshotChange | None:
        view, was = served.view, served.snapshot
        if self._reassignment is not None and view.local not in self.after.changed:
            return self._reassignment.change(view, was)
        return make_change(was, diff_view(view, self.before, self.after, was), self._pool)

    def _find_snapshot(self, view: NodeView) -> Snapshot:
        """Return what a view becomes that places move to."""
        if (served := self._views.by_view.get(view)) is not None:
            change = self._changes.get(served)
            return served.snapshot if change is None else change.snapshot
        if view not in self._fresh:
            self._fresh[view] = build_snapshot(view, self.after, self._pool)
        return self._fresh[view]

    def _find_moves(self) -> dict[Move, list[Place]]:
        """Return the places whose view becomes another."""
        moves: dict[Move, list[Place]] = {}
        for kind, view in self._new_views.items():
            place = self._views.places.get(kind)
            if place is not None and place.served.view != view:
                moves.setdefault((place.served, view), []).append(place)
        return moves

    def _find_places_to_rebuild(self) -> set[Place]:
        """Return the places whose view may become another.

        These are all places if the mesh's settings changed. Otherwise they are those of the changed services and
        gateways; those that see a service whose routes or raw fields now name other services; and those with a
        locality that see a service for which a caller's locality now matters in another way.
        """
        if self.after.mesh_changed:
            return {*self._views.places.values()}
        before, after = self.before.catalog, self.after.catalog
        changed = self.after.changed - self.after.reassigned
        rerouted = frozenset(name for name in changed if _find_routed(before, name) != _find_routed(after, name))
        return {
            *self._views.find_places(changed | self.after.changed_gateways),
            *self._views.find_with_locality(_find_changed_reliance(self.before, self.after)),
            *(
                one
                for served in self._views.find_served(rerouted)
                if served.view.upstreams is not None
                for one in served.places
            ),
        }

    def _advance(self, served: Served, change: SnapshotChange, moving: set[Place]) -> Step:
        """Give a view its new snapshot. The places that are to move keep the one that they have."""
        served.snapshot = change.snapshot
        concerned = served.interests.find(change.names)
        concerned.difference_update(*(place.followers for place in moving))
        return Step(change, served.places - moving if moving else served.places, concerned)

    def _move(self, move: Move, places: list[Place]) -> Step | None:
        """Move the places that are still in use to another view."""
        snapshot, change = self._moves[move]
        moved = [place for place in places if self._views.places.get(place.kind) is place]
        for place in moved:
            self._views.move(place, move[1], lambda: snapshot)
        if change is None or not moved:
            return None
        names, interests = change.names, moved[0].served.interests
        concerned = [one for place in moved for one in place.followers if interests.concerns(one, names)]
        return Step(change, moved, concerned)


def _find_changed_reliance(before: Inventory, after: Inventory) -> frozenset[str]:
    """Return the services whose resources now depend on a caller's locality in another way than before."""
    return frozenset(name for name in after.changed if before.reliant.get(name) != after.reliant.get(name))


def _find_routed(catalog: Catalog, name: str) -> frozenset[str]:
    service = catalog.services.get(name)
    if service is None or not (service.routes or service.envoy):
        return frozenset()
    return service.needed_by_callers | service.needed_by_cluster
