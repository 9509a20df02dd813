"""A catalog file: the fields at its top, and below them all fields of the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from xds.catalog.model.balance import balancing
from xds.catalog.model.endpoint import RESOLVERS
from xds.catalog.model.gateway_rules import CheckedGateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.retries import RETRY_POLICY
from xds.catalog.model.route_action import targets
from xds.catalog.model.route_rules import CONDITIONS, NO_FILES
from xds.catalog.model.service_rules import CheckedService
from xds.catalog.text.addresses import split_address
from xds.catalog.text.field import Example, Expected, IfWrong, Moved
from xds.catalog.text.foreign import VALUE, Fields, Here, Said, as_written
from xds.catalog.text.http_meanings import check, hosts, match
from xds.catalog.text.meanings import (
    Meaning,
    addresses,
    duration,
    file,
    flag,
    flag_or_text,
    items,
    labels,
    listens,
    never,
    number,
    seconds,
    size,
    subset,
    text,
    when,
)
from xds.catalog.text.names import NAME, NOBODY, Name
from xds.catalog.text.protocols import ENCRYPTED, PLAIN_WORDS
from xds.wording import show, write_flow

HTTP_FIELDS: Final = (
    *("accept_http_10", "default_host_for_http_10", "strip_trailing_host_dot", "normalize_path", "merge_slashes"),
)
LIMITS_FIELDS: Final = ("header_size", "header_timeout", "streams", "buffer")
"""Fields of a gateway's `http` and `limits` that people look for beside these."""

OF_ENDPOINT: Final = "it belongs to an endpoint"
OF_ROUTE: Final = "it belongs to a route"
OF_GATEWAY: Final = "it belongs to a gateway"
OF_SERVICE: Final = "it belongs to a service"
OF_SIDECAR: Final = "it belongs to the sidecar"
IN_ENDPOINTS: Final = Here({"endpoints": [...]}, addresses, OF_ENDPOINT)
IN_ROUTES: Final = "it belongs to a route: write it in `routes`, of a gateway or of the service"
OF_SERVICES: Final = (
    *("endpoints", "balance", "locality", "health_check", "outlier_detection", "timeouts", "circuit_breakers"),
    *("connection_pool", "keepalive", "upstreams", "subsets", "protocol"),
)
"""Fields of a service that people look for at a gateway."""

OF_ROUTES: Final = ("host", "prefix", "path", "timeout", "retries", "cors", "rate_limit", "mirror", "rewrite")
"""Fields of a route that people look for at a gateway."""


def mend_service(value: object) -> str:
    """Return how addresses are written that stand in place of a service's fields."""
    found = value if isinstance(value, list) else [value]
    is_known = all(isinstance(one, str) and split_address(one) for one in found)
    return f"write {write_flow({'endpoints': found})}" if found and is_known else ""


def in_endpoint(field: str, read: Meaning = as_written) -> Here:
    """Return the hint for a field of endpoints that stands beside them."""
    return Here({"endpoints": [{"address": ..., field: VALUE}]}, read, OF_ENDPOINT)


def in_route(field: str, read: Meaning = as_written) -> Here:
    """Return the hint for a field of a gateway's routes that stands beside them."""
    return Here({"routes": [{field: VALUE, "to": ...}]}, read, OF_ROUTE)


def to_route(value: object) -> object:
    """Read a service's name, or the fields of a route, as the only route."""
    found = targets(value)
    if isinstance(found, Said):
        return found
    return None if found is None else Fields(routes=[{"to": found}])


def location(value: object) -> object:
    """Read which paths a route takes, as a route whose service is open."""
    found = match(value)
    return None if found is None else Fields(routes=[{**found, "to": ...}])


def timeouts(value: object) -> object:
    """Read a timeout of requests, or several by name."""
    return Fields(timeouts=dict(value)) if isinstance(value, dict) else duration(value)


def protocol(value: object) -> object:
    """Read a protocol, which may be one inside TLS."""
    word = str(value).lower().removesuffix("://")
    if word in ENCRYPTED:
        return Fields(protocol=ENCRYPTED[word], tls=True)
    return PLAIN_WORDS.get(word, word)


def cookie(value: object) -> object:
    """Read by which cookie requests of one client stay together, or that they do so by address."""
    if str(value).lower().replace("_", "") in ("clientip", "sourceip", "source", "ip"):
        return Fields(balance="maglev", affinity={"source": True})
    if isinstance(value, dict):
        return value.get("name", value.get("cookie")) if len(value) == 1 else None
    return str(value).split()[0] if isinstance(value, str) and value.strip() else None


def share(value: object) -> object:
    """Read the shares of several services."""
    found = targets(value)
    return Fields(routes=[{"to": found}]) if isinstance(found, dict) else None


def option(value: object) -> object:
    """Read an option of HAProxy's."""
    words = [*map(str, value)] if isinstance(value, list) else str(value).split()
    if words[:1] == ["httpchk"]:
        return check(" ".join(words[1:])) if words[1:] else None
    if words[:1] == ["forwardfor"]:
        return Said("leave it out: Envoy sets X-Forwarded-For by itself")
    return Said(f"of HAProxy's options, `httpchk` is `health_check` here, found {show(' '.join(words))}")


def only_source(value: object) -> object:
    """Read that requests stay together by the client's address; a cookie's name is in no other value."""
    found = cookie(value) if isinstance(value, str) else None
    return found if isinstance(found, Fields) else None


FileService = Annotated[
    CheckedService,
    Expected("a service's fields, such as `endpoints`", mend=mend_service),
    Moved(
        {
            **dict.fromkeys(
                ("address", "port", "server", "servers", "backend", "backends", "hosts", "instances", "url", "urls"),
                IN_ENDPOINTS,
            ),
            **dict.fromkeys(
                ("uri", "targets", "addresses", "nodes", "members", "pods", "ports", "proxy_pass"), IN_ENDPOINTS
            ),
            "weight": in_endpoint("weight", number),
            "zone": in_endpoint("zone", text),
            "region": in_endpoint("region", text),
            "drain": in_endpoint("drain", flag),
            **dict.fromkeys(("tags", "meta", "metadata", "labels"), in_endpoint("metadata", labels)),
            **dict.fromkeys(
                ("check", "checks", "healthcheck", "option_httpchk", "httpchk", "http_check", "probe", "livenessprobe"),
                Here({"health_check": {"http": VALUE}}, check),
            ),
            "readinessprobe": Here({"health_check": {"http": VALUE}}, check),
            "option": Here({"health_check": {"http": VALUE}}, option),
            **dict.fromkeys(
                ("timeout", "proxy_read_timeout", "timeout_server", "timeout_client", "read_timeout"),
                Here({"timeouts": {"request": VALUE}}, timeouts),
            ),
            **dict.fromkeys(
                ("timeout_connect", "connect_timeout", "proxy_connect_timeout"),
                Here({"timeouts": {"connect": VALUE}}, duration),
            ),
            **dict.fromkeys(
                (
                    "lb_policy",
                    "lb",
                    "lb_method",
                    "load_balancing",
                    "load_balancer",
                    "loadbalancer",
                    "algorithm",
                    "strategy",
                ),
                Here({"balance": VALUE}, balancing),
            ),
            **dict.fromkeys(
                ("max_connections", "maxconn", "max_conns"),
                Here({"circuit_breakers": {"connections": VALUE}}, number),
            ),
            **dict.fromkeys(
                ("sticky", "stick_table", "session_affinity", "sessionaffinity", "persistence", "hash"),
                Here({"balance": "maglev", "affinity": {"cookie": VALUE}}, only_source),
            ),
            "cookie": Here({"balance": "maglev", "affinity": {"cookie": VALUE}}, cookie),
            **dict.fromkeys(("dependencies", "depends_on", "needs", "calls"), Here({"upstreams": VALUE}, items)),
            "upstream": Here({"upstreams": VALUE}, items),
            **dict.fromkeys(("mode", "scheme", "appprotocol"), Here({"protocol": VALUE}, protocol)),
            **dict.fromkeys(("ssl", "https", "secure", "proxy_ssl"), Here({"tls": VALUE}, flag)),
            **dict.fromkeys(("versions", "version"), Here({"subsets": {...: {...: ...}}}, subset)),
            **dict.fromkeys(
                ("canary", "split", "traffic_split", "weights", "splits"),
                Here({"routes": [{"to": {...: ...}}]}, share),
            ),
            **dict.fromkeys(("option_redispatch", "proxy_next_upstream"), Here({"retries": VALUE}, number)),
            **dict.fromkeys(("retry_policy", "retrypolicy"), RETRY_POLICY),
            **dict.fromkeys(("resolver", "resolvers"), RESOLVERS),
            "acl": CONDITIONS,
            "max_fails": Here({"outlier_detection": {"consecutive_failures": VALUE}}, number),
            "fail_timeout": Here({"outlier_detection": {"base_ejection_time": VALUE}}, seconds),
            "backup": in_endpoint("priority", when(1, 0)),
            **dict.fromkeys(("name", "id"), "leave it out, the key above is the name"),
            **dict.fromkeys(("description", "owner", "team", "comment"), "write it as a comment, after a #"),
            **dict.fromkeys(
                ("image", "replicas", "selector", "namespace", "type", "spec", "build", "environment", "env"),
                "a catalog starts no programs: leave it out",
            ),
            **dict.fromkeys(("prefix", "path", "rate_limit", "cors", "mirror", "fault", "fallback"), IN_ROUTES),
            **{field: Here({"sidecar": {field: VALUE}}, belongs=OF_SIDECAR) for field in ("limits", "http")},
            "listeners": Here({"gateways": {...: {"listeners": VALUE}}}, belongs=OF_GATEWAY, at=()),
        }
    ),
    IfWrong(stand_in={"upstreams": []}),
]
FileGateway = Annotated[
    CheckedGateway,
    Expected("a gateway's fields, such as `port` and `routes`"),
    Moved(
        {
            **{field: Here({"services": {...: {field: VALUE}}}, belongs=OF_SERVICE, at=()) for field in OF_SERVICES},
            **{field: in_route(field) for field in OF_ROUTES},
            "to": Here({"routes": [{"to": VALUE}]}, targets, OF_ROUTE),
            **{field: Here({"routes": [{field: VALUE}]}, belongs=OF_ROUTE) for field in ("redirect", "respond")},
            **dict.fromkeys(("bind", "listen", "ports", "listen_port"), Here({"port": VALUE}, listens)),
            **dict.fromkeys(("server_name", "hosts", "hostname", "domains"), in_route("host", hosts)),
            **dict.fromkeys(
                ("location", "locations", "rules", "paths", "virtual_hosts", "virtualhosts"),
                Here({"routes": [{"prefix": ..., "to": ...}]}, location),
            ),
            **dict.fromkeys(
                ("backend", "default_backend", "service", "use_backend", "services", "proxy_pass"),
                Here({"routes": [{"to": VALUE}]}, targets),
            ),
            **dict.fromkeys(
                ("ssl_certificate", "cert", "crt", "certificate"),
                Here({"tls": {"certificates": [{"certificate": VALUE, "key": ...}]}}, file),
            ),
            **dict.fromkeys(
                ("ssl_certificate_key", "key"),
                Here({"tls": {"certificates": [{"certificate": ..., "key": VALUE}]}}, file),
            ),
            "ssl": Here({"tls": {"certificates": [{"certificate": ..., "key": ...}]}}, when(None, Fields())),
            "acl": CONDITIONS,
            **dict.fromkeys(("try_files", "root", "alias"), NO_FILES),
            "certificates": Here({"tls": {"certificates": VALUE}}),
            **dict.fromkeys(("client_max_body_size", "max_body"), in_route("max_body", size)),
            **dict.fromkeys(("name", "id"), "leave it out, the key above is the name"),
            **dict.fromkeys(("description", "owner", "team", "comment"), "write it as a comment, after a #"),
            **dict.fromkeys(("http2", "h2"), "leave it out: clients choose HTTP/2 themselves"),
            **dict.fromkeys(
                ("mode", "type"),
                "leave it out: connections are passed on as TCP where a route leads to a service with `protocol: tcp`",
            ),
            "tracing": Here({"mesh": {"tracing": VALUE}}, belongs="it holds for every gateway and sidecar", at=()),
            **{name: Here({"http": {name: VALUE}}, flag_or_text) for name in HTTP_FIELDS},
            **{name: Here({"limits": {name: VALUE}}) for name in LIMITS_FIELDS},
            **dict.fromkeys(("idle_timeout", "keepalive_timeout"), Here({"limits": {"idle": VALUE}}, seconds)),
            **dict.fromkeys(
                ("http_filters", "filters"),
                Here(
                    {"envoy": {"http_connection_manager": {"http_filters": VALUE}}}, belongs="it is Envoy's own field"
                ),
            ),
        }
    ),
    IfWrong(stand_in={"port": 1, "routes": [{"to": NOBODY}]}),
]


FOREIGN: Final = {
    "apiVersion": "this is a manifest of Kubernetes: a catalog names services and gateways itself, in `services` and"
    " `gateways`",
    "static_resources": "this is a configuration of Envoy: xds makes it out of `services` and `gateways`",
    "dynamic_resources": "this is a bootstrap of Envoy: `xds bootstrap` prints one, the catalog has `services`",
    "scrape_configs": "this is a configuration of Prometheus: a catalog has `services` and `gateways`",
}
"""Keys of other programs' files, with what the whole file is: nothing else in it has a meaning here."""

A_GATEWAY: Final = {"port": ..., "routes": [{"to": ...}]}


def named(kind: str, fields: Mapping[str, object]) -> Meaning:
    """Return how a mapping is read whose keys are names: with fields that are open below each."""

    def read(value: object) -> object:
        names = [*value] if isinstance(value, dict) and all(isinstance(one, dict) for one in value.values()) else []
        return Fields({kind: dict.fromkeys(names, fields)}) if names and all(map(NAME.fullmatch, names)) else None

    return read


MOVED_KIND: Final = Moved(
    {
        **FOREIGN,
        **dict.fromkeys(
            ("backend", "backends", "upstream", "upstreams", "cluster", "clusters", "server", "servers", "service"),
            Here({"services": {...: {"endpoints": [...]}}}, named("services", {"endpoints": [...]})),
        ),
        **dict.fromkeys(
            ("frontend", "frontends", "listen", "listener", "listeners", "gateway", "ingress", "http", "virtual_hosts"),
            Here({"gateways": {...: A_GATEWAY}}, named("gateways", A_GATEWAY)),
        ),
        **dict.fromkeys(("routes", "route", "rules"), Here({"gateways": {...: A_GATEWAY}}, never, OF_GATEWAY)),
        **dict.fromkeys(
            ("global", "globals", "default", "defaults"),
            "what holds for all is in `mesh:`; what some share is an anchor, below a key that begins with `x-`",
        ),
        **dict.fromkeys(("version", "name", "description"), "leave it out, or write it as a comment, after a #"),
        **dict.fromkeys(
            ("include", "includes", "import", "imports"), "leave it out: all files of a folder are one catalog"
        ),
        **{
            field: Here({"services": {...: {field: VALUE}}}, belongs=OF_SERVICE)
            for field in ("endpoints", "balance", "protocol")
        },
        "address": Here({"services": {...: {"endpoints": [...]}}}, never, OF_SERVICE),
    }
)


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """A catalog file has services, gateways and mesh defaults, or some of them. A catalog can have many files."""

    __pydantic_config__ = ConfigDict(extra="forbid", title="A service catalog of xds")

    services: Annotated[Mapping[Name, FileService], Field(description="The services, by name")] = field(
        default_factory=dict
    )
    gateways: Annotated[
        Mapping[Name, FileGateway], Field(description="The gateways, by name: Envoys that take requests from outside")
    ] = field(default_factory=dict)
    mesh: Annotated[
        Mesh,
        Field(description="What applies to every sidecar and gateway without a value of its own"),
        Example({"access_log": "errors"}),
    ] = field(default_factory=Mesh)


ROOT = Annotated[CatalogFile, MOVED_KIND]
"""A catalog file, with the words that people look for at its top."""
