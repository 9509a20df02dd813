"""A Cluster's connections: how many and how long, how dead ones are found, and the TLS to its endpoints."""

from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    CircuitBreakersThresholdsRetryBudget,
    Cluster,
    UpstreamConnectionOptions,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    KeepaliveSettings,
    TcpKeepalive,
)
from envoy_data_plane.envoy.config.core.v3 import HttpProtocolOptions as CommonHttpProtocolOptions
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.type.v3 import Percent
from envoy_data_plane.google.protobuf import Any

from xds.catalog.model import resilience
from xds.catalog.model.service import Protocol

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def build_circuit_breakers(
    limits: resilience.CircuitBreakers | None, budget: resilience.Budget | None
) -> CircuitBreakers:
    """Build the limits. Envoy's default of 3 retries at once drops requests when one endpoint of a busy service dies.

    The budget in its place grows with the load: half of the running requests at most, and 20 in any case.
    """
    limits = limits or resilience.CircuitBreakers()
    thresholds = CircuitBreakersThresholds(
        max_connections=limits.connections,
        max_pending_requests=limits.pending_requests,
        max_requests=limits.requests,
        max_retries=limits.retries,
    )
    if limits.retries is None:
        budget = budget or resilience.Budget()
        thresholds.retry_budget = CircuitBreakersThresholdsRetryBudget(
            budget_percent=Percent(value=budget.percent), min_retry_concurrency=budget.min
        )
    return CircuitBreakers(thresholds=[thresholds])


def set_connections(
    cluster: Cluster,
    protocol: Protocol,
    pool: resilience.ConnectionPool | None,
    keepalive: resilience.Keepalive | None,
) -> None:
    """Set what a Cluster's connections speak, how long they are kept, and how dead ones are found."""
    if keepalive is not None:
        probes = TcpKeepalive(
            keepalive_time=_count_seconds(keepalive.idle),
            keepalive_interval=_count_seconds(keepalive.interval),
            keepalive_probes=keepalive.probes,
        )
        cluster.upstream_connection_options = UpstreamConnectionOptions(tcp_keepalive=probes)
    if protocol is Protocol.TCP:
        return
    if protocol is not Protocol.HTTP:
        explicit = HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=_build_http2(pool, keepalive))
    elif pool is not None:
        explicit = HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=Http1ProtocolOptions())
    else:
        return
    options = HttpProtocolOptions(explicit_http_config=explicit)
    if pool is not None:
        options.common_http_protocol_options = CommonHttpProtocolOptions(
            idle_timeout=pool.idle_timeout,
            max_connection_duration=pool.max_connection_duration,
            max_requests_per_connection=pool.max_requests_per_connection,
        )
    cluster.typed_extension_protocol_options = {HTTP_OPTIONS: Any.pack(options)}


def _build_http2(
    pool: resilience.ConnectionPool | None, keepalive: resilience.Keepalive | None
) -> Http2ProtocolOptions:
    options = Http2ProtocolOptions()
    if pool is not None:
        options.max_concurrent_streams = pool.max_concurrent_streams
    if keepalive is not None and keepalive.ping_interval is not None:
        options.connection_keepalive = KeepaliveSettings(
            interval=keepalive.ping_interval, timeout=keepalive.ping_timeout
        )
    return options


def _count_seconds(value: timedelta) -> int:
    return round(value.total_seconds())
