"""Limits: what clients may ask for, so that no one of them takes the server from the others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a client may make the server hold.

    `names` are those that one stream subscribes to of one type; `streams` all that are open at once; `message_bytes`
    the size of one request. An Envoy's first request has about 60 KB, and 50 bytes more for each resource that it
    brings back after a restart of the server.
    """

    names: int = 100_000
    streams: int = 20_000
    message_bytes: int = 8 * 2**20
