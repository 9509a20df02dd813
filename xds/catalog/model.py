"""The catalog's words: what an operator may write, and what each word means when it is left out.

Every class here is both the validator and the immutable model; the JSON Schema is made from it too. How YAML
becomes these is `yaml.py`; how a mistake becomes a sentence is `mistakes.py`; what one service says of another
is checked in `references.py`; a route's words are in `route.py`. No Envoy type appears here, but nothing that Envoy
would refuse passes.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PlainValidator, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.access_log import ShortAccessLog
from xds.catalog.addresses import check_address, parse_endpoint, parse_listen
from xds.catalog.listener import MAX_LISTENERS, MAX_ROUTES, Address, Http3, Limits, Listener, Routes, ShortTls
from xds.catalog.listener_rules import check_gateway
from xds.catalog.locality import ANY, Overprovisioning, PanicThreshold, Priority, ShortLocality
from xds.catalog.outside import Dns, TlsToEndpoints, check_service_host
from xds.catalog.places import Loc
from xds.catalog.policies import SHORT, Balanced, SlowlyStarted
from xds.catalog.raw import NO_RAW, Raw, parse_raw
from xds.catalog.resilience import USUAL_RETRIES, CircuitBreakers, ConnectionPool, Keepalive, Tries, complete_retries
from xds.catalog.route import Route
from xds.catalog.route_rules import check_own_route
from xds.catalog.rules import (
    MAX_WEIGHT,
    check_affinity,
    check_endpoints,
    check_health_check,
    check_service,
    check_upstreams,
)
from xds.catalog.shapes import (
    COOKIE_SHAPE,
    ENDPOINT_SHAPE,
    GATEWAY_SHAPE,
    LISTEN_SHAPE,
    OUTLIER_SHAPE,
    OWN_ROUTE_SHAPE,
    STATUSES_SHAPE,
    SUBSETS_SHAPE,
    make_raw_shape,
)
from xds.catalog.subsets import Labels, parse_subsets
from xds.catalog.values import (
    check_hash_header,
    check_host_header,
    check_metadata,
    check_ttl,
    parse_cookie,
    parse_outlier_detection,
    parse_statuses,
    share,
)
from xds.catalog.words import CONFIG, Duration, Name, Path, PathAndQuery, Port, Wait

MAX_ITEMS = 65536
"""The longest list of endpoints or upstreams: far above what one Envoy serves well, and a bound on the work."""

Weight = Annotated[int, Strict(), Field(ge=1, le=MAX_WEIGHT)]
Threshold = Annotated[int, Strict(), Field(ge=1, le=1000)]
Label = Annotated[str, StringConstraints(max_length=253, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(share)]
CookieName = Annotated[str, StringConstraints(max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
NO_METADATA: Final[Mapping[str, JsonValue]] = MappingProxyType({})
"""One for all endpoints without labels: there may be a hundred thousand."""


class Protocol(StrEnum):
    """What a service speaks to those who call it."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


class Health(StrEnum):
    """What the operator knows of an endpoint, whatever health checks find."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, config=CONFIG)
class Endpoint:
    """One instance of a service; in short form, `"host:port"`."""

    address: Annotated[str, AfterValidator(check_address), Field(description="IP address or host name")]
    port: Annotated[Port, Field(description="may be written in `address` instead, as in `10.0.0.4:5000`")]
    weight: Annotated[Weight | None, Field(description="share of the requests, relative to the others'")] = None
    region: Annotated[Label, Field(description="where it runs, as a cloud names it")] = ""
    zone: Annotated[Label, Field(description="part of the region that fails as one")] = ""
    sub_zone: Annotated[Label, Field(description="part of the zone, such as a rack")] = ""
    priority: Annotated[
        Priority | None, Field(description="0 is asked first, the next only as far as those before are unwell")
    ] = None
    drain: Annotated[bool, Strict(), Field(description="no new requests, while those that it has are answered")] = False
    health: Annotated[
        Health, Field(description="degraded: only when the others are too few; unhealthy: no requests")
    ] = Health.HEALTHY
    metadata: Annotated[
        Mapping[str, JsonValue],
        AfterValidator(check_metadata),
        Field(description="labels, as Envoy's `envoy.lb` metadata"),
    ] = field(default_factory=lambda: NO_METADATA)


ShortEndpoint = Annotated[Endpoint, BeforeValidator(parse_endpoint), ENDPOINT_SHAPE]


@dataclass(frozen=True, slots=True)
class Statuses:
    """HTTP statuses from `first` to `last`, both among them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, config=CONFIG)
class HealthCheck:
    """An active check, made by every Envoy that calls the service: by `http`, `grpc` or `tcp`."""

    http: Annotated[PathAndQuery | None, Field(description="path that answers 200 when the endpoint is well")] = None
    grpc: Annotated[
        Annotated[str, StringConstraints(max_length=256, pattern=r"^[!-~]*$")] | None,
        Field(description='what gRPC\'s health service is asked for; "" is all of the server'),
    ] = None
    tcp: Annotated[bool, Strict(), Field(description="it is enough that a connection can be made")] = False
    expect: Annotated[
        tuple[Annotated[Statuses, BeforeValidator(parse_statuses), STATUSES_SHAPE], ...],
        Field(max_length=100, description="for http: the statuses that are well; 200 when left out"),
    ] = ()
    host: Annotated[
        Annotated[str, AfterValidator(check_host_header)] | None,
        Field(description="for http and grpc: the Host that is asked for; the service's name when left out"),
    ] = None
    interval: Annotated[Wait, Field(description="from one check to the next")] = timedelta(seconds=10)
    timeout: Annotated[Wait, Field(description="how long to wait for the answer")] = timedelta(seconds=2)
    interval_jitter: Annotated[
        int, Strict(), Field(ge=0, le=100, description="percent by which a check may come later, by chance")
    ] = 10
    unhealthy_interval: Annotated[
        Wait | None, Field(description="from one check of an unwell endpoint to the next; `interval` if left out")
    ] = None
    healthy_threshold: Annotated[Threshold, Field(description="good answers in a row to be well again")] = 2
    unhealthy_threshold: Annotated[Threshold, Field(description="bad answers in a row to be unwell")] = 2


@dataclass(frozen=True, slots=True, config=CONFIG)
class OutlierDetection:
    """When an endpoint is taken out for a while, by what real requests to it came to; `off` is never."""

    enabled: Annotated[bool, Strict(), Field(description="false is the same as `outlier_detection: off`")] = True
    consecutive_failures: Annotated[
        Threshold, Field(description="so many in a row: it cannot be reached, or answers 502, 503 or 504")
    ] = 5
    consecutive_5xx: Annotated[
        Threshold | None, Field(description="so many in a row of any 5xx; when left out, 500 and 501 do not count")
    ] = None
    interval: Annotated[Wait | None, Field(description="how often it is looked who may come back; 10s if left out")] = (
        None
    )
    base_ejection_time: Annotated[
        Wait | None, Field(description="for how long, times how often it was out; 30s if left out, 5m at most")
    ] = None
    max_ejection_percent: Annotated[
        int, Strict(), Field(ge=1, le=100, description="how many of the endpoints may be out at once")
    ] = 50


@dataclass(frozen=True, slots=True, config=CONFIG)
class Timeouts:
    """How long a caller waits; `request` is for the whole answer, retries included. `0s` is without end."""

    connect: Annotated[Wait, Field(description="for a connection to be made")] = timedelta(seconds=1)
    request: Annotated[Duration | None, Field(description="default 15s; for grpc, what the client's deadline says")] = (
        None
    )
    idle: Annotated[Duration | None, Field(description="without a byte either way; default 5m, for tcp 1h")] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cookie:
    """The cookie that tells who is who: the application's own, or with a `ttl` one that Envoy sets if it is missing."""

    name: Annotated[CookieName, Field(description="the cookie's name")]
    ttl: Annotated[
        Duration | None, Field(description="Envoy sets it for this long, 0s until the browser ends; never if left out")
    ] = None
    path: Annotated[Path, Field(description="for which paths Envoy sets it")] = "/"


@dataclass(frozen=True, slots=True, config=CONFIG)
class Affinity:
    """Whose requests go to one endpoint: told by the first of these, in this order, that a request has."""

    header: Annotated[
        Annotated[str, AfterValidator(check_hash_header)] | None,
        Field(description="a header, such as x-user; `host` and `:path` too"),
    ] = None
    query_parameter: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256)] | None,
        Field(description="a parameter of the query"),
    ] = None
    cookie: Annotated[
        Annotated[Cookie, BeforeValidator(parse_cookie), COOKIE_SHAPE] | None,
        Field(description="a cookie: its name, or in full `{name, ttl, path}`"),
    ] = None
    source: Annotated[bool, Strict(), Field(description="the client's IP address")] = False


@dataclass(frozen=True, slots=True)
class Listen:
    """An IP address and a port to listen on."""

    address: str
    port: int


SIDECAR = Listen("127.0.0.1", 15001)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Service:
    """A service: who answers for it, how requests to it are shared, and what it calls itself."""

    endpoints: Annotated[
        tuple[ShortEndpoint, ...],
        Field(max_length=MAX_ITEMS, description="its instances"),
        AfterValidator(check_endpoints),
    ] = ()
    protocol: Annotated[Protocol, Field(description="what it speaks to those who call it")] = Protocol.HTTP
    balance: Annotated[Balanced, Field(description="how requests are shared among its endpoints")] = SHORT[
        "round_robin"
    ]
    affinity: Annotated[
        Annotated[Affinity, AfterValidator(check_affinity)] | None,
        Field(description="for ring_hash and maglev: whose requests go to one endpoint"),
    ] = None
    locality: Annotated[
        ShortLocality, Field(description="which endpoints a caller takes first; `any`: all of them are one list")
    ] = field(default_factory=lambda: ANY)
    overprovisioning: Annotated[
        Overprovisioning | None,
        Field(description="percent: a priority or locality is full while so many times its healthy share is 100; 140"),
    ] = None
    panic_threshold: Annotated[
        PanicThreshold | None,
        Field(description="percent: with fewer healthy, requests go to all; 0 is never; 50 when left out"),
    ] = None
    slow_start: Annotated[
        SlowlyStarted | None, Field(description="how long a new endpoint's share grows to its own; at once if left out")
    ] = None
    health_check: Annotated[
        Annotated[HealthCheck, AfterValidator(check_health_check)] | None, Field(description="none when left out")
    ] = None
    outlier_detection: Annotated[
        Annotated[OutlierDetection, BeforeValidator(parse_outlier_detection), OUTLIER_SHAPE],
        Field(description="when an endpoint is taken out for a while; `off` is never"),
    ] = field(default_factory=OutlierDetection)
    timeouts: Annotated[Timeouts, Field(description="how long its callers wait")] = field(default_factory=Timeouts)
    retries: Annotated[
        Annotated[Tries, AfterValidator(complete_retries)],
        Field(description="how often a failed request is tried again, and when"),
    ] = USUAL_RETRIES
    circuit_breakers: Annotated[
        CircuitBreakers | None, Field(description="how much at once each Envoy lets through to it")
    ] = None
    connection_pool: Annotated[ConnectionPool | None, Field(description="the connections kept to its endpoints")] = None
    keepalive: Annotated[Keepalive | None, Field(description="how dead connections are found; not if left out")] = None
    tls: Annotated[TlsToEndpoints, Field(description="TLS to its endpoints, whose certificates are checked")] = None
    host: Annotated[
        Annotated[str, AfterValidator(check_service_host)] | None,
        Field(description="the Host that it is asked for, `off` for the caller's own; with `tls` that of the SNI"),
    ] = None
    dns: Annotated[Dns, Field(description="for host names: strict, each address an endpoint; logical, one")] = (
        Dns.STRICT
    )
    dns_refresh: Annotated[
        Wait | None, Field(description="how often host names are looked up again; when their TTL ends if left out")
    ] = None
    upstreams: Annotated[
        Annotated[tuple[Name, ...], Field(max_length=MAX_ITEMS), AfterValidator(check_upstreams)] | None,
        Field(description="the services that this one calls; when left out, all"),
    ] = None
    sidecar: Annotated[Listen, BeforeValidator(parse_listen), LISTEN_SHAPE] = SIDECAR
    ttl: Annotated[
        Annotated[Duration, AfterValidator(check_ttl)] | None,
        Field(description="callers drop its endpoints this long after they lost the control plane; never if left out"),
    ] = None
    local_port: Annotated[
        Port | None, Field(description="for protocol tcp: the port that each caller's sidecar offers for it")
    ] = None
    access_log: Annotated[
        ShortAccessLog | None, Field(description="its sidecar's access log, in place of the mesh's")
    ] = None
    endpoint_stats: Annotated[
        bool | None, Strict(), Field(description="metrics of each of its endpoints, in its callers' Envoys")
    ] = None
    subsets: Annotated[
        Mapping[str, Labels],
        PlainValidator(parse_subsets),
        SUBSETS_SHAPE,
        Field(description="its versions by name: the `metadata` that an endpoint of each has"),
    ] = field(default_factory=dict)
    routes: Annotated[
        tuple[Annotated[Route, AfterValidator(check_own_route), OWN_ROUTE_SHAPE], ...],
        Field(max_length=MAX_ROUTES, description="how callers' sidecars send requests for it; the rest goes to itself"),
    ] = ()
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("cluster")),
        make_raw_shape("cluster"),
        Field(description="for what has no word: fields of Envoy's own Cluster, merged into the one that is made"),
    ] = field(default_factory=lambda: NO_RAW)

    @property
    def routed(self) -> frozenset[str]:
        """The services that its own routes name."""
        return frozenset(name for route in self.routes for name in route.services)


CheckedService = Annotated[Service, AfterValidator(check_service)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Gateway:
    """An Envoy at the mesh's edge: where it listens, and which requests go to which service.

    `port` and the words that a listener has too are short for one listener.
    """

    port: Annotated[Port | None, Field(description="where it listens")] = None
    routes: Annotated[
        Routes, Field(min_length=1, max_length=MAX_ROUTES, description="the first that matches wins")
    ] = ()
    address: Annotated[Address, Field(description="IP address to listen on")] = "0.0.0.0"  # noqa: S104
    tls: Annotated[ShortTls | None, Field(description="certificates, or `passthrough`; none: plain text")] = None
    http3: Annotated[Http3, Field(description="HTTP/3 over UDP too; `true`, or the port by which clients reach it")] = (
        False
    )
    proxy_protocol: Annotated[
        bool, Strict(), Field(description="a load balancer says in front of each connection whose it is")
    ] = False
    listeners: Annotated[
        tuple[Listener, ...],
        Field(min_length=1, max_length=MAX_LISTENERS, description="in place of `port`: several, each with its own"),
    ] = ()
    limits: Annotated[Limits, Field(description="what clients may ask of it")] = field(default_factory=Limits)
    trusted_hops: Annotated[
        int, Strict(), Field(ge=0, le=100, description="proxies in front whose X-Forwarded-For is believed")
    ] = 0
    access_log: Annotated[ShortAccessLog | None, Field(description="in place of the mesh's")] = None
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("listener", "http_connection_manager", "route_configuration")),
        make_raw_shape("listener", "http_connection_manager", "route_configuration"),
        Field(description="for what has no word: fields of Envoy's own messages, merged into those that are made"),
    ] = field(default_factory=lambda: NO_RAW)

    def find_listeners(self) -> tuple[tuple[Loc, Listener], ...]:
        """Give each listener and where it stands; the short form is one with the gateway's own words."""
        if self.listeners:
            return tuple((("listeners", index), listener) for index, listener in enumerate(self.listeners))
        return (((), Listener(self.port or 1, self.address, self.tls, self.http3, self.proxy_protocol)),)

    def find_routes(self) -> tuple[tuple[Loc, tuple[Route, ...], Listener], ...]:
        """Give each listener with its routes, and below what these stand: its own, or the gateway's."""
        return tuple(
            (loc, listener.routes, listener) if listener.routes else ((), self.routes, listener)
            for loc, listener in self.find_listeners()
        )

    @property
    def services(self) -> tuple[str, ...]:
        """The services that its routes name."""
        routes = (*self.routes, *(route for listener in self.listeners for route in listener.routes))
        return tuple(dict.fromkeys(name for route in routes for name in route.services))


CheckedGateway = Annotated[Gateway, AfterValidator(check_gateway), GATEWAY_SHAPE]
