"""ClusterLoadAssignment (EDS): a service's endpoints by locality and priority, as they are sent to Envoy."""

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
"""The priority of each locality, for callers in one locality; empty if it is the same for all callers."""

EVERYWHERE: Priorities = {}

SPARE = MAX_PRIORITY + 1
"""The rank of drained and unhealthy endpoints: after all priorities that a catalog can have."""

Group = tuple[int, Locality]
"""A rank, from which the priority follows, and a locality."""

ENDPOINTS = 2
"""The number of the field `endpoints` of a ClusterLoadAssignment."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A service's encoded endpoints by rank and locality, in the order of their first endpoints in the set.

    Each endpoint is encoded as a LocalityLbEndpoints that contains only it: joined, these bytes contain all. `keys` has
    the set's keys in order. `weighted` is whether the endpoints have weights, and `check_port` the port of their health
    checks; 0 is their own.
    """

    groups: Mapping[Group, Mapping[Key, bytes]]
    keys: tuple[Key, ...]
    weighted: bool
    check_port: int


def encode_endpoints(
    service: Service,
    endpoints: EndpointSet,
    before: Encoded | None = None,
    was: EndpointSet = NO_ENDPOINTS,
    changed: Collection[Key] = (),
) -> Encoded:
    """Encode the endpoints of a set.

    With `before`, the result for the previous set `was`, only the `changed` endpoints are encoded. If these also stay
    in their groups, the time does not depend on the number of the others.
    """
    weighted, port, keys = service.balance.heeds_weights, service.check_port, tuple(endpoints.by_key)
    if before is None or (before.weighted, before.check_port) != (weighted, port):
        before, changed = None, keys
    fresh = {
        key: _encode_one(endpoints.by_key[key], port, weighted=weighted) for key in changed if key in endpoints.by_key
    }
    if before is not None and before.keys == keys:
        places = {key: _find_group(endpoints.by_key[key]) for key in fresh}
        if all(_find_group(was.by_key[key]) == group for key, group in places.items()):
            groups = dict(before.groups)
            for group in set(places.values()):
                groups[group] = {**groups[group], **{key: fresh[key] for key in fresh if places[key] == group}}
            return Encoded(groups, before.keys, weighted, port)
    kept = {} if before is None else {key: one for some in before.groups.values() for key, one in some.items()}
    encoded = kept | fresh
    grouped: dict[Group, dict[Key, bytes]] = {}
    for key, endpoint in endpoints.by_key.items():
        grouped.setdefault(_find_group(endpoint), {})[key] = encoded[key]
    return Encoded(grouped, keys, weighted, port)


def build_load_assignment(
    name: str,
    service: Service,
    endpoints: EndpointSet,
    priorities: Priorities = EVERYWHERE,
    encoded: Encoded | None = None,
) -> Resource:
    """Build a service's resource; a service without endpoints has an empty one, not a missing one (rule 34)."""
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
    """Encode a ClusterLoadAssignment, from the `encoded` endpoints if they are given.

    Without `locality.weights` localities have no weights: Envoy balances all endpoints as one list.
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
        if weight := weights.get((priority, where), 0):  # with weights, a locality without one gets no requests
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
    """Return the rank and the locality of an endpoint, without regard to the caller's locality.

    Drained and unhealthy endpoints have a priority of their own, after the others. In the same priority they would
    count as failed: if they were more than half, Envoy would panic and send requests to all. Envoy uses a later
    priority only if the earlier ones have too few healthy endpoints.
    """
    return SPARE if endpoint.is_out else endpoint.priority or 0, endpoint.locality


def _prioritize(group: Group, priorities: Priorities) -> int:
    rank, where = group
    return priorities[where] if priorities and rank != SPARE else rank


Groups = Mapping[tuple[int, Locality], list[Endpoint]]
"""Endpoints by their priority and locality."""


def group_endpoints(endpoints: EndpointSet, priorities: Priorities = EVERYWHERE) -> Groups:
    """Return the endpoints by priority and locality, in order; priorities begin with 0 and have no gaps."""
    groups: dict[Group, list[Endpoint]] = {}
    for endpoint in endpoints:
        group = _find_group(endpoint)
        groups.setdefault((_prioritize(group, priorities), group[1]), []).append(endpoint)
    order = compact([rank for rank, _ in groups])
    return {(priority, where): some for priority, ((_, where), some) in zip(order, groups.items(), strict=True)}


def weigh_groups(service: Service, groups: Groups) -> dict[tuple[int, Locality], int]:
    """Return the weight of each group among those of its priority."""
    by_priority: dict[int, dict[Locality, list[Endpoint]]] = {}
    for (priority, locality), endpoints in groups.items():
        by_priority.setdefault(priority, {})[locality] = endpoints
    return {
        (priority, locality): weight
        for priority, localities in by_priority.items()
        for locality, weight in weigh(service, localities).items()
    }


def build_local_assignment(name: str, endpoints: EndpointSet) -> Resource:
    """Build the endpoints of a sidecar's own service, whose localities Envoy needs for zone-aware routing.

    It is not the service's own resource, since here Envoy accepts only the priority 0. Envoy sends no requests to these
    endpoints, it only counts them. A host name, which EDS would refuse, is replaced by a reserved IP address.
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
    """Return the name of a sidecar's local assignment. No service has it, since their names have no slash."""
    return f"local/{node_cluster}"


def add_endpoint(group: endpoint_pb2.LocalityLbEndpoints, endpoint: Endpoint) -> endpoint_pb2.LbEndpoint:
    """Add an endpoint with its address, in place: to build it from nested messages would copy each of them."""
    message = group.lb_endpoints.add()
    socket_address = message.endpoint.address.socket_address
    socket_address.address = endpoint.address
    socket_address.port_value = endpoint.port
    return message


def _encode_one(endpoint: Endpoint, check_port: int, *, weighted: bool) -> bytes:
    """Encode a LocalityLbEndpoints with one endpoint, with its weight if `weighted`.

    Weights are sent only if the balance uses them: `round_robin` does not, but Envoy's ROUND_ROBIN would.
    """
    group = endpoint_pb2.LocalityLbEndpoints()
    message = add_endpoint(group, endpoint)
    if check_port:
        message.endpoint.health_check_config.port_value = check_port
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
"""The factor for weights that are divided among several localities or endpoints, to reduce rounding errors."""

DEPTHS = {Level.REGION: 1, Level.ZONE: 2, Level.SUB_ZONE: 3}
"""How many parts of a locality (region, zone, sub-zone) are compared at each level."""


class Reliance(NamedTuple):
    """How a service's resources depend on its callers' localities.

    `depth` is how many parts of a caller's locality decide the priorities. `zone_aware` is whether the callers' Envoys
    need the localities of their own service's endpoints.
    """

    depth: int = 0
    zone_aware: bool = False


def find_reliance(service: Service) -> Reliance | None:
    """Return how a service's resources depend on a caller's locality; None if they do not, as for most services."""
    locality = service.locality
    if not locality.failover and locality.zone_aware is None:
        return None
    depth = max((DEPTHS[level] for level in locality.failover), default=0)
    return Reliance(depth, locality.zone_aware is not None)


def prioritize(localities: Sequence[Locality], levels: Sequence[Level], caller: Locality) -> tuple[int, ...]:
    """Return the priority of each locality for a caller: the index of the first level that both share.

    Priorities have no gaps, which Envoy and gRPC would refuse. If no locality shares a level, all priorities are 0.
    """
    ranks = [
        next((rank for rank, level in enumerate(levels) if _is_near(level, caller, one)), len(levels))
        for one in localities
    ]
    return compact(ranks)


def compact(ranks: Sequence[int]) -> tuple[int, ...]:
    """Return ranks numbered from 0 without gaps, in the same order."""
    place = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return tuple(place[rank] for rank in ranks)


def _is_near(level: Level, one: Locality, other: Locality) -> bool:
    """Whether two localities share a level; wider levels are compared only if both localities have them."""
    depth = DEPTHS[level]
    if not one[depth - 1] or one[depth - 1] != other[depth - 1]:
        return False
    return all(a == b or not (a and b) for a, b in zip(one[: depth - 1], other[: depth - 1], strict=True))


def weigh(service: Service, localities: Mapping[Locality, Sequence[Endpoint]]) -> dict[Locality, int]:
    """Return the weight of each locality of one priority, 0 for those that get no requests.

    If a key of `locality.weights` names several localities, they share its weight in proportion to their sizes. If no
    locality has a weight, each gets its size as weight, so that all endpoints are balanced as one list. The size is the
    sum of the endpoints' weights, or the number of endpoints if the balance does not use weights.
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
