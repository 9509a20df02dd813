"""The log of clients that connect or disconnect. `ClientLog` limits the number of lines per second.

After a restart every client of a mesh reconnects within seconds. In each second, the first clients get one line each.
The others share one line, which has their number by `node.cluster`. `xds status` lists all connected clients.
"""

import asyncio
from collections import Counter
from typing import Any

import structlog

from xds.catalog.model.locality import write_locality
from xds.wire.discovery_pb2 import Node

SECONDS = 1.0
"""The length of the period that the limit applies to."""

MAX_LINES = 20
"""How many clients of one period get their own line."""

NAMED_CLUSTERS = 10
"""How many values of `node.cluster` the shared line names; it counts the rest as "others"."""

log = structlog.get_logger()


class ClientLog:
    """Logs one event that happens to many clients.

    `event` is the event of a client's own line, such as "sidecar connected"; `events` is the event of the shared line.
    """

    def __init__(self, event: str, events: str) -> None:
        self._event = event
        self._events = events
        self._count = 0
        self._unlogged: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def log_client(self, node: Node, **fields: Any) -> None:
        """Log that the event happened to a node, or count it for the shared line."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self.flush)
        self._count += 1
        if self._count <= MAX_LINES:
            log.info(self._event, **describe_node(node), **fields)
        else:
            self._unlogged[node.cluster] += 1

    def flush(self) -> None:
        """Write the shared line, if any client was counted for it, and start a new period."""
        if self._timer is not None:
            self._timer.cancel()
        if self._unlogged:
            clusters = dict(self._unlogged.most_common(NAMED_CLUSTERS))
            others = self._unlogged.total() - sum(clusters.values())
            log.info(
                self._events,
                more=self._unlogged.total(),
                clusters=clusters | ({"others": others} if others else {}),
            )
        self._timer, self._count, self._unlogged = None, 0, Counter()


def describe_node(node: Node) -> dict[str, str]:
    """Return the fields of a log line that describe a node: node, cluster, user_agent and, if set, locality."""
    version = node.user_agent_build_version.version
    agent = f"{version.major_number}.{version.minor_number}.{version.patch}" if version.ByteSize() else ""
    where = write_locality(node.locality.region, node.locality.zone, node.locality.sub_zone)
    fields = {"node": node.id, "cluster": node.cluster, "user_agent": f"{node.user_agent_name} {agent}".strip()}
    return {**fields, "locality": where} if where else fields
