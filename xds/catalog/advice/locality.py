"""Warnings about a service's localities: endpoints that get no requests, and fields without effect."""

from collections.abc import Iterator

from xds.catalog.model.endpoint import Health
from xds.catalog.model.service import Service
from xds.catalog.text.mistake import Mistake, warning
from xds.wording import show, suggest


def advise_locality(service: Service) -> Iterator[Mistake]:
    """Yield warnings about localities without endpoints, endpoints without requests, and fields without effect."""
    if not service.endpoints:
        return
    if service.locality.failover:
        yield from _advise_failover(service)
    if service.locality.weights is not None:
        yield from _advise_weights(service)
    if service.locality.zone_aware is not None:
        yield from _advise_zone_aware(service, service.locality.zone_aware.min_cluster_size)
    if service.overprovisioning is not None and _has_one_group(service):
        message = "has no effect: there are no priorities, no degraded endpoints and no `locality.weights`"
        yield warning(("overprovisioning",), message)


def _advise_failover(service: Service) -> Iterator[Mistake]:
    levels = [level.value for level in service.locality.failover]
    missing = [f"`{level}`" for level in levels]
    unplaced = [i for i, one in enumerate(service.endpoints) if not any(getattr(one, level) for level in levels)]
    if len(unplaced) == len(service.endpoints):
        message = f"no endpoint has a {' or a '.join(missing)}: every caller uses all endpoints"
        yield warning(("locality",), message)
    elif unplaced:
        message = f"has no {' and no '.join(missing)}: `failover` gives it the lowest priority for every caller"
        yield warning(("endpoints", unplaced[0]), message)


def _advise_weights(service: Service) -> Iterator[Mistake]:
    weights = service.locality.weights or {}
    known = dict.fromkeys(key for endpoint in service.endpoints for key in endpoint.locality_keys)
    for key in weights:
        if key not in known:
            yield warning(("locality", "weights", key), f"no endpoint is in {show(key)}{suggest(key, known)}")
    if not any(weights.get(key) for key in known) or service.locality.failover:
        return  # if no locality of a priority has a weight, its endpoints share its requests as one list
    reported = set()
    for index, endpoint in enumerate(service.endpoints):
        where = "/".join(filter(None, (endpoint.region, endpoint.zone, endpoint.sub_zone)))
        if endpoint.is_out:
            continue
        if where not in reported and service.find_locality_key(endpoint) is None:
            reported.add(where)
            what = f"in {show(where)}, which `locality.weights` does not name" if where else "in no zone or region"
            yield warning(("endpoints", index), f"is {what}: it gets no requests")


def _advise_zone_aware(service: Service, min_cluster_size: int) -> Iterator[Mistake]:
    loc = ("locality", "zone_aware")
    if service.balance.policy in ("ring_hash", "maglev"):
        yield warning(loc, f"has no effect with `balance: {service.balance.policy.value}`")
    elif len({one.locality for one in service.endpoints}) < 2:
        yield warning(loc, "has no effect: all endpoints are in one locality")
    elif (count := len(service.endpoints)) < min_cluster_size:
        message = f"has no effect with {count} endpoints: write `zone_aware: {{min_cluster_size: {count}}}` or less"
        yield warning(loc, message)


def _has_one_group(service: Service) -> bool:
    """Whether all endpoints have the same priority and health, without weights of localities."""
    if service.locality.failover or service.locality.weights is not None:
        return False
    return len({(one.priority or 0, one.health is Health.DEGRADED) for one in service.endpoints}) < 2
