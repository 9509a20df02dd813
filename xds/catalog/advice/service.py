"""Warnings about one service: fields that are valid but have no effect, or an unexpected one.

Warnings that concern several services are in `assembly/references.py`.
"""

from collections.abc import Iterator

from xds.catalog.advice.exposure import advise_exposure
from xds.catalog.advice.locality import advise_locality
from xds.catalog.advice.raw import advise_raw_service
from xds.catalog.advice.routes import advise_routes
from xds.catalog.advice.subsets import advise_subsets
from xds.catalog.advice.upstream import advise_upstream
from xds.catalog.model.affinity import Affinity
from xds.catalog.model.balance import RAMPING, Balance
from xds.catalog.model.health import HealthCheck, OutlierDetection
from xds.catalog.model.service import Service
from xds.catalog.raw.fields import NOTHING, sets_raw
from xds.catalog.text.durations import format_duration
from xds.catalog.text.mistake import Mistake, warning

MAX_EJECTION_PERCENT = OutlierDetection().max_ejection_percent
"""The default."""

RAW_LIMITS = ("outlier_detection.max_ejection_percent", "common_lb_config.healthy_panic_threshold")
"""Envoy's own fields that take the place of these two limits."""

ALL_OUT = "every endpoint is drained or unhealthy: Envoy then ignores that, and sends requests to all of them"
NONE_LEFT = "every endpoint is drained or unhealthy: with `panic_threshold: 0%` every request fails"


def advise_service(service: Service) -> Iterator[Mistake]:
    """Yield the warnings about a service: fields without effect, missing fields, and limits that conflict."""
    if not sets_raw(service.envoy, "cluster", "lb_policy", "load_balancing_policy"):
        yield from _advise_balance(service)
    if service.endpoints and all(one.is_out for one in service.endpoints):
        yield warning(("endpoints",), NONE_LEFT if service.panic_threshold == 0 else ALL_OUT)
    if service.ttl is not None and not all(endpoint.is_ip for endpoint in service.endpoints):
        yield warning(("ttl",), "has no effect on endpoints with host names, which Envoy resolves by itself")
    yield from advise_locality(service)
    yield from advise_exposure(service)
    yield from advise_upstream(service)
    yield from _advise_outlier_detection(service)
    if service.health_check is not None:
        yield from _advise_health_check(service.health_check)
    yield from advise_subsets(service)
    yield from advise_routes((), service.routes)
    yield from advise_raw_service(service)


def _advise_balance(service: Service) -> Iterator[Mistake]:
    """Yield warnings about weights, affinity and slow start, as far as the catalog's own policy balances."""
    policy = service.balance.policy
    balance = policy.value
    weighted = next((index for index, endpoint in enumerate(service.endpoints) if endpoint.weight is not None), None)
    if weighted is not None and not service.balance.heeds_weights:
        loc = ("endpoints", weighted, "weight")
        yield warning(loc, f"has no effect with `balance: {balance}`: write `balance: weighted`")
    if weighted is None and policy is Balance.WEIGHTED and service.endpoints:
        yield warning(("balance",), "no endpoint has a `weight`, so all get the same share, as with `round_robin`")
    if service.affinity is None and service.balance.is_hashing:
        remedy = "{source: true}" if service.protocol == "tcp" else "{header: x-user}"
        yield warning(
            ("balance",), f"without `affinity` each request goes to a random endpoint: set one, such as {remedy}"
        )
    if service.affinity is not None:
        yield from _advise_affinity(service, service.affinity)
    if service.slow_start is not None and not service.balance.has_slow_start:
        yield warning(
            ("slow_start",),
            f"has no effect with `balance: {balance}`, only with {', '.join(one for one in Balance if one in RAMPING)}",
        )


def _advise_affinity(service: Service, affinity: Affinity) -> Iterator[Mistake]:
    policy = service.balance.policy
    if not service.balance.is_hashing:
        message = f"has no effect with `balance: {policy.value}`: write `balance: maglev` or `ring_hash`"
        yield warning(("affinity",), message)
    if affinity.cookie is not None and affinity.cookie.ttl is not None and affinity.source:
        yield warning(
            ("affinity", "source"), "has no effect: Envoy sets the cookie where it is missing, since it has a `ttl`"
        )


def _advise_outlier_detection(service: Service) -> Iterator[Mistake]:
    detection = service.outlier_detection
    most, ejected = 100 - service.healthy_panic_threshold, detection.max_ejection_percent
    raw = {one.path for one in service.envoy.get("cluster", NOTHING).given}
    if detection.enabled and ejected > most and raw.isdisjoint(RAW_LIMITS):
        message = f"when more than {most}% of the endpoints are unhealthy, Envoy sends requests to all again"
        if ejected == MAX_EJECTION_PERCENT:
            yield warning(
                ("panic_threshold",),
                f"{message}, and outlier detection may eject {ejected}%: write {100 - ejected}%",
            )
        else:
            remedy = f"write {most}% or less" if most else "lower `panic_threshold`"
            yield warning(("outlier_detection", "max_ejection_percent"), f"{message}: {remedy}")
    if detection.consecutive_5xx is not None and service.protocol == "tcp":
        yield warning(
            ("outlier_detection", "consecutive_5xx"), "has no effect with `protocol: tcp`, which has no statuses"
        )


def _advise_health_check(check: HealthCheck) -> Iterator[Mistake]:
    if check.timeout > check.interval:
        timeout, interval = format_duration(check.timeout), format_duration(check.interval)
        yield warning(("health_check", "timeout"), f"the timeout is {timeout}, longer than the interval of {interval}")
