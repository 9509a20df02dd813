"""What a node is served beyond the parts of its services: its own listener and its routes."""

from collections.abc import Iterable, Mapping

from xds.resources.gateway_listeners import Resources, build_gateway
from xds.resources.inventory import Inventory, build_local_listener
from xds.resources.listeners import build_http_listener
from xds.resources.resource import Resource
from xds.resources.routes import build_sidecar_routes
from xds.resources.tracing import OTLP_CLUSTER, build_collector
from xds.resources.view import GatewayView, GrpcView, NodeView, SidecarView
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET

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
