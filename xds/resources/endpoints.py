"""ClusterLoadAssignment (EDS): who answers for a service, with which weight, and where."""

from datetime import timedelta

from google.protobuf.struct_pb2 import Struct

from xds.catalog.model import WEIGHING, Endpoint, Health, Service
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2
from xds.wire.discovery_pb2 import Locality

HEALTH_STATUSES = {Health.DEGRADED: endpoint_pb2.DEGRADED, Health.UNHEALTHY: endpoint_pb2.UNHEALTHY}


def build_load_assignment(name: str, service: Service) -> Resource:
    """Build a service's resource; for one with no endpoints it is explicit and empty, never missing (rule 34)."""
    message = build_assignment_message(name, service)
    ttl_ms = 0
    if service.ttl is not None:
        message.policy.endpoint_stale_after.FromTimedelta(service.ttl)
        ttl_ms = round(service.ttl / timedelta(milliseconds=1))
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message.SerializeToString(deterministic=True), ttl_ms)


def build_assignment_message(name: str, service: Service) -> endpoint_pb2.ClusterLoadAssignment:
    """Build the message, endpoints grouped by locality in the order in which the catalog first names each.

    Localities have no weights: Envoy balances over the endpoints of all as over one list, whatever the policy.

    Endpoints that are to take no requests stand in a priority of their own, after the others. In one with them they
    would count as failed: were they more than half, Envoy would panic, and send requests to all. A priority
    of nothing else is asked only when the first has nobody left.
    """
    weighted = service.balance in WEIGHING
    spare = int(any(not is_out(endpoint) for endpoint in service.endpoints))
    localities: dict[tuple[int, str, str, str], list[Endpoint]] = {}
    for endpoint in service.endpoints:
        priority = spare if is_out(endpoint) else 0
        localities.setdefault((priority, endpoint.region, endpoint.zone, endpoint.sub_zone), []).append(endpoint)
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for (priority, region, zone, sub_zone), endpoints in localities.items():
        locality = Locality(region=region, zone=zone, sub_zone=sub_zone)
        group = message.endpoints.add(locality=locality, priority=priority)
        for endpoint in endpoints:
            _complete_endpoint(add_endpoint(group, endpoint), endpoint, weighted=weighted)
    return message


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
