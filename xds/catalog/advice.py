"""What is legal but surely not meant, in one service or gateway: warnings.

What concerns several services is in `references.py`.
"""

from collections.abc import Iterator, Mapping

from xds.catalog.addresses import normalize_ip
from xds.catalog.model import (
    HASHING,
    RAMPING,
    WEIGHING,
    Affinity,
    Balance,
    Gateway,
    Health,
    HealthCheck,
    Route,
    Service,
)
from xds.catalog.places import Loc
from xds.catalog.values import format_duration

Advice = tuple[Loc, str]
"""Where, below the service or gateway, and a sentence."""

PANIC = 50
"""Envoy's `healthy_panic_threshold`, in percent."""

ALL_OUT = "every endpoint is drained or unhealthy: Envoy then sends requests to all of them, as if none were"


def advise_service(service: Service) -> Iterator[Advice]:
    """Warn of what has no effect with the balance, or what the balance lacks; of checks that overlap."""
    balance = service.balance.value
    weighed = next((index for index, endpoint in enumerate(service.endpoints) if endpoint.weight is not None), None)
    if weighed is not None and service.balance not in WEIGHING:
        loc = ("endpoints", weighed, "weight")
        yield loc, f"has no effect with `balance: {balance}`: write `balance: weighted`"
    if weighed is None and service.balance is Balance.WEIGHTED and service.endpoints:
        yield ("balance",), "no endpoint has a `weight`, so all get the same share, as with `round_robin`"
    if service.affinity is None and service.balance in HASHING:
        remedy = "{source: true}" if service.protocol == "tcp" else "{header: x-user}"
        yield ("balance",), f"without `affinity` requests go anywhere by chance: write such as `affinity: {remedy}`"
    if service.affinity is not None:
        yield from _advise_affinity(service, service.affinity)
    if service.slow_start is not None and service.balance not in RAMPING:
        yield (
            ("slow_start",),
            f"has no effect with `balance: {balance}`: it is for round_robin, weighted, least_request",
        )
    if service.endpoints and all(one.drain or one.health is Health.UNHEALTHY for one in service.endpoints):
        yield ("endpoints",), ALL_OUT
    if service.ttl is not None and any(normalize_ip(endpoint.address) is None for endpoint in service.endpoints):
        yield ("ttl",), "has no effect on endpoints with host names, which Envoy resolves by itself"
    yield from _advise_outlier_detection(service)
    if service.health_check is not None:
        yield from _advise_health_check(service.health_check)


def _advise_affinity(service: Service, affinity: Affinity) -> Iterator[Advice]:
    if service.balance not in HASHING:
        message = f"has no effect with `balance: {service.balance.value}`: write `balance: maglev` or `ring_hash`"
        yield ("affinity",), message
    if affinity.cookie is not None and affinity.cookie.ttl is not None and affinity.source:
        yield ("affinity", "source"), "never counts: where the cookie is missing, Envoy sets it, since it has a `ttl`"


def _advise_outlier_detection(service: Service) -> Iterator[Advice]:
    detection = service.outlier_detection
    if detection.max_ejection_percent > PANIC:
        message = f"when more than {PANIC}% are out, Envoy sends requests to all of them again: write {PANIC} or less"
        yield ("outlier_detection", "max_ejection_percent"), message
    if detection.consecutive_5xx is not None and service.protocol == "tcp":
        yield ("outlier_detection", "consecutive_5xx"), "has no effect with `protocol: tcp`, which has no statuses"


def _advise_health_check(check: HealthCheck) -> Iterator[Advice]:
    if check.timeout > check.interval:
        timeout, interval = format_duration(check.timeout), format_duration(check.interval)
        yield ("health_check", "timeout"), f"is {timeout}, longer than the interval of {interval}"


def advise_gateway(gateway: Gateway) -> Iterator[Advice]:
    """Warn of routes that can never match, and of a `*` that is taken literally."""
    earlier = _Routes()
    for index, route in enumerate(gateway.routes):
        covering = earlier.find_covering(route)
        if covering is not None:
            yield ("routes", index), f"can never match: routes[{covering}] takes every request that it would"
        earlier.add(index, route)
        if route.prefix is not None and route.prefix.endswith("*"):
            yield ("routes", index, "prefix"), "ends in a `*`, which has no meaning in a prefix: leave it out"


class _Routes:
    """The routes that come first, found by what they match: a thousand need not each be held against each."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str | None, str, bool], list[tuple[int, Mapping[str, str]]]] = {}
        self._lengths: set[int] = set()

    def add(self, index: int, route: Route) -> None:
        text = route.path if route.path is not None else route.prefix or "/"
        key = (route.host, text, route.path is not None)
        self._routes.setdefault(key, []).append((index, route.headers))
        self._lengths.add(len(text))

    def find_covering(self, route: Route) -> int | None:
        """Find the first route that takes every request that `route` would."""
        text = route.path if route.path is not None else route.prefix or "/"
        candidates = [(text[:length], False) for length in self._lengths if length <= len(text)]
        if route.path is not None:
            candidates.append((text, True))
        return min(
            (
                index
                for host in _covering_hosts(route.host)
                for start, exact in candidates
                for index, headers in self._routes.get((host, start, exact), ())
                if all(name in route.headers and value in ("*", route.headers[name]) for name, value in headers.items())
            ),
            default=None,
        )


def _covering_hosts(host: str | None) -> Iterator[str | None]:
    yield None
    if host is None:
        return
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
