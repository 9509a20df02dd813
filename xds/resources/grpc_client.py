"""What gRPC's own xDS client (`xds:///api-service`, no Envoy) is sent of a service: a Listener of the service's name,
its RouteConfiguration, its Cluster and its ClusterLoadAssignment.

They say the same as Envoy's, in the part of Envoy's words that gRPC heeds. It balances by `round_robin` within a
locality, where it ignores endpoints' weights and knows no RANDOM, and picks the locality by chance, in proportion to
the locality's weight. It checks nobody's health: an endpoint is out of the rounds while it cannot be connected to.
Of consistent hashing all of its clients know RING_HASH, which heeds weights, but not MAGLEV; of LEAST_REQUEST most know
nothing, and refuse a cluster with it.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterDiscoveryType,
    ClusterEdsClusterConfig,
    ClusterLbPolicy,
)
from envoy_data_plane.envoy.config.route.v3 import (
    RetryPolicy,
    RouteAction,
    RouteActionHashPolicy,
    RouteActionHashPolicyFilterState,
    RouteActionHashPolicyHeader,
    RouteActionMaxStreamDuration,
    RouteMatch,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy_data_plane.google.protobuf import Any

from xds.catalog.model import Affinity, Protocol, Service
from xds.catalog.policies import HASHING, Balancing
from xds.catalog.resilience import Retries
from xds.catalog.shapes import GRPC_CONDITIONS
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.clusters import is_eds
from xds.resources.endpoints import EVERYWHERE, Priorities
from xds.resources.grpc_endpoints import build_grpc_assignment
from xds.resources.listeners import ROUTER
from xds.resources.policies import build_client_side_weighted, build_ring_hash
from xds.resources.resource import Resource, encode_resource
from xds.resources.tries import build_back_off
from xds.wire import (
    CLUSTER,
    CLUSTER_LOAD_ASSIGNMENT,
    LISTENER,
    ROUTE_CONFIGURATION,
    encode_any,
    skeleton_pb2,
)

HTTP_CONNECTION_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)


def build_grpc_resources(name: str, service: Service, priorities: Priorities = EVERYWHERE) -> Mapping[str, Resource]:
    """Build a service's resources by type; none for a service that gRPC's client cannot be told of.

    Such are TCP services, and those whose endpoints are host names, unless it is one alone: gRPC resolves no more.
    """
    eds = is_eds(service)
    if service.protocol is Protocol.TCP or not (eds or len(service.endpoints) == 1):
        return {}
    resources = {
        CLUSTER: _build_cluster(name, service, eds=eds),
        LISTENER: _build_listener(name),
        ROUTE_CONFIGURATION: _build_routes(name, service),
    }
    if eds:
        message = build_grpc_assignment(name, service, priorities).SerializeToString(deterministic=True)
        resources[CLUSTER_LOAD_ASSIGNMENT] = encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message)
    return resources


def _build_listener(name: str) -> Resource:
    """Routes stand apart (RDS), since an LDS response repeats every listener that the client uses (rule 14)."""
    config_source, connection_manager = _encode_listener_policy()
    frame = skeleton_pb2.HttpConnectionManager(
        rds=skeleton_pb2.Rds(config_source=config_source, route_config_name=name)
    )
    api_listener = encode_any(HTTP_CONNECTION_MANAGER, frame.SerializeToString() + connection_manager)
    message = skeleton_pb2.Listener(name=name, api_listener=skeleton_pb2.ApiListener(api_listener=api_listener))
    return encode_resource(LISTENER, name, message.SerializeToString())


def _build_routes(name: str, service: Service) -> Resource:
    """Build one route for all that is called; its domain is any, since a channel may be told another authority."""
    target = skeleton_pb2.RouteAction(cluster=name).SerializeToString()
    action = _encode_action(service.timeouts.request, service.affinity, service.retries)
    route = skeleton_pb2.Route(match=_encode_match(), route=target + action)
    host = skeleton_pb2.VirtualHost(name=name, domains=["*"], routes=[route.SerializeToString()])
    message = skeleton_pb2.RouteConfiguration(name=name, virtual_hosts=[host.SerializeToString()])
    return encode_resource(ROUTE_CONFIGURATION, name, message.SerializeToString())


def _build_cluster(name: str, service: Service, *, eds: bool) -> Resource:
    frame = skeleton_pb2.Cluster(name=name)
    if not eds:
        frame.load_assignment.CopyFrom(build_grpc_assignment(name, service))
    policy = _encode_cluster_policy(service.balance if eds else None)
    return encode_resource(CLUSTER, name, frame.SerializeToString() + policy)


@lru_cache(maxsize=1)
def _encode_listener_policy() -> tuple[bytes, bytes]:
    """Encode a ConfigSource, and all of a HttpConnectionManager but its `rds`."""
    router = HttpFilter(name=ROUTER, typed_config=Any.pack(Router()))
    return bytes(ADS_CONFIG_SOURCE), bytes(HttpConnectionManager(http_filters=[router]))


@lru_cache(maxsize=256)
def _encode_cluster_policy(balancing: Balancing | None) -> bytes:
    """Encode all of a Cluster but its name and endpoints; None is for an endpoint that gRPC resolves by DNS."""
    if balancing is None:
        return bytes(Cluster(type=ClusterDiscoveryType.LOGICAL_DNS))
    cluster = Cluster(
        type=ClusterDiscoveryType.EDS,
        eds_cluster_config=ClusterEdsClusterConfig(eds_config=ADS_CONFIG_SOURCE),
        lb_policy=ClusterLbPolicy.RING_HASH if balancing.policy in HASHING else ClusterLbPolicy.ROUND_ROBIN,
    )
    if balancing.ring_hash is not None:
        cluster.ring_hash_lb_config = build_ring_hash(balancing.ring_hash)
    elif balancing.client_side_weighted is not None:
        cluster.load_balancing_policy = build_client_side_weighted(balancing.client_side_weighted)
    return bytes(cluster)


@lru_cache(maxsize=1)
def _encode_match() -> bytes:
    return bytes(RouteMatch(prefix="/"))


@lru_cache(maxsize=4096)
def _encode_action(request: timedelta | None, affinity: Affinity | None, retries: Retries) -> bytes:
    """Encode all of a RouteAction but its cluster. A call's own deadline counts if it is earlier.

    No retries but those by status that the catalog asks for: gRPC knows no others, and UNAVAILABLE is also that of a
    call that broke when an endpoint had begun on it. What no endpoint has seen, gRPC sends again by itself. Of
    affinities it knows a header's, and for the client's address its own channel is meant; a call has no query, and
    cookies are not heeded.
    """
    action = RouteAction()
    statuses = [one for one in dict.fromkeys(retries.on) if one in GRPC_CONDITIONS]
    if statuses and retries.attempts:
        action.retry_policy = RetryPolicy(
            retry_on=",".join(map(str, statuses)),
            num_retries=retries.attempts,
            retry_back_off=build_back_off(retries),
        )
    if request:
        action.max_stream_duration = RouteActionMaxStreamDuration(max_stream_duration=request)
    if affinity is not None and affinity.header is not None:
        header = RouteActionHashPolicyHeader(header_name=affinity.header)
        action.hash_policy.append(RouteActionHashPolicy(header=header, terminal=True))
    if affinity is not None and affinity.source:
        channel = RouteActionHashPolicyFilterState(key="io.grpc.channel_id")
        action.hash_policy.append(RouteActionHashPolicy(filter_state=channel, terminal=True))
    return bytes(action)
