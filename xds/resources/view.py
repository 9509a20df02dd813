"""NodeView: what one kind of node sees of the catalog, and the names of the resources that it is served.

Nodes with equal views are served the same bytes. A node is known by its `node.cluster`: the name of the gateway that
it is, or of the service whose sidecar it is. An Envoy and gRPC's own client get one service in two forms. A node's
locality counts only if something that it sees relies on it, and only as far: all others share a view.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xds.catalog.catalog import Catalog
from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.text.addresses import SIDECAR, Listen
from xds.resources.inventory import Inventory, build_local_listener
from xds.resources.listeners.gateway import Resources, build_gateway
from xds.resources.listeners.listener import build_http_listener
from xds.resources.listeners.tracing import OTLP_CLUSTER, Traced, build_collector
from xds.resources.resource import Resource
from xds.resources.routes.configuration import build_sidecar_routes
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.discovery_pb2 import Node

GRPC_USER_AGENT = "gRPC "
"""How each of gRPC's clients begins its `node.user_agent_name`, as in "gRPC C-core linux Python" or "gRPC Go"."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """All that decides a node's view: its `node.cluster`, whether it is gRPC's own client, and its locality."""

    cluster: str
    grpc: bool = False
    locality: Locality = NOWHERE


def kind_of(node: Node) -> NodeKind:
    """Tell what kind of node this is, by what its first request says of it."""
    locality = Locality(node.locality.region, node.locality.zone, node.locality.sub_zone)
    return NodeKind(node.cluster, node.user_agent_name.startswith(GRPC_USER_AGENT), locality)


@dataclass(frozen=True, slots=True)
class SidecarView:
    """A sidecar that offers its application `listen`, and there the services `hosts` (None: every one).

    `upstreams` are all services that it reaches: these, and those that their routes name. `own_tcp` is the service
    beside it if that has a `local_port`, which on this machine is the service's own to bind. `local` is that service
    if its endpoints' localities are to be known, for an upstream that is called zone-aware.
    """

    listen: Listen
    upstreams: frozenset[str] | None
    hosts: frozenset[str] | None
    own_tcp: str | None = None
    access_log: AccessLog | None = None
    locality: Locality = NOWHERE
    local: str | None = None
    traced: Traced | None = None


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The gateway of that name, with the services of its routes. These services' own routes are not for gateways."""

    gateway: str
    upstreams: frozenset[str]
    locality: Locality = NOWHERE
    traced: Traced | None = None


@dataclass(frozen=True, slots=True)
class GrpcView:
    """A gRPC client that calls the services `hosts` (None: every one) by itself, as `xds:///api-service`.

    `upstreams` are all services that it reaches: these, and those that their routes name.
    """

    upstreams: frozenset[str] | None
    hosts: frozenset[str] | None
    locality: Locality = NOWHERE


NodeView = SidecarView | GatewayView | GrpcView


def build_view(inventory: Inventory, kind: NodeKind) -> NodeView:
    """Say what a node is to see.

    A `node.cluster` that the catalog does not name is a caller without a service of its own: it may call all.
    """
    catalog = inventory.catalog
    tracing = catalog.mesh.tracing
    traced = None if tracing is None else Traced(kind.cluster, tracing)
    if gateway := catalog.gateways.get(kind.cluster):
        routed = frozenset(gateway.services)
        reached = _reach(catalog, routed) if kind.grpc else routed
        locality, _ = _find_locality(inventory, kind, reached)
        if kind.grpc:
            return GrpcView(reached, routed, locality)
        return GatewayView(kind.cluster, routed, locality, traced)
    service = catalog.services.get(kind.cluster)
    hosts = None if service is None or service.upstreams is None else frozenset(service.upstreams)
    upstreams = None if hosts is None else _reach(catalog, hosts)
    locality, zone_aware = _find_locality(inventory, kind, upstreams)
    if kind.grpc:
        return GrpcView(upstreams, hosts, locality)
    access_log = catalog.mesh.access_log
    if service is not None and service.access_log is not None:
        access_log = service.access_log
    if access_log is not None and not access_log.enabled:
        access_log = None
    if service is None:
        return SidecarView(SIDECAR, None, None, access_log=access_log, locality=locality, traced=traced)
    own_tcp = None if service.local_port is None else kind.cluster
    local = kind.cluster if zone_aware else None
    return SidecarView(service.sidecar, upstreams, hosts, own_tcp, access_log, locality, local, traced)


def _reach(catalog: Catalog, hosts: frozenset[str]) -> frozenset[str]:
    """Name the services, and those that their routes name: no further, since routes are not followed twice."""
    routed = [catalog.services[name].routed for name in hosts if catalog.services[name].routes]
    return hosts.union(*routed) if routed else hosts


def _find_locality(inventory: Inventory, kind: NodeKind, upstreams: frozenset[str] | None) -> tuple[Locality, bool]:
    """Give as much of a node's locality as what it sees relies on, and whether it calls anything zone-aware."""
    reliant = inventory.reliant
    if not reliant or kind.locality == NOWHERE:
        return NOWHERE, False
    relied = [reliant[name] for name in (reliant if upstreams is None else reliant.keys() & upstreams)]
    depth = max((reliance.depth for reliance in relied), default=0)
    return kind.locality.cut(depth), any(reliance.zone_aware for reliance in relied)


OWN_TYPES = (SECRET, LISTENER, ROUTE_CONFIGURATION)
"""The types of which a node has resources of its own that may change while its view stays."""

SIDECAR_LISTENER = "sidecar"
"""The name of a sidecar's listener for HTTP, and of its RouteConfiguration; a gateway's begin with its name."""


def build_node_resources(view: NodeView, inventory: Inventory) -> Resources:
    """Build a node's own resources, by type and name: Listeners, and what these name.

    A gRPC client has none: it listens nowhere, and each service that it calls brings a listener and routes.
    """
    if isinstance(view, GrpcView):
        return {}
    if isinstance(view, GatewayView):
        gateway, mesh = inventory.catalog.gateways[view.gateway], inventory.catalog.mesh
        access_log = mesh.access_log if gateway.access_log is None else gateway.access_log
        built = build_gateway(view.gateway, gateway, inventory.catalog.services, access_log, view.traced)
        return {**built, **_build_collector(view)}
    names = sorted(inventory.parts if view.hosts is None else view.hosts)
    hosts = [part for name in names if (part := inventory.parts[name].virtual_host) is not None]
    listener = build_http_listener(SIDECAR_LISTENER, view.listen, access_log=view.access_log, traced=view.traced)
    return {
        LISTENER: {SIDECAR_LISTENER: listener},
        ROUTE_CONFIGURATION: {SIDECAR_LISTENER: build_sidecar_routes(SIDECAR_LISTENER, tuple(hosts))},
        **_build_collector(view),
    }


def _build_collector(view: SidecarView | GatewayView) -> Resources:
    """Build the cluster to which a node's spans go. What a view is traced by is a part of it: it stays as it is."""
    return {} if view.traced is None else {CLUSTER: {OTLP_CLUSTER: build_collector(view.traced.tracing)}}


def find_own(view: NodeView, resources: Mapping[str, Resource]) -> Iterable[str]:
    """Name those resources of one of `OWN_TYPES` that are the node's own, among all that a view holds of the type."""
    if not isinstance(view, GatewayView):
        return [SIDECAR_LISTENER] if SIDECAR_LISTENER in resources else []
    return [name for name in resources if name == view.gateway or name.startswith(f"{view.gateway}/")]


def parts_of(view: NodeView, inventory: Inventory, name: str) -> Mapping[str, Resource]:
    """Give what a view holds of one service, by type: its local port is for the sidecars of others alone.

    Of a service that is only routed to, a gRPC client needs no more than its cluster and endpoints.
    """
    if isinstance(view, GrpcView):
        made = inventory.grpc_resources(name, view.locality)
        if view.hosts is None or name in view.hosts:
            return made
        return {type_url: made[type_url] for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT) if type_url in made}
    resources = inventory.resources(name, view.locality)
    if LISTENER not in resources:
        return resources
    if isinstance(view, GatewayView) or view.own_tcp == name:
        return {type_url: resource for type_url, resource in resources.items() if type_url != LISTENER}
    if view.access_log is not None:
        return {**resources, LISTENER: build_local_listener(name, inventory.catalog.services[name], view.access_log)}
    return resources


def services_of(view: NodeView, inventory: Inventory) -> Iterable[str]:
    """Name the services that a view holds, in alphabetical order."""
    return sorted(inventory.parts if view.upstreams is None else view.upstreams)
