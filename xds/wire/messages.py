"""How messages of Envoy's are made: what protobuf's own constructors leave to be written out."""

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value, UInt64Value

OURS = "xds.wire."
"""Before the names of Envoy's messages, in `xds.wire.envoy`."""


def encode(message: Message) -> bytes:
    """Encode a message; maps in order, so that equal messages have equal bytes."""
    return message.SerializeToString(deterministic=True)


def pack(message: Message) -> Any:
    """Pack one of Envoy's messages, under the name that Envoy has for it."""
    return Any(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name.removeprefix(OURS)}", value=encode(message))


def uint32(value: int | None) -> UInt32Value | None:
    """Wrap a number that may be left out."""
    return None if value is None else UInt32Value(value=value)


def uint64(value: int | None) -> UInt64Value | None:
    """Wrap a number that may be left out, where Envoy has a wide one."""
    return None if value is None else UInt64Value(value=value)


def boolean(value: bool | None) -> BoolValue | None:
    """Wrap a truth that may be left out."""
    return None if value is None else BoolValue(value=value)
