"""What must hold among the fields of a service: the checks of `CheckedService`."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from xds.catalog.model.balance import Balance
from xds.catalog.model.service import Service
from xds.catalog.model.upstream import Dns
from xds.catalog.text.addresses import normalize_ip
from xds.catalog.text.mistake import Loc, Mistake


def check_service(service: Service) -> Service:
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


CheckedService = Annotated[Service, AfterValidator(check_service)]


def find_locality_mistakes(service: Service) -> Iterator[tuple[Loc, str]]:
    """Refuse priorities that are both stated and derived, and shares of localities where Envoy has none."""
    stated = next((i for i, endpoint in enumerate(service.endpoints) if endpoint.priority is not None), None)
    if stated is not None and service.locality.failover:
        message = f"`failover` makes the priorities, but endpoints[{stated}] states its own: leave out one of them"
        yield ("locality",), message
    if service.balance.policy == "client_side_weighted":
        for word, is_given in (("weights", service.locality.weights), ("zone_aware", service.locality.zone_aware)):
            if is_given is not None:
                message = f"`client_side_weighted` shares by load alone, which `{word}` cannot change: leave it out"
                yield ("locality",), message


def check_outside(service: Service) -> list[tuple[Loc, str]]:
    """Refuse certificates that nothing would be checked against, and one host that is several."""
    wrong: list[tuple[Loc, str]] = []
    tls = service.tls
    if tls is not None and tls.sni is None and not tls.subject_alt_names:
        address = next((one.address for one in service.endpoints if normalize_ip(one.address) is not None), None)
        if address is not None:
            wrong.append(
                ((("tls",)), f"whose certificate? {address} is no host name: write `sni` or `subject_alt_names` in it")
            )
    if service.dns is Dns.LOGICAL and len(service.endpoints) > 1:
        wrong.append((("dns",), f"`logical` is for one host name: there are {len(service.endpoints)} endpoints"))
    return wrong


def check_use_of_subsets(service: Service) -> list[tuple[Loc, str]]:
    """Refuse subsets beside what goes by a `load_balancing_policy`: Envoy takes a cluster with one or the other."""
    wrong: list[tuple[Loc, str]] = []
    if service.subsets and service.balance.policy is Balance.CLIENT_SIDE_WEIGHTED:
        wrong.append(
            (("subsets",), "are not for `client_side_weighted`, which Envoy cannot divide: write another balance")
        )
    word = "load_balancing_policy"
    if service.subsets and "cluster" in service.envoy and word in service.envoy["cluster"].names:
        wrong.append((("envoy", "cluster", word), "cannot stand beside `subsets`: Envoy takes one or the other"))
    return wrong
