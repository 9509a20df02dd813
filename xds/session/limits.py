"""Limits: how much clients may ask for, so that no client can use up the server's memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients can make the server hold.

    `names` is the maximum number of names that one stream subscribes to per type. `streams` is the maximum number of
    open streams of one process. `message_bytes` is the maximum size of one request: Envoy's first request has about 60
    KB, and 50 bytes more for each resource in `initial_resource_versions` after a restart of the server.
    """

    names: int = 100_000
    streams: int = 20_000
    message_bytes: int = 8 * 2**20
