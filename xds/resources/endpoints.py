"""ClusterLoadAssignment (EDS): who answers for a service, with which weight, and where."""

from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.struct_pb2 import Struct

from xds.catalog.addresses import normalize_ip
from xds.catalog.locality import MAX_PRIORITY
from xds.catalog.model import Endpoint, Health, Service
from xds.catalog.policies import WEIGHING
from xds.resources.locality import Locality, compact, locality_of, weigh
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


def is_out(endpoint: Endpoint) -> bool:
    """Tell whether the operator wants no new requests to go to an endpoint."""
    return endpoint.drain or endpoint.health is Health.UNHEALTHY


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
