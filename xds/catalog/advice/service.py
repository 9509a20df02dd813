"""Warnings about one service: what is legal but has no effect, or not the effect that it seems to have.

What concerns several services is in `assembly/references.py`.
"""

from collections.abc import Iterator

from xds.catalog.advice.locality import advise_locality
from xds.catalog.advice.routes import advise_routes
from xds.catalog.advice.subsets import advise_subsets
from xds.catalog.advice.upstream import advise_upstream
from xds.catalog.model.affinity import Affinity
from xds.catalog.model.balance import RAMPING, Balance
from xds.catalog.model.health import HealthCheck, OutlierDetection
from xds.catalog.model.service import Service
from xds.catalog.text.durations import format_duration
from xds.catalog.text.mistake import Mistake, warning

MAX_EJECTION_PERCENT = OutlierDetection().max_ejection_percent
"""What holds when it is not stated."""

ALL_OUT = "every endpoint is drained or unhealthy: Envoy then sends requests to all of them, as if none were"
NONE_LEFT = "every endpoint is drained or unhealthy: with `panic_threshold: 0%` every request fails"


def advise_service(service: Service) -> Iterator[Mistake]:
    """Warn of what has no effect with the balance, or what the balance lacks; of checks that overlap."""
    policy = service.balance.policy
    balance = policy.value
    weighed = next((index for index, endpoint in enumerate(service.endpoints) if endpoint.weight is not None), None)
    if weighed is not None and not service.balance.heeds_weights:
        loc = ("endpoints", weighed, "weight")
        yield warning(loc, f"has no effect with `balance: {balance}`: write `balance: weighted`")
    if weighed is None and policy is Balance.WEIGHTED and service.endpoints:
        yield warning(("balance",), "no endpoint has a `weight`, so all get the same share, as with `round_robin`")
    if service.affinity is None and service.balance.is_hashing:
        remedy = "{source: true}" if service.protocol == "tcp" else "{header: x-user}"
        yield warning(
            ("balance",), f"without `affinity` requests go anywhere by chance: write such as `affinity: {remedy}`"
        )
    if service.affinity is not None:
        yield from _advise_affinity(service, service.affinity)
    if service.slow_start is not None and not service.balance.has_slow_start:
        yield warning(
            ("slow_start",),
            f"has no effect with `balance: {balance}`: it is for {', '.join(one for one in Balance if one in RAMPING)}",
        )
    if service.endpoints and all(one.is_out for one in service.endpoints):
        yield warning(("endpoints",), NONE_LEFT if service.panic_threshold == 0 else ALL_OUT)
    if service.ttl is not None and not all(endpoint.is_ip for endpoint in service.endpoints):
        yield warning(("ttl",), "has no effect on endpoints with host names, which Envoy resolves by itself")
    yield from advise_locality(service)
    yield from advise_upstream(service)
    yield from _advise_outlier_detection(service)
    if service.health_check is not None:
        yield from _advise_health_check(service.health_check)
    yield from advise_subsets(service)
    yield from advise_routes((), service.routes)


def _advise_affinity(service: Service, affinity: Affinity) -> Iterator[Mistake]:
    policy = service.balance.policy
    if not service.balance.is_hashing:
        message = f"has no effect with `balance: {policy.value}`: write `balance: maglev` or `ring_hash`"
        yield warning(("affinity",), message)
    if affinity.cookie is not None and affinity.cookie.ttl is not None and affinity.source:
        yield warning(
            ("affinity", "source"), "never counts: where the cookie is missing, Envoy sets it, since it has a `ttl`"
        )


def _advise_outlier_detection(service: Service) -> Iterator[Mistake]:
    detection = service.outlier_detection
    most, ejected = 100 - service.healthy_panic_threshold, detection.max_ejection_percent
    if detection.enabled and ejected > most:
        message = f"when more than {most}% are out, Envoy sends requests to all of them again"
        if ejected == MAX_EJECTION_PERCENT:
            yield warning(
                ("panic_threshold",),
                f"{message}, and outlier detection may take out {ejected}%: write {100 - ejected}%",
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
        yield warning(("health_check", "timeout"), f"is {timeout}, longer than the interval of {interval}")
