"""The routes of Envoy for one route of the catalog, with timeouts, retries and affinity of the service.

A request with a safe method (GET, HEAD, OPTIONS) is retried if its connection breaks or the response is 502, 503 or
504. Any other request is retried only if its endpoint cannot have begun to work on it. So a route of the catalog
becomes two routes of Envoy: the first for safe methods, the second for all others. `route.py` encodes the fields of a
route of the catalog, and `retries.py` the conditions for retries.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

from xds.catalog.model.affinity import Affinity
from xds.catalog.model.retries import Retries
from xds.catalog.model.route import Route
from xds.catalog.model.route_action import split_target
from xds.catalog.model.service import Protocol, Service
from xds.catalog.model.timeouts import DEFAULT_REQUEST, Timeouts
from xds.catalog.raw.fields import join
from xds.resources.routes.filters import encode_filters, encode_preflight
from xds.resources.routes.retries import build_retry_policy
from xds.resources.routes.route import encode_changes, encode_end, encode_match, encode_target
from xds.wire import skeleton_pb2
from xds.wire.envoy.config_route_v3_pb2 import RouteAction
from xds.wire.messages import encode

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def encode_routes(route: Route, services: Mapping[str, Service], *, limited: bool = False) -> list[bytes]:
    """Encode a route of the catalog: one or two routes of Envoy, and one for CORS preflight requests if necessary.

    Each has the route's raw fields. `limited` is whether any route of the same list has a rate limit.
    """
    return [join(encoded, route.envoy, "route") for encoded in _encode_routes(route, services, limited=limited)]


def _encode_routes(route: Route, services: Mapping[str, Service], *, limited: bool) -> list[bytes]:
    changes = encode_changes(route) + encode_filters(route, limited=limited)
    if not route.to:
        end = encode_end(route)
        return [skeleton_pb2.Route(match=encode_match(route, route.method)).SerializeToString() + end + changes]
    # The first service's policy applies to all, since a route has only one. The catalog's check warns if they differ.
    service = services[split_target(next(iter(route.to)))[0]]
    timeouts = service.timeouts if route.timeout is None else replace(service.timeouts, request=route.timeout)
    retries = (service.retries if route.retries is None else route.retries.over(service.retries)).of_route
    host = None if route.rewrite is not None and route.rewrite.host is not None else service.requested_host
    grpc = service.protocol is Protocol.GRPC
    # The method of a gRPC call is always POST, so it does not show whether the call is safe.
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
    """Return the methods, each with whether it is safe, as one or two groups; no methods means all."""
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
    """Encode everything in a RouteAction but its cluster; `host` is a `Service.requested_host`."""
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
        if grpc:  # the client's own deadline applies
            action.max_stream_duration.CopyFrom(RouteAction.MaxStreamDuration(grpc_timeout_header_max=timedelta(0)))
    return encode(action)


def _build_hash_policy(affinity: Affinity) -> list[RouteAction.HashPolicy]:
    """Build the hash policies of requests; each is `terminal`, so that only the first one that applies is used."""
    policies = []
    if affinity.header is not None:
        policies.append(RouteAction.HashPolicy(header=RouteAction.HashPolicy.Header(header_name=affinity.header)))
    if affinity.query_parameter is not None:
        policies.append(
            RouteAction.HashPolicy(query_parameter=RouteAction.HashPolicy.QueryParameter(name=affinity.query_parameter))
        )
    if (cookie := affinity.cookie) is not None:
        # Envoy sets no cookie without a ttl, so that the path has no meaning then.
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
