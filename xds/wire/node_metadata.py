"""What `xds bootstrap` has a node say of itself in `node.metadata`: the port of its metrics, if it has one."""

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

METRICS_PORT = "xds.metrics_port"


def find_metrics_port(metadata: bytes) -> int | None:
    """Find the port in an encoded google.protobuf.Struct, as text or a number; None when there is none."""
    try:
        value = Struct.FromString(metadata).fields[METRICS_PORT]
    except DecodeError:
        return None
    text = value.string_value or f"{value.number_value:g}"
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535 else None


def encode_metrics_port(port: int) -> bytes:
    """Encode metadata that names a port and nothing else."""
    struct = Struct()
    struct.update({METRICS_PORT: str(port)})
    return struct.SerializeToString(deterministic=True)
