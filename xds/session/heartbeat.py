"""Heartbeats: they extend the life of resources that have a TTL (rule 36).

A client that supports the protocol's TTL is sent the TTL, and then heartbeats without a body. Envoy is not, although it
may announce support. Tested with Envoy 1.40: a delta stream ignores that an assignment's TTL ends, and a State of the
World stream crashes when it ends. Envoy does apply `endpoint_stale_after` in the assignment itself, and only the whole
resource restarts that time. So Envoy, and every client without support for TTL, is sent the whole resource at each
heartbeat.
"""

from google.protobuf.duration_pb2 import Duration

from xds.snapshot.snapshot import TypeSnapshot
from xds.wire.discovery_pb2 import Node

TTL_FEATURE = "xds.config.supports-resource-ttl"
"""The entry of `node.client_features` by which a client announces support for TTL."""

HEARTBEATS_PER_TTL = 3
"""How many heartbeats are sent in one TTL, so that one or two may be late."""


def supports_ttl(node: Node) -> bool:
    """Whether a node is sent TTLs."""
    return TTL_FEATURE in node.client_features and node.user_agent_name != "envoy"


def period_ms(snapshot: TypeSnapshot) -> int:
    """Return the milliseconds between two heartbeats; 0 when no resource has a TTL."""
    return min(snapshot.ttls.values(), default=0) // HEARTBEATS_PER_TTL


def encode_ttl(ttl_ms: int) -> Duration | None:
    """Return a TTL as a protobuf Duration; None for 0, which is no TTL."""
    if not ttl_ms:
        return None
    seconds, rest = divmod(ttl_ms, 1000)
    return Duration(seconds=seconds, nanos=rest * 1_000_000)
