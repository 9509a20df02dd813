"""Heartbeats: resources that live for a while only, unless the server goes on saying that they do (rule 36).

A client that understands the protocol's TTL is sent it, and then heartbeats without a body. Envoy is not, although it
may say that it does: tried with Envoy 1.40, a delta stream ignores the end of an assignment's TTL, and a State of the
World stream crashes at it. It heeds `endpoint_stale_after` in the assignment itself, which only the whole resource
prolongs; so that is what Envoy, and whoever does not understand a TTL, is sent as often.
"""

from google.protobuf.duration_pb2 import Duration

from xds.snapshot.snapshot import TypeSnapshot
from xds.wire.discovery_pb2 import Node

TTL_FEATURE = "xds.config.supports-resource-ttl"
"""What a client says that understands a resource's time to live."""

BEATS = 3
"""How many heartbeats a time to live has: one or two may be late."""


def takes_ttl(node: Node) -> bool:
    """Tell whether a node is sent a time to live."""
    return TTL_FEATURE in node.client_features and node.user_agent_name != "envoy"


def period_ms(snapshot: TypeSnapshot) -> int:
    """Give the milliseconds from one heartbeat to the next; 0 when there is nothing to prolong."""
    return min(snapshot.ttls.values(), default=0) // BEATS


def encode_ttl(ttl_ms: int) -> Duration | None:
    """Give a time to live as the wire has it; none for what lives for ever."""
    if not ttl_ms:
        return None
    seconds, rest = divmod(ttl_ms, 1000)
    return Duration(seconds=seconds, nanos=rest * 1_000_000)
