"""A gateway and its listeners: where it takes connections, by which certificates, and with what limits.

What must hold among their fields is checked in `gateway_rules.py`.
"""

from dataclasses import field
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.model.access_log import ShortAccessLog
from xds.catalog.model.route import Route
from xds.catalog.model.route_rules import MAX_ROUTES, Routes
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import NUMBERS, check_ip, check_route_host
from xds.catalog.text.mistake import Loc
from xds.catalog.text.names import CONFIG, Duration, FilePath, Port, Wait
from xds.catalog.text.shapes import ShortShape
from xds.catalog.text.sizes import SIZE_SHAPE, parse_size
from xds.wording import show

MAX_LISTENERS = 100
MAX_CERTIFICATES = 1000

Size = Annotated[int, BeforeValidator(parse_size), SIZE_SHAPE]

HTTP3_SHAPE = WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": 65535}]})


def check_http3(value: object) -> bool | int:
    """Take true, false, or a port."""
    if value is None:
        return False
    if isinstance(value, bool) or (isinstance(value, int) and 1 <= value <= 65535):
        return value
    raise ValueError(f"expected true, or the port by which clients reach it, found {show(value)}")


Http3 = Annotated[bool | int, PlainValidator(check_http3), HTTP3_SHAPE]
Address = Annotated[str, AfterValidator(check_ip)]


def check_certificate_host(value: str) -> str:
    """Check and lower-case a host that clients name in SNI, which is never an IP address."""
    host = check_route_host(value)
    if host is None:
        raise ValueError('a certificate for any host has no `hosts`: leave out "*"')
    if NUMBERS.fullmatch(host.rpartition(".")[2]):
        raise ValueError(f"clients name no IP address in SNI: leave out {show(value)}, or all `hosts`")
    return host


@dataclass(frozen=True, slots=True, config=CONFIG)
class Certificate:
    """A certificate and its key, as files on the gateway's machine, and the hosts that it is shown for."""

    certificate: Annotated[FilePath, Field(description="the certificate, and those between it and the root (PEM)")]
    key: Annotated[FilePath, Field(description="its private key (PEM)")]
    hosts: Annotated[
        tuple[Annotated[str, AfterValidator(check_certificate_host)], ...],
        Field(
            min_length=1,
            max_length=MAX_CERTIFICATES,
            description="`shop.example.com` or `*.example.com`; when left out, every host that no other is for",
        ),
    ] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Tls:
    """How connections are encrypted; `passthrough`: by the services, which the gateway tells apart by SNI."""

    certificates: Annotated[
        tuple[Certificate, ...],
        Field(max_length=MAX_CERTIFICATES, description="a client that asks for a host of none is refused"),
    ] = ()
    client_ca: Annotated[
        FilePath | None, Field(description="clients must have a certificate of this authority's (PEM file)")
    ] = None
    passthrough: Annotated[bool, Strict(), Field(description="true is the same as `tls: passthrough`")] = False


TLS_SHAPE = ShortShape(("passthrough",))


def parse_tls(value: object) -> object:
    """Turn `passthrough` into the mapping that it is short for."""
    return {"passthrough": True} if value == "passthrough" else value


ShortTls = Annotated[Tls, BeforeValidator(parse_tls), TLS_SHAPE]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Limits:
    """How much, and how long, clients may keep a gateway busy."""

    header_size: Annotated[
        Size | None, Field(description="all headers of a request; in whole KiB, 60KiB if left out")
    ] = None
    header_timeout: Annotated[Wait, Field(description="for all headers of a request to come")] = timedelta(seconds=10)
    streams: Annotated[
        int, Strict(), Field(ge=1, le=2**31 - 1, description="requests at once over one connection of HTTP/2 or HTTP/3")
    ] = 100
    buffer: Annotated[Size | None, Field(description="bytes held for one connection; 1MiB if left out")] = None
    idle: Annotated[
        Duration | None, Field(description="how long a connection without requests is kept; 1h if left out")
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Listener:
    """One port of a gateway, and what it does with connections to it."""

    port: Annotated[Port, Field(description="where it listens")]
    address: Annotated[Address, Field(description="IP address to listen on")] = "0.0.0.0"  # noqa: S104
    tls: Annotated[ShortTls | None, Field(description="certificates, or `passthrough`; none: plain text")] = None
    http3: Annotated[Http3, Field(description="HTTP/3 over UDP too; `true`, or the port by which clients reach it")] = (
        False
    )
    proxy_protocol: Annotated[
        bool, Strict(), Field(description="a load balancer says in front of each connection whose it is")
    ] = False
    routes: Annotated[
        Routes, Field(min_length=1, max_length=MAX_ROUTES, description="in place of the gateway's `routes`")
    ] = ()


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
