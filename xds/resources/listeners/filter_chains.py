"""Filter chains: which connections to a gateway go which way, told apart by SNI, and how they are encrypted."""

from collections.abc import Iterator

from xds.catalog.model.gateway import Listener
from xds.catalog.model.route import Route
from xds.catalog.text.addresses import covers_host
from xds.resources.tls.contexts import build_downstream_socket
from xds.wire.envoy.config_listener_v3_pb2 import Filter, FilterChain, FilterChainMatch, ListenerFilter
from xds.wire.envoy.extensions_filters_listener_proxy_protocol_v3_pb2 import ProxyProtocol
from xds.wire.envoy.extensions_filters_listener_tls_inspector_v3_pb2 import TlsInspector
from xds.wire.messages import pack


def build_listener_filters(listener: Listener) -> list[ListenerFilter]:
    """Build what looks at a connection before a filter chain is chosen for it."""
    filters = []
    if listener.proxy_protocol:
        filters.append(ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=pack(ProxyProtocol())))
    if listener.tls is not None:
        filters.append(ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=pack(TlsInspector())))
    return filters


def build_chains(owner: str, listener: Listener, network_filter: Filter, alpn: tuple[str, ...]) -> list[FilterChain]:
    """Build a chain for each certificate, all with the same filter; a single one where there is no TLS.

    A client whose SNI no chain matches is refused, unless a certificate is for every host.
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
    """Build the chain of connections that ask for a host, and stay encrypted; None is every other host."""
    return FilterChain(
        name=host or "*", filter_chain_match=_match(() if host is None else (host,)), filters=[network_filter]
    )


def find_hosts(routes: tuple[Route, ...]) -> Iterator[tuple[str | None, Route]]:
    """Give each host of a listener that passes connections on, and the first route that takes it."""
    for host in dict.fromkeys(route.host for route in routes):
        yield host, next(route for route in routes if covers_host(route.host or "*", host or "*"))


def _match(hosts: tuple[str, ...]) -> FilterChainMatch | None:
    return FilterChainMatch(server_names=[*hosts]) if hosts else None
