"""The catalog's words: what an operator may write, and what each word means when it is left out.

Every class here is both the validator and the immutable model; the JSON Schema is made from it too. How YAML
becomes these is `yaml.py`; how a mistake becomes a sentence is `mistakes.py`; what one service says of another
is checked in `references.py`. No Envoy type appears here, but nothing that Envoy would refuse passes.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.addresses import check_address, check_ip, parse_endpoint, parse_listen
from xds.catalog.rules import MAX_WEIGHT, check_endpoints, check_route, check_service, check_upstreams
from xds.catalog.shapes import DURATION_SHAPE, ENDPOINT_SHAPE, LISTEN_SHAPE, ROUTE_SHAPE
from xds.catalog.values import (
    check_headers,
    check_metadata,
    check_route_host,
    check_ttl,
    check_wait,
    parse_duration,
    share,
)

MAX_ITEMS = 65536
"""The longest list of endpoints or upstreams: far above what one Envoy serves well, and a bound on the work."""

MAX_ROUTES = 1000
"""Envoy tries a virtual host's routes one after the other."""

CONFIG = ConfigDict(extra="forbid")

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?")
"""A service's or gateway's name: it is also a host, a `node.cluster`, and part of Envoy's names for things."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
Port = Annotated[int, Strict(), Field(ge=1, le=65535), AfterValidator(share)]
Weight = Annotated[int, Strict(), Field(ge=1, le=MAX_WEIGHT)]
Threshold = Annotated[int, Strict(), Field(ge=1, le=1000)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), DURATION_SHAPE]
Wait = Annotated[Duration, AfterValidator(check_wait)]
Label = Annotated[str, StringConstraints(max_length=253, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(share)]
Path = Annotated[str, StringConstraints(max_length=4096, pattern=r'^/[!"$->@-~]*$')]
"""A request's path is ASCII, whatever else percent-encoded; Envoy matches it without query and fragment."""
PathAndQuery = Annotated[str, StringConstraints(max_length=4096, pattern=r'^/[!"$-~]*$')]

NO_METADATA: Final[Mapping[str, JsonValue]] = MappingProxyType({})
"""One for all endpoints without labels: there may be a hundred thousand."""


class Protocol(StrEnum):
    """What a service speaks to those who call it."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


class Balance(StrEnum):
    """How requests are shared among a service's endpoints."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    WEIGHTED = "weighted"


@dataclass(frozen=True, slots=True, config=CONFIG)
class Endpoint:
    """One instance of a service; in short form, `"host:port"`."""

    address: Annotated[str, AfterValidator(check_address), Field(description="IP address or host name")]
    port: Annotated[Port, Field(description="may be written in `address` instead, as in `10.0.0.4:5000`")]
    weight: Annotated[Weight | None, Field(description="share of the requests, relative to the others'")] = None
    region: Annotated[Label, Field(description="where it runs, as a cloud names it")] = ""
    zone: Annotated[Label, Field(description="part of the region that fails as one")] = ""
    sub_zone: Annotated[Label, Field(description="part of the zone, such as a rack")] = ""
    metadata: Annotated[
        Mapping[str, JsonValue],
        AfterValidator(check_metadata),
        Field(description="labels, as Envoy's `envoy.lb` metadata"),
    ] = field(default_factory=lambda: NO_METADATA)


ShortEndpoint = Annotated[Endpoint, BeforeValidator(parse_endpoint), ENDPOINT_SHAPE]


@dataclass(frozen=True, slots=True, config=CONFIG)
class HealthCheck:
    """An active check, made by every Envoy that calls the service."""

    http: Annotated[PathAndQuery, Field(description="path that answers 200 when the endpoint is well")]
    interval: Annotated[Wait, Field(description="from one check to the next")] = timedelta(seconds=10)
    timeout: Annotated[Wait, Field(description="how long to wait for the answer")] = timedelta(seconds=2)
    healthy_threshold: Annotated[Threshold, Field(description="good answers in a row to be well again")] = 2
    unhealthy_threshold: Annotated[Threshold, Field(description="bad answers in a row to be unwell")] = 2


@dataclass(frozen=True, slots=True, config=CONFIG)
class Timeouts:
    """How long a caller waits; `request` is for the whole answer, retries included. `0s` is without end."""

    connect: Annotated[Wait, Field(description="for a connection to be made")] = timedelta(seconds=1)
    request: Annotated[Duration | None, Field(description="default 15s; for grpc, what the client's deadline says")] = (
        None
    )
    idle: Annotated[Duration | None, Field(description="without a byte either way; default 5m, for tcp 1h")] = None


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
    balance: Annotated[Balance, Field(description="how requests are shared among its endpoints")] = Balance.ROUND_ROBIN
    health_check: Annotated[HealthCheck | None, Field(description="none when left out")] = None
    timeouts: Annotated[Timeouts, Field(description="how long its callers wait")] = field(default_factory=Timeouts)
    retries: Annotated[int, Strict(), Field(ge=0, le=10, description="how often a failed request is tried again")] = 2
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


CheckedService = Annotated[Service, AfterValidator(check_service)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Route:
    """Requests that match all that is given go to the service `to`; the first route that matches wins.

    Of `prefix` and `path` one at most is given; neither is the same as prefix `/`.
    """

    to: Annotated[Name, Field(description="the service")]
    host: Annotated[
        Annotated[str, AfterValidator(check_route_host)] | None,
        Field(description="exact, or `*.example.com`; any host when left out"),
    ] = None
    prefix: Annotated[Path | None, Field(description="what the path begins with")] = None
    path: Annotated[Path | None, Field(description="exact path, without the query")] = None
    headers: Annotated[
        Mapping[str, str], AfterValidator(check_headers), Field(description="header and its value; `*` is any value")
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Gateway:
    """An Envoy at the mesh's edge: where it listens, and which requests go to which service."""

    port: Annotated[Port, Field(description="where it listens")]
    routes: Annotated[
        tuple[Annotated[Route, AfterValidator(check_route), ROUTE_SHAPE], ...],
        Field(min_length=1, max_length=MAX_ROUTES, description="the first that matches wins"),
    ]
    address: Annotated[str, AfterValidator(check_ip), Field(description="IP address to listen on")] = "0.0.0.0"  # noqa: S104
