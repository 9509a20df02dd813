"""What must hold among the parts of one endpoint list or service: validators used by `model.py`.

What must hold among services is in `references.py`, among a route's words in `route_rules.py`; what is legal but
surely not meant is in `advice.py`.
"""

from typing import TYPE_CHECKING

from xds.catalog.locality_rules import find_locality_mistakes
from xds.catalog.outside import check_outside
from xds.catalog.places import Loc, show
from xds.catalog.subsets import check_use_of_subsets
from xds.catalog.values import Mistake

if TYPE_CHECKING:
    from xds.catalog.model import Affinity, Endpoint, HealthCheck, Service

MAX_WEIGHT = 2**32 - 1
"""Envoy's limit on an endpoint's weight, and on the sum over a locality (endpoint_components.proto)."""


def check_endpoints(endpoints: "tuple[Endpoint, ...]") -> "tuple[Endpoint, ...]":
    """Refuse an address and port given twice, and weights whose sum Envoy cannot hold."""
    wrong: list[tuple[Loc, str]] = []
    first: dict[tuple[str, int], int] = {}
    weight = 0
    for index, endpoint in enumerate(endpoints):
        weight += endpoint.weight or 1
        earlier = first.setdefault((endpoint.address, endpoint.port), index)
        if earlier != index:
            host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
            wrong.append(((index,), f"{host}:{endpoint.port} is given twice: first as endpoints[{earlier}]"))
    if weight > MAX_WEIGHT:
        wrong.append(((), f"the endpoints' weights sum up to {weight}: Envoy takes {MAX_WEIGHT} at most"))
    if wrong:
        raise Mistake(*wrong)
    return endpoints


def check_upstreams(upstreams: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a service named twice."""
    first: dict[str, int] = {}
    wrong: list[tuple[Loc, str]] = [
        ((index,), f"{show(name)} is given twice: first as upstreams[{first[name]}]")
        for index, name in enumerate(upstreams)
        if first.setdefault(name, index) != index
    ]
    if wrong:
        raise Mistake(*wrong)
    return upstreams


def check_affinity(affinity: "Affinity") -> "Affinity":
    """Refuse an affinity to nothing."""
    if not (affinity.header or affinity.query_parameter or affinity.cookie or affinity.source):
        raise ValueError(
            "says not by what: write one of header, query_parameter, cookie and source, such as {header: x-user}"
        )
    return affinity


def check_health_check(check: "HealthCheck") -> "HealthCheck":
    """Refuse a check that is made in no way or in several, and what belongs to another way."""
    ways = [("http", check.http is not None), ("grpc", check.grpc is not None), ("tcp", check.tcp)]
    given = [way for way, is_given in ways if is_given]
    if not given:
        raise ValueError("says not how: write one of http, grpc and tcp, such as {http: /health}")
    wrong: list[tuple[Loc, str]] = [
        ((way,), f"a check is made by `{given[0]}` or by `{way}`, not both") for way in given[1:]
    ]
    if check.expect and given[0] != "http":
        wrong.append((("expect",), f"is for `http`: a check by `{given[0]}` has no statuses"))
    if check.host is not None and given[0] == "tcp":
        wrong.append((("host",), "is for `http` and `grpc`: a check by `tcp` asks for nothing"))
    if wrong:
        raise Mistake(*wrong)
    return check


def check_service(service: "Service") -> "Service":
    """Refuse a local port where the sidecar tells requests apart by host, and affinity to what TCP does not have."""
    wrong: list[tuple[Loc, str]] = []
    if service.protocol == "tcp" and service.affinity is not None:
        lacking = [
            field for field in ("header", "query_parameter", "cookie") if getattr(service.affinity, field) is not None
        ]
        if lacking:
            message = f"TCP has no {' and no '.join(lacking)}: write `affinity: {{source: true}}`"
            wrong.append((("affinity",), message))
    if service.health_check and service.health_check.grpc is not None and service.protocol not in ("grpc", "http2"):
        wrong.append((("health_check", "grpc"), "is for `protocol: grpc` or `http2`, over which it would be asked"))
    wrong += check_outside(service)
    wrong += check_use_of_subsets(service)
    breakers = service.circuit_breakers
    if breakers is not None and breakers.retries is not None and service.retries.budget is not None:
        message = "tries are held down by `retries: {budget: ...}` or by this, not both"
        wrong.append((("circuit_breakers", "retries"), message))
    if service.routes and service.protocol == "tcp":
        wrong.append((("routes",), "are for requests: connections of `protocol: tcp` are passed on as they are"))
    if service.local_port is not None and service.protocol != "tcp":
        callers = service.protocol.value
        wrong.append((("local_port",), f"is for `protocol: tcp`: {callers} callers use the sidecar's own port"))
    wrong += find_locality_mistakes(service)
    if wrong:
        raise Mistake(*wrong)
    return service
