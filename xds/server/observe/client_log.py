"""Crowd: who comes and goes, told to the log, which a crowd does not flood.

After a restart every client of a mesh is back within seconds. The first of a second have a line each, the others one
together, with how many they were of which cluster. Who is connected stands in `xds status`.
"""

import asyncio
from collections import Counter
from typing import Any

import structlog

from xds.catalog.model.locality import write_locality
from xds.wire.discovery_pb2 import Node

SECONDS = 1.0
"""For how long those who come, or go, are told together when they are many."""

TOLD = 20
"""How many of them have a line of their own."""

NAMED_CLUSTERS = 10

log = structlog.get_logger()


class Crowd:
    """Tells of one thing that happens to clients, such as "sidecar connected"; `flush` tells of those not yet told."""

    def __init__(self, event: str, events: str) -> None:
        self._event = event
        self._events = events
        self._count = 0
        self._untold: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, node: Node, **words: Any) -> None:
        """Tell that it happened to a node."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self.flush)
        self._count += 1
        if self._count <= TOLD:
            log.info(self._event, **describe_node(node), **words)
        else:
            self._untold[node.cluster] += 1

    def flush(self) -> None:
        """Tell of those who have had no line of their own, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
        if self._untold:
            clusters = dict(self._untold.most_common(NAMED_CLUSTERS))
            others = self._untold.total() - sum(clusters.values())
            log.info(
                self._events,
                more=self._untold.total(),
                clusters=clusters | ({"others": others} if others else {}),
            )
        self._timer, self._count, self._untold = None, 0, Counter()


def describe_node(node: Node) -> dict[str, str]:
    """Give a node's words for a log line."""
    version = node.user_agent_build_version.version
    agent = f"{version.major_number}.{version.minor_number}.{version.patch}" if version.ByteSize() else ""
    where = write_locality(node.locality.region, node.locality.zone, node.locality.sub_zone)
    words = {"node": node.id, "cluster": node.cluster, "user_agent": f"{node.user_agent_name} {agent}".strip()}
    return {**words, "locality": where} if where else words
