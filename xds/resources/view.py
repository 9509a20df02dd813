"""NodeView: what one kind of node is to see of the catalog.

Nodes with equal views are served the same bytes. A node is known by its `node.cluster`: the name of the gateway that
it is, or of the service whose sidecar it is.
"""

from dataclasses import dataclass

from xds.catalog.catalog import Catalog
from xds.catalog.model import SIDECAR, Listen


@dataclass(frozen=True, slots=True)
class SidecarView:
    """A sidecar that offers its application `listen`, and there the services `upstreams` (None: every one).

    `own_tcp` is the service beside it if that has a `local_port`, which on this machine is the service's own to bind.
    """

    listen: Listen
    upstreams: frozenset[str] | None
    own_tcp: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The gateway of that name, with the services of its routes."""

    gateway: str
    upstreams: frozenset[str]


NodeView = SidecarView | GatewayView


def build_view(catalog: Catalog, node_cluster: str) -> NodeView:
    """Say what a node is to see.

    A `node.cluster` that the catalog does not name is a caller without a service of its own: it may call all.
    """
    if gateway := catalog.gateways.get(node_cluster):
        return GatewayView(node_cluster, frozenset(route.to for route in gateway.routes))
    if service := catalog.services.get(node_cluster):
        upstreams = None if service.upstreams is None else frozenset(service.upstreams)
        return SidecarView(service.sidecar, upstreams, None if service.local_port is None else node_cluster)
    return SidecarView(SIDECAR, None)
