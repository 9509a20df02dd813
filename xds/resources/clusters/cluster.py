"""Cluster (CDS): how callers connect to a service. The policy is encoded once for all services that share it."""

from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from google.protobuf.struct_pb2 import Struct

from xds.catalog.model.balance import Balancing
from xds.catalog.model.connections import CircuitBreakers, ConnectionPool, Keepalive
from xds.catalog.model.health import HealthCheck, OutlierDetection
from xds.catalog.model.retries import Budget
from xds.catalog.model.service import Protocol, Service
from xds.catalog.model.slow_start import SlowStart
from xds.catalog.model.upstream import CheckTls, Dns, UpstreamTls
from xds.catalog.raw.fields import join
from xds.endpoints.endpoint_set import EndpointSet
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.clusters.balance import Spread, complete_lb_config, find_spread, set_policy
from xds.resources.clusters.connections import build_circuit_breakers, set_connections
from xds.resources.clusters.subsets import encode_subset_config
from xds.resources.endpoints.load_assignment import EVERYWHERE, Priorities, encode_assignment
from xds.resources.resource import Resource, encode_resource
from xds.resources.stats import write_stat_name
from xds.resources.tls.contexts import PLAIN_TEXT, build_tls_socket
from xds.wire import CLUSTER, skeleton_pb2
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster, TrackClusterStats
from xds.wire.envoy.config_cluster_v3_pb2 import OutlierDetection as EnvoyOutlierDetection
from xds.wire.envoy.config_core_v3_pb2 import HealthCheck as EnvoyHealthCheck
from xds.wire.envoy.extensions_clusters_common_dns_v3_pb2 import DnsLookupFamily
from xds.wire.envoy.extensions_clusters_dns_v3_pb2 import DnsCluster
from xds.wire.envoy.type_v3_pb2 import CodecClientType, Int64Range
from xds.wire.messages import encode, pack, uint32

CHECK_SOCKET = "health_check"
"""The name of the transport socket of health checks, and the key by which Envoy finds it."""


class _Policy(NamedTuple):
    """Everything in a Cluster but its name, endpoints and subsets; `dns` is None for endpoints that EDS discovers."""

    balance: Balancing
    slow_start: SlowStart | None
    protocol: Protocol
    health_check: HealthCheck | None
    outlier_detection: OutlierDetection
    connect: timedelta
    dns: Dns | None
    dns_refresh: timedelta | None
    circuit_breakers: CircuitBreakers | None
    retry_budget: Budget | None
    connection_pool: ConnectionPool | None
    keepalive: Keepalive | None
    tls: UpstreamTls | None
    host: str | None
    spread: Spread
    panic_threshold: int | None
    endpoint_stats: bool


def build_cluster(
    name: str,
    service: Service,
    endpoints: EndpointSet,
    priorities: Priorities = EVERYWHERE,
    *,
    endpoint_stats: bool = False,
) -> Resource:
    """Build a service's cluster, which has the service's name.

    EDS serves the endpoints if all addresses are IP addresses. If there is a host name, the cluster contains its
    endpoints and Envoy resolves them by DNS, since EDS accepts only IP addresses. `endpoint_stats` is the value of that
    field in the service, or else in the mesh.
    """
    dns = None if endpoints.is_eds else service.dns if len(endpoints) == 1 else Dns.STRICT
    policy = _Policy(
        service.balance,
        service.slow_start if service.balance.has_slow_start else None,
        service.protocol,
        service.health_check,
        service.outlier_detection,
        service.timeouts.connect,
        dns,
        None if dns is None else service.dns_refresh,
        service.circuit_breakers,
        service.retries.budget,
        service.connection_pool,
        service.keepalive,
        service.tls,
        service.requested_host,
        find_spread(service, endpoints),
        service.panic_threshold,
        endpoint_stats,
    )
    frame = skeleton_pb2.Cluster(name=name)
    if (stat_name := write_stat_name(name)) != name:
        frame.alt_stat_name = stat_name
    if dns is not None:
        frame.load_assignment.MergeFromString(encode_assignment(name, service, endpoints, priorities))
    encoded = frame.SerializeToString(deterministic=True) + _encode_policy(policy) + encode_subset_config(service)
    return encode_resource(CLUSTER, name, join(encoded, service.envoy, "cluster"))


@lru_cache(maxsize=4096)
def _encode_policy(policy: _Policy) -> bytes:
    """Encode everything in a Cluster but its name, endpoints and subsets."""
    health_check, outlier_detection = policy.health_check, policy.outlier_detection
    cluster = Cluster(
        connect_timeout=policy.connect,
        common_lb_config=Cluster.CommonLbConfig(
            # Envoy merges all changes of health within this time. With its default of 1 s, a second endpoint that
            # fails or recovers has to wait that long. New weights do not wait (tested with Envoy 1.40).
            update_merge_window=timedelta(milliseconds=100),
            # Endpoints that were just added do not count for the panic threshold until their first health check.
            ignore_new_hosts_until_first_hc=health_check is not None,
        ),
        circuit_breakers=build_circuit_breakers(policy.circuit_breakers, policy.retry_budget),
        outlier_detection=_build_outlier_detection(outlier_detection) if outlier_detection.enabled else None,
        track_cluster_stats=TrackClusterStats(per_endpoint_stats=True) if policy.endpoint_stats else None,
    )
    complete_lb_config(cluster.common_lb_config, policy.spread, policy.panic_threshold)
    set_policy(cluster, policy.balance, policy.slow_start)
    if policy.dns is not None:
        cluster.cluster_type.CopyFrom(_build_dns(policy.dns, policy.dns_refresh))
    else:
        cluster.type = Cluster.DiscoveryType.EDS
        cluster.eds_cluster_config.eds_config.CopyFrom(ADS_CONFIG_SOURCE)
    set_connections(cluster, policy.protocol, policy.connection_pool, policy.keepalive)
    if policy.tls is not None:
        cluster.transport_socket.CopyFrom(build_tls_socket(policy.tls, policy.protocol))
    if health_check is not None:
        http2 = policy.protocol in (Protocol.HTTP2, Protocol.GRPC)
        host = health_check.host or policy.host or ""
        cluster.health_checks.append(_build_health_check(health_check, host, http2=http2))
        if health_check.tls is not None:
            _set_check_socket(cluster, health_check.tls, policy.protocol)
        # An endpoint that the catalog removes is removed at once, even if it is healthy.
        cluster.ignore_health_on_host_removal = True
    return encode(cluster)


def _build_dns(dns: Dns, refresh: timedelta | None) -> Cluster.CustomClusterType:
    """Build the cluster type that resolves host names by DNS.

    With `logical` a host name is one endpoint with all of its addresses. Envoy then tries IPv4 and IPv6 addresses in
    turn until one connects (happy eyeballs). Otherwise each address is an endpoint. These are IPv4 addresses if there
    are any, since an IPv6 address may not be reachable.
    """
    dns_cluster = DnsCluster(
        dns_lookup_family=DnsLookupFamily.V4_PREFERRED,
        respect_dns_ttl=refresh is None,
        dns_refresh_rate=refresh,
    )
    if dns is Dns.LOGICAL:
        dns_cluster.dns_lookup_family = DnsLookupFamily.ALL
        dns_cluster.all_addresses_in_single_endpoint = True
    return Cluster.CustomClusterType(name="envoy.clusters.dns", typed_config=pack(dns_cluster))


def _build_outlier_detection(detection: OutlierDetection) -> EnvoyOutlierDetection:
    """Build the ejection of endpoints that several times in a row cannot be reached, or answer 502, 503 or 504.

    A 500 comes from the application, and another endpoint would probably answer the same. So it only counts if
    `consecutive_5xx` is set.
    """
    return EnvoyOutlierDetection(
        consecutive_gateway_failure=uint32(detection.consecutive_failures),
        enforcing_consecutive_gateway_failure=uint32(100),
        consecutive_5xx=uint32(detection.consecutive_5xx),
        enforcing_consecutive_5xx=uint32(0 if detection.consecutive_5xx is None else 100),
        interval=detection.interval,
        base_ejection_time=detection.base_ejection_time,
        enforcing_success_rate=uint32(0),
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=uint32(detection.consecutive_failures),
        enforcing_local_origin_success_rate=uint32(0),
        max_ejection_percent=uint32(detection.max_ejection_percent),
    )


def _set_check_socket(cluster: Cluster, tls: CheckTls, protocol: Protocol) -> None:
    """Set the transport socket of health checks, which is not that of requests.

    Envoy chooses it by a match that no endpoint's metadata has, so that requests keep the cluster's own.
    """
    socket = build_tls_socket(tls, protocol) if tls.enabled else PLAIN_TEXT
    match = Struct()
    match.update({CHECK_SOCKET: True})
    cluster.transport_socket_matches.append(
        Cluster.TransportSocketMatch(name=CHECK_SOCKET, match=match, transport_socket=socket)
    )
    cluster.health_checks[0].transport_socket_match_criteria.CopyFrom(match)


def _build_health_check(check: HealthCheck, host: str, *, http2: bool) -> EnvoyHealthCheck:
    health_check = EnvoyHealthCheck(
        timeout=check.timeout,
        interval=check.interval,
        # Without traffic Envoy by default checks only every 60 s, which is too late for the first request.
        no_traffic_interval=check.interval,
        interval_jitter_percent=check.interval_jitter,
        unhealthy_interval=check.unhealthy_interval,
        healthy_threshold=uint32(check.healthy_threshold),
        unhealthy_threshold=uint32(check.unhealthy_threshold),
    )
    if check.http is not None:
        health_check.http_health_check.CopyFrom(
            EnvoyHealthCheck.HttpHealthCheck(
                path=check.http,
                host=host,
                expected_statuses=[Int64Range(start=one.first, end=one.last + 1) for one in check.expect],
                codec_client_type=CodecClientType.HTTP2 if http2 else CodecClientType.HTTP1,
            )
        )
    elif check.grpc is not None:
        health_check.grpc_health_check.CopyFrom(
            EnvoyHealthCheck.GrpcHealthCheck(service_name=check.grpc, authority=host)
        )
    else:
        # It sends nothing: an endpoint is healthy if Envoy can connect to it.
        health_check.tcp_health_check.CopyFrom(EnvoyHealthCheck.TcpHealthCheck())
    return health_check
