"""A service: who answers for it, how requests to it are shared, and what it calls itself.

The class is both the validator and the immutable model; the JSON Schema is made from it too. What must hold among
its fields is checked in `service_rules.py`. No Envoy type appears here, but nothing that Envoy would refuse passes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.model.access_log import ShortAccessLog
from xds.catalog.model.affinity import CheckedAffinity
from xds.catalog.model.balance import SHORT, ShortBalancing
from xds.catalog.model.connections import CircuitBreakers, ConnectionPool, Keepalive, mend_circuit_breakers
from xds.catalog.model.endpoint import (
    REGISTERED_WORD,
    Endpoint,
    ListedEndpoint,
    check_endpoints,
    keep_word,
    mend_endpoints,
    takes_registered,
)
from xds.catalog.model.health import CheckedHealthCheck, OutlierDetection, ShortOutlierDetection
from xds.catalog.model.locality import (
    ANY,
    DEFAULT_OVERPROVISIONING,
    DEFAULT_PANIC_THRESHOLD,
    Overprovisioning,
    PanicThreshold,
    ShortLocality,
)
from xds.catalog.model.retries import USUAL_RETRIES, ShortRetries, complete_retries
from xds.catalog.model.route import OWN_ROUTE_SHAPE, Route
from xds.catalog.model.route_rules import EXPECTED_ROUTES, MAX_ROUTES, check_own_route
from xds.catalog.model.sidecar import USUAL_SIDECAR, ShortSidecar
from xds.catalog.model.slow_start import ShortSlowStart
from xds.catalog.model.subsets import EXPECTED_SUBSETS, SUBSETS_SHAPE, Labels, parse_subsets
from xds.catalog.model.timeouts import Timeouts, mend_timeouts
from xds.catalog.model.upstream import CALLERS, Dns, ServiceHost, ShortUpstreamTls, UpstreamTls
from xds.catalog.raw.clusters import NamedCluster
from xds.catalog.raw.fields import NO_RAW, Raw, find_clusters, make_raw_shape, parse_raw
from xds.catalog.text.durations import AtLeast
from xds.catalog.text.field import OFF, About, Example, Expected, IfWrong, Moved, Words
from xds.catalog.text.foreign import VALUE, Here
from xds.catalog.text.meanings import duration
from xds.catalog.text.mistake import Loc, Mistake, Mistakes
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Name, Port, Wait
from xds.catalog.text.protocols import ENCRYPTED, NO_DATAGRAMS, PLAIN_WORDS
from xds.wording import show

MAX_ITEMS = 65536
"""The longest list of endpoints or upstreams: far above what one Envoy serves well, and a bound on the work."""


class Protocol(StrEnum):
    """The protocol that a service speaks with its callers."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


def mend_protocol(value: object) -> str:
    """Return what to write for a protocol by another name, or one that is encrypted."""
    if not isinstance(value, str):
        return ""
    word, url, _ = value.lower().partition("://")
    rest = ", and its host in `endpoints`" if url else ""
    if word in ENCRYPTED:
        return f"write `protocol: {ENCRYPTED[word]}` and `tls: true`{rest}"
    if word in PLAIN_WORDS or (url and word in [*Protocol]):
        return f"write `protocol: {PLAIN_WORDS.get(word, word)}`{rest}"
    if word in ("http3", "h3", "quic"):
        return "a gateway's `http3: true` is for its clients; services are called by `http2`"
    return NO_DATAGRAMS if word == "udp" else ""


def assume_protocol(service: dict[str, Any]) -> None:
    """Replace a wrong protocol by one that fits the other fields: `tcp` beside a local port, otherwise `grpc`."""
    if "routes" in service:
        service.pop("local_port", None)  # with both, one is wrong, and it is not known which
    service["protocol"] = "tcp" if "local_port" in service else "grpc"


def check_upstreams(upstreams: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a service named twice."""
    first: dict[str, int] = {}
    mistakes: list[Mistake] = [
        Mistake((index,), f"{show(name)} is given twice: first as upstreams[{first[name]}]", see=(first[name],))
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
        tuple[ListedEndpoint, ...],
        Words({REGISTERED_WORD: [REGISTERED_WORD]}),
        BeforeValidator(keep_word),
        Field(
            max_length=MAX_ITEMS,
            description="The instances of the service. With a host name, Envoy resolves all endpoints"
            " of the service by DNS. `registered`, alone or in the list: those that register themselves",
        ),
        AfterValidator(check_endpoints),
        Expected("a list", ["10.0.0.4:5000"], mend=mend_endpoints),
        About(default="none: the service only calls others", envoy="ClusterLoadAssignment"),
    ] = ()
    protocol: Annotated[
        Protocol,
        Expected(mend=mend_protocol),
        Field(description="What the service speaks"),
        Expected(mend=mend_protocol),
        About(envoy="HttpProtocolOptions, TcpProxy"),
        IfWrong(settle=assume_protocol),
    ] = Protocol.HTTP
    balance: Annotated[
        ShortBalancing,
        Field(description="How requests are shared among the endpoints"),
        About(envoy="Cluster.lb_policy, Cluster.load_balancing_policy"),
    ] = SHORT["round_robin"]
    affinity: Annotated[
        CheckedAffinity | None,
        OFF,
        Field(
            description="For `ring_hash` and `maglev`: what makes two requests go to the same "
            "endpoint. The first of these that a request has counts"
        ),
        About(default="off: at random", envoy="RouteAction.hash_policy"),
    ] = None
    locality: Annotated[
        ShortLocality,
        Field(
            description="Which endpoints a caller uses first. `any`: all, as one list. `failover`: "
            "those in its own zone, then its region, then the rest. `zone_aware`: as many"
            " requests to its own zone as keep all endpoints equally loaded"
        ),
        About(envoy="LocalityLbEndpoints.priority, Cluster.common_lb_config"),
    ] = field(default_factory=lambda: ANY)
    overprovisioning: Annotated[
        Overprovisioning | None,
        Field(
            description="A priority, or a locality with a weight, keeps all its requests while its "
            "healthy share times this is at least 100%"
        ),
        About(default=f"{DEFAULT_OVERPROVISIONING}%", envoy="ClusterLoadAssignment.Policy.overprovisioning_factor"),
    ] = None
    panic_threshold: Annotated[
        PanicThreshold | None,
        Field(description="When fewer endpoints are healthy, requests go to all of them. `0%` turns this off"),
        About(default=f"{DEFAULT_PANIC_THRESHOLD}%", envoy="CommonLbConfig.healthy_panic_threshold"),
    ] = None
    slow_start: Annotated[
        ShortSlowStart | None,
        OFF,
        Field(description="How long the share of a new endpoint grows to its full size"),
        About(default="off: the full share at once", envoy="SlowStartConfig"),
    ] = None
    health_check: Annotated[
        CheckedHealthCheck | None,
        OFF,
        Field(description="An active check, made by every Envoy that calls the service"),
        About(default="off", envoy="Cluster.health_checks"),
    ] = None
    outlier_detection: Annotated[
        ShortOutlierDetection,
        Field(description="When failures of real requests take an endpoint out for a while; `off` turns it off"),
        About(envoy="Cluster.outlier_detection"),
    ] = field(default_factory=OutlierDetection)
    timeouts: Annotated[
        Timeouts,
        Field(description="How long callers wait"),
        Expected("", {"request": "15s"}, mend=mend_timeouts),
        Moved(
            {
                "per_try": Here({"retries": {"per_try": VALUE}}, duration, "it belongs to `retries`", ("services", "")),
                **dict.fromkeys(("server", "client", "read", "response", "total"), Here({"request": VALUE}, duration)),
                **dict.fromkeys(("connection", "dial"), Here({"connect": VALUE}, duration)),
            }
        ),
    ] = field(default_factory=Timeouts)
    retries: Annotated[
        Annotated[ShortRetries, AfterValidator(complete_retries)],
        Field(description="How often and when a failed request is retried; `off` means never"),
        About(envoy="RetryPolicy"),
    ] = USUAL_RETRIES
    circuit_breakers: Annotated[
        CircuitBreakers | None,
        Field(description="How much each Envoy sends to the service at once. Anything above gets 503 immediately"),
        Expected("", {"requests": 1000}, mend=mend_circuit_breakers),
        About(default="1024 of each", envoy="Cluster.circuit_breakers"),
    ] = None
    connection_pool: Annotated[
        ConnectionPool | None,
        Field(description="How long, and for how many requests, connections to endpoints are kept"),
        Example({"idle_timeout": "1m"}),
        About(envoy="HttpProtocolOptions"),
    ] = None
    keepalive: Annotated[
        Keepalive | None,
        OFF,
        Field(description="How Envoy finds connections that died without notice"),
        Example({"idle": "60s"}),
        About(
            default="off", envoy="UpstreamConnectionOptions.tcp_keepalive, Http2ProtocolOptions.connection_keepalive"
        ),
    ] = None
    tls: Annotated[
        ShortUpstreamTls,
        Field(description="TLS to the endpoints. Their certificates are always checked"),
        About(default="off", envoy="UpstreamTlsContext"),
    ] = None
    host: Annotated[
        ServiceHost | None,
        Field(description="The Host header that the service gets; `off` keeps the caller's own"),
        About(
            default="the caller's own; with `tls` that of the SNI",
            envoy="RouteAction.host_rewrite_literal, RouteAction.auto_host_rewrite",
        ),
    ] = None
    dns: Annotated[
        Dns,
        Field(
            description="For host names. `strict`: each address is an endpoint. `logical`, for one "
            "name: all addresses lead to one endpoint"
        ),
        About(envoy="DnsCluster"),
    ] = Dns.STRICT
    dns_refresh: Annotated[
        Wait | None,
        Field(description="How often host names are resolved again"),
        About(default="when their TTL ends", envoy="DnsCluster.dns_refresh_rate"),
    ] = None
    upstreams: Annotated[
        Annotated[
            tuple[Annotated[Name, IfWrong(stand_in=lambda index: f"{index}.{NOBODY}")], ...],
            Field(max_length=MAX_ITEMS),
            AfterValidator(check_upstreams),
        ]
        | None,
        Field(description="The services that this one calls. Its sidecar gets these and no others"),
        Expected("a list of services", ["users"]),
        About(default="all"),
        IfWrong(stand_in=[], wanted=True),
    ] = None
    sidecar: Annotated[
        ShortSidecar,
        Field(description="Where the service's sidecar listens for its application, and what it allows there"),
        About(default="127.0.0.1:15001", envoy="Listener.address"),
    ] = field(default_factory=lambda: USUAL_SIDECAR)
    ttl: Annotated[
        Annotated[Duration, AtLeast(1000), Expected("a duration of 1s or more", "1m30s")] | None,
        Field(description="How long after they lost the control plane callers drop the endpoints; 1s or more"),
        About(default="never", envoy="ClusterLoadAssignment.Policy.endpoint_stale_after"),
    ] = None
    local_port: Annotated[
        Port | None,
        Field(
            description="For `protocol: tcp`: the port of loopback at which each caller's sidecar offers the service"
        ),
        About(default="none", envoy="Listener.address"),
    ] = None
    access_log: Annotated[
        ShortAccessLog | None,
        Field(description="The access log of the service's sidecar"),
        About(default="the mesh's", envoy="AccessLog"),
    ] = None
    endpoint_stats: Annotated[
        bool | None,
        Strict(),
        Field(description="Metrics of each endpoint, in the Envoys that call the service"),
        About(default="the mesh's", envoy="Cluster.track_cluster_stats"),
    ] = None
    subsets: Annotated[
        Mapping[str, Labels],
        PlainValidator(parse_subsets),
        SUBSETS_SHAPE,
        Field(
            description="Versions of the service by name: the `metadata` that an endpoint of each "
            "has. A route names one as `api/v2`"
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
            description="How callers' sidecars send requests for this service: the fields of a "
            "gateway's routes, except `host`. Requests that match none go to the service "
            "itself",
        ),
        EXPECTED_ROUTES,
        About(default="none: all requests go to the service itself", envoy="VirtualHost.routes"),
    ] = ()
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("cluster")),
        make_raw_shape("cluster"),
        Field(description="Fields of Envoy's own Cluster, merged into the one that xds makes"),
        About(default="none", envoy="Cluster"),
        IfWrong(whole=True),
    ] = field(default_factory=lambda: NO_RAW)

    @property
    def takes_registered(self) -> bool:
        """Whether instances that register themselves are endpoints of it."""
        return takes_registered(self.endpoints)

    @property
    def routed(self) -> frozenset[str]:
        """The services that its own routes name."""
        return frozenset(name for route in self.routes for name in route.services)

    @property
    def raw_clusters(self) -> Iterator[tuple[Loc, NamedCluster]]:
        """The clusters that Envoy's own fields name: those of its cluster, of its routes, and of its sidecar."""
        places: list[tuple[Loc, Raw]] = [(("envoy",), self.envoy), (("sidecar", "envoy"), self.sidecar.envoy)]
        places += [(("routes", position, "envoy"), route.envoy) for position, route in enumerate(self.routes)]
        for loc, raw in places:
            for below, cluster in find_clusters(raw):
                yield (*loc, *below), cluster

    @property
    def needed_by_callers(self) -> frozenset[str]:
        """The services that Envoys need to apply its routes: those that are named there, also in Envoy's own fields."""
        raw = (cluster.name for route in self.routes for _, cluster in find_clusters(route.envoy))
        return self.routed.union(raw)

    @property
    def needed_by_cluster(self) -> frozenset[str]:
        """The services that Envoys need to connect to it: those that Envoy's own fields of its cluster name."""
        return frozenset(cluster.name for _, cluster in find_clusters(self.envoy))

    @property
    def needed_by_sidecar(self) -> frozenset[str]:
        """The services that its sidecar needs beside its upstreams: those that Envoy's own fields of it name."""
        return frozenset(cluster.name for _, cluster in find_clusters(self.sidecar.envoy))

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
    def needs_host_names(self) -> bool:
        """Whether an endpoint with an IP address would be trusted with any name in its certificate."""
        return any(tls.checks_no_name for _, tls in self.contexts)

    @property
    def contexts(self) -> tuple[tuple[Loc, UpstreamTls], ...]:
        """The settings of TLS to its endpoints, and where they stand: for requests, and for health checks."""
        check = None if self.health_check is None else self.health_check.tls
        both: tuple[tuple[Loc, UpstreamTls | None], ...] = (("tls",), self.tls), (("health_check", "tls"), check)
        return tuple((loc, tls) for loc, tls in both if tls is not None and getattr(tls, "enabled", True))

    @property
    def check_port(self) -> int:
        """The port of health checks where it is not the endpoint's own; 0 where it is."""
        return 0 if self.health_check is None else self.health_check.port or 0

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


POLICY = tuple(one.name for one in fields(Service) if one.name != "endpoints")


def has_same_policy(old: Service | None, new: Service | None) -> bool:
    """Whether two versions of a service are equal, apart from their endpoints."""
    if old is None or new is None:
        return False
    if old.requested_host != new.requested_host:
        return False
    return all(getattr(old, name) == getattr(new, name) for name in POLICY)
