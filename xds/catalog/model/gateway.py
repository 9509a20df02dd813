"""A gateway and its listeners: addresses and certificates.

What must hold among their fields is checked in `gateway_rules.py`.
"""

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.by_identity import by_identity
from xds.catalog.model.access_log import ShortAccessLog
from xds.catalog.model.listener_options import HttpField, HttpOptions, Limits, LimitsField
from xds.catalog.model.route import Route
from xds.catalog.model.route_rules import MAX_ROUTES, Routes
from xds.catalog.raw.clusters import NamedCluster
from xds.catalog.raw.fields import NO_RAW, Raw, find_clusters, make_raw_shape, parse_raw
from xds.catalog.text.address_patterns import BINDS_SHAPE, CERTIFICATE_HOST_SHAPE, MAX_ADDRESSES, NUMBERS
from xds.catalog.text.addresses import EXPECTED_BIND, BindAddress, check_binds, check_host
from xds.catalog.text.field import About, Example, Expected, IfWrong, Moved, Since, Words
from xds.catalog.text.foreign import VALUE, Fields, Here, write_fields
from xds.catalog.text.meanings import file, listens
from xds.catalog.text.mistake import Loc, Unsaid
from xds.catalog.text.names import CONFIG, NOBODY, FilePath, Port, parse_list
from xds.wording import show

ALL_IPV4: Final = "0.0.0.0"  # noqa: S104 - a gateway is for everybody
MAX_LISTENERS = 100
MAX_CERTIFICATES = 1000

HTTP3_SHAPE = WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": 65535}]})
EXPECTED_HTTP3: Final = Expected("true, or the port by which clients reach it")


def check_http3(value: object) -> bool | int:
    """Take true, false, or a port."""
    if value is None:
        return False
    if isinstance(value, bool) or (isinstance(value, int) and 1 <= value <= 65535):
        return value
    raise ValueError(f"expected {EXPECTED_HTTP3}, found {show(value)}")


Http3 = Annotated[bool | int, PlainValidator(check_http3), HTTP3_SHAPE, EXPECTED_HTTP3]


def check_certificate_host(value: str) -> str:
    """Check and lower-case a host that clients name in SNI, which is never an IP address."""
    if value == "*":
        raise ValueError('a certificate for any host has no `hosts`: leave out "*"')
    host = check_host(value, wild=True, port="SNI has no port")
    if NUMBERS.fullmatch(host.rpartition(".")[2]):
        raise ValueError(f"clients name no IP address in SNI: leave out {show(value)}, or all `hosts`")
    return host


CertificateHost = Annotated[
    str,
    AfterValidator(check_certificate_host),
    CERTIFICATE_HOST_SHAPE,
    Expected("a host", "shop.example.com", "*.example.com"),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Certificate:
    """A certificate and its key, as files on the gateway's machine, and the hosts for which it is shown."""

    certificate: Annotated[
        FilePath,
        Field(description="The certificate, with those between it and the root (PEM file)"),
        About(envoy="TlsCertificate.certificate_chain"),
    ]
    key: Annotated[FilePath, Field(description="The private key (PEM file)"), About(envoy="TlsCertificate.private_key")]
    hosts: Annotated[
        tuple[CertificateHost, ...],
        Field(
            min_length=1,
            max_length=MAX_CERTIFICATES,
            description="The hosts for which it is shown: `shop.example.com` or `*.example.com`",
        ),
        Expected("a list of hosts", ["shop.example.com"]),
        About(default="every host without a certificate of its own", envoy="FilterChainMatch.server_names"),
    ] = ()


CERTIFICATE_FILES: Final = {"certificate": "/certs/web.pem", "key": "/certs/web.key"}
INVALID_FILES: Final = {"certificate": f"/{NOBODY}", "key": f"/{NOBODY}"}


@dataclass(frozen=True, slots=True, config=CONFIG)
class Tls:
    """How connections are encrypted. With `passthrough` the services encrypt, and the gateway chooses one by SNI."""

    certificates: Annotated[
        tuple[Annotated[Certificate, Example({"hosts": ["example.com"], **CERTIFICATE_FILES})], ...],
        Field(
            max_length=MAX_CERTIFICATES,
            description="Certificates by host. A client that asks for any other host is refused",
        ),
        Expected("a list of certificates", [CERTIFICATE_FILES]),
        About(envoy="Listener.filter_chains"),
    ] = ()
    client_ca: Annotated[
        FilePath | None,
        Field(description="Clients must have a certificate of this authority (PEM file)"),
        About(default="none: no certificate needed", envoy="DownstreamTlsContext.require_client_certificate"),
    ] = None
    passthrough: Annotated[
        bool, Strict(), Field(description="`true` is the same as `tls: passthrough`"), About(envoy="TcpProxy")
    ] = False


def check_certificates(tls: Tls) -> Tls:
    """Refuse to encrypt without a certificate."""
    if not tls.certificates and not tls.passthrough:
        raise Unsaid("has no certificate: write `certificates` in it, or `tls: passthrough`")
    return tls


def mend_tls(value: object) -> str:
    """Return what TLS needs that is only turned on."""
    return f"write {write_fields({'certificates': [{'certificate': ..., 'key': ...}]})} in it" if value is True else ""


ShortTls = Annotated[
    Annotated[Tls, AfterValidator(check_certificates)] | None,
    Words({"passthrough": {"passthrough": True}, "off": None}),
    Moved(
        {
            **dict.fromkeys(
                ("certificate", "cert", "crt"), Here({"certificates": [{"certificate": VALUE, "key": ...}]}, file)
            ),
            "key": Here({"certificates": [{"certificate": ..., "key": VALUE}]}, file),
            "ca": Here({"client_ca": VALUE}, file),
        }
    ),
    Expected("", {"certificates": [CERTIFICATE_FILES]}, mend=mend_tls),
    IfWrong(stand_in={"certificates": [INVALID_FILES]}, whole=True, needs=("certificates", "passthrough")),
]


TlsField = Annotated[
    ShortTls,
    Field(description="Certificates, or `passthrough`"),
    About(default="off: plain text", envoy="DownstreamTlsContext"),
]


def needs_client_certificates(http3: bool | int, tls: Tls | None) -> bool:
    """Whether clients of HTTP/3 need certificates."""
    return bool(http3) and tls is not None and tls.client_ca is not None


Http3Field = Annotated[
    Http3,
    Field(description="Also serve HTTP/3, over UDP: `true`, or the port by which clients reach it if that is another"),
    About(envoy="UdpListenerConfig.quic_options"),
    Since((1, 40), "beside `client_ca`", lambda value, above: needs_client_certificates(value, above.tls)),
]
ProxyProtocolField = Annotated[
    bool,
    Strict(),
    Field(description="A load balancer in front sends the PROXY protocol; connections without it are refused"),
    About(envoy="ProxyProtocol"),
]


def assume_port(fields: dict[str, Any]) -> None:
    """Write a port where none is: it may stand in the wrong address, whose message says so."""
    if "listeners" not in fields:
        fields.setdefault("port", 1)


AddressField = Annotated[
    tuple[Annotated[BindAddress, IfWrong(stand_in=lambda index: f"192.0.2.{index}")], ...],
    BeforeValidator(parse_list),
    AfterValidator(check_binds),
    BINDS_SHAPE,
    Field(
        min_length=1,
        max_length=MAX_ADDRESSES,
        description="The IP address to listen on, or a list of them. `0.0.0.0` is all of IPv4, `::` all of IPv6, and"
        " `any` is both",
    ),
    EXPECTED_BIND,
    About(default=f"{ALL_IPV4}, all of IPv4", envoy="Listener.address, Listener.additional_addresses"),
    IfWrong(identifies=True, settle=assume_port),
]


def mend_listen(value: object) -> str:
    """Return the fields that another program's line, or several ports, are meant for."""
    found = listens(value) if isinstance(value, str | list) else None
    is_plain = isinstance(value, str) and value.strip().isdecimal()
    if not isinstance(found, Fields):
        return f"write {found}" if found is not None and not is_plain else ""
    return f"write {write_fields(found)}{' in place of `port`' if 'port' not in found else ''}"


def mend_own_port(value: object) -> str:
    """Return the fields of one listener that another program's line is meant for."""
    return "" if isinstance(found := listens(value), Fields) and "listeners" in found else mend_listen(value)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Listener:
    """One port of a gateway."""

    port: Annotated[
        Port,
        Field(description="The port to listen on"),
        Expected(mend=mend_own_port),
        About(envoy="Listener.address"),
        IfWrong(identifies=True),
    ]
    address: AddressField = (ALL_IPV4,)
    tls: TlsField = None
    http3: Http3Field = False
    proxy_protocol: ProxyProtocolField = False
    routes: Annotated[
        Routes,
        Field(min_length=1, max_length=MAX_ROUTES, description="The routes of this port; the first that matches wins"),
        About(default="the gateway's `routes`", envoy="VirtualHost.routes"),
    ] = ()


def stand_in_listener(index: int) -> dict[str, object]:
    """Return a listener at a place of its own, so that it equals no other."""
    return {"port": 65535 - index, "address": f"192.0.2.{index}", "routes": [{"to": NOBODY}]}


@dataclass(frozen=True, slots=True, config=CONFIG)
class Gateway:
    """An Envoy that takes requests from outside: where it listens, and which service gets which request.

    A gateway has `port`, with the fields of one listener beside it, or `listeners`.
    """

    port: Annotated[
        Port | None,
        Field(description="The port to listen on"),
        Expected(mend=mend_listen),
        About(default="a gateway needs `port` or `listeners`", envoy="Listener.address"),
        IfWrong(stand_in=1, alternatives=("listeners",)),
    ] = None
    routes: Annotated[
        Routes,
        Field(min_length=1, max_length=MAX_ROUTES, description="The first route that matches wins, whatever its host"),
        About(default="required, unless every listener has its own", envoy="VirtualHost.routes"),
    ] = ()
    address: AddressField = (ALL_IPV4,)
    tls: TlsField = None
    http3: Http3Field = False
    proxy_protocol: ProxyProtocolField = False
    listeners: Annotated[
        tuple[
            Annotated[Listener, Expected("a listener", {"port": 8080}), IfWrong(stand_in=stand_in_listener)],
            ...,
        ],
        Field(
            min_length=1,
            max_length=MAX_LISTENERS,
            description="Instead of `port`: several ports, each with its own fields",
        ),
        Expected("a list of listeners", [{"port": 8080}, {"port": 8443, "tls": "passthrough"}]),
        About(default="one, from the gateway's own fields", envoy="Listener"),
        IfWrong(stand_in=[{"port": 1, "routes": [{"to": NOBODY}]}], alternatives=("port",)),
    ] = ()
    limits: Annotated[LimitsField, Example({"buffer": "64KiB"})] = field(default_factory=Limits)
    http: Annotated[HttpField, Example({"merge_slashes": False})] = field(default_factory=HttpOptions)
    trusted_hops: Annotated[
        int,
        Strict(),
        Field(ge=0, le=100, description="How many proxies in front are trusted in X-Forwarded-For"),
        About(envoy="HttpConnectionManager.xff_num_trusted_hops"),
    ] = 0
    access_log: Annotated[
        ShortAccessLog | None,
        Field(description="The access log of the gateway"),
        About(default="the mesh's", envoy="AccessLog"),
    ] = None
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("listener", "http_connection_manager", "route_configuration")),
        make_raw_shape("listener", "http_connection_manager", "route_configuration"),
        Field(description="Fields of Envoy's own messages, merged into those that xds makes"),
        About(default="none", envoy="Listener, HttpConnectionManager, RouteConfiguration"),
        IfWrong(whole=True),
    ] = field(default_factory=lambda: NO_RAW)

    def find_listeners(self) -> tuple[tuple[Loc, Listener], ...]:
        """Return each listener with its place; the short form is one listener with the gateway's own fields."""
        if self.listeners:
            return tuple((("listeners", index), listener) for index, listener in enumerate(self.listeners))
        return (((), Listener(self.port or 1, self.address, self.tls, self.http3, self.proxy_protocol)),)

    def find_routes(self) -> tuple[tuple[Loc, tuple[Route, ...], Listener], ...]:
        """Return each listener with its routes, its own or the gateway's, and their place."""
        return tuple(
            (loc, listener.routes, listener) if listener.routes else ((), self.routes, listener)
            for loc, listener in self.find_listeners()
        )

    @property
    def route_lists(self) -> list[tuple[Loc, tuple[Route, ...]]]:
        """Every list of routes once, and where it stands: the gateway's own, and those of its listeners."""
        listeners = ((("listeners", index, "routes"), one.routes) for index, one in enumerate(self.listeners))
        return [(("routes",), self.routes), *listeners]

    @property
    def all_routes(self) -> Iterator[tuple[Loc, Route]]:
        """Every route once, and where it stands."""
        for loc, routes in self.route_lists:
            for position, route in enumerate(routes):
                yield (*loc, position), route

    @property
    def services(self) -> tuple[str, ...]:
        """The services that its routes name."""
        return tuple(dict.fromkeys(name for _, routes in self.route_lists for name in _find_services(routes)))

    @property
    def raw_clusters(self) -> Iterator[tuple[Loc, NamedCluster]]:
        """The clusters that Envoy's own fields name, in the gateway and in its routes."""
        places = (((*loc, place), raw) for loc, routes in self.route_lists for place, raw in _find_raw(routes))
        for loc, raw in (((), self.envoy), *places):
            for below, cluster in find_clusters(raw):
                yield (*loc, "envoy", *below), cluster

    @property
    def needed(self) -> frozenset[str]:
        """The services that its Envoys need: those that its routes name, and those that Envoy's own fields name."""
        return frozenset(self.services).union(cluster.name for _, cluster in self.raw_clusters)


@by_identity(MAX_LISTENERS)
def _find_services(routes: tuple[Route, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for route in routes for name in route.services))


@by_identity(MAX_LISTENERS)
def _find_raw(routes: tuple[Route, ...]) -> tuple[tuple[int, Raw], ...]:
    return tuple((place, route.envoy) for place, route in enumerate(routes) if route.envoy)
