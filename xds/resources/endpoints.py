"""ClusterLoadAssignment (EDS): who answers for a service, with which weight, and where."""

from datetime import timedelta

from google.protobuf.struct_pb2 import Struct

from xds.catalog.model import Balance, Endpoint, Service
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2
from xds.wire.discovery_pb2 import Locality


def build_load_assignment(name: str, service: Service) -> Resource:
    """Build a service's resource; for one with no endpoints it is explicit and empty, never missing (rule 34)."""
    message = build_assignment_message(name, service)
    ttl_ms = 0
    if service.ttl is not None:
        message.policy.endpoint_stale_after.FromTimedelta(service.ttl)
        ttl_ms = round(service.ttl / timedelta(milliseconds=1))
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message.SerializeToString(deterministic=True), ttl_ms)


def build_assignment_message(name: str, service: Service) -> endpoint_pb2.ClusterLoadAssignment:
    """Build the message, endpoints grouped by locality in the order in which the catalog first names each."""
    weighted = service.balance is Balance.WEIGHTED
    localities: dict[tuple[str, str, str], list[Endpoint]] = {}
    for endpoint in service.endpoints:
        localities.setdefault((endpoint.region, endpoint.zone, endpoint.sub_zone), []).append(endpoint)
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for (region, zone, sub_zone), endpoints in localities.items():
        group = message.endpoints.add(locality=Locality(region=region, zone=zone, sub_zone=sub_zone))
        for endpoint in endpoints:
            _complete_endpoint(add_endpoint(group, endpoint), endpoint, weighted=weighted)
    return message


def add_endpoint(group: endpoint_pb2.LocalityLbEndpoints, endpoint: Endpoint) -> endpoint_pb2.LbEndpoint:
    """Add where an endpoint is, all that every client needs. Written in place, since nesting would copy each level."""
    message = group.lb_endpoints.add()
    socket_address = message.endpoint.address.socket_address
    socket_address.address = endpoint.address
    socket_address.port_value = endpoint.port
    return message


def _complete_endpoint(message: endpoint_pb2.LbEndpoint, endpoint: Endpoint, *, weighted: bool) -> None:
    """Only `weighted` sends weights: Envoy's ROUND_ROBIN would heed them, its RANDOM would not."""
    if weighted:
        message.load_balancing_weight.value = endpoint.weight or 1
    if endpoint.metadata:
        labels = Struct()
        labels.update(dict(endpoint.metadata))
        message.metadata.filter_metadata["envoy.lb"].CopyFrom(labels)
