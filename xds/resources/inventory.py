"""Inventory: every resource that does not depend on who asks, made once for all nodes.

Of the services that did not change since the inventory before, nothing is made again. Where endpoints alone changed,
the ClusterLoadAssignment is, and only what changed of it is encoded. What only gRPC's own client is sent, or
callers of one locality, is made when the first of them wants it: most meshes have none.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from xds.catalog.catalog import Catalog, diff_catalogs
from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Protocol, Service
from xds.catalog.text.addresses import Listen
from xds.endpoints.endpoint_set import Endpoints, EndpointSet, Key, find_changes
from xds.resources.clusters.balance import find_spread
from xds.resources.clusters.cluster import build_cluster
from xds.resources.endpoints.load_assignment import (
    EVERYWHERE,
    Encoded,
    Priorities,
    Reliance,
    build_load_assignment,
    build_local_assignment,
    encode_endpoints,
    find_reliance,
    prioritize,
)
from xds.resources.grpc.client import build_grpc_resources
from xds.resources.grpc.load_assignment import is_offered_to_grpc
from xds.resources.listeners.listener import build_tcp_listener
from xds.resources.resource import Resource
from xds.resources.routes.configuration import build_virtual_host
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER


@dataclass(frozen=True, slots=True)
class Parts:
    """What one service contributes: its resources by type, and its virtual host among a sidecar's routes.

    A service whose endpoints are host names has no ClusterLoadAssignment of its own; one that speaks TCP has no
    virtual host, but a listener, if its callers' sidecars are to offer it a local port. `localities` are those of its
    endpoints if callers are to go to their own first.
    """

    resources: Mapping[str, Resource]
    virtual_host: bytes | None
    localities: tuple[Locality, ...] = ()


Made = dict[tuple[str, tuple[int, ...]], Mapping[str, Resource]]
"""What was made of one service on demand, by the kind of client that is sent it and its localities' priorities."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The catalog, the endpoints of its services, and what each service contributes.

    `changed` names the services, and `changed_gateways` the gateways, that differ from the inventory before, or whose
    resources do with what holds for all; `mesh_changed` is whether that differs. Of those that are `reassigned` nothing
    but the ClusterLoadAssignment differs; they are among the changed. `dependents` are the services that did
    not change, but whose routes name one that did, and `routed_by` has the ways back: for each service those whose
    routes name it. `reliant` are the services of whose resources a caller's locality is a part. `made` is the place of
    what was made on demand so far, and `encoded` holds endpoints as they are encoded; like what follows from the rest,
    they have no part in equality.
    """

    catalog: Catalog
    endpoints: Endpoints
    parts: Mapping[str, Parts]
    changed: frozenset[str]
    changed_gateways: frozenset[str]
    mesh_changed: bool = False
    reliant: Mapping[str, Reliance] = field(default_factory=dict)
    dependents: frozenset[str] = field(default=frozenset(), compare=False)
    routed_by: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    made: dict[str, Made] = field(default_factory=dict, compare=False, repr=False)
    reassigned: frozenset[str] = field(default=frozenset(), compare=False)
    encoded: Mapping[str, Encoded] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_reassignment(self) -> bool:
        """Whether nothing but endpoints differs from the inventory before."""
        others = self.dependents or self.changed_gateways or self.mesh_changed
        return not others and self.changed == self.reassigned

    def count_endpoints(self) -> int:
        """Return how many endpoints the services of the catalog have."""
        return sum(len(self.endpoints.of(name)) for name in self.catalog.services)

    def resources(self, name: str, caller: Locality = NOWHERE) -> Mapping[str, Resource]:
        """Give a service's resources for an Envoy that is there, by type; none of a service that there is not."""
        if (parts := self.parts.get(name)) is None:
            return {}
        if not parts.localities or not any(priorities := self._prioritize(name, caller)):
            return parts.resources
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("envoy", priorities))) is None:
            by_locality = dict(zip(parts.localities, priorities, strict=True))
            found = made[key] = {**parts.resources, **self._build_reliant(name, by_locality)}
        return found

    def grpc_resources(self, name: str, caller: Locality = NOWHERE) -> Mapping[str, Resource]:
        """Give a service's resources for gRPC clients that are there, by type; none of a service that there is not."""
        if (parts := self.parts.get(name)) is None:
            return {}
        priorities = self._prioritize(name, caller)
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("grpc", priorities))) is None:
            by_locality = dict(zip(parts.localities, priorities, strict=True)) if any(priorities) else EVERYWHERE
            found = made[key] = build_grpc_resources(name, self.catalog.services, self.endpoints, by_locality)
        return found

    def local_resources(self, name: str) -> Mapping[str, Resource]:
        """Give what tells a service's own sidecars where all of them are; none of a service that there is not."""
        if name not in self.catalog.services:
            return {}
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("local", ()))) is None:
            found = made[key] = {CLUSTER_LOAD_ASSIGNMENT: build_local_assignment(name, self.endpoints.of(name))}
        return found

    def _build_reliant(self, name: str, priorities: Priorities) -> Mapping[str, Resource]:
        """Build what of a service differs for callers in another locality: what its endpoints stand in."""
        service, endpoints = self.catalog.services[name], self.endpoints.of(name)
        if endpoints.is_eds:
            encoded = self.encoded.get(name)
            return {CLUSTER_LOAD_ASSIGNMENT: build_load_assignment(name, service, endpoints, priorities, encoded)}
        stats = has_endpoint_stats(service, self.catalog.mesh)
        return {CLUSTER: build_cluster(name, service, endpoints, priorities, endpoint_stats=stats)}

    def _prioritize(self, name: str, caller: Locality) -> tuple[int, ...]:
        localities = self.parts[name].localities
        return prioritize(localities, self.catalog.services[name].locality.failover, caller) if localities else ()


EMPTY_CATALOG = Catalog({}, {})


def build_inventory(catalog: Catalog, endpoints: Endpoints, before: Inventory | None = None) -> Inventory:
    """Build what each service contributes that changed since `before`, and take the others' from it."""
    before = before or Inventory(EMPTY_CATALOG, Endpoints(), {}, frozenset(), frozenset())
    named, changed_gateways = diff_catalogs(before.catalog, catalog)
    moved = find_changes(before.endpoints, endpoints) if before.parts else {}
    changed = frozenset(
        name for name in named if not _has_same_policy(before.catalog.services.get(name), catalog.services.get(name))
    ) | _find_counted_otherwise(before.catalog, catalog)
    builder = _Builder(catalog, endpoints, before)
    for name in changed:
        builder.build(name)
    for name, keys in moved.items():
        if name not in changed and name in catalog.services:
            builder.reassign(name, keys)
    changed |= builder.moved
    reliant = find_reliant(catalog.services, changed, before.reliant)
    routed_by = _note_routes(before, catalog, changed - builder.reassigned)
    dependents = _find_dependents(before, builder, changed - builder.reassigned, routed_by) - changed
    for name in dependents:
        builder.route(name)
    return Inventory(
        catalog,
        endpoints,
        builder.parts,
        changed,
        changed_gateways,
        before.catalog.mesh != catalog.mesh,
        reliant,
        dependents,
        routed_by,
        builder.made,
        frozenset(builder.reassigned),
        builder.encoded,
    )


class _Builder:
    """Builds an inventory's parts from those before, service by service."""

    def __init__(self, catalog: Catalog, endpoints: Endpoints, before: Inventory) -> None:
        self.catalog = catalog
        self.endpoints = endpoints
        self.parts = dict(before.parts)
        self.made = dict(before.made)
        self.encoded = dict(before.encoded)
        self.moved: set[str] = set()
        self.reassigned: set[str] = set()
        self._before = before

    def build(self, name: str) -> None:
        """Build all that a service contributes; nothing of one that is gone."""
        self.made.pop(name, None)
        self.encoded.pop(name, None)
        service = self.catalog.services.get(name)
        if service is None:
            self.parts.pop(name, None)
            return
        endpoints = self.endpoints.of(name)
        if endpoints.is_eds:
            self.encoded[name] = encode_endpoints(service, endpoints)
        self.parts[name] = self._build_parts(name, service, endpoints)

    def reassign(self, name: str, keys: Collection[Key]) -> None:
        """Build what a service's endpoints stand in, of which those of these keys changed."""
        service, parts = self.catalog.services[name], self.parts[name]
        was, now = self._before.endpoints.of(name), self.endpoints.of(name)
        self.made.pop(name, None)
        self.moved.add(name)
        if not was.is_eds or not now.is_eds or is_offered_to_grpc(service, was) != is_offered_to_grpc(service, now):
            self.build(name)
            return
        encoded = self.encoded[name] = encode_endpoints(service, now, self.encoded.get(name), was, keys)
        assignment = build_load_assignment(name, service, now, encoded=encoded)
        resources = {**parts.resources, CLUSTER_LOAD_ASSIGNMENT: assignment}
        if find_spread(service, was) == find_spread(service, now):
            self.reassigned.add(name)
        else:
            resources[CLUSTER] = self._build_cluster(name, service, now)
        self.parts[name] = Parts(resources, parts.virtual_host, now.localities if service.locality.failover else ())

    def route(self, name: str) -> None:
        """Build the routes of a service that did not change, but whose routes name one that did."""
        self.made.pop(name, None)
        services = self.catalog.services
        self.parts[name] = replace(self.parts[name], virtual_host=build_virtual_host(name, services[name], services))

    def _build_parts(self, name: str, service: Service, endpoints: EndpointSet) -> Parts:
        resources = {CLUSTER: self._build_cluster(name, service, endpoints)}
        if endpoints.is_eds:
            resources[CLUSTER_LOAD_ASSIGNMENT] = build_load_assignment(
                name, service, endpoints, encoded=self.encoded[name]
            )
        localities = endpoints.localities if service.locality.failover else ()
        if service.protocol is not Protocol.TCP:
            return Parts(resources, build_virtual_host(name, service, self.catalog.services), localities)
        if service.local_port is not None:
            resources[LISTENER] = build_local_listener(name, service)
        return Parts(resources, None, localities)

    def _build_cluster(self, name: str, service: Service, endpoints: EndpointSet) -> Resource:
        stats = has_endpoint_stats(service, self.catalog.mesh)
        return build_cluster(name, service, endpoints, endpoint_stats=stats)


def _has_same_policy(old: Service | None, new: Service | None) -> bool:
    """Whether two versions of a service differ in their endpoints at most."""
    if old is None or new is None:
        return False
    if old.requested_host != new.requested_host:
        return False
    return all(getattr(old, name) == getattr(new, name) for name in POLICY)


POLICY = tuple(one.name for one in fields(Service) if one.name != "endpoints")


def find_reliant(
    services: Mapping[str, Service], changed: Iterable[str], before: Mapping[str, Reliance]
) -> Mapping[str, Reliance]:
    """Say of which services' resources a caller's locality is a part, when that is known before some changed."""
    found = {name: find_reliance(services[name]) if name in services else None for name in changed}
    if all(before.get(name) == reliance for name, reliance in found.items()):
        return before
    after = {name: found.get(name, reliance) for name, reliance in {**before, **found}.items()}
    return {name: reliance for name, reliance in after.items() if reliance is not None}


def _note_routes(before: Inventory, catalog: Catalog, changed: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """Give the services that name each in their routes, as they are now."""
    noted: dict[str, frozenset[str]] | None = None
    for name in changed:
        old, new = (one.services.get(name) for one in (before.catalog, catalog))
        was, now = (one.routed if one else frozenset() for one in (old, new))
        if was == now:
            continue
        noted = dict(before.routed_by) if noted is None else noted
        for target in was - now:
            noted[target] -= {name}
            if not noted[target]:
                del noted[target]
        for target in now - was:
            noted[target] = noted.get(target, frozenset()) | {name}
    return before.routed_by if noted is None else noted


def _find_dependents(
    before: Inventory, after: _Builder, changed: frozenset[str], routed_by: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Return the services whose routes name one of these that is routed to otherwise now."""
    return frozenset(
        name
        for target in changed
        if target in routed_by and not _is_routed_alike(target, before, after)
        for name in routed_by[target]
    )


def _is_routed_alike(name: str, before: Inventory, after: _Builder) -> bool:
    """Whether no route to a service may differ, since only its endpoints do."""
    old, new = before.catalog.services.get(name), after.catalog.services.get(name)
    if old is None or new is None or not _has_same_policy(old, new):
        return False
    was, now = before.endpoints.of(name), after.endpoints.of(name)
    return is_offered_to_grpc(old, was) == is_offered_to_grpc(new, now)


def has_endpoint_stats(service: Service, mesh: Mesh) -> bool:
    """Whether Envoys have metrics of each of a service's endpoints."""
    return bool(mesh.endpoint_stats if service.endpoint_stats is None else service.endpoint_stats)


def _find_counted_otherwise(before: Catalog, after: Catalog) -> frozenset[str]:
    """Name the services whose clusters change with the mesh's word: all that have none of their own."""
    if bool(before.mesh.endpoint_stats) == bool(after.mesh.endpoint_stats):
        return frozenset()
    return frozenset(name for name, service in after.services.items() if service.endpoint_stats is None)


def build_local_listener(name: str, service: Service, access_log: AccessLog | None = None) -> Resource:
    """Build the listener by which a caller's sidecar offers a service for TCP at its `local_port`."""
    listen = Listen("127.0.0.1", service.local_port or 0)
    idle, by_source = service.timeouts.idle, service.affinity is not None
    return build_tcp_listener(f"tcp/{name}", listen, name, idle, by_source=by_source, access_log=access_log)
