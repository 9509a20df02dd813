"""The catalog's words: what an operator may write, and what each word means when it is left out.

Every class here is both the validator and the immutable model; the JSON Schema is made from it too. How YAML
becomes these is `yaml.py`; how a mistake becomes a sentence is `mistakes.py`; what one service says of another
is checked in `references.py`. No Envoy type appears here.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.values import (
    DURATION_SCHEMA,
    ENDPOINT_SCHEMA,
    LISTEN_SCHEMA,
    check_host,
    check_unique,
    parse_duration,
    parse_endpoint,
    parse_listen,
)

MAX_WEIGHT = 2**32 - 1
"""Envoy's limit on an endpoint's weight, and on the sum over a locality (endpoint_components.proto)."""

CONFIG = ConfigDict(extra="forbid", strict=True)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Weight = Annotated[int, Field(ge=1, le=MAX_WEIGHT)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=Any), DURATION_SCHEMA]
Path = Annotated[str, StringConstraints(pattern=r"^/[^\s?#]*$")]


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

    address: Annotated[str, AfterValidator(check_host), Field(description="IP address or host name")]
    port: Port
    weight: Annotated[Weight | None, Field(description="share of the requests, relative to the others'")] = None
    region: str = ""
    zone: str = ""
    sub_zone: str = ""
    metadata: Annotated[Mapping[str, JsonValue], Field(description="labels, as Envoy's `envoy.lb` metadata")] = field(
        default_factory=dict
    )


ShortEndpoint = Annotated[Endpoint, BeforeValidator(parse_endpoint, json_schema_input_type=Any), ENDPOINT_SCHEMA]


@dataclass(frozen=True, slots=True, config=CONFIG)
class HealthCheck:
    """An active check, made by every Envoy that calls the service."""

    http: Annotated[Path, Field(description="path that answers 200 when the endpoint is well")]
    interval: Duration = timedelta(seconds=10)
    timeout: Duration = timedelta(seconds=2)
    healthy_threshold: Annotated[int, Field(ge=1, le=1000)] = 2
    unhealthy_threshold: Annotated[int, Field(ge=1, le=1000)] = 2


@dataclass(frozen=True, slots=True, config=CONFIG)
class Timeouts:
    """How long a caller waits; `request` is for the whole answer, retries included. `0s` is without end."""

    connect: Duration = timedelta(seconds=1)
    request: Annotated[Duration | None, Field(description="default 15s; for grpc, what the client's deadline says")] = (
        None
    )
    idle: Duration = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Listen:
    """An IP address and a port to listen on."""

    address: str
    port: int


SIDECAR = Listen("127.0.0.1", 15001)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Service:
    """A service: who answers for it, how requests to it are shared, and what it calls itself."""

    endpoints: tuple[ShortEndpoint, ...] = ()
    protocol: Protocol = Protocol.HTTP
    balance: Balance = Balance.ROUND_ROBIN
    health_check: HealthCheck | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Annotated[int, Field(ge=0, le=10, description="how often a failed request is tried again")] = 2
    upstreams: Annotated[
        tuple[Name, ...] | None, Field(description="the services that this one calls; when left out, all")
    ] = None
    sidecar: Annotated[Listen, BeforeValidator(parse_listen, json_schema_input_type=Any), LISTEN_SCHEMA] = SIDECAR
    local_port: Annotated[
        Port | None, Field(description="for protocol tcp: the port that each caller's sidecar offers for it")
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Route:
    """Requests that match all that is given go to the service `to`; the first route that matches wins."""

    to: Name
    host: Annotated[str | None, Field(description="exact, or `*.example.com`; any host when left out")] = None
    prefix: Path | None = None
    path: Annotated[Path | None, Field(description="exact path, without the query")] = None
    headers: Annotated[Mapping[str, str], Field(description="header and its value; `*` is any value")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, config=CONFIG)
class Gateway:
    """An Envoy at the mesh's edge: where it listens, and which requests go to which service."""

    port: Port
    routes: tuple[Route, ...]
    address: Annotated[str, Field(description="IP address to listen on")] = "0.0.0.0"  # noqa: S104
