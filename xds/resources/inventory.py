"""Inventory: the resources that are the same for all nodes, built once.

A service that did not change since the previous inventory keeps its resources. If only endpoints changed, only the
ClusterLoadAssignment is built again, and only the changed endpoints are encoded. Resources for gRPC's own client, or
for callers in one locality, are built on demand: most meshes do not need them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from xds.catalog.catalog import Catalog, diff_catalogs
from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.locality import NOWHERE, Level, Locality
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Protocol, Service, has_same_policy
from xds.catalog.text.addresses import Listen
from xds.endpoints.endpoint_set import CATALOG, Endpoints, EndpointSet, Key, find_changes
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
from xds.resources.routes.virtual_hosts import EncodedRoutes
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one service: its resources by type, and its virtual host in a sidecar's RouteConfiguration.

    A service whose endpoints include host names has no ClusterLoadAssignment. A TCP service has no virtual host; if it
    has a `local_port`, it has a listener for its callers' sidecars. `localities` has the localities of its endpoints
    if the service has `failover`, otherwise none.
    """

    resources: Mapping[str, Resource]
    virtual_host: bytes | None
    localities: tuple[Locality, ...] = ()


T = TypeVar("T")

MAX_SHARED = 10_000
"""How many results views share; then they are worked out again."""

MAX_WAYS = 64
"""How many combinations of localities and of `failover` services may have, so that callers are compared by priorities,
and not by their localities."""

Made = dict[tuple[str, tuple[int, ...]], Mapping[str, Resource]]
"""The resources of one service that were built on demand, by the kind of client and the localities' priorities."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The catalog, the endpoints of its services, and the parts of each service.

    - `changed` and `changed_gateways` name the services and gateways that differ from the previous inventory, or whose
      resources do because the mesh's settings changed.
    - `mesh_changed` is whether the mesh's settings changed.
    - `reassigned` names the changed services of which only the ClusterLoadAssignment differs.
    - `dependents` names the services that did not change, but whose routes name a service that did.
    - `routed_by` has, for each service, the services whose routes name it.
    - `reliant` has the services whose resources depend on the caller's locality.
    - `made` has the resources that were built on demand so far.
    - `encoded` has the encoded endpoints.
    - `encoded_routes` has the encoded routes of gateways, and is the same object in all inventories of a catalog.
    - `shared` has what was worked out for one view and is the same for others.

    Equality ignores the last four, and the fields that follow from the others.
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
    encoded_routes: EncodedRoutes = field(default_factory=EncodedRoutes, compare=False, repr=False)
    shared: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_reassignment(self) -> bool:
        """Whether only endpoints differ from the previous inventory."""
        others = self.dependents or self.changed_gateways or self.mesh_changed
        return not others and self.changed == self.reassigned

    def share(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result for a key, which `make` works out the first time."""
        found: T | None = self.shared.get(key)
        if found is None:
            if len(self.shared) >= MAX_SHARED:
                self.shared.clear()
            found = self.shared[key] = make()
        return found

    def describe_caller(self, caller: Locality) -> Hashable:
        """Return what services' resources depend on of a caller's locality: their priorities for it."""
        services = self.catalog.services

        def find_ways() -> frozenset[tuple[tuple[Locality, ...], tuple[Level, ...]]]:
            return frozenset(
                (parts.localities, tuple(services[name].locality.failover))
                for name, parts in self.parts.items()
                if parts.localities
            )

        ways = self.share("ways", find_ways)
        return caller if len(ways) > MAX_WAYS else tuple(self._rank(*way, caller) for way in ways)

    def _rank(self, localities: tuple[Locality, ...], levels: tuple[Level, ...], caller: Locality) -> tuple[int, ...]:
        return self.share((localities, levels, caller), lambda: prioritize(localities, levels, caller))

    def count_endpoints(self) -> Counter[str]:
        """Return the number of served endpoints by provider, CATALOG among them, of all services in the catalog."""
        counts = Counter({CATALOG: sum(len(service.endpoints) for service in self.catalog.services.values())})
        for name, service in self.catalog.services.items():
            if len(found := self.endpoints.of(name)) > len(service.endpoints):
                counts.update(provider for provider, _ in found.by_key if provider != CATALOG)
        return counts

    def resources(self, name: str, caller: Locality = NOWHERE) -> Mapping[str, Resource]:
        """Return a service's resources by type, for Envoys in the locality `caller`; none for an unknown service."""
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
        """Return a service's resources by type, for gRPC clients in the locality `caller`; none if it is unknown."""
        if (parts := self.parts.get(name)) is None:
            return {}
        priorities = self._prioritize(name, caller)
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("grpc", priorities))) is None:
            by_locality = dict(zip(parts.localities, priorities, strict=True)) if any(priorities) else EVERYWHERE
            found = made[key] = build_grpc_resources(name, self.catalog.services, self.endpoints, by_locality)
        return found

    def local_resources(self, name: str) -> Mapping[str, Resource]:
        """Return the local assignment of a service's sidecars, by type; none for an unknown service."""
        if name not in self.catalog.services:
            return {}
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("local", ()))) is None:
            found = made[key] = {CLUSTER_LOAD_ASSIGNMENT: build_local_assignment(name, self.endpoints.of(name))}
        return found

    def _build_reliant(self, name: str, priorities: Priorities) -> Mapping[str, Resource]:
        """Build the resource of a service that depends on the caller's locality: the one that has its endpoints."""
        service, endpoints = self.catalog.services[name], self.endpoints.of(name)
        if endpoints.is_eds:
            encoded = self.encoded.get(name)
            return {CLUSTER_LOAD_ASSIGNMENT: build_load_assignment(name, service, endpoints, priorities, encoded)}
        stats = has_endpoint_stats(service, self.catalog.mesh)
        return {CLUSTER: build_cluster(name, service, endpoints, priorities, endpoint_stats=stats)}

    def _prioritize(self, name: str, caller: Locality) -> tuple[int, ...]:
        localities = self.parts[name].localities
        return (
            self._rank(localities, tuple(self.catalog.services[name].locality.failover), caller) if localities else ()
        )


EMPTY_CATALOG = Catalog({}, {})


def build_inventory(catalog: Catalog, endpoints: Endpoints, before: Inventory | None = None) -> Inventory:
    """Build the inventory; the parts of services that did not change since `before` are taken from it."""
    before = before or Inventory(EMPTY_CATALOG, Endpoints(), {}, frozenset(), frozenset())
    named, changed_gateways = diff_catalogs(before.catalog, catalog)
    moved = find_changes(before.endpoints, endpoints) if before.parts else {}
    changed = frozenset(
        name for name in named if not has_same_policy(before.catalog.services.get(name), catalog.services.get(name))
    ) | _find_stats_changes(before.catalog, catalog)
    builder = _Builder(catalog, endpoints, before)
    for name in changed:
        builder.build(name)
    for name, keys in moved.items():
        if name not in changed and name in catalog.services:
            builder.reassign(name, keys)
    changed |= builder.moved
    reliant = find_reliant(catalog.services, changed, before.reliant)
    routed_by = _note_routes(before, catalog, changed - builder.reassigned)
    dependents = _find_dependents(before, builder, changed - builder.reassigned, routed_by)
    dependents -= changed - builder.reassigned
    for name in changed_gateways - catalog.gateways.keys():
        before.encoded_routes.forget(name)
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
        dependents - changed,
        routed_by,
        builder.made,
        frozenset(builder.reassigned),
        builder.encoded,
        before.encoded_routes,
    )


def without_assignments(inventory: Inventory) -> Inventory:
    """Return an inventory that says nothing of endpoints: those that it knows are not all."""
    parts = {
        name: replace(one, resources={t: of for t, of in one.resources.items() if t != CLUSTER_LOAD_ASSIGNMENT})
        for name, one in inventory.parts.items()
    }
    return replace(inventory, parts=parts, made={}, shared={})


class _Builder:
    """Builds the parts of an inventory from the previous ones, service by service."""

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
        """Build all parts of a service, or remove those of a removed service."""
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
        """Build the resources that depend on a service's endpoints, of which those with these keys changed."""
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
        """Build the virtual host of a service whose own policy did not change, but whose routes name a changed one."""
        self.made.pop(name, None)
        self.reassigned.discard(name)
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


def find_reliant(
    services: Mapping[str, Service], changed: Iterable[str], before: Mapping[str, Reliance]
) -> Mapping[str, Reliance]:
    """Return the services whose resources depend on the caller's locality; only the `changed` are looked at again."""
    found = {name: find_reliance(services[name]) if name in services else None for name in changed}
    if all(before.get(name) == reliance for name, reliance in found.items()):
        return before
    after = {name: found.get(name, reliance) for name, reliance in {**before, **found}.items()}
    return {name: reliance for name, reliance in after.items() if reliance is not None}


def _note_routes(before: Inventory, catalog: Catalog, changed: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """Return, for each service, the services whose routes name it now."""
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
    """Return the services whose routes name one of the `changed`, if the encoded routes to it may differ."""
    return frozenset(
        name
        for target in changed
        if target in routed_by and not _has_same_routes(target, before, after)
        for name in routed_by[target]
    )


def _has_same_routes(name: str, before: Inventory, after: _Builder) -> bool:
    """Whether the encoded routes to a service cannot differ, since only its endpoints do."""
    old, new = before.catalog.services.get(name), after.catalog.services.get(name)
    if old is None or new is None or not has_same_policy(old, new):
        return False
    was, now = before.endpoints.of(name), after.endpoints.of(name)
    return is_offered_to_grpc(old, was) == is_offered_to_grpc(new, now)


def has_endpoint_stats(service: Service, mesh: Mesh) -> bool:
    """Whether Envoys have metrics for each endpoint of a service."""
    return bool(mesh.endpoint_stats if service.endpoint_stats is None else service.endpoint_stats)


def _find_stats_changes(before: Catalog, after: Catalog) -> frozenset[str]:
    """Return the services whose clusters change with the mesh's `endpoint_stats`: those without an own value."""
    if bool(before.mesh.endpoint_stats) == bool(after.mesh.endpoint_stats):
        return frozenset()
    return frozenset(name for name, service in after.services.items() if service.endpoint_stats is None)


def build_local_listener(name: str, service: Service, access_log: AccessLog | None = None) -> Resource:
    """Build the listener of a TCP service's `local_port`, for the sidecars of its callers."""
    listen = Listen("127.0.0.1", service.local_port or 0)
    idle, by_source = service.timeouts.idle, service.affinity is not None
    return build_tcp_listener(f"tcp/{name}", listen, name, idle, by_source=by_source, access_log=access_log)
