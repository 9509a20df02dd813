"""RouteConfiguration (RDS): which requests go to which cluster, and how often they are tried.

A request that may be repeated by its method (GET, HEAD, OPTIONS) is tried again when its connection breaks or the
answer is 502, 503 or 504; any other only when its endpoint cannot have begun to work on it. So each route
of the catalog becomes two of Envoy's: the first for those methods, the second for the rest. How a route's own words
are encoded is in `route_words.py`, after what a request is tried again in `tries.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

from xds.catalog.model.affinity import Affinity
from xds.catalog.model.resilience import DEFAULT_REQUEST, Retries, Timeouts
from xds.catalog.model.route import Route
from xds.catalog.model.route_action import split_target
from xds.catalog.model.service import Protocol, Service
from xds.catalog.raw.fields import NO_RAW, Raw, join
from xds.catalog.text.addresses import covers_host
from xds.resources.resource import Resource, encode_resource
from xds.resources.routes.filters import build_limits, encode_filters, encode_preflight
from xds.resources.routes.retries import build_retry_policy
from xds.resources.routes.route import encode_changes, encode_end, encode_match, encode_target
from xds.wire import ROUTE_CONFIGURATION, skeleton_pb2
from xds.wire.envoy.config_core_v3_pb2 import HeaderValue, HeaderValueOption
from xds.wire.envoy.config_route_v3_pb2 import RouteAction, RouteConfiguration, VirtualHost
from xds.wire.messages import encode

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def build_virtual_host(name: str, service: Service, services: Mapping[str, Service]) -> bytes:
    """Encode the VirtualHost by which a sidecar sends every request for the host `name` to that service.

    The service's own routes come first. Routes are not followed twice: those of a service that is only
    routed to are for requests to its own host.
    """
    limited = any(route.rate_limit is not None for route in service.routes)
    routes = [*complete_routes(name, service), Route(to={name: 1})]
    encoded = [part for route in routes for part in _build_routes(route, services, limited=limited)]
    message = skeleton_pb2.VirtualHost(name=name, domains=[name], routes=encoded).SerializeToString(deterministic=True)
    return message + encode(VirtualHost(typed_per_filter_config=build_limits(routes))) if limited else message


def complete_routes(name: str, service: Service) -> Iterator[Route]:
    """Give a service's own routes; where one does not say where its requests go, they go to the service itself."""
    for route in service.routes:
        if route.to or route.redirect is not None or route.respond is not None:
            yield route
        else:
            completed = copy(route)  # all but that was checked, and is as it is
            object.__setattr__(completed, "to", {name: 1})
            yield completed


@lru_cache(maxsize=16)
def build_sidecar_routes(name: str, virtual_hosts: tuple[bytes, ...]) -> Resource:
    """Build a sidecar's RouteConfiguration of virtual hosts that are encoded already; many sidecars have the same."""
    return _build_configuration(name, virtual_hosts)


def build_gateway_routes(
    name: str,
    gateway_routes: Sequence[Route],
    services: Mapping[str, Service],
    http3_port: int = 0,
    raw: Raw = NO_RAW,
) -> Resource:
    """Build a listener's RouteConfiguration: one VirtualHost a host, in it every route that the host's requests match.

    The catalog says that the first route that matches wins. Envoy looks for the most specific host first, so
    each host gets the routes of all hosts that cover it, in the catalog's order. With an `http3_port` every answer
    tells of it.
    """
    hosts = dict.fromkeys(route.host or "*" for route in gateway_routes)
    limited = any(route.rate_limit is not None for route in gateway_routes)
    virtual_hosts = [
        skeleton_pb2.VirtualHost(
            name=host,
            domains=[host],
            routes=[
                encoded
                for route in gateway_routes
                if covers_host(route.host or "*", host)
                for encoded in _build_routes(route, services, limited=limited)
            ],
        ).SerializeToString(deterministic=True)
        for host in hosts
    ]
    more = encode(RouteConfiguration(typed_per_filter_config=build_limits(gateway_routes))) if limited else b""
    return _build_configuration(name, virtual_hosts, more + (_encode_alt_svc(http3_port) if http3_port else b""), raw)


def _build_configuration(name: str, virtual_hosts: Sequence[bytes], more: bytes = b"", raw: Raw = NO_RAW) -> Resource:
    message = skeleton_pb2.RouteConfiguration(name=name, virtual_hosts=virtual_hosts, ignore_port_in_host_matching=True)
    encoded = join(message.SerializeToString(deterministic=True) + more, raw, "route_configuration")
    return encode_resource(ROUTE_CONFIGURATION, name, encoded)


@lru_cache(maxsize=1024)
def _encode_alt_svc(port: int) -> bytes:
    """Encode the header by which clients learn of HTTP/3, which they then use for a day."""
    header = HeaderValueOption(
        header=HeaderValue(key="alt-svc", value=f'h3=":{port}"; ma=86400'),
        append_action=HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return encode(RouteConfiguration(response_headers_to_add=[header]))


def _build_routes(route: Route, services: Mapping[str, Service], *, limited: bool = False) -> list[bytes]:
    """Encode Envoy's one or two routes for a route of the catalog, and the one for what browsers ask beforehand.

    Each has the route's raw fields. `limited` says that some route beside it has a rate limit.
    """
    return [join(encoded, route.envoy, "route") for encoded in _encode_routes(route, services, limited=limited)]


def _encode_routes(route: Route, services: Mapping[str, Service], *, limited: bool) -> list[bytes]:
    changes = encode_changes(route) + encode_filters(route, limited=limited)
    if not route.to:
        end = encode_end(route)
        return [skeleton_pb2.Route(match=encode_match(route, route.method)).SerializeToString() + end + changes]
    # The first service's policy is that of all: Envoy has one a route, and the checker tells where they differ.
    service = services[split_target(next(iter(route.to)))[0]]
    timeouts = service.timeouts if route.timeout is None else replace(service.timeouts, request=route.timeout)
    retries = (service.retries if route.retries is None else route.retries.over(service.retries)).of_route
    host = None if route.rewrite is not None and route.rewrite.host is not None else service.requested_host
    grpc = service.protocol is Protocol.GRPC
    # A gRPC call is a POST, whatever it does.
    repeatable = bool(retries.attempts) and not grpc and not retries.any_method
    return [
        *encode_preflight(route, services, limited=limited),
        *(
            skeleton_pb2.Route(
                match=encode_match(route, methods),
                route=encode_target(route, services)
                + _encode_action(timeouts, retries, service.affinity, host, grpc=grpc, safe=safe),
            ).SerializeToString()
            + changes
            for methods, safe in _split_methods(route.method, repeatable=repeatable)
        ),
    ]


def _split_methods(methods: tuple[str, ...], *, repeatable: bool) -> list[tuple[tuple[str, ...], bool]]:
    """Tell apart the methods that may be repeated and the rest; no methods are all of them."""
    if not repeatable:
        return [(methods, False)]
    if not methods:
        return [(SAFE_METHODS, True), ((), False)]
    safe = tuple(method for method in methods if method in SAFE_METHODS)
    rest = tuple(method for method in methods if method not in SAFE_METHODS)
    return [(some, some is safe) for some in (safe, rest) if some]


@lru_cache(maxsize=4096)
def _encode_action(
    timeouts: Timeouts, retries: Retries, affinity: Affinity | None, host: str | None, *, grpc: bool, safe: bool
) -> bytes:
    """Encode all of a RouteAction but its cluster; `host` is as `Service.requested_host` is."""
    action = RouteAction(
        timeout=timeouts.request,
        idle_timeout=timeouts.idle,
        hash_policy=[] if affinity is None else _build_hash_policy(affinity),
        retry_policy=build_retry_policy(retries, grpc=grpc, safe=safe),
    )
    if host:
        action.host_rewrite_literal = host
    elif host is not None:
        action.auto_host_rewrite.value = True
    if timeouts.request is None:
        action.timeout.FromTimedelta(timedelta(0) if grpc else DEFAULT_REQUEST)
        if grpc:  # the client's own deadline, whatever it is
            action.max_stream_duration.CopyFrom(RouteAction.MaxStreamDuration(grpc_timeout_header_max=timedelta(0)))
    return encode(action)


def _build_hash_policy(affinity: Affinity) -> list[RouteAction.HashPolicy]:
    """Build what requests are told apart by; each is `terminal`, so that the first that a request has decides alone."""
    policies = []
    if affinity.header is not None:
        policies.append(RouteAction.HashPolicy(header=RouteAction.HashPolicy.Header(header_name=affinity.header)))
    if affinity.query_parameter is not None:
        policies.append(
            RouteAction.HashPolicy(query_parameter=RouteAction.HashPolicy.QueryParameter(name=affinity.query_parameter))
        )
    if (cookie := affinity.cookie) is not None:
        # With a path or without, Envoy makes none unless there is a time to live.
        hashed = RouteAction.HashPolicy.Cookie(
            name=cookie.name, ttl=cookie.ttl, path="" if cookie.ttl is None else cookie.path
        )
        policies.append(RouteAction.HashPolicy(cookie=hashed))
    if affinity.source:
        properties = RouteAction.HashPolicy.ConnectionProperties(source_ip=True)
        policies.append(RouteAction.HashPolicy(connection_properties=properties))
    for policy in policies:
        policy.terminal = True
    return policies
