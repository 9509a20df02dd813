"""NodeView: the part of the catalog that one kind of node sees, and the resources that are served to it.

Nodes with equal views get the same bytes. A node's `node.cluster` is the name of its gateway, or of the service whose
sidecar it is. Envoys and gRPC's own clients get different resources for the same service. A node's locality is a part
of its view only as far as a service that it sees depends on it: so most nodes share a view.

A node whose `node.cluster` the catalog does not name gets nothing, unless the catalog allows it (`mesh: {strangers:
serve}`). What nodes get whose cluster an edit has removed is in `snapshot.kept`.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from xds.by_identity import by_identity
from xds.catalog.catalog import Catalog
from xds.catalog.entrances import SIDECAR_LISTENER, complete_routes
from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.gateway import MAX_LISTENERS
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.model.mesh import Strangers
from xds.catalog.model.route import Route
from xds.catalog.model.sidecar import USUAL_SIDECAR
from xds.resources.clusters.fallback import build_fallbacks, find_pairs
from xds.resources.inventory import Inventory, build_local_listener
from xds.resources.listeners.gateway import Resources, build_gateway
from xds.resources.listeners.listener import USUAL_FRAME, SidecarFrame, build_http_listener, frame_sidecar
from xds.resources.listeners.tracing import OTLP_CLUSTER, Traced, build_collector
from xds.resources.resource import Resource
from xds.resources.routes.configuration import build_sidecar_routes
from xds.resources.stats import write_stat_name
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.discovery_pb2 import Node

GRPC_USER_AGENT = "gRPC "
"""The beginning of `node.user_agent_name` of all gRPC clients, as in "gRPC C-core linux Python" or "gRPC Go"."""

OWN_TYPES = (SECRET, LISTENER, ROUTE_CONFIGURATION)
"""The types of a node's own resources that may change while its view does not."""


class Standing(StrEnum):
    """Whether the catalog names a node's cluster, and what the node is served if it does not.

    NAMED: the catalog names it. STRANGER: the catalog does not, and allows such nodes to call every service. KEPT: the
    catalog named it before, and the node keeps what it had. UNKNOWN: the node is served nothing.
    """

    NAMED = "named"
    STRANGER = "stranger"
    KEPT = "kept"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NodeKind:
    """What a node's view depends on: its `node.cluster`, whether it is gRPC's own client, and its locality."""

    cluster: str
    grpc: bool = False
    locality: Locality = NOWHERE


def kind_of(node: Node) -> NodeKind:
    """Return the kind of a node from the `node` of its first request."""
    locality = Locality(node.locality.region, node.locality.zone, node.locality.sub_zone)
    return NodeKind(node.cluster, node.user_agent_name.startswith(GRPC_USER_AGENT), locality)


class NodeView(ABC):
    """The interface of all views.

    `upstreams` has the services that the node may reach (None: all). `local` is the node's own service if the node
    needs its endpoints for zone-aware routing, otherwise None.
    """

    __slots__ = ()
    upstreams: frozenset[str] | None
    locality: Locality
    local: str | None

    @property
    def is_unknown(self) -> bool:
        """Whether the view is that of nodes which are served nothing, since nobody knows what they are."""
        return False

    @property
    @abstractmethod
    def assignment_key(self) -> Hashable:
        """What the view's ClusterLoadAssignments depend on: views with equal keys have the same ones."""

    def describe_services(self, inventory: Inventory) -> Hashable:
        """Return what the resources of the view's services depend on: views with equal descriptions have the same."""
        return self

    def find_services(self, inventory: Inventory) -> Iterable[str]:
        """Return the names of the view's services, in alphabetical order."""
        return sorted(inventory.parts if self.upstreams is None else self.upstreams)

    @abstractmethod
    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return the view's resources of one service, by type."""

    @abstractmethod
    def build_own(self, inventory: Inventory) -> Resources:
        """Build the node's own resources, by type and name: Listeners, and the resources that these refer to."""

    @abstractmethod
    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the names of the node's own resources among all of the view's resources of one of `OWN_TYPES`."""

    def find_fallbacks(self, inventory: Inventory) -> Iterable[tuple[str, str]]:
        """Return each target of the view's routes that has a fallback, with that fallback. Each is an own cluster."""
        return ()

    @abstractmethod
    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return the services whose resources may differ from the previous inventory, also ones not in the view."""

    @abstractmethod
    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether the node's own resources may differ, if these services of the view changed."""


@dataclass(frozen=True, slots=True)
class SidecarView(NodeView):
    """A sidecar, built from `frame`, which listens for its application's requests to the services `hosts` (None: all).

    `upstreams` has these services, and those that their routes or Envoy's own fields name. `own_tcp` is the sidecar's
    own service if that has a `local_port`: the service itself listens there, so the sidecar cannot. `local` is set if
    an upstream uses zone-aware routing.
    """

    frame: SidecarFrame
    upstreams: frozenset[str] | None
    hosts: frozenset[str] | None
    own_tcp: str | None = None
    access_log: AccessLog | None = None
    locality: Locality = NOWHERE
    local: str | None = None
    traced: Traced | None = None

    @property
    def assignment_key(self) -> Hashable:
        """The services that the sidecar may reach, and its locality."""
        return self.upstreams, self.locality

    def describe_services(self, inventory: Inventory) -> Hashable:
        """Return what does not depend on the sidecar's own listener."""
        caller = inventory.describe_caller(self.locality)
        return "sidecar", self.upstreams, self.hosts, self.own_tcp, self.access_log, caller

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return the resources of one service, by type: with the listener of its `local_port` if it is one of `hosts`.

        The sidecar's own service has none, since it listens there itself.
        """
        resources = inventory.resources(name, self.locality)
        if LISTENER not in resources:
            return resources
        if self.own_tcp == name or (self.hosts is not None and name not in self.hosts):
            return _leave_out_listener(resources)
        if self.access_log is not None:
            service = inventory.catalog.services[name]
            return {**resources, LISTENER: build_local_listener(name, service, self.access_log)}
        return resources

    def build_own(self, inventory: Inventory) -> Resources:
        """Build the listener for HTTP, its RouteConfiguration, its fallbacks, and the collector's cluster."""
        parts = inventory.parts

        def find_hosts() -> tuple[bytes, ...]:
            names = sorted(parts if self.hosts is None else self.hosts)
            return tuple([part for name in names if (part := parts[name].virtual_host) is not None])

        hosts = inventory.share(("hosts", self.hosts), find_hosts)
        listener = build_http_listener(SIDECAR_LISTENER, self.frame, access_log=self.access_log, traced=self.traced)
        return {
            LISTENER: {SIDECAR_LISTENER: listener},
            ROUTE_CONFIGURATION: {
                SIDECAR_LISTENER: build_sidecar_routes(SIDECAR_LISTENER, hosts, self.frame.raw_routes)
            },
            **_build_clusters(self.traced, self.find_fallbacks(inventory), inventory),
        }

    def find_fallbacks(self, inventory: Inventory) -> Iterable[tuple[str, str]]:
        """Return the targets and fallbacks in the routes of the services that the sidecar calls."""
        services = inventory.catalog.services

        def find() -> frozenset[tuple[str, str]]:
            called = services.keys() if self.hosts is None else services.keys() & self.hosts
            return frozenset[tuple[str, str]]().union(
                *(find_pairs(complete_routes(name, services[name])) for name in called if services[name].routes)
            )

        return inventory.share(("fallbacks", self.hosts), find)

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the one name of a sidecar's own resources, if it is there."""
        return [SIDECAR_LISTENER] if SIDECAR_LISTENER in resources else []

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return the changed services, and those whose routes name a changed one."""
        return inventory.changed | inventory.dependents

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether any virtual host differs, or has a fallback, whose limits are those of its target.

        None does if only endpoints or the policy of clusters changed.
        """
        offered = changed if self.hosts is None else changed & self.hosts
        return any(
            _virtual_host(before, name) != _virtual_host(after, name) or _has_fallback(after, name) for name in offered
        )


@dataclass(frozen=True, slots=True)
class GatewayView(NodeView):
    """The gateway with that name, and the services that its routes and Envoy's own fields name.

    It does not use these services' own routes.
    """

    gateway: str
    upstreams: frozenset[str]
    locality: Locality = NOWHERE
    traced: Traced | None = None
    local: None = None

    @property
    def assignment_key(self) -> Hashable:
        """The services that the gateway may reach, and its locality."""
        return self.upstreams, self.locality

    def describe_services(self, inventory: Inventory) -> Hashable:
        """Return what does not depend on the gateway's own listeners."""
        return "gateway", self.upstreams, inventory.describe_caller(self.locality)

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return the resources of one service, by type, without the listener of its `local_port`."""
        return _leave_out_listener(inventory.resources(name, self.locality))

    def build_own(self, inventory: Inventory) -> Resources:
        """Build the listeners, their RouteConfigurations, Secrets and fallbacks, and the trace collector's cluster."""
        gateway, mesh = inventory.catalog.gateways[self.gateway], inventory.catalog.mesh
        access_log = mesh.access_log if gateway.access_log is None else gateway.access_log
        built = build_gateway(
            self.gateway, gateway, inventory.catalog.services, access_log, inventory.encoded_routes, self.traced
        )
        return {**built, **_build_clusters(self.traced, self.find_fallbacks(inventory), inventory)}

    def find_fallbacks(self, inventory: Inventory) -> Iterable[tuple[str, str]]:
        """Return the targets and fallbacks in the gateway's routes."""
        gateway = inventory.catalog.gateways.get(self.gateway)
        return {pair for _, routes in gateway.route_lists for pair in _find_fallbacks(routes)} if gateway else ()

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return the names that are the gateway's name, or begin with it and a slash. Secrets' have no dots."""
        beginnings = (f"{self.gateway}/", f"{write_stat_name(self.gateway)}/")
        return [name for name in resources if name == self.gateway or name.startswith(beginnings)]

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return the changed services."""
        return inventory.changed

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether the gateway's own resources may differ. They do not if only endpoints changed."""
        of_policy = changed - after.reassigned
        return bool(of_policy) or self.gateway in after.changed_gateways or after.mesh_changed


@dataclass(frozen=True, slots=True)
class GrpcView(NodeView):
    """A gRPC client, which calls the services `hosts` (None: all) without an Envoy, as `xds:///api-service`.

    `upstreams` has these services, and those that their routes name. It has no resources of its own: the resources of
    each service that it calls include a listener and a RouteConfiguration.
    """

    upstreams: frozenset[str] | None
    hosts: frozenset[str] | None
    locality: Locality = NOWHERE
    local: None = None

    @property
    def assignment_key(self) -> Hashable:
        """The services that the client may reach, its locality, and that it is not an Envoy."""
        return self.upstreams, self.locality, GRPC_USER_AGENT

    def describe_services(self, inventory: Inventory) -> Hashable:
        """Return the services, and the client's priorities."""
        return "grpc", self.upstreams, self.hosts, inventory.describe_caller(self.locality)

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return the resources of one service, by type; only Cluster and endpoints if only routes name the service."""
        made = inventory.grpc_resources(name, self.locality)
        if self.hosts is None or name in self.hosts:
            return made
        return {type_url: made[type_url] for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT) if type_url in made}

    def build_own(self, inventory: Inventory) -> Resources:
        """Return no resources: a gRPC client has none of its own."""
        return {}

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return no names: a gRPC client has no resources of its own."""
        return ()

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return the changed services, and those whose routes name a changed one."""
        return inventory.changed | inventory.dependents

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Whether the client's own resources may differ: never, since it has none."""
        return False


@dataclass(frozen=True, slots=True)
class UnknownView(NodeView):
    """The view of a node whose cluster the catalog does not name: no resources, whatever the catalog has."""

    upstreams: frozenset[str] = frozenset()
    locality: Locality = NOWHERE
    local: None = None

    @property
    def is_unknown(self) -> bool:
        """True."""
        return True

    @property
    def assignment_key(self) -> Hashable:
        """No services."""
        return self.upstreams

    def parts(self, inventory: Inventory, name: str) -> Mapping[str, Resource]:
        """Return no resources."""
        return {}

    def build_own(self, inventory: Inventory) -> Resources:
        """Return no resources."""
        return {}

    def find_own(self, resources: Mapping[str, Resource]) -> Iterable[str]:
        """Return no names."""
        return ()

    def find_changed(self, inventory: Inventory) -> frozenset[str]:
        """Return no services."""
        return frozenset()

    def may_own_differ(self, before: Inventory, after: Inventory, changed: frozenset[str]) -> bool:
        """Return False: the node has no resources of its own."""
        return False


UNKNOWN_VIEW = UnknownView()


@by_identity(MAX_LISTENERS)
def _find_fallbacks(routes: tuple[Route, ...]) -> frozenset[tuple[str, str]]:
    return find_pairs(routes)


def _leave_out_listener(resources: Mapping[str, Resource]) -> Mapping[str, Resource]:
    if LISTENER not in resources:
        return resources
    return {type_url: resource for type_url, resource in resources.items() if type_url != LISTENER}


def _build_clusters(traced: Traced | None, fallbacks: Iterable[tuple[str, str]], inventory: Inventory) -> Resources:
    """Build a node's own clusters: those of its fallbacks, and that of the trace collector.

    `traced` is a part of the view, so it does not change in a view.
    """
    built = build_fallbacks(fallbacks, inventory.catalog.services)
    if traced is not None:
        built[OTLP_CLUSTER] = build_collector(traced.tracing)
    return {CLUSTER: built} if built else {}


def _has_fallback(inventory: Inventory, name: str) -> bool:
    service = inventory.catalog.services.get(name)
    return service is not None and any(route.fallback is not None for route in service.routes)


def _virtual_host(inventory: Inventory, name: str) -> bytes | None:
    return inventory.parts[name].virtual_host if name in inventory.parts else None


def find_standing(catalog: Catalog, cluster: str) -> Standing:
    """Return NAMED, STRANGER or UNKNOWN for nodes of a cluster, by the catalog alone."""
    if cluster in catalog.services or cluster in catalog.gateways:
        return Standing.NAMED
    return Standing.STRANGER if catalog.mesh.strangers is Strangers.SERVE else Standing.UNKNOWN


def build_view(inventory: Inventory, kind: NodeKind) -> NodeView:
    """Build the view of a kind of node, by the catalog alone."""
    if find_standing(inventory.catalog, kind.cluster) is Standing.UNKNOWN:
        return UNKNOWN_VIEW
    return build_open_view(inventory, kind)


def build_open_view(inventory: Inventory, kind: NodeKind) -> NodeView:
    """Build the view of a kind of node. One whose cluster the catalog does not name is a caller of every service."""
    catalog = inventory.catalog
    tracing = catalog.mesh.tracing
    traced = None if tracing is None else Traced(kind.cluster, tracing)
    if gateway := catalog.gateways.get(kind.cluster):
        routed = frozenset(gateway.services)
        reached = _reach(catalog, routed) if kind.grpc else _complete(catalog, gateway.needed)
        locality, _ = _find_locality(inventory, kind, reached)
        if kind.grpc:
            return GrpcView(reached, routed, locality)
        return GatewayView(kind.cluster, reached, locality, traced)
    service = catalog.services.get(kind.cluster)
    hosts = None if service is None or service.upstreams is None else frozenset(service.upstreams)
    if service is None or hosts is None:
        upstreams = None
    elif kind.grpc:
        upstreams = _reach(catalog, hosts)
    else:
        applied = (catalog.services[name].needed_by_callers for name in hosts if catalog.services[name].routes)
        upstreams = _complete(catalog, hosts.union(service.needed_by_sidecar, *applied))
    locality, zone_aware = _find_locality(inventory, kind, upstreams)
    if kind.grpc:
        return GrpcView(upstreams, hosts, locality)
    access_log = catalog.mesh.access_log
    if service is not None and service.access_log is not None:
        access_log = service.access_log
    if access_log is not None and not access_log.enabled:
        access_log = None
    if service is None:
        return SidecarView(USUAL_FRAME, None, None, access_log=access_log, locality=locality, traced=traced)
    own_tcp = None if service.local_port is None else kind.cluster
    local = kind.cluster if zone_aware else None
    frame = USUAL_FRAME if service.sidecar is USUAL_SIDECAR else frame_sidecar(service.sidecar)
    return SidecarView(frame, upstreams, hosts, own_tcp, access_log, locality, local, traced)


def _reach(catalog: Catalog, hosts: frozenset[str]) -> frozenset[str]:
    """Return the services, and those that their routes name. The routes of the latter do not apply."""
    routed = [catalog.services[name].routed for name in hosts if catalog.services[name].routes]
    return hosts.union(*routed) if routed else hosts


def _complete(catalog: Catalog, names: frozenset[str]) -> frozenset[str]:
    """Return the services, and those that Envoy's own fields of their clusters name, and so on."""
    found = names
    while names:
        fragments = (catalog.services[name] for name in names)
        names = frozenset[str]().union(*(one.needed_by_cluster for one in fragments if one.envoy)) - found
        found |= names
    return found


def _find_locality(inventory: Inventory, kind: NodeKind, upstreams: frozenset[str] | None) -> tuple[Locality, bool]:
    """Return the part of a node's locality that its view depends on, and whether any upstream is zone-aware."""
    reliant = inventory.reliant
    if not reliant or kind.locality == NOWHERE:
        return NOWHERE, False

    def find() -> tuple[int, bool]:
        relied = [reliant[name] for name in (reliant if upstreams is None else reliant.keys() & upstreams)]
        depth = max((reliance.depth for reliance in relied), default=0)
        return depth, any(reliance.zone_aware for reliance in relied)

    depth, zone_aware = inventory.share(("reliance", upstreams), find)
    return kind.locality.cut(depth), zone_aware
