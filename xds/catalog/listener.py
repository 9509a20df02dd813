"""A listener's words: where a gateway takes connections, by which certificates, and with what limits.

What must hold among them is in `listener_rules.py`.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.addresses import check_ip
from xds.catalog.listener_values import check_certificate_host, check_http3, parse_tls
from xds.catalog.route import Route
from xds.catalog.route_rules import check_route
from xds.catalog.shapes import HTTP3_SHAPE, ROUTE_SHAPE, TLS_SHAPE
from xds.catalog.sizes import SIZE_SHAPE, parse_size
from xds.catalog.words import CONFIG, Duration, FilePath, Port, Wait

MAX_ROUTES = 1000
"""Envoy tries a virtual host's routes one after the other."""

MAX_LISTENERS = 100
MAX_CERTIFICATES = 1000

Size = Annotated[int, BeforeValidator(parse_size), SIZE_SHAPE]
Routes = tuple[Annotated[Route, AfterValidator(check_route), ROUTE_SHAPE], ...]
Http3 = Annotated[bool | int, PlainValidator(check_http3), HTTP3_SHAPE]
Address = Annotated[str, AfterValidator(check_ip)]


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
