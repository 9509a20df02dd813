"""A Cluster's connections: their number, lifetime, protocol and keepalive."""

from datetime import timedelta

from xds.catalog.model import connections
from xds.catalog.model.retries import DEFAULT_BUDGET, Budget
from xds.catalog.model.service import Protocol
from xds.wire.envoy.config_cluster_v3_pb2 import CircuitBreakers, Cluster, UpstreamConnectionOptions
from xds.wire.envoy.config_core_v3_pb2 import (
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    KeepaliveSettings,
    TcpKeepalive,
)
from xds.wire.envoy.config_core_v3_pb2 import HttpProtocolOptions as CommonHttpProtocolOptions
from xds.wire.envoy.extensions_upstreams_http_v3_pb2 import HttpProtocolOptions
from xds.wire.envoy.type_v3_pb2 import Percent
from xds.wire.messages import pack, uint32

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def build_circuit_breakers(limits: connections.CircuitBreakers | None, budget: Budget | None) -> CircuitBreakers:
    """Build the limits, with a retry budget if there is no limit of retries.

    Envoy's default limit is 3 concurrent retries, so that requests fail when one endpoint of a busy service fails. A
    budget grows with the load: by default half of the active requests, and at least 20.
    """
    limits = limits or connections.CircuitBreakers()
    thresholds = CircuitBreakers.Thresholds(
        max_connections=uint32(limits.connections),
        max_pending_requests=uint32(limits.pending_requests),
        max_requests=uint32(limits.requests),
        max_retries=uint32(limits.retries),
    )
    if limits.retries is None:
        budget = budget or DEFAULT_BUDGET
        thresholds.retry_budget.CopyFrom(
            CircuitBreakers.Thresholds.RetryBudget(
                budget_percent=Percent(value=budget.percent), min_retry_concurrency=uint32(budget.min)
            )
        )
    return CircuitBreakers(thresholds=[thresholds])


def set_connections(
    cluster: Cluster,
    protocol: Protocol,
    pool: connections.ConnectionPool | None,
    keepalive: connections.Keepalive | None,
) -> None:
    """Set the protocol and the limits of a Cluster's connections, and the keepalive that finds broken ones."""
    if keepalive is not None:
        probes = TcpKeepalive(
            keepalive_time=uint32(_count_seconds(keepalive.idle)),
            keepalive_interval=uint32(_count_seconds(keepalive.interval)),
            keepalive_probes=uint32(keepalive.probes),
        )
        cluster.upstream_connection_options.CopyFrom(UpstreamConnectionOptions(tcp_keepalive=probes))
    if protocol is Protocol.TCP:
        return
    if protocol is not Protocol.HTTP:
        explicit = HttpProtocolOptions.ExplicitHttpConfig(http2_protocol_options=_build_http2(pool, keepalive))
    elif pool is not None:
        explicit = HttpProtocolOptions.ExplicitHttpConfig(http_protocol_options=Http1ProtocolOptions())
    else:
        return
    options = HttpProtocolOptions(explicit_http_config=explicit)
    if pool is not None:
        options.common_http_protocol_options.CopyFrom(
            CommonHttpProtocolOptions(
                idle_timeout=pool.idle_timeout,
                max_connection_duration=pool.max_connection_duration,
                max_requests_per_connection=uint32(pool.max_requests_per_connection),
            )
        )
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(options))


def _build_http2(
    pool: connections.ConnectionPool | None, keepalive: connections.Keepalive | None
) -> Http2ProtocolOptions:
    options = Http2ProtocolOptions(max_concurrent_streams=uint32(pool.max_concurrent_streams if pool else None))
    if keepalive is not None and keepalive.ping_interval is not None:
        options.connection_keepalive.CopyFrom(
            KeepaliveSettings(interval=keepalive.ping_interval, timeout=keepalive.ping_timeout)
        )
    return options


def _count_seconds(value: timedelta) -> int:
    return round(value.total_seconds())
