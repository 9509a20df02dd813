"""ClusterLoadAssignment: a service's endpoints by locality and priority, as Envoy is told of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from google.protobuf.struct_pb2 import Struct

from xds.catalog.model.balance import WEIGHING
from xds.catalog.model.endpoint import Endpoint, Health, is_out, locality_of
from xds.catalog.model.locality import MAX_PRIORITY, Level, Locality
from xds.catalog.model.service import Service, find_key
from xds.catalog.text.addresses import normalize_ip
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2
from xds.wire.discovery_pb2 import Locality as WireLocality

HEALTH_STATUSES = {Health.DEGRADED: endpoint_pb2.DEGRADED, Health.UNHEALTHY: endpoint_pb2.UNHEALTHY}


Priorities = Mapping[Locality, int]
"""The priority of each locality, for callers of one place; empty where all callers have the same."""

EVERYWHERE: Priorities = {}

SPARE = MAX_PRIORITY + 1
"""The rank of endpoints that are to take no requests: after all that a catalog can state."""


def build_load_assignment(name: str, service: Service, priorities: Priorities = EVERYWHERE) -> Resource:
    """Build a service's resource; for one with no endpoints it is explicit and empty, never missing (rule 34)."""
    message = build_assignment_message(name, service, priorities)
    ttl_ms = 0
    if service.ttl is not None:
        message.policy.endpoint_stale_after.FromTimedelta(service.ttl)
        ttl_ms = round(service.ttl / timedelta(milliseconds=1))
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message.SerializeToString(deterministic=True), ttl_ms)


def build_assignment_message(
    name: str, service: Service, priorities: Priorities = EVERYWHERE
) -> endpoint_pb2.ClusterLoadAssignment:
    """Build the message, endpoints grouped by locality in the order in which the catalog first names each.

    Without `locality.weights` localities have none: Envoy balances over the endpoints of all as over one list.
    """
    weighted = service.balance.policy in WEIGHING
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    if service.overprovisioning is not None:
        message.policy.overprovisioning_factor.value = service.overprovisioning
    groups = group_endpoints(service, priorities)
    weights = weigh_groups(service, groups) if service.locality.weights is not None else {}
    for (priority, where), endpoints in groups.items():
        locality = WireLocality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
        group = message.endpoints.add(locality=locality, priority=priority)
        if weight := weights.get((priority, where), 0):  # without one, no request goes there while others have one
            group.load_balancing_weight.value = weight
        for endpoint in endpoints:
            _complete_endpoint(add_endpoint(group, endpoint), endpoint, weighted=weighted)
    return message


Groups = Mapping[tuple[int, Locality], list[Endpoint]]
"""Endpoints by their priority and locality."""


def group_endpoints(service: Service, priorities: Priorities = EVERYWHERE) -> Groups:
    """Group a service's endpoints as the catalog orders them; priorities begin with 0 and have no holes.

    Endpoints that are to take no requests stand in a priority of their own, after the others. In one with them they
    would count as failed: were they more than half, Envoy would panic, and send requests to all. A priority
    of nothing else is asked only when the first has nobody left.
    """
    groups: dict[tuple[int, str, str, str], list[Endpoint]] = {}
    for endpoint in service.endpoints:
        if is_out(endpoint):
            rank = SPARE
        else:
            rank = priorities[locality_of(endpoint)] if priorities else endpoint.priority or 0
        groups.setdefault((rank, endpoint.region, endpoint.zone, endpoint.sub_zone), []).append(endpoint)
    order = compact([rank for rank, *_ in groups])
    return {
        (priority, Locality(region, zone, sub_zone)): endpoints
        for priority, ((_, region, zone, sub_zone), endpoints) in zip(order, groups.items(), strict=True)
    }


def weigh_groups(service: Service, groups: Groups) -> dict[tuple[int, Locality], int]:
    """Give the weight of each group among those of its priority."""
    by_priority: dict[int, dict[Locality, list[Endpoint]]] = {}
    for (priority, locality), endpoints in groups.items():
        by_priority.setdefault(priority, {})[locality] = endpoints
    return {
        (priority, locality): weight
        for priority, localities in by_priority.items()
        for locality, weight in weigh(service, localities).items()
    }


def build_local_assignment(name: str, service: Service) -> Resource:
    """Build what a sidecar's Envoy needs to know of its own kind to be zone-aware: where all of them are.

    It is another resource than the service's own, since Envoy takes no other priority than 0 here. Nothing is sent to
    these endpoints, they are only counted: a host name, which EDS would refuse, gives way to a number of nobody's.
    """
    local = local_name(name)
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=local)
    groups: dict[Locality, list[tuple[int, Endpoint]]] = {}
    for index, endpoint in enumerate(service.endpoints):
        if not is_out(endpoint):
            groups.setdefault(locality_of(endpoint), []).append((index, endpoint))
    for where, endpoints in groups.items():
        locality = WireLocality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
        group = message.endpoints.add(locality=locality)
        for index, endpoint in endpoints:
            address = add_endpoint(group, endpoint).endpoint.address.socket_address
            if normalize_ip(address.address) is None:
                address.address = f"240.{index >> 16}.{index >> 8 & 255}.{index & 255}"
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, local, message.SerializeToString(deterministic=True))


def local_name(node_cluster: str) -> str:
    """Name the assignment of a sidecar's own kind: no service has a name with a slash."""
    return f"local/{node_cluster}"


def add_endpoint(group: endpoint_pb2.LocalityLbEndpoints, endpoint: Endpoint) -> endpoint_pb2.LbEndpoint:
    """Add where an endpoint is, all that every client needs. Written in place, since nesting would copy each level."""
    message = group.lb_endpoints.add()
    socket_address = message.endpoint.address.socket_address
    socket_address.address = endpoint.address
    socket_address.port_value = endpoint.port
    return message


def _complete_endpoint(message: endpoint_pb2.LbEndpoint, endpoint: Endpoint, *, weighted: bool) -> None:
    """Weights go out only for a balance that heeds them: Envoy's ROUND_ROBIN would, unasked; its RANDOM would not."""
    if endpoint.drain:
        message.health_status = endpoint_pb2.DRAINING
    elif endpoint.health is not Health.HEALTHY:
        message.health_status = HEALTH_STATUSES[endpoint.health]
    if weighted:
        message.load_balancing_weight.value = endpoint.weight or 1
    if endpoint.metadata:
        labels = Struct()
        labels.update(dict(endpoint.metadata))
        message.metadata.filter_metadata["envoy.lb"].CopyFrom(labels)


WEIGHT_SCALE = 1000
"""What weights are multiplied by where one is split among the localities of its key."""

DEPTHS = {Level.REGION: 1, Level.ZONE: 2, Level.SUB_ZONE: 3}
"""How many words of a locality tell whether it is near."""


class Reliance(NamedTuple):
    """What of its callers' localities a service's resources rely on.

    `depth` is how much of a caller's own locality decides over priorities; `zone_aware` is whether its callers' Envoys
    need to know where all of their kind are.
    """

    depth: int = 0
    zone_aware: bool = False


def find_reliance(service: Service) -> Reliance | None:
    """Say what of a caller's locality counts; None when it makes no difference, as for most services."""
    locality = service.locality
    if not locality.failover and locality.zone_aware is None:
        return None
    depth = max((DEPTHS[level] for level in locality.failover), default=0)
    return Reliance(depth, locality.zone_aware is not None)


def prioritize(localities: Sequence[Locality], levels: Sequence[Level], caller: Locality) -> tuple[int, ...]:
    """Give the priority of each locality for a caller: the first level on which they meet decides.

    Priorities leave no hole, which Envoy and gRPC would refuse; without a locality that is near, all are 0.
    """
    ranks = [
        next((rank for rank, level in enumerate(levels) if _is_near(level, caller, one)), len(levels))
        for one in localities
    ]
    return compact(ranks)


def compact(ranks: Sequence[int]) -> tuple[int, ...]:
    """Number ranks from 0 without a hole, in their order."""
    place = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return tuple(place[rank] for rank in ranks)


def _is_near(level: Level, one: Locality, other: Locality) -> bool:
    """Tell whether two are in the same sub-zone, zone or region; a wider word that one does not give is no matter."""
    depth = DEPTHS[level]
    if not one[depth - 1] or one[depth - 1] != other[depth - 1]:
        return False
    return all(a == b or not (a and b) for a, b in zip(one[: depth - 1], other[: depth - 1], strict=True))


def weigh(service: Service, localities: Mapping[Locality, Sequence[Endpoint]]) -> dict[Locality, int]:
    """Give the weight of each locality of one priority, 0 for those that are to get no requests.

    A key of `locality.weights` may name several localities: they share its weight by how much their endpoints take.
    When no weight is left for any of them, all endpoints are as one list again, as Envoy has it by itself.
    """
    weights = service.locality.weights or {}
    heeds = service.balance.policy in WEIGHING
    sizes = {one: sum((e.weight or 1) if heeds else 1 for e in endpoints) for one, endpoints in localities.items()}
    keys = {one: key for one, endpoints in localities.items() if (key := find_key(service, endpoints[0]))}
    totals: dict[str, int] = {}
    for one, key in keys.items():
        totals[key] = totals.get(key, 0) + sizes[one]
    scale = 1 if len(totals) == len(keys) else WEIGHT_SCALE
    shares = {
        one: max(1, weights[key] * scale * sizes[one] // totals[key]) for one, key in keys.items() if weights[key]
    }
    return {one: shares.get(one, 0) for one in localities} if shares else sizes


def find_localities(endpoints: Iterable[Endpoint]) -> tuple[Locality, ...]:
    """Give the localities of endpoints, each once, in the order in which they come."""
    return tuple(dict.fromkeys(map(locality_of, endpoints)))
