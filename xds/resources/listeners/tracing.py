"""Tracing: the spans that an Envoy creates for requests, and the cluster of the collector that receives them."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from xds.catalog.model.tracing import Tracing
from xds.catalog.text.addresses import normalize_ip
from xds.resources.clusters.connections import HTTP_OPTIONS
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.config_common_mutation_rules_v3_pb2 import HeaderMutation
from xds.wire.envoy.config_core_v3_pb2 import (
    Address,
    GrpcService,
    Http2ProtocolOptions,
    KeepaliveSettings,
    SocketAddress,
    TypedExtensionConfig,
)
from xds.wire.envoy.config_endpoint_v3_pb2 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from xds.wire.envoy.config_trace_v3_pb2 import OpenTelemetryConfig
from xds.wire.envoy.config_trace_v3_pb2 import Tracing as EnvoyTracing
from xds.wire.envoy.extensions_clusters_common_dns_v3_pb2 import DnsLookupFamily
from xds.wire.envoy.extensions_clusters_dns_v3_pb2 import DnsCluster
from xds.wire.envoy.extensions_filters_network_http_connection_manager_v3_pb2 import HttpConnectionManager
from xds.wire.envoy.extensions_http_early_header_mutation_header_mutation_v3_pb2 import (
    HeaderMutation as EarlyHeaderMutation,
)
from xds.wire.envoy.extensions_tracers_opentelemetry_samplers_v3_pb2 import (
    ParentBasedSamplerConfig,
    TraceIdRatioBasedSamplerConfig,
)
from xds.wire.envoy.extensions_upstreams_http_v3_pb2 import HttpProtocolOptions
from xds.wire.envoy.type_tracing_v3_pb2 import CustomTag
from xds.wire.envoy.type_v3_pb2 import FractionalPercent
from xds.wire.messages import boolean, encode, pack
from xds.wire.varint import encode_field

OTLP_CLUSTER = "mesh/otlp"
"""The collector's cluster: no service has a name with a slash."""

MILLION = 1_000_000
TRACE_CONTEXT = ("traceparent", "tracestate")


@dataclass(frozen=True, slots=True)
class Traced:
    """The name of the service in an Envoy's spans, and the mesh's settings of tracing."""

    service: str
    tracing: Tracing


@lru_cache(maxsize=1024)
def encode_tracing(traced: Traced | None) -> bytes:
    """Encode an HttpConnectionManager's tracing alone: a span for each request, and one for each try.

    Whoever begins a trace decides whether it is sampled, and sends the decision in the request's headers. For a request
    without these headers, the Envoy decides at random. HttpConnectionManager's `random_sampling` cannot do this: each
    Envoy would decide again (tested with Envoy 1.40). Spans have no query string, since it may contain secrets.
    """
    if traced is None:
        return b""
    provider = pack(OpenTelemetryConfig(service_name=traced.service))
    provider.value += _encode_provider(traced.tracing)
    tracing = HttpConnectionManager.Tracing(
        provider=EnvoyTracing.Http(name="envoy.tracers.opentelemetry", typed_config=provider),
        spawn_upstream_span=boolean(True),
        operation="%REQ(:METHOD)%",
        upstream_operation="%REQ(:METHOD)% %UPSTREAM_CLUSTER_RAW%",
    )
    encoded = encode(tracing) + encode_field(HttpConnectionManager.Tracing.CUSTOM_TAGS_FIELD_NUMBER, _encode_url_tag())
    return encode_field(HttpConnectionManager.TRACING_FIELD_NUMBER, encoded)


def _encode_url_tag() -> bytes:
    """Encode the tag that takes the place of Envoy's own URL, which has the query string.

    The tag has two values, of which an Envoy takes the last that it knows: the URL without the query, or before
    Envoy 1.37 the host alone. No message of protobuf's can have both, so two are joined.
    """
    older = CustomTag(tag="http.url", request_header=CustomTag.Header(name=":authority"))
    return encode(older) + encode(CustomTag(value="%REQ(:SCHEME)%://%REQ(:AUTHORITY)%%PATH(NQ:ORIG_OR_PATH)%"))


@lru_cache(maxsize=64)
def _encode_provider(tracing: Tracing) -> bytes:
    """Encode everything in an OpenTelemetryConfig but the service: so that all sidecars share the result."""
    provider = OpenTelemetryConfig(
        grpc_service=GrpcService(
            envoy_grpc=GrpcService.EnvoyGrpc(cluster_name=OTLP_CLUSTER, authority=tracing.otlp),
            timeout=timedelta(seconds=10),
        ),
        sampler=_build_sampler(tracing.percent),
    )
    return encode(provider)


def _build_sampler(percent: float) -> TypedExtensionConfig:
    """Build the sampler: it uses the caller's decision, or a random one if there is none."""
    share = FractionalPercent(
        numerator=round(percent * MILLION / 100), denominator=FractionalPercent.DenominatorType.MILLION
    )
    chance = TypedExtensionConfig(
        name="envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        typed_config=pack(TraceIdRatioBasedSamplerConfig(sampling_percentage=share)),
    )
    return TypedExtensionConfig(
        name="envoy.tracers.opentelemetry.samplers.parent_based",
        typed_config=pack(ParentBasedSamplerConfig(wrapped_sampler=chance)),
    )


def build_trace_guard() -> TypedExtensionConfig:
    """Build the extension that removes clients' trace headers before Envoy reads them: clients begin no trace."""
    removed = EarlyHeaderMutation(mutations=[HeaderMutation(remove=name) for name in TRACE_CONTEXT])
    return TypedExtensionConfig(name="envoy.http.early_header_mutation.header_mutation", typed_config=pack(removed))


@lru_cache(maxsize=64)
def build_collector(tracing: Tracing) -> Resource:
    """Build the collector's cluster. An Envoy that cannot resolve or reach it does not wait, and drops spans."""
    host, port = tracing.collector
    http2 = Http2ProtocolOptions(
        # If the collector disappears without closing the connection, Envoy notices within 40 s.
        connection_keepalive=KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=10))
    )
    options = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptions.ExplicitHttpConfig(http2_protocol_options=http2)
    )
    endpoint = Endpoint(address=Address(socket_address=SocketAddress(address=host, port_value=port)))
    cluster = Cluster(
        name=OTLP_CLUSTER,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=OTLP_CLUSTER,
            endpoints=[LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=endpoint)])],
        ),
        typed_extension_protocol_options={HTTP_OPTIONS: pack(options)},
    )
    if normalize_ip(host) is not None:
        cluster.type = Cluster.DiscoveryType.STATIC
    else:
        dns = DnsCluster(dns_lookup_family=DnsLookupFamily.V4_PREFERRED, respect_dns_ttl=True)
        cluster.cluster_type.CopyFrom(Cluster.CustomClusterType(name="envoy.clusters.dns", typed_config=pack(dns)))
        cluster.wait_for_warm_on_init.value = False
    return encode_resource(CLUSTER, OTLP_CLUSTER, encode(cluster))
