"""MetricsListener: an Envoy's metrics at an address of their own; nothing else of its admin interface."""

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import Address
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import (
    HeaderMatcher,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any

METRICS = "xds_metrics"
PATH = "/stats/prometheus"


def build_metrics_cluster(admin: Address) -> Cluster:
    """Build the cluster of the Envoy's own admin interface."""
    endpoint = LbEndpoint(endpoint=Endpoint(address=admin))
    return Cluster(
        name=METRICS,
        type=ClusterDiscoveryType.STRICT_DNS,
        load_assignment=ClusterLoadAssignment(
            cluster_name=METRICS, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
    )


def build_metrics_listener(address: Address) -> Listener:
    """Build the listener: it answers GET of one path, and 404 to all the rest."""
    is_get = HeaderMatcher(name=":method", string_match=StringMatcher(exact="GET"))
    route = Route(match=RouteMatch(path=PATH, headers=[is_get]), route=RouteAction(cluster=METRICS))
    manager = HttpConnectionManager(
        stat_prefix=METRICS,
        route_config=RouteConfiguration(
            name=METRICS, virtual_hosts=[VirtualHost(name=METRICS, domains=["*"], routes=[route])]
        ),
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(Router()))],
    )
    name = "envoy.filters.network.http_connection_manager"
    return Listener(
        name=METRICS,
        address=address,
        filter_chains=[FilterChain(filters=[Filter(name=name, typed_config=Any.pack(manager))])],
    )
