"""Functions that build and encode Envoy's messages, in addition to protobuf's own constructors."""

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value, UInt64Value

PREFIX = "xds.wire."
"""The prefix of the names of Envoy's messages in `xds.wire.envoy`."""


def encode(message: Message) -> bytes:
    """Encode a message, with the entries of maps in order, so that equal messages have equal bytes."""
    return message.SerializeToString(deterministic=True)


def pack(message: Message) -> Any:
    """Return a google.protobuf.Any that contains one of Envoy's messages, under Envoy's name of its type."""
    name = message.DESCRIPTOR.full_name.removeprefix(PREFIX)
    return Any(type_url=f"type.googleapis.com/{name}", value=encode(message))


def uint32(value: int | None) -> UInt32Value | None:
    """Return a number as a UInt32Value; None for None, which leaves the field unset."""
    return None if value is None else UInt32Value(value=value)


def uint64(value: int | None) -> UInt64Value | None:
    """Return a number as a UInt64Value; None for None, which leaves the field unset."""
    return None if value is None else UInt64Value(value=value)


def boolean(value: bool | None) -> BoolValue | None:
    """Return a bool as a BoolValue; None for None, which leaves the field unset."""
    return None if value is None else BoolValue(value=value)
