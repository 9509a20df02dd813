"""NodeView: what one kind of node sees of the catalog, and the resources that it is served.

Nodes with equal views are served the same bytes. A node is known by its `node.cluster`: the name of the gateway that
it is, or of the service whose sidecar it is. An Envoy and gRPC's own client get one service in two forms. A node's
locality counts only if something that it sees relies on it, and only as far: all others share a view.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
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

OWN_TYPES = (SECRET, LISTENER, ROUTE_CONFIGURATION)
"""The types of which a node has resources of its own that may change while its view stays."""

SIDECAR_LISTENER = "sidecar"
"""The name of a sidecar's listener for HTTP, and of its RouteConfiguration; a gateway's begin with its name."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """All that decides a node's view: its `node.cluster`, whether it is gRPC's own client, and its locality."""

    cluster: str
    grpc: bool = False
    locality: Locality = NOWHERE


def kind_of(node: Node) -> NodeKind:
    """Return the kind of a node, by what its first request says of it."""
    locality = Locality(node.locality.region, node.locality.zone, node.locality.sub_zone)
    return NodeKind(node.cluster, node.user_agent_name.startswith(GRPC_USER_AGENT), locality)


class NodeView(ABC):
    """What every view answers.

    `upstreams` are all services that the node reaches (None: every one), and `local` is the service beside it if that
    service's endpoints have to be known to it.
    """

    __slots__ = ()
    upstreams: frozenset[str] | None
    locality: Locality
    local: str | None

    @property
    @abstractmethod
    def assignment_key(self) -> Hashable:
        """What decides over the ClusterLoadAssignments that it holds: equal for views that hold the same."""

    def find_services(self, inventory: Inventory) -> Iterable[str]:
        """Return the names of the services that it holds, in alphabetical order."""
        return sorted(inventory.parts if self.upstreams is None else self.upstreams)

    @abstractmethod
    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return what it holds of one service, by type."""

    @abstractmethod
    def build_own(self, inventory: Inventory) -> Resources:
        """Build the node's own resources, by type and name: Listeners, and what these name."""

    @abstractmethod
    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the names of the node's own resources among all that the view holds of one of `OWN_TYPES`."""

    @abstractmethod
    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return the services of which it may hold something else than before, whether it holds them or not."""

    @abstractmethod
    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether the node's own resources may differ, where these services of it changed."""


@dataclass(frozen=True, slots=True)
class SidecarView(NodeView):
    """A sidecar that offers its application `listen`, and there the services `hosts` (None: every one).

    `upstreams` are these services, and those that their routes name. `own_tcp` is the service beside it if that has a
    `local_port`, which on this machine is the service's own to bind. `local` is set for an upstream that is called
    zone-aware.
    """

    listen: Listen
    upstreams: frozenset[str] | None
    hosts: frozenset[str] | None
    own_tcp: str | None = None
    access_log: AccessLog | None = None
    locality: Locality = NOWHERE
    local: str | None = None
    traced: Traced | None = None

    @property
    def assignment_key(self) -> Hashable:
        """The services that it reaches, and from where."""
        return self.upstreams, self.locality

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return what it holds of one service, by type: a local port is for the sidecars of other services alone."""
        resources = inventory.resources(name, self.locality)
        if LISTENER not in resources:
            return resources
        if self.own_tcp == name:
            return _leave_out_listener(resources)
        if self.access_log is not None:
            service = inventory.catalog.services[name]
            return {**resources, LISTENER: build_local_listener(name, service, self.access_log)}
        return resources

    def build_own(self, inventory: Inventory) -> Resources:
        """Build its listener for HTTP, the routes of that, and the cluster that its spans go to."""
        names = sorted(inventory.parts if self.hosts is None else self.hosts)
        hosts = [part for name in names if (part := inventory.parts[name].virtual_host) is not None]
        listener = build_http_listener(SIDECAR_LISTENER, self.listen, access_log=self.access_log, traced=self.traced)
        return {
            LISTENER: {SIDECAR_LISTENER: listener},
            ROUTE_CONFIGURATION: {SIDECAR_LISTENER: build_sidecar_routes(SIDECAR_LISTENER, tuple(hosts))},
            **_build_collector(self.traced),
        }

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the one name that its own resources have."""
        return [SIDECAR_LISTENER] if SIDECAR_LISTENER in resources else []

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return those that changed, and those whose routes name one that did."""
        return inventory.changed | inventory.dependents

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether any virtual host differs: not when only endpoints or the policy of clusters do."""
        offered = changed if self.hosts is None else changed & self.hosts
        return any(_virtual_host(before, name) != _virtual_host(after, name) for name in offered)


@dataclass(frozen=True, slots=True)
class GatewayView(NodeView):
    """The gateway of that name, with the services of its routes. These services' own routes are not for gateways."""

    gateway: str
    upstreams: frozenset[str]
    locality: Locality = NOWHERE
    traced: Traced | None = None
    local: None = None

    @property
    def assignment_key(self) -> Hashable:
        """The services of its routes, and from where it reaches them."""
        return self.upstreams, self.locality

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return what it holds of one service, by type: local ports are for sidecars."""
        return _leave_out_listener(inventory.resources(name, self.locality))

    def build_own(self, inventory: Inventory) -> Resources:
        """Build its listeners, their routes and secrets, and the cluster that its spans go to."""
        gateway, mesh = inventory.catalog.gateways[self.gateway], inventory.catalog.mesh
        access_log = mesh.access_log if gateway.access_log is None else gateway.access_log
        built = build_gateway(self.gateway, gateway, inventory.catalog.services, access_log, self.traced)
        return {**built, **_build_collector(self.traced)}

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the names that are the gateway's, or begin with it."""
        return [name for name in resources if name == self.gateway or name.startswith(f"{self.gateway}/")]

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return those that changed."""
        return inventory.changed

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether its routes may: not when nothing but endpoints changed."""
        of_policy = changed - after.reassigned
        return bool(of_policy) or self.gateway in after.changed_gateways or after.mesh_changed


@dataclass(frozen=True, slots=True)
class GrpcView(NodeView):
    """A gRPC client that calls the services `hosts` (None: every one) by itself, as `xds:///api-service`.

    `upstreams` are these services, and those that their routes name. It has no resources of its own: it listens
    nowhere, and each service that it calls brings a listener and routes.
    """

    upstreams: frozenset[str] | None
    hosts: frozenset[str] | None
    locality: Locality = NOWHERE
    local: None = None

    @property
    def assignment_key(self) -> Hashable:
        """The services that it reaches, from where, and that it is no Envoy."""
        return self.upstreams, self.locality, GRPC_USER_AGENT

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return what it holds of one service, by type: cluster and endpoints alone of one that is only routed to."""
        made = inventory.grpc_resources(name, self.locality)
        if self.hosts is None or name in self.hosts:
            return made
        return {type_url: made[type_url] for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT) if type_url in made}

    def build_own(self, inventory: Inventory) -> Resources:
        """Build nothing."""
        return {}

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return no name."""
        return ()

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return those that changed, and those whose routes name one that did."""
        return inventory.changed | inventory.dependents

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Return False: there are none."""
        return False


def _leave_out_listener(resources: Mapping[str, Resource]) -> Mapping[str, Resource]:
    if LISTENER not in resources:
        return resources
    return {type_url: resource for type_url, resource in resources.items() if type_url != LISTENER}


def _build_collector(traced: Traced | None) -> Resources:
    """Build the cluster to which a node's spans go. What a view is traced by is a part of it: it stays as it is."""
    return {} if traced is None else {CLUSTER: {OTLP_CLUSTER: build_collector(traced.tracing)}}


def _virtual_host(inventory: Inventory, name: str) -> bytes | None:
    return inventory.parts[name].virtual_host if name in inventory.parts else None


def build_view(inventory: Inventory, kind: NodeKind) -> NodeView:
    """Build the view of a kind of node.

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
    """Return the services, and those that their routes name: no further, since routes are not followed twice."""
    routed = [catalog.services[name].routed for name in hosts if catalog.services[name].routes]
    return hosts.union(*routed) if routed else hosts


def _find_locality(inventory: Inventory, kind: NodeKind, upstreams: frozenset[str] | None) -> tuple[Locality, bool]:
    """Return as much of a node's locality as what it sees relies on, and whether it calls anything zone-aware."""
    reliant = inventory.reliant
    if not reliant or kind.locality == NOWHERE:
        return NOWHERE, False
    relied = [reliant[name] for name in (reliant if upstreams is None else reliant.keys() & upstreams)]
    depth = max((reliance.depth for reliance in relied), default=0)
    return kind.locality.cut(depth), any(reliance.zone_aware for reliance in relied)
