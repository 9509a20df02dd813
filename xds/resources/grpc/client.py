"""The resources of a service for gRPC's own xDS client (`xds:///api-service`, without Envoy).

They are a Listener, a RouteConfiguration, a Cluster and a ClusterLoadAssignment, all with the service's name. They have
the same meaning as Envoy's resources, but only use fields that gRPC supports:

- Within a locality gRPC balances by round robin and ignores endpoints' weights. It does not support RANDOM.
- It chooses the locality at random, in proportion to the localities' weights.
- It has no health checks: it skips an endpoint that it cannot connect to.
- All gRPC clients support RING_HASH, and use endpoints' weights for it. None supports MAGLEV.
- Most do not support LEAST_REQUEST, and reject a cluster with it.
- Some do not know the policy that follows reported load (Node's client does not): they take the next one in the list.
"""

from collections.abc import Mapping
from functools import lru_cache

from xds.catalog.entrances import complete_routes
from xds.catalog.model.balance import Balancing
from xds.catalog.model.route import Route
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import Endpoints, EndpointSet
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.clusters.balance import build_client_side_weighted, build_ring_hash, build_round_robin
from xds.resources.endpoints.load_assignment import EVERYWHERE, Priorities
from xds.resources.grpc.load_assignment import build_grpc_assignment, is_offered_to_grpc
from xds.resources.grpc.routes import encode_grpc_route
from xds.resources.listeners.listener import ROUTER
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, skeleton_pb2
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.config_listener_v3_pb2 import ApiListener, Listener
from xds.wire.envoy.extensions_filters_http_router_v3_pb2 import Router
from xds.wire.envoy.extensions_filters_network_http_connection_manager_v3_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from xds.wire.messages import encode, pack


def build_grpc_resources(
    name: str,
    services: Mapping[str, Service],
    endpoints: Endpoints,
    priorities: Priorities = EVERYWHERE,
) -> Mapping[str, Resource]:
    """Build a service's resources, by type; none for a service that cannot be offered to gRPC's client."""
    service, own = services[name], endpoints.of(name)
    if not is_offered_to_grpc(service, own):
        return {}
    resources = {
        CLUSTER: _build_cluster(name, service, own),
        LISTENER: build_listener(name, name),
        ROUTE_CONFIGURATION: _build_routes(name, services, endpoints),
    }
    if own.is_eds:
        message = build_grpc_assignment(name, service, own, priorities).SerializeToString(deterministic=True)
        resources[CLUSTER_LOAD_ASSIGNMENT] = encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message)
    return resources


@lru_cache(maxsize=4096)
def build_listener(name: str, service: str) -> Resource:
    """Build a service's Listener, with the service's name, or with a port after it if a client's target has one.

    Routes are sent by RDS, since an LDS response has all of a client's listeners (rule 14).
    """
    connection_manager = HttpConnectionManager(
        rds=Rds(config_source=ADS_CONFIG_SOURCE, route_config_name=service),
        http_filters=[HttpFilter(name=ROUTER, typed_config=pack(Router()))],
    )
    message = Listener(name=name, api_listener=ApiListener(api_listener=pack(connection_manager)))
    return encode_resource(LISTENER, name, encode(message))


def _build_routes(name: str, services: Mapping[str, Service], endpoints: Endpoints) -> Resource:
    """Build the service's own routes, and one for all other requests.

    The domain is `*`, since a channel may have another authority than the service's name.
    """
    listed = (*complete_routes(name, services[name]), Route(to={name: 1}))
    routes = [encoded for route in listed for encoded in encode_grpc_route(route, services, endpoints)]
    host = skeleton_pb2.VirtualHost(name=name, domains=["*"], routes=routes)
    message = skeleton_pb2.RouteConfiguration(name=name, virtual_hosts=[host.SerializeToString()])
    return encode_resource(ROUTE_CONFIGURATION, name, message.SerializeToString())


def _build_cluster(name: str, service: Service, endpoints: EndpointSet) -> Resource:
    frame = skeleton_pb2.Cluster(name=name)
    if not endpoints.is_eds:
        frame.load_assignment.CopyFrom(build_grpc_assignment(name, service, endpoints))
    policy = _encode_cluster_policy(service.balance if endpoints.is_eds else None)
    return encode_resource(CLUSTER, name, frame.SerializeToString() + policy)


@lru_cache(maxsize=256)
def _encode_cluster_policy(balancing: Balancing | None) -> bytes:
    """Encode everything in a Cluster but its name and endpoints; None is for an endpoint that is resolved by DNS."""
    if balancing is None:
        return encode(Cluster(type=Cluster.DiscoveryType.LOGICAL_DNS))
    cluster = Cluster(
        type=Cluster.DiscoveryType.EDS,
        eds_cluster_config=Cluster.EdsClusterConfig(eds_config=ADS_CONFIG_SOURCE),
        lb_policy=Cluster.LbPolicy.RING_HASH if balancing.is_hashing else Cluster.LbPolicy.ROUND_ROBIN,
    )
    if balancing.ring_hash is not None:
        if (ring_hash := build_ring_hash(balancing.ring_hash)) is not None:
            cluster.ring_hash_lb_config.CopyFrom(ring_hash)
    elif balancing.client_side_weighted is not None:
        cluster.load_balancing_policy.CopyFrom(build_client_side_weighted(balancing.client_side_weighted))
        # A client takes the first policy that it knows, and rejects a cluster if it knows none.
        cluster.load_balancing_policy.MergeFrom(build_round_robin())
    return encode(cluster)
