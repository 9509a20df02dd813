"""ClusterLoadAssignment: a service's endpoints by locality and priority, as Envoy is told of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from google.protobuf.struct_pb2 import Struct

from xds.catalog.model.endpoint import Endpoint, Health
from xds.catalog.model.locality import MAX_PRIORITY, Level, Locality
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import NO_ENDPOINTS, EndpointSet, Key
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2
from xds.wire.discovery_pb2 import Locality as WireLocality
from xds.wire.varint import encode_field

HEALTH_STATUSES = {Health.DEGRADED: endpoint_pb2.DEGRADED, Health.UNHEALTHY: endpoint_pb2.UNHEALTHY}


Priorities = Mapping[Locality, int]
"""The priority of each locality, for callers of one place; empty where all callers have the same."""

EVERYWHERE: Priorities = {}

SPARE = MAX_PRIORITY + 1
"""The rank of endpoints that are to take no requests: after all that a catalog can state."""

Group = tuple[int, Locality]
"""A rank, which becomes a priority, and a locality."""

ENDPOINTS = 2
"""The number of ClusterLoadAssignment's field of LocalityLbEndpoints."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A service's endpoints as they are encoded, by rank and locality, in the order in which the set first names each.

    The bytes are those of LocalityLbEndpoints that hold one endpoint: joined, they hold all. `keys` is the set's order,
    and `weighted` whether weights are in them.
    """

    groups: Mapping[Group, Mapping[Key, bytes]]
    keys: tuple[Key, ...]
    weighted: bool


def encode_endpoints(
    service: Service,
    endpoints: EndpointSet,
    before: Encoded | None = None,
    was: EndpointSet = NO_ENDPOINTS,
    changed: Collection[Key] = (),
) -> Encoded:
    """Encode the endpoints of a set.

    With `before`, which holds the set as it `was`, those alone that `changed` are encoded. When these also stay in
    their groups, no other is looked at.
    """
    weighted, keys = service.balance.heeds_weights, tuple(endpoints.by_key)
    if before is None or before.weighted != weighted:
        before, changed = None, keys
    fresh = {key: _encode_one(endpoints.by_key[key], weighted=weighted) for key in changed if key in endpoints.by_key}
    if before is not None and before.keys == keys:
        places = {key: _find_group(endpoints.by_key[key]) for key in fresh}
        if all(_find_group(was.by_key[key]) == group for key, group in places.items()):
            groups = dict(before.groups)
            for group in set(places.values()):
                groups[group] = {**groups[group], **{key: fresh[key] for key in fresh if places[key] == group}}
            return Encoded(groups, before.keys, weighted)
    kept = {} if before is None else {key: one for some in before.groups.values() for key, one in some.items()}
    encoded = kept | fresh
    grouped: dict[Group, dict[Key, bytes]] = {}
    for key, endpoint in endpoints.by_key.items():
        grouped.setdefault(_find_group(endpoint), {})[key] = encoded[key]
    return Encoded(grouped, keys, weighted)


def build_load_assignment(
    name: str,
    service: Service,
    endpoints: EndpointSet,
    priorities: Priorities = EVERYWHERE,
    encoded: Encoded | None = None,
) -> Resource:
    """Build a service's resource; for one with no endpoints it is explicit and empty, never missing (rule 34)."""
    message = encode_assignment(name, service, endpoints, priorities, encoded, stale_after=service.ttl)
    ttl_ms = 0 if service.ttl is None else round(service.ttl / timedelta(milliseconds=1))
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message, ttl_ms)


def encode_assignment(
    name: str,
    service: Service,
    endpoints: EndpointSet,
    priorities: Priorities = EVERYWHERE,
    encoded: Encoded | None = None,
    *,
    stale_after: timedelta | None = None,
) -> bytes:
    """Encode a ClusterLoadAssignment of groups in their order; what is `encoded` of the endpoints already is joined.

    Without `locality.weights` localities have none: Envoy balances over the endpoints of all as over one list.
    """
    encoded = encoded or encode_endpoints(service, endpoints)
    groups: dict[Group, list[bytes]] = {}
    for group, some in encoded.groups.items():
        groups.setdefault((_prioritize(group, priorities), group[1]), []).extend(some.values())
    weights: Mapping[Group, int] = {}
    if service.locality.weights is not None:
        weights = weigh_groups(service, group_endpoints(endpoints, priorities))
    parts = [endpoint_pb2.ClusterLoadAssignment(cluster_name=name).SerializeToString()]
    order = compact([rank for rank, _ in groups])
    for priority, ((_, where), lb_endpoints) in zip(order, groups.items(), strict=True):
        locality = WireLocality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
        head = endpoint_pb2.LocalityLbEndpoints(locality=locality)
        tail = endpoint_pb2.LocalityLbEndpoints(priority=priority)
        if weight := weights.get((priority, where), 0):  # without one, no request goes there while others have one
            tail.load_balancing_weight.value = weight
        parts.append(
            encode_field(ENDPOINTS, b"".join((head.SerializeToString(), *lb_endpoints, tail.SerializeToString())))
        )
    policy = endpoint_pb2.ClusterLoadAssignmentPolicy()
    if service.overprovisioning is not None:
        policy.overprovisioning_factor.value = service.overprovisioning
    if stale_after is not None:
        policy.endpoint_stale_after.FromTimedelta(stale_after)
    if policy.ByteSize():
        parts.append(endpoint_pb2.ClusterLoadAssignment(policy=policy).SerializeToString())
    return b"".join(parts)


def _find_group(endpoint: Endpoint) -> Group:
    """Return the rank and locality that an endpoint stands in, as far as the catalog alone decides.

    Endpoints that are to take no requests stand in a priority of their own, after the others. In one with them they
    would count as failed: were they more than half, Envoy would panic, and send requests to all. A priority
    of nothing else is asked only when the first has nobody left.
    """
    return SPARE if endpoint.is_out else endpoint.priority or 0, endpoint.locality


def _prioritize(group: Group, priorities: Priorities) -> int:
    rank, where = group
    return priorities[where] if priorities and rank != SPARE else rank


Groups = Mapping[tuple[int, Locality], list[Endpoint]]
"""Endpoints by their priority and locality."""


def group_endpoints(endpoints: EndpointSet, priorities: Priorities = EVERYWHERE) -> Groups:
    """Group endpoints by priority and locality, in order; priorities begin with 0 and have no holes."""
    groups: dict[Group, list[Endpoint]] = {}
    for endpoint in endpoints:
        group = _find_group(endpoint)
        groups.setdefault((_prioritize(group, priorities), group[1]), []).append(endpoint)
    order = compact([rank for rank, _ in groups])
    return {(priority, where): some for priority, ((_, where), some) in zip(order, groups.items(), strict=True)}


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


def build_local_assignment(name: str, endpoints: EndpointSet) -> Resource:
    """Build what a sidecar's Envoy needs to know of its own kind to be zone-aware: where all of them are.

    It is another resource than the service's own, since Envoy takes no other priority than 0 here. Nothing is sent to
    these endpoints, they are only counted: a host name, which EDS would refuse, gives way to a number of nobody's.
    """
    local = local_name(name)
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=local)
    groups: dict[Locality, list[tuple[int, Endpoint]]] = {}
    for index, endpoint in enumerate(endpoints):
        if not endpoint.is_out:
            groups.setdefault(endpoint.locality, []).append((index, endpoint))
    for where, some in groups.items():
        locality = WireLocality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
        group = message.endpoints.add(locality=locality)
        for index, endpoint in some:
            address = add_endpoint(group, endpoint).endpoint.address.socket_address
            if not endpoint.is_ip:
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


def _encode_one(endpoint: Endpoint, *, weighted: bool) -> bytes:
    """Encode LocalityLbEndpoints of one endpoint.

    Weights go out only for a balance that heeds them: Envoy's ROUND_ROBIN would, unasked; its RANDOM would not.
    """
    group = endpoint_pb2.LocalityLbEndpoints()
    message = add_endpoint(group, endpoint)
    if endpoint.drain:
        message.health_status = endpoint_pb2.DRAINING
    elif endpoint.health is not Health.HEALTHY:
        message.health_status = HEALTH_STATUSES[endpoint.health]
    if weighted:
        message.load_balancing_weight.value = endpoint.load_balancing_weight
    if endpoint.metadata:
        labels = Struct()
        labels.update(dict(endpoint.metadata))
        message.metadata.filter_metadata["envoy.lb"].CopyFrom(labels)
    return group.SerializeToString(deterministic=True)


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
    heeds = service.balance.heeds_weights
    sizes = {
        one: sum(e.load_balancing_weight if heeds else 1 for e in endpoints) for one, endpoints in localities.items()
    }
    keys = {one: key for one, endpoints in localities.items() if (key := service.find_locality_key(endpoints[0]))}
    totals: dict[str, int] = {}
    for one, key in keys.items():
        totals[key] = totals.get(key, 0) + sizes[one]
    scale = 1 if len(totals) == len(keys) else WEIGHT_SCALE
    shares = {
        one: max(1, weights[key] * scale * sizes[one] // totals[key]) for one, key in keys.items() if weights[key]
    }
    return {one: shares.get(one, 0) for one in localities} if shares else sizes
