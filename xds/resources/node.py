"""What a node is served beyond the parts of its services: its own listener and its routes."""

from collections.abc import Iterable

from xds.catalog.model import Listen, Protocol
from xds.resources.inventory import Inventory
from xds.resources.listeners import build_http_listener, build_tcp_listener
from xds.resources.resource import Resource
from xds.resources.routes import build_gateway_routes, build_sidecar_routes
from xds.resources.view import GatewayView, GrpcView, NodeView
from xds.wire import LISTENER, ROUTE_CONFIGURATION

SIDECAR_LISTENER = "sidecar"
"""The name of a sidecar's listener for HTTP, and of its RouteConfiguration; a gateway's have the gateway's name."""


def build_node_resources(view: NodeView, inventory: Inventory) -> dict[str, Resource]:
    """Build a node's own resources, by type: a Listener, and a RouteConfiguration unless it is a TCP gateway.

    A gRPC client has none: it listens nowhere, and each service that it calls brings a listener and routes.
    """
    if isinstance(view, GrpcView):
        return {}
    if isinstance(view, GatewayView):
        return _build_gateway(view, inventory)
    hosts = [part for name in services_of(view, inventory) if (part := inventory.parts[name].virtual_host) is not None]
    return {
        LISTENER: build_http_listener(SIDECAR_LISTENER, view.listen, edge=False),
        ROUTE_CONFIGURATION: build_sidecar_routes(SIDECAR_LISTENER, hosts),
    }


def own_name(view: NodeView) -> str:
    """Give the name of the node's own Listener and RouteConfiguration."""
    return view.gateway if isinstance(view, GatewayView) else SIDECAR_LISTENER


def services_of(view: NodeView, inventory: Inventory) -> Iterable[str]:
    """Name the services that a view holds, in alphabetical order."""
    return sorted(inventory.parts if view.upstreams is None else view.upstreams)


def _build_gateway(view: GatewayView, inventory: Inventory) -> dict[str, Resource]:
    gateway = inventory.catalog.gateways[view.gateway]
    listen = Listen(gateway.address, gateway.port)
    services = inventory.catalog.services
    target = next(iter(gateway.routes[0].services), None)
    if target is not None and services[target].protocol is Protocol.TCP:
        idle, by_source = services[target].timeouts.idle, services[target].affinity is not None
        return {LISTENER: build_tcp_listener(view.gateway, listen, target, idle, by_source=by_source)}
    return {
        LISTENER: build_http_listener(view.gateway, listen, edge=True),
        ROUTE_CONFIGURATION: build_gateway_routes(view.gateway, gateway, services),
    }
