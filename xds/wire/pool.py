"""The messages of `xds.wire.envoy` under Envoy's own names, which the type URL of a google.protobuf.Any contains."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from xds.wire import envoy
from xds.wire.messages import PREFIX


@cache
def build_pool() -> DescriptorPool:
    """Return a pool of these messages. It is not protobuf's default pool, which may contain Envoy's own protos."""
    pool = DescriptorPool()
    added: set[str] = set()
    for module in iter_modules(envoy.__path__, f"{envoy.__name__}."):
        _add(pool, import_module(module.name).DESCRIPTOR, added)
    return pool


def _add(pool: DescriptorPool, file: FileDescriptor, added: set[str]) -> None:
    """Add a file, after the files that it imports."""
    if file.name in added:
        return
    added.add(file.name)
    for imported in file.dependencies:
        _add(pool, imported, added)
    proto = FileDescriptorProto.FromString(file.serialized_pb)
    proto.package = proto.package.removeprefix(PREFIX)
    for message in proto.message_type:
        _rename(message)
    pool.Add(proto)


def _rename(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type_name.startswith(f".{PREFIX}"):
            field.type_name = f".{field.type_name.removeprefix(f'.{PREFIX}')}"
    for inner in message.nested_type:
        _rename(inner)


def parse_known(type_url: str, value: bytes) -> Message | None:
    """Parse a message of that type; return None if it, or a message inside it, has an unknown field or type."""
    try:
        descriptor = build_pool().FindMessageTypeByName(type_url.rpartition("/")[2])
        message = GetMessageClass(descriptor).FromString(value)
    except (KeyError, DecodeError):
        return None
    if has_unknown(message):
        return None
    packed = find_packed(message)
    return message if all(parse_known(one.type_url, one.value) is not None for one in packed) else None


def has_unknown(message: Message) -> bool:
    """Discard the unknown fields of a message and of the messages inside it; return whether there were any."""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message.ByteSize() != size


def find_packed(message: Any) -> Iterator[Any]:
    """Yield each google.protobuf.Any inside a message, but not those inside another Any."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [one for one in value.values() if isinstance(one, Message)]
        else:
            inner = value if field.is_repeated else [value]
        for one in inner:
            if one.DESCRIPTOR.full_name == "google.protobuf.Any":
                yield one
            else:
                yield from find_packed(one)
