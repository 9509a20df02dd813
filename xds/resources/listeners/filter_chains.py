"""A gateway's filter chains, which are chosen by a connection's SNI, and their TLS."""

from collections.abc import Iterator

from xds.catalog.model.gateway import Listener
from xds.catalog.model.route import Route
from xds.catalog.text.addresses import ANY_HOST
from xds.resources.tls.contexts import build_downstream_socket
from xds.wire.envoy.config_listener_v3_pb2 import Filter, FilterChain, FilterChainMatch, ListenerFilter
from xds.wire.envoy.extensions_filters_listener_proxy_protocol_v3_pb2 import ProxyProtocol
from xds.wire.envoy.extensions_filters_listener_tls_inspector_v3_pb2 import TlsInspector
from xds.wire.messages import pack


def build_listener_filters(listener: Listener) -> list[ListenerFilter]:
    """Build the listener filters, which read a connection's beginning before Envoy chooses its filter chain."""
    filters = []
    if listener.proxy_protocol:
        filters.append(ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=pack(ProxyProtocol())))
    if listener.tls is not None:
        filters.append(ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=pack(TlsInspector())))
    return filters


def build_chains(owner: str, listener: Listener, network_filter: Filter, alpn: tuple[str, ...]) -> list[FilterChain]:
    """Build a filter chain for each certificate, all with the same filter; a single one if there is no TLS.

    Envoy refuses a client whose SNI matches no filter chain. A certificate for every host matches all clients.
    """
    if listener.tls is None:
        return [FilterChain(filters=[network_filter])]
    return [
        FilterChain(
            name=one.certificate,
            filter_chain_match=_match(one.hosts),
            filters=[network_filter],
            transport_socket=build_downstream_socket(owner, listener.tls, one, alpn),
        )
        for one in listener.tls.certificates
    ]


def build_passthrough_chain(host: str | None, network_filter: Filter) -> FilterChain:
    """Build the filter chain of connections whose SNI is `host`, without TLS termination; None is every other host."""
    return FilterChain(
        name=host or "*", filter_chain_match=_match(() if host is None else (host,)), filters=[network_filter]
    )


def find_hosts(routes: tuple[Route, ...]) -> Iterator[tuple[str | None, Route]]:
    """Yield each host of a listener that forwards connections, and the first route that matches the host."""
    for host in dict.fromkeys(host for route in routes for host in route.hosts):
        yield None if host == ANY_HOST else host, next(route for route in routes if route.takes_host(host))


def _match(hosts: tuple[str, ...]) -> FilterChainMatch | None:
    return FilterChainMatch(server_names=[*hosts]) if hosts else None
