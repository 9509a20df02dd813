"""What must hold among the fields of a service: the checks of `CheckedService`."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from xds.catalog.model.service import Service
from xds.catalog.model.upstream import Dns
from xds.catalog.text.mistake import Mistake, Mistakes


def check_service(service: Service) -> Service:
    """Refuse a local port where the sidecar distinguishes requests by host, and affinity by what TCP does not have."""
    mistakes: list[Mistake] = []
    if service.protocol == "tcp" and service.affinity is not None:
        lacking = [
            field for field in ("header", "query_parameter", "cookie") if getattr(service.affinity, field) is not None
        ]
        if lacking:
            message = f"TCP has no {' and no '.join(lacking)}: write `affinity: {{source: true}}`"
            mistakes.append(Mistake(("affinity",), message))
    if service.health_check and service.health_check.grpc is not None and service.protocol not in ("grpc", "http2"):
        mistakes.append(Mistake(("health_check", "grpc"), "is for `protocol: grpc` or `http2` only"))
    mistakes += check_upstream(service)
    mistakes += check_use_of_subsets(service)
    breakers = service.circuit_breakers
    if breakers is not None and breakers.retries is not None and service.retries.budget is not None:
        message = "retries are limited by `retries: {budget: ...}` or by this, not both"
        mistakes.append(Mistake(("circuit_breakers", "retries"), message))
    if service.routes and service.protocol == "tcp":
        mistakes.append(
            Mistake(("routes",), "are for requests: connections of `protocol: tcp` are passed on as they are")
        )
    if service.local_port is not None and service.protocol != "tcp":
        callers = service.protocol.value
        mistakes.append(
            Mistake(("local_port",), f"is for `protocol: tcp`: {callers} callers use the sidecar's own port")
        )
    mistakes += find_locality_mistakes(service)
    if mistakes:
        raise Mistakes(*mistakes)
    return service


CheckedService = Annotated[Service, AfterValidator(check_service)]


def find_locality_mistakes(service: Service) -> Iterator[Mistake]:
    """Refuse priorities that are both stated and derived, and shares of localities where Envoy has none."""
    stated = next((i for i, endpoint in enumerate(service.endpoints) if endpoint.priority is not None), None)
    if stated is not None and service.locality.failover:
        message = f"`failover` makes the priorities, but endpoints[{stated}] states its own: leave out one of them"
        yield Mistake(("locality",), message)
    if service.balance.follows_load:
        for field, is_given in (("weights", service.locality.weights), ("zone_aware", service.locality.zone_aware)):
            if is_given is not None:
                balance = service.balance.policy.value
                message = f"`{balance}` shares by load alone, which `{field}` cannot change: leave it out"
                yield Mistake(("locality",), message)


def check_upstream(service: Service) -> list[Mistake]:
    """Refuse TLS that checks no name in the certificate, and `dns: logical` with several endpoints."""
    mistakes: list[Mistake] = []
    address = next((one.address for one in service.endpoints if one.is_ip), None)
    if address is not None:
        message = (
            f"a certificate is for a host name, and {address} is not one: write `sni` or `subject_alt_names` in it"
        )
        mistakes += [Mistake(loc, message) for loc, tls in service.contexts if tls.checks_no_name]
    if service.dns is Dns.LOGICAL and len(service.endpoints) > 1:
        mistakes.append(
            Mistake(("dns",), f"`logical` is for one host name: there are {len(service.endpoints)} endpoints")
        )
    return mistakes


def check_use_of_subsets(service: Service) -> list[Mistake]:
    """Refuse subsets beside a balance that needs a `load_balancing_policy`: a cluster in Envoy can have one of them."""
    mistakes: list[Mistake] = []
    if service.subsets and service.balance.follows_load:
        balance = service.balance.policy.value
        message = f"are not for `{balance}`, which Envoy cannot divide: write another balance"
        mistakes.append(Mistake(("subsets",), message))
    field = "load_balancing_policy"
    if service.subsets and "cluster" in service.envoy and field in service.envoy["cluster"].names:
        mistakes.append(
            Mistake(("envoy", "cluster", field), "cannot stand beside `subsets`: Envoy takes one or the other")
        )
    return mistakes
