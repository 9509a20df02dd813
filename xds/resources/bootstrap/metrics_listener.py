"""MetricsListener: a listener that serves an Envoy's metrics, and nothing else of its admin interface."""

from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.config_core_v3_pb2 import Address
from xds.wire.envoy.config_endpoint_v3_pb2 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from xds.wire.envoy.config_listener_v3_pb2 import Filter, FilterChain, Listener
from xds.wire.envoy.config_route_v3_pb2 import (
    HeaderMatcher,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from xds.wire.envoy.extensions_filters_http_router_v3_pb2 import Router
from xds.wire.envoy.extensions_filters_network_http_connection_manager_v3_pb2 import HttpConnectionManager, HttpFilter
from xds.wire.envoy.type_matcher_v3_pb2 import StringMatcher
from xds.wire.messages import pack

METRICS = "xds_metrics"
PATH = "/stats/prometheus"


def build_metrics_cluster(admin: Address) -> Cluster:
    """Build the cluster of the Envoy's own admin interface."""
    endpoint = LbEndpoint(endpoint=Endpoint(address=admin))
    return Cluster(
        name=METRICS,
        type=Cluster.DiscoveryType.STRICT_DNS,
        load_assignment=ClusterLoadAssignment(
            cluster_name=METRICS, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
    )


def build_metrics_listener(address: Address) -> Listener:
    """Build the listener, which forwards GET requests for the metrics, and answers all others with 404."""
    is_get = HeaderMatcher(name=":method", string_match=StringMatcher(exact="GET"))
    route = Route(match=RouteMatch(path=PATH, headers=[is_get]), route=RouteAction(cluster=METRICS))
    manager = HttpConnectionManager(
        stat_prefix=METRICS,
        route_config=RouteConfiguration(
            name=METRICS, virtual_hosts=[VirtualHost(name=METRICS, domains=["*"], routes=[route])]
        ),
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=pack(Router()))],
    )
    name = "envoy.filters.network.http_connection_manager"
    return Listener(
        name=METRICS,
        address=address,
        filter_chains=[FilterChain(filters=[Filter(name=name, typed_config=pack(manager))])],
    )
