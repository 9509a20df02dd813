"""ClusterLoadAssignment (EDS): who answers for a service, with which weight, and where."""

from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import UInt32Value

from xds.catalog.model import Balance, Endpoint, Service
from xds.resources.resource import Resource, encode_resource
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2
from xds.wire.discovery_pb2 import Locality


def build_load_assignment(name: str, service: Service) -> Resource:
    """Build a service's resource; for one with no endpoints it is explicit and empty, never missing (rule 34)."""
    message = build_assignment_message(name, service).SerializeToString(deterministic=True)
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, message)


def build_assignment_message(name: str, service: Service) -> endpoint_pb2.ClusterLoadAssignment:
    """Build the message, endpoints grouped by locality in the order in which the catalog first names each."""
    weighted = service.balance is Balance.WEIGHTED
    localities: dict[tuple[str, str, str], list[endpoint_pb2.LbEndpoint]] = {}
    for endpoint in service.endpoints:
        locality = (endpoint.region, endpoint.zone, endpoint.sub_zone)
        localities.setdefault(locality, []).append(_build_endpoint(endpoint, weighted=weighted))
    return endpoint_pb2.ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            endpoint_pb2.LocalityLbEndpoints(
                locality=Locality(region=region, zone=zone, sub_zone=sub_zone), lb_endpoints=endpoints
            )
            for (region, zone, sub_zone), endpoints in localities.items()
        ],
    )


def _build_endpoint(endpoint: Endpoint, *, weighted: bool) -> endpoint_pb2.LbEndpoint:
    """Only `weighted` sends weights: Envoy's ROUND_ROBIN would heed them, its RANDOM would not."""
    message = endpoint_pb2.LbEndpoint(
        endpoint=endpoint_pb2.Endpoint(
            address=endpoint_pb2.Address(
                socket_address=endpoint_pb2.SocketAddress(address=endpoint.address, port_value=endpoint.port)
            )
        )
    )
    if weighted:
        message.load_balancing_weight.CopyFrom(UInt32Value(value=endpoint.weight or 1))
    if endpoint.metadata:
        labels = Struct()
        labels.update(dict(endpoint.metadata))
        message.metadata.filter_metadata["envoy.lb"].CopyFrom(labels)
    return message
