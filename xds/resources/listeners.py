"""Listener (LDS): where a sidecar or a gateway takes connections, and what it does with them."""

from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.core.v3 import Address, Http2ProtocolOptions, SocketAddress
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy
from envoy_data_plane.envoy.type.v3 import HashPolicy, HashPolicySourceIp
from envoy_data_plane.google.protobuf import Any

from xds.catalog.model import Listen
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.http_filters import build_dormant_filters
from xds.resources.resource import Resource, encode_resource
from xds.wire import LISTENER

HTTP_CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"
TCP_PROXY = "envoy.filters.network.tcp_proxy"
ROUTER = "envoy.filters.http.router"


@lru_cache(maxsize=4096)
def build_http_listener(name: str, listen: Listen, *, edge: bool) -> Resource:
    """Build a listener whose requests go by the RouteConfiguration of the same name.

    At the `edge` clients are strangers: their paths are normalized, their address is taken from the connection
    instead of a header, and slow or greedy ones are bounded (Envoy's edge best practices).
    """
    connection_manager = HttpConnectionManager(
        stat_prefix=name,
        rds=Rds(config_source=ADS_CONFIG_SOURCE, route_config_name=name),
        http_filters=[*build_dormant_filters(), HttpFilter(name=ROUTER, typed_config=Any.pack(Router()))],
    )
    if edge:
        connection_manager.use_remote_address = True
        connection_manager.normalize_path = True
        connection_manager.merge_slashes = True
        connection_manager.request_headers_timeout = timedelta(seconds=10)
        connection_manager.http2_protocol_options = Http2ProtocolOptions(
            max_concurrent_streams=100, initial_stream_window_size=65536, initial_connection_window_size=1048576
        )
    return _build_listener(
        name, listen, Filter(name=HTTP_CONNECTION_MANAGER, typed_config=Any.pack(connection_manager))
    )


@lru_cache(maxsize=4096)
def build_tcp_listener(
    name: str, listen: Listen, cluster: str, idle_timeout: timedelta | None, *, by_source: bool = False
) -> Resource:
    """Build a listener whose connections all go to `cluster`, byte for byte; idle ones end after 1 h by default.

    With `by_source` a client's IP address decides the endpoint, if the cluster's policy hashes.
    """
    tcp_proxy = TcpProxy(stat_prefix=name, cluster=cluster, idle_timeout=idle_timeout)
    if by_source:
        tcp_proxy.hash_policy = [HashPolicy(source_ip=HashPolicySourceIp())]
    return _build_listener(name, listen, Filter(name=TCP_PROXY, typed_config=Any.pack(tcp_proxy)))


def _build_listener(name: str, listen: Listen, network_filter: Filter) -> Resource:
    listener = Listener(
        name=name,
        address=Address(socket_address=SocketAddress(address=listen.address, port_value=listen.port)),
        filter_chains=[FilterChain(filters=[network_filter])],
    )
    return encode_resource(LISTENER, name, bytes(listener))
