"""A catalog file: the fields at its top, and below them all fields of the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from xds.catalog.model.gateway_rules import CheckedGateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service_rules import CheckedService
from xds.catalog.text.addresses import split_address
from xds.catalog.text.field import Example, Expected, IfWrong, Moved
from xds.catalog.text.names import NOBODY, Name
from xds.wording import write_flow

IN_ENDPOINTS: Final = 'it belongs to an endpoint: write `endpoints: ["10.0.0.4:5000"]`'
LABELS: Final = 'write it as `endpoints: [{address: "10.0.0.4:5000", metadata: {version: "2.0"}}]`'
IN_ROUTES: Final = "it belongs to a route: write it in `routes`, of a gateway or of the service"
OF_SERVICES: Final = (
    *("endpoints", "balance", "locality", "health_check", "outlier_detection", "timeouts", "circuit_breakers"),
    *("connection_pool", "keepalive", "upstreams", "subsets", "protocol"),
)
"""Fields of a service that people look for at a gateway."""

OF_ROUTES: Final = (
    "to",
    "host",
    "prefix",
    "path",
    "timeout",
    "retries",
    "cors",
    "rate_limit",
    "mirror",
    "rewrite",
    "redirect",
)
"""Fields of a route that people look for at a gateway."""


def mend_service(value: object) -> str:
    """Return how addresses are written that stand in place of a service's fields."""
    found = value if isinstance(value, list) else [value]
    is_known = all(isinstance(one, str) and split_address(one) for one in found)
    return f"write {write_flow({'endpoints': found})}" if found and is_known else ""


FileService = Annotated[
    CheckedService,
    Expected("a service's fields, such as `endpoints`", mend=mend_service),
    Moved(
        {
            "address": IN_ENDPOINTS,
            "port": IN_ENDPOINTS,
            "server": IN_ENDPOINTS,
            "servers": IN_ENDPOINTS,
            "backend": IN_ENDPOINTS,
            "backends": IN_ENDPOINTS,
            "hosts": IN_ENDPOINTS,
            "instances": IN_ENDPOINTS,
            "weight": 'it belongs to an endpoint: write `endpoints: [{address: "10.0.0.4:5000", weight: 2}]`',
            "zone": 'it belongs to an endpoint: write `endpoints: [{address: "10.0.0.4:5000", zone: eu-1a}]`',
            "region": 'it belongs to an endpoint: write `endpoints: [{address: "10.0.0.4:5000", region: eu}]`',
            "drain": 'it belongs to an endpoint: write `endpoints: [{address: "10.0.0.4:5000", drain: true}]`',
            "tags": LABELS,
            "meta": LABELS,
            "metadata": LABELS,
            "labels": LABELS,
            **dict.fromkeys(
                ("url", "urls", "uri", "targets", "addresses", "nodes", "members", "pods", "ports", "proxy_pass"),
                IN_ENDPOINTS,
            ),
            **dict.fromkeys(
                ("check", "checks", "healthcheck", "option_httpchk", "httpchk", "http_check", "probe", "livenessprobe"),
                "write it as `health_check: {http: /health}`",
            ),
            **dict.fromkeys(
                ("timeout", "proxy_read_timeout", "timeout_server", "timeout_client", "read_timeout"),
                "write it as `timeouts: {request: 15s}`",
            ),
            **dict.fromkeys(
                ("timeout_connect", "connect_timeout", "proxy_connect_timeout"), "write it as `timeouts: {connect: 1s}`"
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
                "write it as `balance: least_request`",
            ),
            **dict.fromkeys(
                ("max_connections", "maxconn", "max_conns"), "write it as `circuit_breakers: {connections: 1000}`"
            ),
            **dict.fromkeys(
                ("sticky", "stick_table", "session_affinity", "sessionaffinity", "persistence", "cookie", "hash"),
                "write it as `balance: maglev` and `affinity: {cookie: sid}`",
            ),
            **dict.fromkeys(
                ("upstream", "dependencies", "depends_on", "needs", "calls"), "write it as `upstreams: [web]`"
            ),
            **dict.fromkeys(("mode", "scheme", "appprotocol"), "write it as `protocol: tcp`"),
            **dict.fromkeys(("ssl", "https", "secure", "proxy_ssl"), "write it as `tls: true`"),
            **dict.fromkeys(("versions", "version"), 'write it as `subsets: {v2: {version: "2.0"}}`'),
            **dict.fromkeys(
                ("canary", "split", "traffic_split", "weights", "splits"),
                "write it as `routes: [{to: {web: 95, canary: 5}}]`",
            ),
            **dict.fromkeys(("option_redispatch", "proxy_next_upstream"), "write it as `retries: 2`"),
            **dict.fromkeys(
                ("max_fails", "fail_timeout"), "write it as `outlier_detection: {consecutive_failures: 5}`"
            ),
            **dict.fromkeys(
                ("backup", "fallback"),
                'it belongs to an endpoint: write `endpoints: [{address: "10.0.0.4:5000", priority: 1}]`',
            ),
            **dict.fromkeys(("name", "id"), "leave it out, the key above is the name"),
            **dict.fromkeys(("description", "owner", "team", "comment"), "write it as a comment, after a #"),
            **dict.fromkeys(
                ("image", "replicas", "selector", "namespace", "type", "spec", "build"),
                "a catalog starts no programs: leave it out",
            ),
            "prefix": IN_ROUTES,
            "path": IN_ROUTES,
            "rate_limit": IN_ROUTES,
            "cors": IN_ROUTES,
            "mirror": IN_ROUTES,
            "fault": IN_ROUTES,
            "listeners": "it belongs to a gateway: write `gateways: {edge: {listeners: [{port: 8080}]}}`",
        }
    ),
    IfWrong(stand_in={"upstreams": []}),
]
FileGateway = Annotated[
    CheckedGateway,
    Expected("a gateway's fields, such as `port` and `routes`"),
    Moved(
        {
            **{field: f"it belongs to a service: write `services: {{web: {{{field}: …}}}}`" for field in OF_SERVICES},
            **{field: f"it belongs to a route: write `routes: [{{to: web, {field}: …}}]`" for field in OF_ROUTES},
            "to": "it belongs to a route: write `routes: [{to: web}]`",
            **dict.fromkeys(("bind", "listen", "ports", "listen_port"), "write it as `port: 8080`"),
            **dict.fromkeys(
                ("server_name", "hosts", "hostname", "domains"),
                "it belongs to a route: write `routes: [{host: web.example.com, to: web}]`",
            ),
            **dict.fromkeys(
                (
                    "location",
                    "locations",
                    "rules",
                    "paths",
                    "virtual_hosts",
                    "virtualhosts",
                    "use_backend",
                    "services",
                    "service",
                ),
                "write it as `routes: [{prefix: /, to: web}]`",
            ),
            **dict.fromkeys(
                ("ssl", "ssl_certificate", "ssl_certificate_key", "cert", "crt"),
                "write it as `tls: {certificates: [{certificate: …, key: …}]}`",
            ),
            **dict.fromkeys(
                ("client_max_body_size", "max_body"),
                "it belongs to a route: write `routes: [{to: web, max_body: 1MiB}]`",
            ),
            **dict.fromkeys(("name", "id"), "leave it out, the key above is the name"),
            **dict.fromkeys(("description", "owner", "team", "comment"), "write it as a comment, after a #"),
            **dict.fromkeys(("http2", "h2"), "leave it out: clients choose HTTP/2 themselves"),
            "tracing": "it holds for every gateway and sidecar: write `mesh: {tracing: …}`",
            "certificate": "write it as `tls: {certificates: [{certificate: …, key: …}]}`",
            "key": "write it as `tls: {certificates: [{certificate: …, key: …}]}`",
            "certificates": "write it as `tls: {certificates: [{certificate: …, key: …}]}`",
            "backend": "write it as `routes: [{to: web}]`",
            "default_backend": "write it as `routes: [{to: web}]`",
        }
    ),
    IfWrong(stand_in={"port": 1, "routes": [{"to": NOBODY}]}),
]


FOREIGN: Final = {
    "apiVersion": "this is a manifest of Kubernetes: a catalog names services and gateways itself, as in "
    '`services: {web: {endpoints: ["10.0.0.4:5000"]}}`',
    "static_resources": "this is a configuration of Envoy: xds makes it out of `services` and `gateways`",
    "dynamic_resources": "this is a bootstrap of Envoy: `xds bootstrap` prints one, the catalog has `services`",
    "scrape_configs": "this is a configuration of Prometheus: a catalog has `services` and `gateways`",
}
"""Keys of other programs' files, with what the whole file is: nothing else in it has a meaning here."""

MOVED_KIND: Final = Moved(
    {
        **FOREIGN,
        **dict.fromkeys(
            ("backend", "backends", "upstream", "upstreams", "cluster", "clusters", "server", "servers", "service"),
            'write it as `services: {web: {endpoints: ["10.0.0.4:5000"]}}`',
        ),
        **dict.fromkeys(
            ("frontend", "frontends", "listen", "listener", "listeners", "gateway", "ingress", "http", "virtual_hosts"),
            "write it as `gateways: {edge: {port: 8080, routes: [{to: web}]}}`",
        ),
        **dict.fromkeys(
            ("routes", "route", "rules"),
            "it belongs to a gateway: write `gateways: {edge: {port: 8080, routes: [{to: web}]}}`",
        ),
        **dict.fromkeys(
            ("global", "globals", "default", "defaults"),
            "what holds for all is in `mesh:`; what some share is an anchor, below a key that begins with `x-`",
        ),
        **dict.fromkeys(("version", "name", "description"), "leave it out, or write it as a comment, after a #"),
        **dict.fromkeys(
            ("include", "includes", "import", "imports"), "leave it out: all files of a folder are one catalog"
        ),
        **dict.fromkeys(
            ("endpoints", "balance", "protocol", "upstreams", "address"),
            'it belongs to a service: write `services: {web: {endpoints: ["10.0.0.4:5000"]}}`',
        ),
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
