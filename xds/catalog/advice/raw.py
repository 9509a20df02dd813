"""Warnings about Envoy's own fields (`envoy`) that have no effect beside the catalog's, or that undo some of these.

Raw fields come after the catalog's in the encoded message, and so they win. But Envoy does not use every field that it
accepts: of a list it may take the first item, and some fields have no meaning beside others.
"""

from collections.abc import Iterator, Sequence

from xds.catalog.model.balance import Balance
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.route import Route
from xds.catalog.model.service import Protocol, Service
from xds.catalog.raw.fields import NOTHING, Raw, RawFields, sets_raw
from xds.catalog.raw.given import Given
from xds.catalog.text.mistake import Loc, Mistake, warning
from xds.wording import show

HTTP_OPTIONS = "typed_extension_protocol_options.envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
OLD_HTTP_OPTIONS = (
    "common_http_protocol_options",
    "http_protocol_options",
    "http2_protocol_options",
    "upstream_http_protocol_options",
    "protocol_selection",
)
DNS = (
    "dns_refresh_rate",
    "dns_jitter",
    "dns_failure_refresh_rate",
    "respect_dns_ttl",
    "dns_lookup_family",
    "dns_resolvers",
    "use_tcp_for_dns_lookups",
    "dns_resolution_config",
    "typed_dns_resolver_config",
)
SUCCESS_RATE = ("success_rate_minimum_hosts", "success_rate_request_volume", "success_rate_stdev_factor")
FAILURES = ("failure_percentage_threshold", "failure_percentage_minimum_hosts", "failure_percentage_request_volume")
LB_CONFIGS = {
    "ring_hash_lb_config": "RING_HASH",
    "maglev_lb_config": "MAGLEV",
    "least_request_lb_config": "LEAST_REQUEST",
    "round_robin_lb_config": "ROUND_ROBIN",
    "original_dst_lb_config": "CLUSTER_PROVIDED",
}
"""The options of policies, and of each the `lb_policy` that it is for."""

LB_POLICIES = {
    Balance.ROUND_ROBIN: "ROUND_ROBIN",
    Balance.RANDOM: "RANDOM",
    Balance.WEIGHTED: "ROUND_ROBIN",
    Balance.LEAST_REQUEST: "LEAST_REQUEST",
    Balance.RING_HASH: "RING_HASH",
    Balance.MAGLEV: "MAGLEV",
}

ROUTE_FILTERS = {
    "envoy.filters.http.cors": "cors",
    "envoy.filters.http.local_ratelimit": "rate_limit",
    "envoy.filters.http.fault": "fault",
    "envoy.filters.http.grpc_web": "grpc_web",
    "envoy.filters.http.buffer": "max_body",
}
"""The filters that every HTTP listener has, and the field of a route that each is for."""

MESSAGES = ("listener", "http_connection_manager", "route_configuration")


class _Written:
    """The raw fields of one message, by path."""

    def __init__(self, raw: Raw, message: str) -> None:
        self._message = message
        self.raw: RawFields = raw.get(message, NOTHING)
        self._by_path: dict[str, list[Given]] = {}
        for one in self.raw.given:
            self._by_path.setdefault(one.path, []).append(one)

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def all(self, path: str) -> list[Given]:
        """Return what is written at a path, which is several times in a list."""
        return self._by_path.get(path, [])

    def value(self, path: str) -> object:
        """Return a field's value; None if it is not written."""
        return self._by_path[path][0].value if path in self._by_path else None

    def warn(self, paths: Sequence[str], message: str) -> Iterator[Mistake]:
        """Yield a warning at each of the paths that is written."""
        for path in paths:
            for one in self.all(path)[:1]:
                yield self.warn_at(one.loc, message)

    def warn_at(self, loc: Loc, message: str) -> Mistake:
        """Return a warning at a place in the message."""
        return warning(("envoy", self._message, *loc), message)


def advise_raw_service(service: Service) -> Iterator[Mistake]:
    """Yield the warnings about the raw fields of a service's cluster, of its own routes, and of its sidecar."""
    if service.envoy:
        written = _Written(service.envoy, "cluster")
        yield from _advise_circuit_breakers(written)
        yield from _advise_subsets(service, written)
        yield from _advise_outlier_detection(service, written)
        yield from _advise_http_options(service, written)
        yield from _advise_policy(service, written)
        yield from written.warn(DNS, "has no effect: `dns` and `dns_refresh` decide how host names are resolved")
        if service.tls is not None:
            yield from written.warn(("transport_socket",), "takes the place of what `tls` sets, which has no effect")
    for position, route in enumerate(service.routes):
        for found in _advise_route(route):
            yield found.below(("routes", position))
    for found in _advise_manager(service.sidecar.envoy, http3=False, plain=True):
        yield found.below(("sidecar",))


def advise_raw_gateway(gateway: Gateway) -> Iterator[Mistake]:
    """Yield the warnings about the raw fields of a gateway and of its routes."""
    listeners = [listener for _, listener in gateway.find_listeners()]
    plain = all(one.tls is None for one in listeners)
    yield from _advise_manager(gateway.envoy, http3=any(one.http3 for one in listeners), plain=plain)
    own_chains = sets_raw(gateway.envoy, "listener", "filter_chains", "default_filter_chain")
    filters = None if own_chains else _find_filters(gateway)
    limited = any(route.rate_limit is not None for _, route in gateway.all_routes)
    tables = _Written(gateway.envoy, "route_configuration")
    yield from _advise_filters(tables, filters, {"rate_limit"} if limited else set())
    for loc, route in gateway.all_routes:
        for found in (*_advise_route(route), *_advise_filters(_Written(route.envoy, "route"), filters)):
            yield found.below(loc)


def _advise_circuit_breakers(written: _Written) -> Iterator[Mistake]:
    """Yield a warning about limits of the usual priority: of several, Envoy takes the first."""
    path = "circuit_breakers.thresholds"
    high = {one.loc[:-1] for one in written.all(f"{path}.priority") if one.value in ("HIGH", 1)}
    items = {one.loc[: _depth(written, path)] for one in written.raw.given if one.path.startswith(f"{path}.")}
    for item in sorted(items - high, key=str):
        message = "has no effect: Envoy takes the first limits of a priority, the catalog's: write `circuit_breakers`"
        yield written.warn_at(item, message)


def _depth(written: _Written, path: str) -> int:
    """Return the length of the way to an item of a list."""
    return len(written.all(path)[0].loc) + 1


def _advise_subsets(service: Service, written: _Written) -> Iterator[Mistake]:
    path = "lb_subset_config"
    if path not in written:
        return
    if not service.subsets:
        if f"{path}.subset_selectors" not in written:
            yield from written.warn((path,), "has no effect without `subset_selectors`, which `subsets` make")
        return
    yield from written.warn(
        (f"{path}.fallback_policy",),
        "has no effect on requests for a subset: they get no other endpoints. It applies to requests without one",
    )
    selected = {tuple(sorted(labels)) for labels in service.subsets.values()}
    for one in written.all(f"{path}.subset_selectors.keys"):
        if isinstance(one.value, tuple) and tuple(sorted(one.value)) in selected:
            message = "has no effect: Envoy takes the first selector of the same keys, which `subsets` make"
            yield written.warn_at(one.loc, message)


def _advise_outlier_detection(service: Service, written: _Written) -> Iterator[Mistake]:
    path = "outlier_detection"

    def names(some: Sequence[str]) -> list[str]:
        return [f"{path}.{one}" for one in some]

    detection = service.outlier_detection
    if detection.enabled and detection.consecutive_5xx is None and f"{path}.enforcing_consecutive_5xx" not in written:
        yield from written.warn(
            names(["consecutive_5xx"]), "has no effect: write `consecutive_5xx` in the service's `outlier_detection`"
        )
    enforcing = names(["enforcing_success_rate", "enforcing_local_origin_success_rate"])
    if detection.enabled and not any(one in written for one in enforcing):
        yield from written.warn(names(SUCCESS_RATE), "has no effect without `enforcing_success_rate: 100`")
    enforcing = names(["enforcing_failure_percentage", "enforcing_failure_percentage_local_origin"])
    if not any(one in written for one in enforcing):
        yield from written.warn(names(FAILURES), "has no effect without `enforcing_failure_percentage: 100`")


def _advise_http_options(service: Service, written: _Written) -> Iterator[Mistake]:
    """Yield warnings about the options of HTTP, which have an old place in Cluster and a new one in an extension."""
    setters = [f"`protocol: {service.protocol.value}`"] if service.protocol in (Protocol.GRPC, Protocol.HTTP2) else []
    setters += ["`connection_pool`"] * (service.connection_pool is not None)
    if service.protocol is Protocol.TCP:
        setters = []
    if HTTP_OPTIONS in written:
        message = "has no effect beside `typed_extension_protocol_options`: Envoy takes the options there"
        yield from written.warn(OLD_HTTP_OPTIONS, message)
        if setters:
            yield from written.warn((HTTP_OPTIONS,), f"takes the place of what {' and '.join(setters)} sets")
    elif setters:
        message = (
            f"has no effect beside {setters[0]}, which sets `typed_extension_protocol_options`: Envoy takes the options"
            " there, and whoever writes them there writes them all"
        )
        yield from written.warn(OLD_HTTP_OPTIONS, message)


def _advise_policy(service: Service, written: _Written) -> Iterator[Mistake]:
    """Yield warnings about load balancing policies and their options beside others."""
    balance = f"`balance: {service.balance.policy.value}`"
    if service.balance.follows_load:
        message = f"has no effect beside {balance}: Envoy takes the first policy that it knows"
        yield from written.warn(("load_balancing_policy", "lb_policy", *LB_CONFIGS), message)
        return
    if "load_balancing_policy" in written:
        yield from written.warn(("lb_policy", *LB_CONFIGS), "has no effect beside `load_balancing_policy`")
        return
    policy = written.value("lb_policy") or LB_POLICIES[service.balance.policy]
    for name, wanted in LB_CONFIGS.items():
        if policy != wanted:
            yield from written.warn((name,), f"has no effect: it is for `lb_policy: {wanted}`, and this is {policy}")
    if policy not in ("RING_HASH", "MAGLEV"):
        yield from written.warn(
            ("common_lb_config.consistent_hashing_lb_config",), f"has no effect: {policy} hashes nothing"
        )


def _advise_route(route: Route) -> Iterator[Mistake]:
    """Yield a warning about a filter's raw configuration that replaces what a field of the route sets."""
    written = _Written(route.envoy, "route")
    for name, field in ROUTE_FILTERS.items():
        if getattr(route, field):
            yield from written.warn(
                (f"typed_per_filter_config.{name}",), f"takes the place of what the route's `{field}` sets"
            )


def _find_filters(gateway: Gateway) -> set[object]:
    """Return the names of the HTTP filters that a gateway's raw fields add."""
    return {one.value for one in _Written(gateway.envoy, "http_connection_manager").all("http_filters.name")}


def _advise_filters(
    written: _Written, filters: set[object] | None, replaced: set[str] | frozenset[str] = frozenset()
) -> Iterator[Mistake]:
    """Yield warnings about the configuration of filters that a gateway does not have, or that `replaced` fields set.

    `filters` are those that raw fields add; None if they are not known.
    """
    prefix = "typed_per_filter_config."
    for one in written.raw.given:
        name = one.path.removeprefix(prefix)
        if not one.path.startswith(prefix) or len(one.loc) != 2:  # what is below the entries of the map
            continue
        if filters is not None and name not in ROUTE_FILTERS and name not in filters:
            message = f"has no effect: the gateway has no HTTP filter {show(name)}: add it to `http_filters`"
            yield written.warn_at(one.loc, message)
        elif ROUTE_FILTERS.get(name) in replaced:
            yield written.warn_at(one.loc, f"takes the place of what `{ROUTE_FILTERS[name]}` sets")


def _advise_manager(raw: Raw, *, http3: bool, plain: bool) -> Iterator[Mistake]:
    """Yield warnings about the raw fields of a listener and of its routes; `plain` is without any TLS."""
    listener, manager, tables = (_Written(raw, message) for message in MESSAGES)
    if plain:
        yield from listener.warn(
            ("default_filter_chain",), "has no effect: the catalog's filter chain takes every connection"
        )
    if not http3:
        yield from manager.warn(("http3_protocol_options",), "has no effect without `http3: true`")
    yield from tables.warn(("cluster_specifier_plugins",), "has no effect: a route's cluster is what `to` says")
