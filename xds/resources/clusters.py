"""Cluster (CDS): how a service is reached. The policy is encoded once for all services that share it."""

from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    CircuitBreakersThresholdsRetryBudget,
    Cluster,
    ClusterCommonLbConfig,
    ClusterCustomClusterType,
    ClusterDiscoveryType,
    ClusterEdsClusterConfig,
    ClusterLbPolicy,
    ClusterLeastRequestLbConfig,
    ClusterRoundRobinLbConfig,
    ClusterSlowStartConfig,
)
from envoy_data_plane.envoy.config.cluster.v3 import (
    OutlierDetection as EnvoyOutlierDetection,
)
from envoy_data_plane.envoy.config.core.v3 import (
    HealthCheck as EnvoyHealthCheck,
)
from envoy_data_plane.envoy.config.core.v3 import (
    HealthCheckGrpcHealthCheck,
    HealthCheckHttpHealthCheck,
    HealthCheckTcpHealthCheck,
    Http2ProtocolOptions,
)
from envoy_data_plane.envoy.extensions.clusters.common.dns.v3 import DnsLookupFamily
from envoy_data_plane.envoy.extensions.clusters.dns.v3 import DnsCluster
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.type.v3 import CodecClientType, Int64Range, Percent
from envoy_data_plane.google.protobuf import Any

from xds.catalog.addresses import normalize_ip
from xds.catalog.model import RAMPING, Balance, HealthCheck, OutlierDetection, Protocol, Service
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.endpoints import EVERYWHERE, Priorities, build_assignment_message
from xds.resources.locality import Spread, complete_lb_config, find_spread
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER, skeleton_pb2

LB_POLICIES = {
    Balance.ROUND_ROBIN: ClusterLbPolicy.ROUND_ROBIN,
    Balance.RANDOM: ClusterLbPolicy.RANDOM,
    Balance.WEIGHTED: ClusterLbPolicy.ROUND_ROBIN,  # with each endpoint's load_balancing_weight
    Balance.LEAST_REQUEST: ClusterLbPolicy.LEAST_REQUEST,  # of two endpoints drawn by chance
    Balance.RING_HASH: ClusterLbPolicy.RING_HASH,  # of 1,024 places at least
    Balance.MAGLEV: ClusterLbPolicy.MAGLEV,  # of 65,537 places
}
"""By `lb_policy`, not by the typed extensions of `load_balancing_policy`: Envoy makes these of it, and all that we set
can be said in both. The sizes are Envoy's own defaults."""


def build_cluster(name: str, service: Service, priorities: Priorities = EVERYWHERE) -> Resource:
    """Build a service's cluster, of the same name.

    Endpoints that are IP addresses are discovered by EDS; a single host name among them makes the cluster one that
    Envoy resolves by DNS, with its endpoints inside, since EDS takes IP addresses alone.
    """
    dns = not is_eds(service)
    policy = _encode_policy(
        service.balance,
        service.slow_start if service.balance in RAMPING else None,
        service.protocol,
        service.health_check,
        service.outlier_detection,
        service.timeouts.connect,
        find_spread(service),
        service.panic_threshold,
        dns=dns,
    )
    frame = skeleton_pb2.Cluster(name=name)
    if dns:
        frame.load_assignment.CopyFrom(build_assignment_message(name, service, priorities))
    return encode_resource(CLUSTER, name, frame.SerializeToString(deterministic=True) + policy)


def is_eds(service: Service) -> bool:
    """Tell whether a service's endpoints are discovered by EDS: all of them are IP addresses."""
    return all(normalize_ip(endpoint.address) is not None for endpoint in service.endpoints)


@lru_cache(maxsize=4096)
def _encode_policy(
    balance: Balance,
    slow_start: timedelta | None,
    protocol: Protocol,
    health_check: HealthCheck | None,
    outlier_detection: OutlierDetection,
    connect: timedelta,
    spread: Spread,
    panic_threshold: int | None,
    *,
    dns: bool,
) -> bytes:
    """Encode all of a Cluster but its name and endpoints."""
    cluster = Cluster(
        connect_timeout=connect,
        lb_policy=LB_POLICIES[balance],
        common_lb_config=ClusterCommonLbConfig(
            # Envoy merges what comes within this time of a change of health. By its default of 1 s, an endpoint that
            # fails, or comes back, just after another waits that long. New weights never wait, tried with Envoy 1.40.
            update_merge_window=timedelta(milliseconds=100),
            # Endpoints that were just added are no reason to panic.
            ignore_new_hosts_until_first_hc=health_check is not None,
        ),
        circuit_breakers=CircuitBreakers(
            thresholds=[
                # Envoy's default of 3 retries at once drops requests when one endpoint of a busy service dies.
                CircuitBreakersThresholds(
                    retry_budget=CircuitBreakersThresholdsRetryBudget(
                        budget_percent=Percent(value=50), min_retry_concurrency=20
                    )
                )
            ]
        ),
        outlier_detection=_build_outlier_detection(outlier_detection) if outlier_detection.enabled else None,
    )
    if cluster.common_lb_config is not None:
        complete_lb_config(cluster.common_lb_config, spread, panic_threshold)
    if slow_start is not None:
        # The share grows evenly from a tenth: Envoy's defaults.
        config = ClusterSlowStartConfig(slow_start_window=slow_start)
        if balance is Balance.LEAST_REQUEST:
            cluster.least_request_lb_config = ClusterLeastRequestLbConfig(slow_start_config=config)
        else:
            cluster.round_robin_lb_config = ClusterRoundRobinLbConfig(slow_start_config=config)
    if dns:
        dns_cluster = DnsCluster(dns_lookup_family=DnsLookupFamily.V4_PREFERRED, respect_dns_ttl=True)
        cluster.cluster_type = ClusterCustomClusterType(name="envoy.clusters.dns", typed_config=Any.pack(dns_cluster))
    else:
        cluster.type = ClusterDiscoveryType.EDS
        cluster.eds_cluster_config = ClusterEdsClusterConfig(eds_config=ADS_CONFIG_SOURCE)
    http2 = protocol in (Protocol.HTTP2, Protocol.GRPC)
    if http2:
        options = HttpProtocolOptions(
            explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
        )
        cluster.typed_extension_protocol_options = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": Any.pack(options)
        }
    if health_check is not None:
        cluster.health_checks = [_build_health_check(health_check, http2=http2)]
        # What the catalog leaves out is gone, whatever its health.
        cluster.ignore_health_on_host_removal = True
    return bytes(cluster)


def _build_outlier_detection(detection: OutlierDetection) -> EnvoyOutlierDetection:
    """Eject an endpoint that cannot be reached or that answers 502, 503 or 504, some times in a row.

    A 500 is the application's own answer: another endpoint would answer the same, so it ejects nobody by itself.
    """
    return EnvoyOutlierDetection(
        consecutive_gateway_failure=detection.consecutive_failures,
        enforcing_consecutive_gateway_failure=100,
        consecutive_5xx=detection.consecutive_5xx,
        enforcing_consecutive_5xx=0 if detection.consecutive_5xx is None else 100,
        interval=detection.interval,
        base_ejection_time=detection.base_ejection_time,
        enforcing_success_rate=0,
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=detection.consecutive_failures,
        enforcing_local_origin_success_rate=0,
        max_ejection_percent=detection.max_ejection_percent,
    )


def _build_health_check(check: HealthCheck, *, http2: bool) -> EnvoyHealthCheck:
    health_check = EnvoyHealthCheck(
        timeout=check.timeout,
        interval=check.interval,
        # Without traffic Envoy checks only each 60 s by default: too late for the first request.
        no_traffic_interval=check.interval,
        interval_jitter_percent=10,
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
    )
    if check.http is not None:
        health_check.http_health_check = HealthCheckHttpHealthCheck(
            path=check.http,
            host=check.host or "",
            expected_statuses=[Int64Range(start=one.first, end=one.last + 1) for one in check.expect],
            codec_client_type=CodecClientType.HTTP2 if http2 else CodecClientType.HTTP1,
        )
    elif check.grpc is not None:
        health_check.grpc_health_check = HealthCheckGrpcHealthCheck(service_name=check.grpc, authority=check.host or "")
    else:
        health_check.tcp_health_check = HealthCheckTcpHealthCheck()  # sends nothing: to connect is to be well
    return health_check
