"""Tracing: the spans that an Envoy makes of requests, and the cluster of the collector that takes them."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterCustomClusterType, ClusterDiscoveryType
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import HeaderMutation
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    KeepaliveSettings,
    SocketAddress,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.trace.v3 import OpenTelemetryConfig, TracingHttp
from envoy_data_plane.envoy.extensions.clusters.common.dns.v3 import DnsLookupFamily
from envoy_data_plane.envoy.extensions.clusters.dns.v3 import DnsCluster
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpConnectionManagerTracing
from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation.v3 import (
    HeaderMutation as EarlyHeaderMutation,
)
from envoy_data_plane.envoy.extensions.tracers.opentelemetry.samplers.v3 import (
    ParentBasedSamplerConfig,
    TraceIdRatioBasedSamplerConfig,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.type.tracing.v3 import CustomTag
from envoy_data_plane.envoy.type.v3 import FractionalPercent, FractionalPercentDenominatorType
from envoy_data_plane.google.protobuf import Any

from xds.catalog.model.tracing import Tracing
from xds.catalog.text.addresses import normalize_ip
from xds.resources.clusters.connections import HTTP_OPTIONS
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER

OTLP_CLUSTER = "mesh/otlp"
"""The collector's cluster: no service has a name with a slash."""

MILLION = 1_000_000
TRACE_CONTEXT = ("traceparent", "tracestate")


@dataclass(frozen=True, slots=True)
class Traced:
    """Whose spans they are, and what becomes of them."""

    service: str
    tracing: Tracing


@lru_cache(maxsize=1024)
def build_tracing(traced: Traced | None) -> HttpConnectionManagerTracing | None:
    """Build how an HttpConnectionManager traces: a span of each request, and one of each try.

    Whether a trace is kept is said by who began it, in the headers that come with a request; of a request without,
    chance decides. HttpConnectionManager's own `random_sampling` is no way to that: each Envoy would throw again for
    what others keep, tried with Envoy 1.40. A query is no part of a span, since it may hold secrets.
    """
    if traced is None:
        return None
    provider = Any.pack(OpenTelemetryConfig(service_name=traced.service))
    provider.value += _encode_provider(traced.tracing)
    return HttpConnectionManagerTracing(
        custom_tags=[CustomTag(tag="http.url", value="%REQ(:SCHEME)%://%REQ(:AUTHORITY)%%PATH(NQ:ORIG_OR_PATH)%")],
        provider=TracingHttp(name="envoy.tracers.opentelemetry", typed_config=provider),
        spawn_upstream_span=True,
        operation="%REQ(:METHOD)%",
        upstream_operation="%REQ(:METHOD)% %UPSTREAM_CLUSTER%",
    )


@lru_cache(maxsize=64)
def _encode_provider(tracing: Tracing) -> bytes:
    """Encode all but the service of what makes spans: a thousand sidecars have it in common."""
    provider = OpenTelemetryConfig(
        grpc_service=GrpcService(
            envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=OTLP_CLUSTER, authority=tracing.otlp),
            timeout=timedelta(seconds=10),
        ),
        sampler=_build_sampler(tracing.percent),
    )
    return bytes(provider)


def _build_sampler(percent: float) -> TypedExtensionConfig:
    """Build who decides: the caller's Envoy or application, and where there is none, chance."""
    share = FractionalPercent(
        numerator=round(percent * MILLION / 100), denominator=FractionalPercentDenominatorType.MILLION
    )
    chance = TypedExtensionConfig(
        name="envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        typed_config=Any.pack(TraceIdRatioBasedSamplerConfig(sampling_percentage=share)),
    )
    return TypedExtensionConfig(
        name="envoy.tracers.opentelemetry.samplers.parent_based",
        typed_config=Any.pack(ParentBasedSamplerConfig(wrapped_sampler=chance)),
    )


def build_trace_guard() -> TypedExtensionConfig:
    """Build what has strangers begin no traces: what they say of one is removed before it is looked at."""
    removed = EarlyHeaderMutation(mutations=[HeaderMutation(remove=name) for name in TRACE_CONTEXT])
    return TypedExtensionConfig(name="envoy.http.early_header_mutation.header_mutation", typed_config=Any.pack(removed))


@lru_cache(maxsize=64)
def build_collector(tracing: Tracing) -> Resource:
    """Build the collector's cluster. An Envoy that cannot resolve or reach it waits for neither, and drops spans."""
    host, port = tracing.collector
    http2 = Http2ProtocolOptions(
        # A collector that went away without a word is found within 40 s.
        connection_keepalive=KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=10))
    )
    options = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2)
    )
    endpoint = Endpoint(address=Address(socket_address=SocketAddress(address=host, port_value=port)))
    cluster = Cluster(
        name=OTLP_CLUSTER,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=OTLP_CLUSTER,
            endpoints=[LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=endpoint)])],
        ),
        typed_extension_protocol_options={HTTP_OPTIONS: Any.pack(options)},
    )
    if normalize_ip(host) is not None:
        cluster.type = ClusterDiscoveryType.STATIC
    else:
        dns = DnsCluster(dns_lookup_family=DnsLookupFamily.V4_PREFERRED, respect_dns_ttl=True)
        cluster.cluster_type = ClusterCustomClusterType(name="envoy.clusters.dns", typed_config=Any.pack(dns))
        cluster.wait_for_warm_on_init = False
    return encode_resource(CLUSTER, OTLP_CLUSTER, bytes(cluster))
