"""Every message and field of `protos/` is Envoy's: it has the same number, the same type and the same bytes."""

from typing import Any

import betterproto2
import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.service.discovery import v3 as discovery
from envoy_data_plane.envoy.type.v3 import SemanticVersion
from envoy_data_plane.google import protobuf
from envoy_data_plane.google.rpc import Status
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from xds.wire import discovery_pb2, endpoint_pb2, skeleton_pb2

ENVOY: dict[str, type[betterproto2.Message]] = {
    "xds.wire.Address": core.Address,
    "xds.wire.BuildVersion": core.BuildVersion,
    "xds.wire.Cluster": Cluster,
    "xds.wire.ClusterLoadAssignment": endpoint.ClusterLoadAssignment,
    "xds.wire.ClusterLoadAssignmentPolicy": endpoint.ClusterLoadAssignmentPolicy,
    "xds.wire.DeltaDiscoveryRequest": discovery.DeltaDiscoveryRequest,
    "xds.wire.DeltaDiscoveryResponse": discovery.DeltaDiscoveryResponse,
    "xds.wire.DiscoveryRequest": discovery.DiscoveryRequest,
    "xds.wire.DiscoveryResponse": discovery.DiscoveryResponse,
    "xds.wire.Endpoint": endpoint.Endpoint,
    "xds.wire.LbEndpoint": endpoint.LbEndpoint,
    "xds.wire.Locality": core.Locality,
    "xds.wire.HealthCheckConfig": endpoint.EndpointHealthCheckConfig,
    "xds.wire.LocalityLbEndpoints": endpoint.LocalityLbEndpoints,
    "xds.wire.Metadata": core.Metadata,
    "xds.wire.Node": core.Node,
    "xds.wire.Resource": discovery.Resource,
    "xds.wire.Route": route.Route,
    "xds.wire.RouteAction": route.RouteAction,
    "xds.wire.RouteConfiguration": route.RouteConfiguration,
    "xds.wire.SemanticVersion": SemanticVersion,
    "xds.wire.SocketAddress": core.SocketAddress,
    "xds.wire.Status": Status,
    "xds.wire.VirtualHost": route.VirtualHost,
}

ENCODED: dict[str, type[betterproto2.Message]] = {
    "xds.wire.DiscoveryResponse.resources": protobuf.Any,
    "xds.wire.Node.metadata": protobuf.Struct,
    "xds.wire.Resource.resource": protobuf.Any,
    "xds.wire.Route.match": route.RouteMatch,
    "xds.wire.Route.route": route.RouteAction,
    "xds.wire.RouteConfiguration.virtual_hosts": route.VirtualHost,
    "xds.wire.VirtualHost.routes": route.Route,
}
"""The bytes fields that hold an encoded message, and the message of each."""

MESSAGES: list[Descriptor] = [
    message
    for module in (discovery_pb2, endpoint_pb2, skeleton_pb2)
    for message in module.DESCRIPTOR.message_types_by_name.values()
]
FIELDS: list[FieldDescriptor] = [field for message in MESSAGES for field in message.fields]

PROTO_TYPES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_MESSAGE: "message",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
}


def split(field: FieldDescriptor) -> tuple[Any, str]:
    """Return envoy-data-plane's metadata of the message that has the field, and the field's name."""
    message, _, name = field.full_name.rpartition(".")
    return metadata_of(message), name


def metadata_of(message: str) -> Any:
    """Return envoy-data-plane's metadata of Envoy's message for one of our messages."""
    envoy: Any = ENVOY[message]
    return envoy._betterproto


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map. On the wire a map is a repeated message."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.full_name)
def test_every_message_is_listed_with_its_message_in_envoy(message: Descriptor) -> None:
    """The other tests compare only the messages that are listed here."""
    assert message.full_name in ENVOY


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.full_name)
def test_every_field_has_envoys_number_and_type(field: FieldDescriptor) -> None:
    """The name, number, type and cardinality are the same. A bytes field may stand for a message."""
    message, name = split(field)
    envoy = message.meta_by_field_name.get(name)
    assert envoy is not None, f"Envoy's message has no field {field.name}"
    assert envoy.number == field.number
    if is_map(field):
        assert envoy.proto_type == "map"
        return
    expected = "message" if field.full_name in ENCODED else PROTO_TYPES[field.type]
    assert envoy.proto_type == expected
    assert envoy.repeated == field.is_repeated


@pytest.mark.parametrize(
    "field", [f for f in FIELDS if f.message_type and not is_map(f)], ids=lambda field: field.full_name
)
def test_every_message_field_holds_envoys_message(field: FieldDescriptor) -> None:
    """The message type of a field is the same as in Envoy."""
    message, name = split(field)
    assert field.message_type is not None
    ours = field.message_type.full_name
    expected = ENVOY[ours] if ours in ENVOY else getattr(protobuf, field.message_type.name)
    assert message.meta_by_field_name[name].unwrap is not None or message.cls_by_field[name] is expected


@pytest.mark.parametrize("name", sorted(ENCODED))
def test_every_bytes_field_is_documented_with_envoys_message(name: str) -> None:
    """The message that we name for a bytes field is the type of Envoy's field."""
    message, _, field = name.rpartition(".")
    assert metadata_of(message).cls_by_field[field] is ENCODED[name]
