"""A service: who answers for it, how requests to it are shared, and what it calls itself.

The class is both the validator and the immutable model; the JSON Schema is made from it too. What must hold among
its fields is checked in `service_rules.py`. No Envoy type appears here, but nothing that Envoy would refuse passes.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.model.access_log import ShortAccessLog
from xds.catalog.model.affinity import Affinity, check_affinity
from xds.catalog.model.balance import SHORT, Balanced, SlowlyStarted
from xds.catalog.model.endpoint import Endpoint, ShortEndpoint, check_endpoints, name_keys
from xds.catalog.model.health import (
    OUTLIER_SHAPE,
    HealthCheck,
    OutlierDetection,
    check_health_check,
    parse_outlier_detection,
)
from xds.catalog.model.locality import ANY, Overprovisioning, PanicThreshold, ShortLocality
from xds.catalog.model.resilience import (
    USUAL_RETRIES,
    CircuitBreakers,
    ConnectionPool,
    Keepalive,
    Timeouts,
    Tries,
    complete_retries,
)
from xds.catalog.model.route import OWN_ROUTE_SHAPE, Route
from xds.catalog.model.route_rules import MAX_ROUTES, check_own_route
from xds.catalog.model.subsets import SUBSETS_SHAPE, Labels, parse_subsets
from xds.catalog.model.upstream import CALLERS, Dns, TlsToEndpoints, check_service_host
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import LISTEN_SHAPE, SIDECAR, Listen, normalize_ip, parse_listen
from xds.catalog.text.durations import check_ttl
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import CONFIG, Duration, Name, Port, Wait
from xds.wording import show

MAX_ITEMS = 65536
"""The longest list of endpoints or upstreams: far above what one Envoy serves well, and a bound on the work."""


class Protocol(StrEnum):
    """What a service speaks to those who call it."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


def check_upstreams(upstreams: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a service named twice."""
    first: dict[str, int] = {}
    wrong: list[tuple[Loc, str]] = [
        ((index,), f"{show(name)} is given twice: first as upstreams[{first[name]}]")
        for index, name in enumerate(upstreams)
        if first.setdefault(name, index) != index
    ]
    if wrong:
        raise Mistake(*wrong)
    return upstreams


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
    sidecar: Annotated[
        Listen,
        BeforeValidator(parse_listen),
        LISTEN_SHAPE,
        Field(
            description="where its sidecar takes its application's requests: address and port, or a port of 127.0.0.1"
        ),
    ] = SIDECAR
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


def find_key(service: Service, endpoint: Endpoint) -> str | None:
    """Give the key of `locality.weights` that names an endpoint's locality; None when none does."""
    weights = service.locality.weights or {}
    return next((key for key in name_keys(endpoint) if key in weights), None)


def find_host(service: Service) -> str | None:
    """Tell which Host a service's endpoints are asked for: None is the caller's, "" is each endpoint's own name.

    With TLS it is the host that is asked for there: who answers for several looks at both.
    """
    if service.host is not None:
        return None if service.host == CALLERS else service.host
    if service.tls is None:
        return None
    if service.tls.sni is not None:
        return service.tls.sni
    names = {one.address for one in service.endpoints if normalize_ip(one.address) is None}
    return None if not names else "" if len(names) > 1 else names.pop()


def is_eds(service: Service) -> bool:
    """Tell whether a service's endpoints are discovered by EDS: all of them are IP addresses."""
    return all(normalize_ip(endpoint.address) is not None for endpoint in service.endpoints)


def is_offered_to_grpc(service: Service) -> bool:
    """Tell whether gRPC's client can be told of a service.

    It cannot of TCP services, and of those whose endpoints are host names, unless it is one alone: gRPC resolves no
    more.
    """
    return service.protocol is not Protocol.TCP and (len(service.endpoints) == 1 or is_eds(service))
