"""NodeView: what one kind of node is to see of the catalog.

Nodes with equal views are served the same bytes. A node is known by its `node.cluster`: the name of the gateway that
it is, or of the service whose sidecar it is; and an Envoy and gRPC's own client are told of one service in two forms.
"""

from dataclasses import dataclass

from xds.catalog.access_log import AccessLog
from xds.catalog.catalog import Catalog
from xds.catalog.model import SIDECAR, Listen
from xds.wire.discovery_pb2 import Node

GRPC_USER_AGENT = "gRPC "
"""How each of gRPC's clients begins its `node.user_agent_name`, as in "gRPC C-core linux Python" or "gRPC Go"."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """All that decides a node's view: its `node.cluster`, and whether it is gRPC's own client instead of an Envoy."""

    cluster: str
    grpc: bool = False


def kind_of(node: Node) -> NodeKind:
    """Tell what kind of node this is, by what its first request says of it."""
    return NodeKind(node.cluster, node.user_agent_name.startswith(GRPC_USER_AGENT))


@dataclass(frozen=True, slots=True)
class SidecarView:
    """A sidecar that offers its application `listen`, and there the services `upstreams` (None: every one).

    `own_tcp` is the service beside it if that has a `local_port`, which on this machine is the service's own to bind.
    """

    listen: Listen
    upstreams: frozenset[str] | None
    own_tcp: str | None = None
    access_log: AccessLog | None = None


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The gateway of that name, with the services of its routes."""

    gateway: str
    upstreams: frozenset[str]


@dataclass(frozen=True, slots=True)
class GrpcView:
    """A gRPC client that calls the services `upstreams` (None: every one) by itself, as `xds:///api-service`."""

    upstreams: frozenset[str] | None


NodeView = SidecarView | GatewayView | GrpcView


def build_view(catalog: Catalog, kind: NodeKind) -> NodeView:
    """Say what a node is to see.

    A `node.cluster` that the catalog does not name is a caller without a service of its own: it may call all.
    """
    if gateway := catalog.gateways.get(kind.cluster):
        routed = frozenset(gateway.services)
        return GrpcView(routed) if kind.grpc else GatewayView(kind.cluster, routed)
    service = catalog.services.get(kind.cluster)
    upstreams = None if service is None or service.upstreams is None else frozenset(service.upstreams)
    if kind.grpc:
        return GrpcView(upstreams)
    access_log = catalog.mesh.access_log
    if service is not None and service.access_log is not None:
        access_log = service.access_log
    if access_log is not None and not access_log.enabled:
        access_log = None
    if service is None:
        return SidecarView(SIDECAR, None, access_log=access_log)
    own_tcp = None if service.local_port is None else kind.cluster
    return SidecarView(service.sidecar, upstreams, own_tcp, access_log)
