"""The entry that `xds bootstrap` adds to `node.metadata`: the port of the node's own metrics, if it has one."""

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

METRICS_PORT = "xds.metrics_port"


def find_metrics_port(metadata: bytes) -> int | None:
    """Return the port, a string or a number in an encoded google.protobuf.Struct; None if there is none."""
    try:
        value = Struct.FromString(metadata).fields[METRICS_PORT]
    except DecodeError:
        return None
    text = value.string_value or f"{value.number_value:g}"
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535 else None


def encode_metrics_port(port: int) -> bytes:
    """Return encoded metadata that contains only the port."""
    struct = Struct()
    struct.update({METRICS_PORT: str(port)})
    return struct.SerializeToString(deterministic=True)
