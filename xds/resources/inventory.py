"""Inventory: every resource that does not depend on who asks, made once for all nodes.

Of the services that did not change since the inventory before, nothing is made again. What only gRPC's own client is
sent, or callers of one locality, is made when the first of them wants it: most meshes have none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from xds.catalog.catalog import Catalog, diff_catalogs
from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.endpoint import is_out
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Protocol, Service, is_eds, is_offered_to_grpc
from xds.catalog.text.addresses import Listen
from xds.resources.clusters.cluster import build_cluster
from xds.resources.endpoints.load_assignment import (
    EVERYWHERE,
    Priorities,
    Reliance,
    build_load_assignment,
    build_local_assignment,
    find_localities,
    find_reliance,
    prioritize,
)
from xds.resources.grpc.client import build_grpc_resources
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
    """The catalog and what each of its services contributes.

    `changed` names the services, and `changed_gateways` the gateways, that differ from the inventory before, or whose
    resources do with what holds for all; `mesh_changed` is whether that differs. `dependents` are the services that did
    not change, but whose routes name one that did, and `routed_by` has the ways back: for each service those whose
    routes name it. `reliant` are the services of whose resources a caller's locality is a part. `made` is the place of
    what was made on demand so far; like what follows from the rest, it has no part in equality.
    """

    catalog: Catalog
    parts: Mapping[str, Parts]
    changed: frozenset[str]
    changed_gateways: frozenset[str]
    mesh_changed: bool = False
    reliant: Mapping[str, Reliance] = field(default_factory=dict)
    dependents: frozenset[str] = field(default=frozenset(), compare=False)
    routed_by: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    made: dict[str, Made] = field(default_factory=dict, compare=False, repr=False)

    def resources(self, name: str, caller: Locality = NOWHERE) -> Mapping[str, Resource]:
        """Give a service's resources for an Envoy that is there, by type; none of a service that there is not."""
        if (parts := self.parts.get(name)) is None:
            return {}
        if not parts.localities or not any(priorities := self._prioritize(name, caller)):
            return parts.resources
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("envoy", priorities))) is None:
            service = self.catalog.services[name]
            by_locality = dict(zip(parts.localities, priorities, strict=True))
            found = made[key] = {**parts.resources, **_build_reliant(name, service, by_locality, self.catalog.mesh)}
        return found

    def grpc_resources(self, name: str, caller: Locality = NOWHERE) -> Mapping[str, Resource]:
        """Give a service's resources for gRPC clients that are there, by type; none of a service that there is not."""
        if (parts := self.parts.get(name)) is None:
            return {}
        priorities = self._prioritize(name, caller)
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("grpc", priorities))) is None:
            by_locality = dict(zip(parts.localities, priorities, strict=True)) if any(priorities) else EVERYWHERE
            services = self.catalog.services
            found = made[key] = build_grpc_resources(name, services[name], services, by_locality)
        return found

    def local_resources(self, name: str) -> Mapping[str, Resource]:
        """Give what tells a service's own sidecars where all of them are; none of a service that there is not."""
        if (service := self.catalog.services.get(name)) is None:
            return {}
        made = self.made.setdefault(name, {})
        if (found := made.get(key := ("local", ()))) is None:
            found = made[key] = {CLUSTER_LOAD_ASSIGNMENT: build_local_assignment(name, service)}
        return found

    def _prioritize(self, name: str, caller: Locality) -> tuple[int, ...]:
        localities = self.parts[name].localities
        return prioritize(localities, self.catalog.services[name].locality.failover, caller) if localities else ()


def build_inventory(catalog: Catalog, before: Inventory | None = None) -> Inventory:
    """Build the parts of each service that changed since `before`, and take the others' from it."""
    before = before or Inventory(Catalog({}, {}), {}, frozenset(), frozenset())
    changed, changed_gateways = diff_catalogs(before.catalog, catalog)
    changed |= _find_counted_otherwise(before.catalog, catalog)
    parts, made = dict(before.parts), dict(before.made)
    for name in changed:
        made.pop(name, None)
        if service := catalog.services.get(name):
            parts[name] = build_parts(name, service, catalog.services, catalog.mesh)
        else:
            del parts[name]
    mesh_changed = before.catalog.mesh != catalog.mesh
    reliant = find_reliant(catalog.services, changed, before.reliant)
    routed_by = _note_routes(before, catalog, changed)
    dependents = _find_dependents(before.catalog, catalog, changed, routed_by)
    for name in dependents:
        made.pop(name, None)
        parts[name] = replace(
            parts[name], virtual_host=build_virtual_host(name, catalog.services[name], catalog.services)
        )
    return Inventory(catalog, parts, changed, changed_gateways, mesh_changed, reliant, dependents, routed_by, made)


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
    before: Catalog, after: Catalog, changed: frozenset[str], routed_by: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Name the services, but for the changed ones, whose routes name a service that is routed to otherwise now."""
    concerned = (
        name
        for target in changed
        if target in routed_by and not _is_routed_alike(before.services.get(target), after.services.get(target))
        for name in routed_by[target]
    )
    return frozenset(concerned) - changed


def _is_routed_alike(old: Service | None, new: Service | None) -> bool:
    """Tell whether no route to a service may differ, since only its endpoints do: they change most often."""
    if old is None or new is None:
        return False
    alike = all(getattr(old, one.name) == getattr(new, one.name) for one in fields(Service) if one.name != "endpoints")
    return alike and is_offered_to_grpc(old) == is_offered_to_grpc(new)


def has_endpoint_stats(service: Service, mesh: Mesh) -> bool:
    """Tell whether Envoys have metrics of each of a service's endpoints."""
    return bool(mesh.endpoint_stats if service.endpoint_stats is None else service.endpoint_stats)


def _find_counted_otherwise(before: Catalog, after: Catalog) -> frozenset[str]:
    """Name the services whose clusters change with the mesh's word: all that have none of their own."""
    if bool(before.mesh.endpoint_stats) == bool(after.mesh.endpoint_stats):
        return frozenset()
    return frozenset(name for name, service in after.services.items() if service.endpoint_stats is None)


def build_parts(name: str, service: Service, services: Mapping[str, Service], mesh: Mesh) -> Parts:
    """Build what one service contributes; of the other `services` those count that its routes name."""
    resources = {CLUSTER: build_cluster(name, service, endpoint_stats=has_endpoint_stats(service, mesh))}
    if is_eds(service):
        resources[CLUSTER_LOAD_ASSIGNMENT] = build_load_assignment(name, service)
    localities = (
        find_localities(one for one in service.endpoints if not is_out(one)) if service.locality.failover else ()
    )
    if service.protocol is not Protocol.TCP:
        return Parts(resources, build_virtual_host(name, service, services), localities)
    if service.local_port is not None:
        resources[LISTENER] = build_local_listener(name, service)
    return Parts(resources, None, localities)


def build_local_listener(name: str, service: Service, access_log: AccessLog | None = None) -> Resource:
    """Build the listener by which a caller's sidecar offers a service for TCP at its `local_port`."""
    listen = Listen("127.0.0.1", service.local_port or 0)
    idle, by_source = service.timeouts.idle, service.affinity is not None
    return build_tcp_listener(f"tcp/{name}", listen, name, idle, by_source=by_source, access_log=access_log)


def _build_reliant(name: str, service: Service, priorities: Priorities, mesh: Mesh) -> Mapping[str, Resource]:
    """Build what of a service is another for callers in another locality: what its endpoints stand in."""
    if is_eds(service):
        return {CLUSTER_LOAD_ASSIGNMENT: build_load_assignment(name, service, priorities)}
    return {CLUSTER: build_cluster(name, service, priorities, endpoint_stats=has_endpoint_stats(service, mesh))}
