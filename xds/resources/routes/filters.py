"""The HTTP filters of listeners, and their configuration in routes.

Every HTTP listener has all filters before its router, but disabled. A route enables the filters that it needs. So an
edit that adds a filter to a route changes only routes: no listener is replaced, and no connection is drained.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256

from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct, Value

from xds.catalog.model.filters import Cors, Fault, RateLimit
from xds.catalog.model.route import Route
from xds.catalog.model.service import Service
from xds.catalog.text.cors_origins import Origin
from xds.catalog.text.text_match import ANY, How, TextMatch, Wanted
from xds.resources.routes.route import build_percent, encode_match, encode_target
from xds.wire import skeleton_pb2
from xds.wire.envoy.config_core_v3_pb2 import Metadata, RuntimeFractionalPercent
from xds.wire.envoy.config_route_v3_pb2 import FilterConfig
from xds.wire.envoy.config_route_v3_pb2 import RateLimit as EnvoyRateLimit
from xds.wire.envoy.config_route_v3_pb2 import Route as EnvoyRoute
from xds.wire.envoy.extensions_common_ratelimit_v3_pb2 import (
    LocalRateLimitDescriptor,
    RateLimitDescriptor,
    XRateLimitHeadersRfcVersion,
)
from xds.wire.envoy.extensions_filters_common_fault_v3_pb2 import FaultDelay
from xds.wire.envoy.extensions_filters_http_buffer_v3_pb2 import Buffer, BufferPerRoute
from xds.wire.envoy.extensions_filters_http_cors_v3_pb2 import Cors as CorsFilter
from xds.wire.envoy.extensions_filters_http_cors_v3_pb2 import CorsPolicy
from xds.wire.envoy.extensions_filters_http_fault_v3_pb2 import FaultAbort
from xds.wire.envoy.extensions_filters_http_fault_v3_pb2 import HTTPFault as HttpFault
from xds.wire.envoy.extensions_filters_http_grpc_web_v3_pb2 import GrpcWeb
from xds.wire.envoy.extensions_filters_http_local_ratelimit_v3_pb2 import LocalRateLimit
from xds.wire.envoy.extensions_filters_network_http_connection_manager_v3_pb2 import HttpFilter
from xds.wire.envoy.type_matcher_v3_pb2 import RegexMatcher, StringMatcher
from xds.wire.envoy.type_metadata_v3_pb2 import MetadataKey
from xds.wire.envoy.type_v3_pb2 import TokenBucket
from xds.wire.messages import boolean, encode, pack, uint32

METADATA = "xds"
"""The namespace in a route's metadata."""

RATE_LIMIT = "rate_limit"
NO_LIMIT = 2**32 - 1
REQUESTED_METHOD = "access-control-request-method"


def encode_filters(route: Route, *, limited: bool) -> bytes:
    """Encode the filters that a route enables; if others are `limited`, a route without a limit disables the filter."""
    named = describe_match(route) if route.rate_limit is not None else None
    if not (limited or named or route.fault or route.cors or route.grpc_web or route.max_body):
        return b""  # the common case
    methods = route.method if route.cors is not None else ()
    return _encode_filters(named, limited, route.fault, route.cors, methods, route.grpc_web, route.max_body)


@lru_cache(maxsize=4096)
def _encode_filters(
    named: str | None,
    limited: bool,
    fault: Fault | None,
    cors: Cors | None,
    methods: tuple[str, ...],
    grpc_web: bool,
    max_body: int | None,
) -> bytes:
    encoded = EnvoyRoute()
    filters = encoded.typed_per_filter_config
    if cors is not None:
        filters[CORS].CopyFrom(pack(_build_cors(cors, methods)))
    if named is not None:
        found = Struct(fields={RATE_LIMIT: Value(string_value=named)})
        encoded.metadata.CopyFrom(Metadata(filter_metadata={METADATA: found}))
    elif limited:
        filters[LOCAL_RATE_LIMIT].CopyFrom(pack(FilterConfig(disabled=True)))
    if fault is not None:
        filters[FAULT].CopyFrom(pack(_build_fault(fault)))
    if grpc_web:
        filters[GRPC_WEB].CopyFrom(pack(FilterConfig(config=Any())))
    if max_body is not None:
        filters[BUFFER].CopyFrom(pack(BufferPerRoute(buffer=Buffer(max_request_bytes=uint32(max_body)))))
    return encode(encoded)


def _build_fault(fault: Fault) -> HttpFault:
    built = HttpFault()
    if fault.by_header:
        everything = build_percent(100)  # of the requests with the header, which may have a percentage of its own
        built.delay.CopyFrom(FaultDelay(header_delay=FaultDelay.HeaderDelay(), percentage=everything))
        built.abort.CopyFrom(FaultAbort(header_abort=FaultAbort.HeaderAbort(), percentage=everything))
    if fault.delay is not None:
        built.delay.CopyFrom(FaultDelay(fixed_delay=fault.delay.time, percentage=build_percent(fault.delay.percent)))
    if fault.abort is not None:
        built.abort.CopyFrom(FaultAbort(http_status=fault.abort.status, percentage=build_percent(fault.abort.percent)))
    return built


def _build_cors(cors: Cors, methods: tuple[str, ...]) -> CorsPolicy:
    """Build the policy. Envoy answers preflight requests itself, also those with an origin that is not allowed."""
    return CorsPolicy(
        allow_origin_string_match=[_build_origin(origin) for origin in cors.origins],
        allow_methods=",".join(cors.methods or methods) or ANY,
        allow_headers=_join(cors.headers),
        expose_headers=_join(cors.expose),
        max_age="" if cors.max_age is None else str(cors.max_age // timedelta(seconds=1)),
        allow_credentials=boolean(cors.credentials or None),
        forward_not_matching_preflights=boolean(False),
    )


def _build_origin(origin: Origin) -> StringMatcher:
    if origin.pattern is not None:
        return StringMatcher(safe_regex=RegexMatcher(regex=origin.pattern))
    return StringMatcher(exact=origin.text)


def _join(names: tuple[str, ...]) -> str:
    return ANY if ANY in names else ",".join(names)


def encode_preflight(route: Route, services: Mapping[str, Service], *, limited: bool) -> list[bytes]:
    """Encode a Route for CORS preflight requests (OPTIONS), if the route itself does not match these.

    A preflight request has the later request's method in a header, and none of the later request's headers. The filter
    answers it, so that it does not reach the service.
    """
    if route.cors is None or (not route.headers and (not route.method or "OPTIONS" in route.method)):
        return []
    origin = route.headers.get("origin", ANY)
    headers: dict[str, Wanted] = {"origin": origin, REQUESTED_METHOD: _match_any_of(route.method)}
    filters = _encode_filters(None, limited, None, route.cors, route.method, grpc_web=False, max_body=None)
    encoded = skeleton_pb2.Route(match=encode_match(route, ("OPTIONS",), headers), route=encode_target(route, services))
    return [encoded.SerializeToString() + filters]


def _match_any_of(methods: tuple[str, ...]) -> Wanted:
    if not methods:
        return ANY
    return methods[0] if len(methods) == 1 else TextMatch(How.REGEX, "|".join(methods))


def describe_match(route: Route) -> str:
    """Return one line about which requests a route matches. Routes with the same line match the same requests.

    Envoy's own fields can change which these are, so that they have a part in the line.
    """
    kinds = ("prefix", "path", "regex", "template")
    paths = [f"{kind} {text}" for kind in kinds if (text := getattr(route, kind))]
    values = [
        f"{kind} {name} {value if isinstance(value, str) else f'{value.how.value} {value.text}'.rstrip()}"
        for kind, wanted in (("header", route.headers), ("query", route.query))
        for name, value in sorted(wanted.items())
    ]
    raw = route.envoy.get("route")
    more = [sha256(raw.after).hexdigest()] if raw is not None and "match" in raw.names else []
    return ", ".join(["|".join(route.hosts), *route.method, *paths, *values, *more])


def build_limits(routes: Iterable[Route]) -> dict[str, Any]:
    """Build the rate limits of routes: the `typed_per_filter_config` of their RouteConfiguration or VirtualHost.

    There each route of the catalog has one token bucket. In a Route it would have several, since Envoy has several
    routes for it: for safe methods and for others, and in the VirtualHost of each host.
    """
    limits: dict[str, RateLimit] = {}
    for route in routes:
        if route.rate_limit is not None:
            # Of several routes with equal matches, only the first one gets requests.
            limits.setdefault(describe_match(route), route.rate_limit)
    everything = RuntimeFractionalPercent(default_value=build_percent(100))
    by_route = EnvoyRateLimit.Action.MetaData(
        descriptor_key=RATE_LIMIT,
        metadata_key=MetadataKey(key=METADATA, path=[MetadataKey.PathSegment(key=RATE_LIMIT)]),
        source=EnvoyRateLimit.Action.MetaData.Source.ROUTE_ENTRY,
    )
    policy = LocalRateLimit(
        stat_prefix=STAT_PREFIX,
        filter_enabled=everything,
        filter_enforced=everything,
        token_bucket=TokenBucket(
            max_tokens=NO_LIMIT, tokens_per_fill=uint32(NO_LIMIT), fill_interval=timedelta(seconds=1)
        ),
        always_consume_default_token_bucket=boolean(False),
        rate_limits=[EnvoyRateLimit(actions=[EnvoyRateLimit.Action(metadata=by_route)])],
        descriptors=[
            LocalRateLimitDescriptor(
                entries=[RateLimitDescriptor.Entry(key=RATE_LIMIT, value=named)], token_bucket=_build_bucket(limit)
            )
            for named, limit in limits.items()
        ],
        enable_x_ratelimit_headers=XRateLimitHeadersRfcVersion.DRAFT_VERSION_03,
        rate_limited_as_resource_exhausted=True,
    )
    return {LOCAL_RATE_LIMIT: pack(policy)}


def _build_bucket(limit: RateLimit) -> TokenBucket:
    return TokenBucket(
        max_tokens=limit.burst or limit.requests, tokens_per_fill=uint32(limit.requests), fill_interval=limit.per
    )


CORS = "envoy.filters.http.cors"
LOCAL_RATE_LIMIT = "envoy.filters.http.local_ratelimit"
FAULT = "envoy.filters.http.fault"
GRPC_WEB = "envoy.filters.http.grpc_web"
BUFFER = "envoy.filters.http.buffer"

STAT_PREFIX = "routes"
"""The prefix of the filter's metrics, as in `routes.http_local_rate_limit.rate_limited` for limited requests."""


@lru_cache(maxsize=1)
def build_disabled_filters() -> tuple[HttpFilter, ...]:
    """Build the filters in the order in which a request passes through them.

    CORS comes first, so that web pages can read the other filters' responses, and preflight requests are not limited.
    """
    filters = {
        CORS: pack(CorsFilter()),
        LOCAL_RATE_LIMIT: pack(LocalRateLimit(stat_prefix=STAT_PREFIX)),
        FAULT: pack(HttpFault()),
        GRPC_WEB: pack(GrpcWeb()),
        BUFFER: pack(Buffer(max_request_bytes=uint32(1))),  # required, but every route sets its own
    }
    return tuple(HttpFilter(name=name, typed_config=config, disabled=True) for name, config in filters.items())
