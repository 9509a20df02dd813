"""Inventory: every resource that does not depend on who asks, made once for all nodes.

Of the services that did not change since the inventory before, nothing is made again. What only gRPC's own client is
sent is made when the first such client wants it: most meshes have none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xds.catalog.access_log import AccessLog
from xds.catalog.catalog import Catalog, diff_catalogs
from xds.catalog.model import Listen, Protocol, Service
from xds.resources.clusters import build_cluster, is_eds
from xds.resources.endpoints import build_load_assignment
from xds.resources.grpc_client import build_grpc_resources
from xds.resources.listeners import build_tcp_listener
from xds.resources.resource import Resource
from xds.resources.routes import build_virtual_host
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER


@dataclass(frozen=True, slots=True)
class Parts:
    """What one service contributes: its resources by type, and its virtual host among a sidecar's routes.

    A service whose endpoints are host names has no ClusterLoadAssignment of its own; one that speaks TCP has no
    virtual host, but a listener, if its callers' sidecars are to offer it a local port.
    """

    resources: Mapping[str, Resource]
    virtual_host: bytes | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The catalog and what each of its services contributes.

    `changed` names the services, and `changed_gateways` the gateways, that differ from the inventory before;
    `mesh_changed` is whether what holds for all does.
    `grpc_parts` is the place of what was made for gRPC clients so far; it has no part in equality.
    """

    catalog: Catalog
    parts: Mapping[str, Parts]
    changed: frozenset[str]
    changed_gateways: frozenset[str]
    mesh_changed: bool = False
    grpc_parts: dict[str, Mapping[str, Resource]] = field(default_factory=dict, compare=False, repr=False)

    def grpc_resources(self, name: str) -> Mapping[str, Resource]:
        """Give a service's resources for gRPC clients, by type; none of a service that there is not."""
        resources = self.grpc_parts.get(name)
        if resources is None:
            if (service := self.catalog.services.get(name)) is None:
                return {}
            resources = self.grpc_parts[name] = build_grpc_resources(name, service)
        return resources


def build_inventory(catalog: Catalog, before: Inventory | None = None) -> Inventory:
    """Build the parts of each service that changed since `before`, and take the others' from it."""
    before = before or Inventory(Catalog({}, {}), {}, frozenset(), frozenset())
    changed, changed_gateways = diff_catalogs(before.catalog, catalog)
    parts, grpc_parts = dict(before.parts), dict(before.grpc_parts)
    for name in changed:
        grpc_parts.pop(name, None)
        if service := catalog.services.get(name):
            parts[name] = build_parts(name, service)
        else:
            del parts[name]
    mesh_changed = before.catalog.mesh != catalog.mesh
    return Inventory(catalog, parts, changed, changed_gateways, mesh_changed, grpc_parts)


def build_parts(name: str, service: Service) -> Parts:
    """Build what one service contributes."""
    resources = {CLUSTER: build_cluster(name, service)}
    if is_eds(service):
        resources[CLUSTER_LOAD_ASSIGNMENT] = build_load_assignment(name, service)
    if service.protocol is not Protocol.TCP:
        return Parts(resources, build_virtual_host(name, service))
    if service.local_port is not None:
        resources[LISTENER] = build_local_listener(name, service)
    return Parts(resources, None)


def build_local_listener(name: str, service: Service, access_log: AccessLog | None = None) -> Resource:
    """Build the listener by which a caller's sidecar offers a service for TCP at its `local_port`."""
    listen = Listen("127.0.0.1", service.local_port or 0)
    idle, by_source = service.timeouts.idle, service.affinity is not None
    return build_tcp_listener(f"tcp/{name}", listen, name, idle, by_source=by_source, access_log=access_log)
