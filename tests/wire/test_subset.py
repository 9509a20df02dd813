"""The protos that `generate.py` writes from envoy-data-plane's classes: protobuf's messages are the same as Envoy's."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from envoy_data_plane.google import protobuf
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

import xds.wire.envoy
from xds.catalog.raw.types import find_type
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.config_core_v3_pb2 import HealthCheck
from xds.wire.messages import PREFIX, boolean, encode, pack, uint32, uint64

MODULES = sorted(path.stem for folder in xds.wire.envoy.__path__ for path in Path(folder).glob("*_pb2.py"))
KINDS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_MESSAGE: "message",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def list_messages(module: str) -> Iterator[Descriptor]:
    """Yield the messages of a module, nested ones too, but not the entries of maps."""
    waiting = list(import_module(f"xds.wire.envoy.{module}").DESCRIPTOR.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        waiting += [one for one in message.nested_types if not one.GetOptions().map_entry]
        yield message


def find_class(kind: Descriptor) -> Any:
    """Return envoy-data-plane's class of a message, by Envoy's name of the message."""
    name = kind.full_name.removeprefix(PREFIX)
    return getattr(protobuf, kind.name) if name.startswith("google.protobuf.") else find_type(name)


@pytest.mark.parametrize("module", MODULES)
def test_every_field_is_the_same_as_envoys(module: str) -> None:
    """Its number, kind, type, oneof, and whether it is repeated or optional are the same."""
    for message in list_messages(module):
        known = find_class(message)._betterproto
        for field in message.fields:
            name = field.name if field.name in known.meta_by_field_name else f"{field.name}_"
            check_field(field, known.meta_by_field_name[name], known.cls_by_field[name])


def check_field(field: FieldDescriptor, meta: Any, found: Any) -> None:
    """Compare a field with envoy-data-plane's metadata of Envoy's field."""
    assert field.number == meta.number
    if meta.map_meta:
        assert field.message_type is not None
        entry = field.message_type.fields_by_name
        assert [KINDS[entry[one].type] for one in ("key", "value")] == [one.proto_type for one in meta.map_meta]
        return
    assert KINDS[field.type] == meta.proto_type
    assert field.is_repeated == meta.repeated
    oneof = field.containing_oneof  # protobuf puts a proto3 optional scalar into a oneof of its own
    assert (oneof.name if oneof and not oneof.name.startswith("_") else None) == meta.group
    assert field.has_presence == (meta.optional or (field.message_type is not None and not meta.repeated))
    if field.message_type is not None:
        assert find_class(field.message_type) is (meta.unwrap() if meta.unwrap else found)
    if field.enum_type is not None:
        check_enum(field.enum_type, found)


def check_enum(ours: EnumDescriptor, found: Any) -> None:
    """Compare an enum's values with those of envoy-data-plane."""
    renamed = found.betterproto_value_to_renamed_proto_names()
    assert {one.name: one.number for one in ours.values} == {renamed.get(one.value, one.name): one for one in found}


def test_a_packed_message_has_the_type_url_of_envoys_message() -> None:
    """Our messages are in another package. A nested message has the names of both messages."""
    assert pack(Cluster(name="web")).type_url == "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    inner = pack(HealthCheck.TcpHealthCheck())
    assert inner.type_url == "type.googleapis.com/envoy.config.core.v3.HealthCheck.TcpHealthCheck"


def test_equal_messages_have_equal_bytes() -> None:
    """The order in which a map is filled makes no difference."""
    one, two = Cluster(), Cluster()
    for name in ("a", "b", "c"):
        one.typed_extension_protocol_options[name].value = b"1"
    for name in ("c", "a", "b"):
        two.typed_extension_protocol_options[name].value = b"1"
    assert encode(one) == encode(two)


def test_an_unset_field_is_not_encoded_and_a_zero_is() -> None:
    """The wrapper messages exist for this difference."""
    assert [uint32(None), uint64(None), boolean(None)] == [None] * 3
    cluster = Cluster(per_connection_buffer_limit_bytes=uint32(0), wait_for_warm_on_init=boolean(False))
    theirs: Any = find_type("envoy.config.cluster.v3.Cluster")
    assert encode(cluster) == bytes(theirs(per_connection_buffer_limit_bytes=0, wait_for_warm_on_init=False))
