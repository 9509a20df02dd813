"""A catalog file: the fields at its top, and below them all fields of the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from xds.catalog.model.gateway_rules import CheckedGateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service_rules import CheckedService
from xds.catalog.text.field import Example, Expected, IfWrong, Moved
from xds.catalog.text.names import NOBODY, Name

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

FileService = Annotated[
    CheckedService,
    Expected("a service's fields, such as `endpoints`"),
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
            "check": "write it as `health_check: {http: /health}`",
            "checks": "write it as `health_check: {http: /health}`",
            "healthcheck": "write it as `health_check: {http: /health}`",
            "timeout": "write it as `timeouts: {request: 15s}`",
            "lb_policy": "write it as `balance: least_request`",
            "load_balancing": "write it as `balance: least_request`",
            "algorithm": "write it as `balance: least_request`",
            "max_connections": "write it as `circuit_breakers: {connections: 1000}`",
            "maxconn": "write it as `circuit_breakers: {connections: 1000}`",
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
            "bind": "write it as `port: 8080`",
            "listen": "write it as `port: 8080`",
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
