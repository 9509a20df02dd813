"""Limits: how much clients may ask for, so that no client can use up the server's memory or its time."""

from dataclasses import dataclass

MAX_NODE_BYTES = 256
"""The longest `node.id`, `node.cluster`, locality, user agent and type_url: they are in logs, metrics and status."""

MAX_NODE_SIZE = 128 * 1024
"""The largest node of a request in bytes. Envoy's has 20 to 60 KB, most of it the list of its extensions."""

MAX_FEATURES = 100
"""How many `client_features` a node may have. Envoy has about ten."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients can make the server hold.

    `names` is the maximum number of names that one stream subscribes to per type, and that one request has. `streams`
    is the maximum number of open streams of one process. `message_bytes` is the maximum size of one request, and of all
    names that a stream subscribes to per type. Envoy's first request has about 60 KB, and after a restart of the server
    about 100 bytes more for each resource that it has.
    """

    names: int = 20_000
    streams: int = 20_000
    message_bytes: int = 4 * 2**20
