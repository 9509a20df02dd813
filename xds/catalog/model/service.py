"""A service: who answers for it, how requests to it are shared, and what it calls itself.

The class is both the validator and the immutable model; the JSON Schema is made from it too. What must hold among
its fields is checked in `service_rules.py`. No Envoy type appears here, but nothing that Envoy would refuse passes.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.model.access_log import ShortAccessLog
from xds.catalog.model.affinity import CheckedAffinity
from xds.catalog.model.balance import SHORT, ShortBalancing, ShortSlowStart
from xds.catalog.model.endpoint import Endpoint, ShortEndpoint, check_endpoints
from xds.catalog.model.health import CheckedHealthCheck, OutlierDetection, ShortOutlierDetection
from xds.catalog.model.locality import (
    ANY,
    DEFAULT_OVERPROVISIONING,
    DEFAULT_PANIC_THRESHOLD,
    Overprovisioning,
    PanicThreshold,
    ShortLocality,
)
from xds.catalog.model.resilience import (
    USUAL_RETRIES,
    CircuitBreakers,
    ConnectionPool,
    Keepalive,
    ShortRetries,
    Timeouts,
    complete_retries,
)
from xds.catalog.model.route import OWN_ROUTE_SHAPE, Route
from xds.catalog.model.route_rules import MAX_ROUTES, check_own_route
from xds.catalog.model.subsets import EXPECTED_SUBSETS, SUBSETS_SHAPE, Labels, parse_subsets
from xds.catalog.model.upstream import CALLERS, Dns, ServiceHost, ShortUpstreamTls
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import SIDECAR, ListenAddress
from xds.catalog.text.durations import check_ttl
from xds.catalog.text.field import About, Example, Expected, IfWrong, Moved
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Name, Port, Wait
from xds.wording import show

MAX_ITEMS = 65536
"""The longest list of endpoints or upstreams: far above what one Envoy serves well, and a bound on the work."""


class Protocol(StrEnum):
    """What a service speaks to those who call it."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


def assume_protocol(service: dict[str, Any]) -> None:
    """Write the protocol that no rule minds in place of a wrong one: beside a local port, or else a check by gRPC."""
    if "routes" in service:
        service.pop("local_port", None)  # with both, one is wrong, and it is not known which
    service["protocol"] = "tcp" if "local_port" in service else "grpc"


def check_upstreams(upstreams: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a service named twice."""
    first: dict[str, int] = {}
    mistakes: list[Mistake] = [
        Mistake((index,), f"{show(name)} is given twice: first as upstreams[{first[name]}]")
        for index, name in enumerate(upstreams)
        if first.setdefault(name, index) != index
    ]
    if mistakes:
        raise Mistakes(*mistakes)
    return upstreams


@dataclass(frozen=True, slots=True, config=CONFIG)
class Service:
    """A service: who answers for it, how requests to it are shared, and what it calls itself."""

    endpoints: Annotated[
        tuple[ShortEndpoint, ...],
        Field(max_length=MAX_ITEMS, description="its instances; a host name makes Envoy resolve all of them by DNS"),
        AfterValidator(check_endpoints),
        Expected("a list", ["10.0.0.4:5000"]),
        About(default="none: a service that only calls others", envoy="ClusterLoadAssignment"),
    ] = ()
    protocol: Annotated[
        Protocol,
        Field(description="what it speaks to those who call it"),
        About(envoy="HttpProtocolOptions, TcpProxy"),
        IfWrong(settle=assume_protocol),
    ] = Protocol.HTTP
    balance: Annotated[
        ShortBalancing,
        Field(description="how requests are shared among its endpoints"),
        About(envoy="Cluster.lb_policy, Cluster.load_balancing_policy"),
    ] = SHORT["round_robin"]
    affinity: Annotated[
        CheckedAffinity | None,
        Field(description="for ring_hash and maglev: whose requests go to one endpoint"),
        About(default="none: by chance", envoy="RouteAction.hash_policy, each `terminal`"),
    ] = None
    locality: Annotated[
        ShortLocality,
        Field(
            description="which endpoints a caller takes first; `any`: all are one list; `failover`: those of the "
            "caller's own zone, then of its region; `zone_aware`: as much to its zone as leaves all with the same load"
        ),
        About(envoy="LocalityLbEndpoints.priority, Cluster.common_lb_config"),
    ] = field(default_factory=lambda: ANY)
    overprovisioning: Annotated[
        Overprovisioning | None,
        Field(description="a priority, or a weighed locality, is full while its healthy share times this is 100%"),
        About(default=f"{DEFAULT_OVERPROVISIONING}%", envoy="ClusterLoadAssignment.Policy.overprovisioning_factor"),
    ] = None
    panic_threshold: Annotated[
        PanicThreshold | None,
        Field(description="with fewer healthy, requests go to all; 0% is never"),
        About(default=f"{DEFAULT_PANIC_THRESHOLD}%", envoy="CommonLbConfig.healthy_panic_threshold"),
    ] = None
    slow_start: Annotated[
        ShortSlowStart | None,
        Field(description="how long a new endpoint's share grows to its own"),
        About(default="none: all at once", envoy="SlowStartConfig"),
    ] = None
    health_check: Annotated[
        CheckedHealthCheck | None,
        Field(description="an active check, made by every Envoy that calls it"),
        About(default="none", envoy="Cluster.health_checks"),
    ] = None
    outlier_detection: Annotated[
        ShortOutlierDetection,
        Field(description="when an endpoint is taken out for a while; `off` is never"),
        About(envoy="Cluster.outlier_detection"),
    ] = field(default_factory=OutlierDetection)
    timeouts: Annotated[
        Timeouts,
        Field(description="how long its callers wait"),
        Example({"request": "15s"}),
        Moved({"per_try": "write it as `retries: {per_try: 2s}`"}),
    ] = field(default_factory=Timeouts)
    retries: Annotated[
        Annotated[ShortRetries, AfterValidator(complete_retries)],
        Field(description="how often a failed request is tried again, and when"),
        About(envoy="RetryPolicy"),
    ] = USUAL_RETRIES
    circuit_breakers: Annotated[
        CircuitBreakers | None,
        Field(description="how much at once each Envoy lets through to it; more gets 503 at once"),
        Example({"requests": 1000}),
        About(default="1024 of each", envoy="Cluster.circuit_breakers"),
    ] = None
    connection_pool: Annotated[
        ConnectionPool | None,
        Field(description="the connections kept to its endpoints"),
        Example({"idle_timeout": "1m"}),
        About(envoy="HttpProtocolOptions"),
    ] = None
    keepalive: Annotated[
        Keepalive | None,
        Field(description="how connections that went dead in silence are found"),
        Example({"idle": "60s"}),
        About(default="not at all", envoy="UpstreamConnectionOptions.tcp_keepalive, connection_keepalive"),
    ] = None
    tls: Annotated[
        ShortUpstreamTls,
        Field(description="TLS to its endpoints, whose certificates are checked"),
        About(default="off", envoy="UpstreamTlsContext"),
    ] = None
    host: Annotated[
        ServiceHost | None,
        Field(description="the Host that it is asked for, `off` for the caller's own"),
        About(
            default="the caller's own; with `tls` that of the SNI",
            envoy="RouteAction.host_rewrite_literal, auto_host_rewrite",
        ),
    ] = None
    dns: Annotated[
        Dns,
        Field(
            description="of host names: strict, each address is an endpoint; logical, for one name, all addresses are "
            "ways to one"
        ),
        About(envoy="DnsCluster"),
    ] = Dns.STRICT
    dns_refresh: Annotated[
        Wait | None,
        Field(description="how often host names are looked up again"),
        About(default="when their TTL ends", envoy="DnsCluster.dns_refresh_rate"),
    ] = None
    upstreams: Annotated[
        Annotated[
            tuple[Annotated[Name, IfWrong(stand_in=lambda index: f"{index}.{NOBODY}")], ...],
            Field(max_length=MAX_ITEMS),
            AfterValidator(check_upstreams),
        ]
        | None,
        Field(description="the services that this one calls: its sidecar is sent these and no others"),
        Expected("a list of services", ["users"]),
        About(default="all", envoy="what CDS, EDS and RDS hold"),
        IfWrong(stand_in=[], wanted=True),
    ] = None
    sidecar: Annotated[
        ListenAddress,
        Field(
            description="where its sidecar takes its application's requests: address and port, or a port of loopback"
        ),
        About(envoy="Listener.address"),
    ] = SIDECAR
    ttl: Annotated[
        Annotated[Duration, AfterValidator(check_ttl), Expected("a duration of 1s or more", "1m30s")] | None,
        Field(description="callers drop its endpoints this long after they lost the control plane; 1s or more"),
        About(default="never", envoy="ClusterLoadAssignment.Policy.endpoint_stale_after"),
    ] = None
    local_port: Annotated[
        Port | None,
        Field(description="for protocol tcp: the port of loopback that each caller's sidecar offers for it"),
        About(default="none", envoy="Listener.address"),
    ] = None
    access_log: Annotated[
        ShortAccessLog | None,
        Field(description="its sidecar's access log"),
        About(default="the mesh's", envoy="AccessLog"),
    ] = None
    endpoint_stats: Annotated[
        bool | None,
        Strict(),
        Field(description="metrics of each of its endpoints, in its callers' Envoys"),
        About(default="the mesh's", envoy="Cluster.track_cluster_stats"),
    ] = None
    subsets: Annotated[
        Mapping[str, Labels],
        PlainValidator(parse_subsets),
        SUBSETS_SHAPE,
        Field(
            description="its versions by name: the `metadata` that an endpoint of each has; a route names one, api/v2"
        ),
        EXPECTED_SUBSETS,
        About(default="none", envoy="Cluster.lb_subset_config"),
        IfWrong(whole=True),
    ] = field(default_factory=dict)
    routes: Annotated[
        tuple[
            Annotated[
                Route,
                AfterValidator(check_own_route),
                OWN_ROUTE_SHAPE,
                Expected("a route", {"prefix": "/", "to": "web"}),
                IfWrong(stand_in={"to": NOBODY}),
            ],
            ...,
        ],
        Field(
            max_length=MAX_ROUTES,
            description="how callers' sidecars send requests for it, in all fields of a gateway's routes but `host`; "
            "the rest goes to itself",
        ),
        Expected("a list of routes", [{"prefix": "/", "to": "web"}]),
        About(default="all to itself", envoy="VirtualHost.routes"),
    ] = ()
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("cluster")),
        make_raw_shape("cluster"),
        Field(description="for what has no field here: those of Envoy's own Cluster, merged into the one that is made"),
        About(default="none", envoy="Cluster"),
        IfWrong(whole=True),
    ] = field(default_factory=lambda: NO_RAW)

    @property
    def routed(self) -> frozenset[str]:
        """The services that its own routes name."""
        return frozenset(name for route in self.routes for name in route.services)

    @property
    def requested_host(self) -> str | None:
        """The Host that its endpoints are asked for: None is the caller's, "" is each endpoint's own name.

        With TLS it is the host that is asked for there: a server of several looks at both. A host name that stands in
        the catalog is policy; those of endpoints from elsewhere do not count here.
        """
        if self.host is not None:
            return None if self.host == CALLERS else self.host
        if self.tls is None:
            return None
        if self.tls.sni is not None:
            return self.tls.sni
        names = {one.address for one in self.endpoints if not one.is_ip}
        return None if not names else "" if len(names) > 1 else names.pop()

    @property
    def overprovisioning_factor(self) -> int:
        """How much of its own part each endpoint can bear, in percent."""
        return self.overprovisioning or DEFAULT_OVERPROVISIONING

    @property
    def healthy_panic_threshold(self) -> int:
        """With fewer healthy endpoints than this, in percent, requests go to all of them."""
        return DEFAULT_PANIC_THRESHOLD if self.panic_threshold is None else self.panic_threshold

    def find_locality_key(self, endpoint: Endpoint) -> str | None:
        """Return the key of `locality.weights` that names an endpoint's locality; None when none does."""
        weights = self.locality.weights or {}
        return next((key for key in endpoint.locality_keys if key in weights), None)
