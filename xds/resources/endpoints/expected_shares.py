"""Expected shares: the part of a service's requests that each endpoint gets from callers in one locality.

They follow from the catalog alone. An endpoint counts as healthy unless the catalog states otherwise, since the results
of Envoys' health checks are not known here.
"""

from collections.abc import Mapping

from xds.catalog.model.endpoint import Endpoint, Health
from xds.catalog.model.locality import Locality, write_locality
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import EndpointSet
from xds.resources.endpoints.load_assignment import (
    EVERYWHERE,
    Priorities,
    group_endpoints,
    prioritize,
    weigh_groups,
)
from xds.resources.endpoints.shares import Condition, Host, Rules, compute_shares


def is_foreseeable(service: Service) -> bool:
    """Whether shares follow from the catalog: not if they depend on reported load or on zone-aware routing."""
    return service.locality.zone_aware is None and not service.balance.follows_load


def share_endpoints(service: Service, endpoints: EndpointSet, caller: Locality) -> Mapping[str, float]:
    """Return the share of each endpoint by its address, as "10.0.0.4:5000"; a host name counts as one address."""
    groups = group_endpoints(endpoints, _prioritize(service, endpoints, caller))
    weights = weigh_groups(service, groups) if service.locality.weights is not None else None
    listed = [(priority, where, one) for (priority, where), group in groups.items() for one in group]
    heeds = service.balance.heeds_weights
    hosts = [
        Host(priority, write_locality(*where), one.load_balancing_weight if heeds else 1, _find_condition(one))
        for priority, where, one in listed
    ]
    rules = Rules(
        overprovisioning=service.overprovisioning_factor,
        panic_threshold=service.healthy_panic_threshold,
        localities=None
        if weights is None
        else {(priority, write_locality(*where)): weight for (priority, where), weight in weights.items()},
    )
    shares: dict[str, float] = {}
    for (_, _, one), share in zip(listed, compute_shares(hosts, rules).of_hosts, strict=True):
        shares[one.host_and_port] = shares.get(one.host_and_port, 0.0) + share
    return shares


def _prioritize(service: Service, endpoints: EndpointSet, caller: Locality) -> Priorities:
    if not service.locality.failover:
        return EVERYWHERE
    localities = endpoints.localities
    ranks = prioritize(localities, service.locality.failover, caller)
    return dict(zip(localities, ranks, strict=True)) if any(ranks) else EVERYWHERE


def _find_condition(endpoint: Endpoint) -> Condition:
    if endpoint.is_out:
        return Condition.UNHEALTHY
    return Condition.DEGRADED if endpoint.health is Health.DEGRADED else Condition.HEALTHY
