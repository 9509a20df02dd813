"""A gateway's Listeners, the Secrets that they refer to, and their RouteConfigurations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from xds.catalog.entrances import name_listener
from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.gateway import Gateway, Listener
from xds.catalog.model.listener_options import GATEWAY_STREAMS, HttpOptions, Limits
from xds.catalog.model.route import Route
from xds.catalog.model.service import Protocol, Service
from xds.catalog.raw.fields import NOTHING, RawFields
from xds.catalog.text.addresses import ANY
from xds.resources.clusters.subsets import encode_tcp_subset
from xds.resources.listeners.filter_chains import (
    build_chains,
    build_listener_filters,
    build_passthrough_chain,
    find_hosts,
)
from xds.resources.listeners.listener import build_connection_manager, build_tcp_proxy
from xds.resources.listeners.tracing import Traced
from xds.resources.resource import Resource, encode_resource
from xds.resources.routes.configuration import build_gateway_routes
from xds.resources.routes.virtual_hosts import EncodedRoutes
from xds.resources.tls.contexts import H2_AND_HTTP1, H3
from xds.resources.tls.secrets import build_secrets
from xds.wire import LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.envoy.config_core_v3_pb2 import Address, SocketAddress
from xds.wire.envoy.config_core_v3_pb2 import QuicProtocolOptions as QuicLimits
from xds.wire.envoy.config_listener_v3_pb2 import (
    AdditionalAddress,
    Filter,
    FilterChain,
    QuicProtocolOptions,
    UdpListenerConfig,
)
from xds.wire.envoy.config_listener_v3_pb2 import Listener as EnvoyListener
from xds.wire.messages import encode, uint32

Resources = dict[str, dict[str, Resource]]
"""Resources by type and name."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Everything that a listener is built from, except its routes. It is the key of the cache of encoded listeners.

    `raw_listener` does not apply to the listener for HTTP/3, in which many of a Listener's fields have no meaning.
    """

    owner: str
    name: str
    listener: Listener
    limits: Limits
    http: HttpOptions
    trusted_hops: int
    access_log: AccessLog | None
    traced: Traced | None
    raw_listener: RawFields
    raw_manager: RawFields


@dataclass(frozen=True, slots=True)
class _Target:
    """The cluster for connections whose SNI is `host`; None is every other host."""

    host: str | None
    cluster: str
    idle: timedelta | None
    by_source: bool
    subset: bytes


def build_gateway(
    name: str,
    gateway: Gateway,
    services: Mapping[str, Service],
    access_log: AccessLog | None,
    encoded: EncodedRoutes,
    traced: Traced | None = None,
) -> Resources:
    """Build a gateway's own resources; each name is the gateway's name, or begins with it and a slash.

    Names of Secrets have no dots, and so no gateway's name with one. `encoded` has the routes that were encoded before.
    """
    built: Resources = {SECRET: {}, LISTENER: {}, ROUTE_CONFIGURATION: {}}
    raw = [gateway.envoy.get(message, NOTHING) for message in ("listener", "http_connection_manager")]
    for _, routes, listener in gateway.find_routes():
        own = name if not gateway.listeners else f"{name}/{name_listener(listener)}"
        bare = Listener(listener.port, listener.address, listener.tls, listener.http3, listener.proxy_protocol)
        frame = _Frame(name, own, bare, gateway.limits, gateway.http, gateway.trusted_hops, access_log, traced, *raw)
        target = next(iter(routes[0].services), None)
        made: list[tuple[str, Resource]] = []
        if listener.tls is not None:
            made += [(SECRET, secret) for secret in build_secrets(name, listener.tls)]
        if target is not None and services[target].protocol is Protocol.TCP:
            made.append((LISTENER, _build_tcp(frame, _find_targets(routes, services))))
        else:
            made.append((LISTENER, _build_http(frame)))
            if listener.http3:
                made.append((LISTENER, _build_http3(frame)))
            http3_port = listener.port if listener.http3 is True else int(listener.http3)
            configuration = build_gateway_routes(own, routes, services, encoded, http3_port, gateway.envoy)
            made.append((ROUTE_CONFIGURATION, configuration))
        for type_url, resource in made:
            built[type_url][resource.name] = resource
    return built


def _find_targets(routes: tuple[Route, ...], services: Mapping[str, Service]) -> tuple[_Target, ...]:
    targets = []
    for host, route in find_hosts(routes):
        [cluster] = route.services
        service, subset = services[cluster], encode_tcp_subset(next(iter(route.to or {})), services)
        targets.append(_Target(host, cluster, service.timeouts.idle, service.affinity is not None, subset))
    return tuple(targets)


@lru_cache(maxsize=1024)
def _build_http(frame: _Frame) -> Resource:
    manager = _build_manager(frame)
    return _build_listener(frame, build_chains(frame.owner, frame.listener, manager, H2_AND_HTTP1))


@lru_cache(maxsize=1024)
def _build_http3(frame: _Frame) -> Resource:
    """Build the listener for QUIC at the UDP port with the same number. It uses the routes of the TCP listener."""
    manager = _build_manager(frame, http3=True)
    name = f"{frame.name}/http3"
    addresses = _build_addresses(frame.listener, SocketAddress.Protocol.UDP)
    streams = QuicLimits(max_concurrent_streams=uint32(frame.limits.streams or GATEWAY_STREAMS))
    listener = EnvoyListener(
        name=name,
        address=addresses[0],
        additional_addresses=[AdditionalAddress(address=one) for one in addresses[1:]],
        udp_listener_config=UdpListenerConfig(quic_options=QuicProtocolOptions(quic_protocol_options=streams)),
        filter_chains=build_chains(frame.owner, frame.listener, manager, H3),
        per_connection_buffer_limit_bytes=uint32(frame.limits.buffer),
    )
    return encode_resource(LISTENER, name, encode(listener))


def _build_manager(frame: _Frame, *, http3: bool = False) -> Filter:
    return build_connection_manager(
        frame.name,
        limits=frame.limits,
        http=frame.http,
        edge=True,
        trusted_hops=frame.trusted_hops,
        http3=http3,
        access_log=frame.access_log,
        traced=frame.traced,
        raw=frame.raw_manager,
    )


@lru_cache(maxsize=1024)
def _build_tcp(frame: _Frame, targets: tuple[_Target, ...]) -> Resource:
    proxies = {
        target.host: build_tcp_proxy(
            frame.name,
            target.cluster,
            target.idle,
            by_source=target.by_source,
            subset=target.subset,
            access_log=frame.access_log,
        )
        for target in targets
    }
    if frame.listener.tls is not None and frame.listener.tls.passthrough:
        return _build_listener(frame, [build_passthrough_chain(host, proxy) for host, proxy in proxies.items()])
    [proxy] = proxies.values()
    return _build_listener(frame, build_chains(frame.owner, frame.listener, proxy, ()))


def _build_listener(frame: _Frame, chains: list[FilterChain]) -> Resource:
    addresses = _build_addresses(frame.listener, SocketAddress.Protocol.TCP)
    listener = EnvoyListener(
        name=frame.name,
        address=addresses[0],
        additional_addresses=[AdditionalAddress(address=one) for one in addresses[1:]],
        listener_filters=build_listener_filters(frame.listener),
        filter_chains=chains,
        per_connection_buffer_limit_bytes=uint32(frame.limits.buffer),
    )
    return encode_resource(LISTENER, frame.name, frame.raw_listener.join(encode(listener)))


def _build_addresses(listener: Listener, protocol: SocketAddress.Protocol) -> list[Address]:
    """Build the addresses of a listener. `any` is a socket of IPv6 that takes IPv4 too."""
    return [
        Address(
            socket_address=SocketAddress(
                address="::" if one == ANY else one,
                ipv4_compat=one == ANY,
                port_value=listener.port,
                protocol=protocol,
            )
        )
        for one in listener.address
    ]
