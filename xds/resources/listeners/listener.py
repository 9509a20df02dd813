"""Listener (LDS): the address at which a sidecar or gateway accepts connections, and the filters for them."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.listener_options import GATEWAY_HEADER_TIMEOUT, GATEWAY_STREAMS, HttpOptions, Limits
from xds.catalog.model.sidecar import MESSAGES, USUAL_SIDECAR, Sidecar
from xds.catalog.raw.fields import NOTHING, RawFields
from xds.catalog.text.addresses import Listen
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.listeners.access_log import build_access_log
from xds.resources.listeners.tracing import Traced, build_trace_guard, encode_tracing
from xds.resources.resource import Resource, encode_resource
from xds.resources.routes.filters import build_disabled_filters
from xds.resources.stats import write_stat_prefix
from xds.wire import LISTENER
from xds.wire.envoy.config_core_v3_pb2 import Address, SocketAddress
from xds.wire.envoy.config_listener_v3_pb2 import Filter, FilterChain, Listener
from xds.wire.envoy.extensions_filters_http_router_v3_pb2 import Router
from xds.wire.envoy.extensions_filters_network_http_connection_manager_v3_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from xds.wire.envoy.extensions_filters_network_tcp_proxy_v3_pb2 import TcpProxy
from xds.wire.envoy.type_v3_pb2 import HashPolicy
from xds.wire.messages import encode, pack, uint32

HTTP_CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"
TCP_PROXY = "envoy.filters.network.tcp_proxy"
ROUTER = "envoy.filters.http.router"
NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class SidecarFrame:
    """What a sidecar's listener is built from, beside its logs and tracing: the catalog's `sidecar`, hashable."""

    listen: Listen
    limits: Limits
    http: HttpOptions
    raw_listener: RawFields
    raw_manager: RawFields
    raw_routes: RawFields


def frame_sidecar(sidecar: Sidecar) -> SidecarFrame:
    """Return the frame of a service's `sidecar`."""
    return SidecarFrame(
        sidecar.listen, sidecar.limits, sidecar.http, *(sidecar.envoy.get(message, NOTHING) for message in MESSAGES)
    )


USUAL_FRAME = frame_sidecar(USUAL_SIDECAR)


@lru_cache(maxsize=4096)
def build_http_listener(
    name: str, frame: SidecarFrame, *, access_log: AccessLog | None = None, traced: Traced | None = None
) -> Resource:
    """Build a sidecar's listener for HTTP, which uses the RouteConfiguration of the same name."""
    manager = build_connection_manager(
        name, limits=frame.limits, http=frame.http, access_log=access_log, traced=traced, raw=frame.raw_manager
    )
    return _build_listener(name, frame.listen, manager, frame.limits, frame.raw_listener)


@lru_cache(maxsize=4096)
def build_tcp_listener(
    name: str,
    listen: Listen,
    cluster: str,
    idle_timeout: timedelta | None,
    *,
    by_source: bool = False,
    access_log: AccessLog | None = None,
) -> Resource:
    """Build a listener that forwards all connections to `cluster`."""
    tcp_proxy = build_tcp_proxy(name, cluster, idle_timeout, by_source=by_source, access_log=access_log)
    return _build_listener(name, listen, tcp_proxy)


def build_connection_manager(
    name: str,
    *,
    limits: Limits,
    http: HttpOptions,
    edge: bool = False,
    trusted_hops: int = 0,
    http3: bool = False,
    access_log: AccessLog | None = None,
    raw: RawFields = NOTHING,
    traced: Traced | None = None,
) -> Filter:
    """Build an HttpConnectionManager that uses the RouteConfiguration `name`.

    At the `edge` clients are not trusted, as in Envoy's best practices for edge proxies. Their paths are normalized.
    Their address is that of the connection, or the one that `trusted_hops` proxies in front report in a header. They do
    not decide whether a request is traced.
    """
    guarded = edge and traced is not None
    common = _encode_connection_manager(
        name, limits, http, trusted_hops, access_log, edge=edge, http3=http3, guarded=guarded
    )
    packed = pack(HttpConnectionManager())
    packed.value = raw.join(common + encode_tracing(traced))
    return Filter(name=HTTP_CONNECTION_MANAGER, typed_config=packed)


@lru_cache(maxsize=256)
def _encode_connection_manager(
    name: str,
    limits: Limits,
    http: HttpOptions,
    trusted_hops: int,
    access_log: AccessLog | None,
    *,
    edge: bool,
    http3: bool,
    guarded: bool,
) -> bytes:
    """Encode everything but the tracing, which differs by service: so that many sidecars share the result."""
    connection_manager = HttpConnectionManager(
        stat_prefix=write_stat_prefix(name),
        rds=Rds(config_source=ADS_CONFIG_SOURCE, route_config_name=name),
        http_filters=[*build_disabled_filters(), HttpFilter(name=ROUTER, typed_config=pack(Router()))],
        access_log=[*build_access_log(access_log)],
    )
    if http3:
        connection_manager.codec_type = HttpConnectionManager.CodecType.HTTP3
    if edge:
        connection_manager.use_remote_address.value = True
        connection_manager.xff_num_trusted_hops = trusted_hops
        connection_manager.http2_protocol_options.initial_stream_window_size.value = 65536
        connection_manager.http2_protocol_options.initial_connection_window_size.value = 1048576
        if guarded:
            connection_manager.early_header_mutation_extensions.append(build_trace_guard())
    _set_http_options(connection_manager, http, edge=edge)
    _limit(connection_manager, limits, edge=edge)
    return encode(connection_manager)


def _set_http_options(connection_manager: HttpConnectionManager, http: HttpOptions, *, edge: bool) -> None:
    """Set how requests are read; at the `edge` paths are normalized unless the catalog says otherwise."""
    if http.normalizes_path(edge=edge):
        connection_manager.normalize_path.value = True
    connection_manager.merge_slashes = http.merges_slashes(edge=edge)
    connection_manager.strip_trailing_host_dot = http.strip_trailing_host_dot
    if http.accept_http_10:
        connection_manager.http_protocol_options.accept_http_10 = True
        connection_manager.http_protocol_options.default_host_for_http_10 = http.default_host_for_http_10 or ""


def _limit(connection_manager: HttpConnectionManager, limits: Limits, *, edge: bool) -> None:
    header_timeout = limits.header_timeout or (GATEWAY_HEADER_TIMEOUT if edge else None)
    streams = limits.streams or (GATEWAY_STREAMS if edge else None)
    if header_timeout is not None:
        connection_manager.request_headers_timeout.FromTimedelta(header_timeout)
    if limits.header_size is not None:
        connection_manager.max_request_headers_kb.value = limits.header_size // 1024
    if limits.idle is not None:
        connection_manager.common_http_protocol_options.idle_timeout.FromTimedelta(limits.idle)
    if streams is not None:
        connection_manager.http2_protocol_options.max_concurrent_streams.value = streams


def build_tcp_proxy(
    name: str,
    cluster: str,
    idle_timeout: timedelta | None,
    *,
    by_source: bool = False,
    subset: bytes = b"",
    access_log: AccessLog | None = None,
) -> Filter:
    """Build a TcpProxy that forwards connections to `cluster`. Envoy closes idle ones after 1 h by default.

    With `by_source`, if the cluster's policy is a hash policy, the client's IP address decides the endpoint. `subset`
    has the encoded fields of a TcpProxy that select a subset.
    """
    tcp_proxy = TcpProxy(
        stat_prefix=write_stat_prefix(name),
        cluster=cluster,
        idle_timeout=idle_timeout,
        access_log=[*build_access_log(access_log, tcp=True)],
    )
    if by_source:
        tcp_proxy.hash_policy.append(HashPolicy(source_ip=HashPolicy.SourceIp()))
    packed = pack(tcp_proxy)
    packed.value += subset
    return Filter(name=TCP_PROXY, typed_config=packed)


def _build_listener(
    name: str, listen: Listen, network_filter: Filter, limits: Limits = NO_LIMITS, raw: RawFields = NOTHING
) -> Resource:
    listener = Listener(
        name=name,
        address=Address(socket_address=SocketAddress(address=listen.address, port_value=listen.port)),
        filter_chains=[FilterChain(filters=[network_filter])],
        per_connection_buffer_limit_bytes=uint32(limits.buffer),
    )
    return encode_resource(LISTENER, name, raw.join(encode(listener)))
