"""Memories: what the next stream of each node begins with, if the node refused a part of an edit, or drains listeners.

They are kept while the stream lasts and for a while after it. What is in one is in `xds.session.memory`; the file that
keeps them across a restart is in `xds.server.held_state`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xds.resources.view import NodeKind
from xds.session.memory import Memory

KEEP_SECONDS = 1800.0
"""How long a memory is kept after the node's stream ended."""

MAX_MEMORIES = 10_000
"""How many memories are kept. Those that changed last stay."""


@dataclass(frozen=True, slots=True)
class NodeStream:
    """What remembers: a node, and the type of its stream; None for ADS."""

    node_id: str
    kind: NodeKind
    type_url: str | None = None


@dataclass(slots=True)
class _Kept:
    """A memory, the stream that has it now (None: it is another process's, or has ended), and when that ended."""

    memory: Memory
    stream: object | None
    ended_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the node has been away for long."""
        return self.ended_at is not None and self.ended_at < time.monotonic() - KEEP_SECONDS


class Memories:
    """The memories of the nodes of one process.

    Memories of nodes that refused something or drain listeners last: other processes learn them, and a file keeps them.
    `listeners` are called with each that changes, and with None for one that is forgotten. Others are of nodes that
    have not answered.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[NodeStream, _Kept] = OrderedDict()
        self.listeners: list[Callable[[NodeStream, Memory | None], None]] = []

    @property
    def lasting(self) -> Mapping[NodeStream, Memory]:
        """The memories that outlive the process."""
        self._sweep()
        return {key: kept.memory for key, kept in self._kept.items() if kept.memory.lasts}

    def recall(self, key: NodeStream) -> Memory | None:
        """Return what a node's next stream begins with; None: nothing but the catalog."""
        kept = self._kept.get(key)
        if kept is not None and kept.is_over:
            self.put(key, None, None)
            return None
        return None if kept is None else kept.memory

    def put(self, key: NodeStream, memory: Memory | None, stream: object) -> None:
        """Note what a stream's node is to begin with next time."""
        before = self._kept.pop(key, None)
        if memory is not None:
            self._kept[key] = _Kept(memory, stream)
            if len(self._kept) > MAX_MEMORIES:
                self._kept.popitem(last=False)
        was = before.memory if before is not None and before.memory.lasts else None
        now = memory if memory is not None and memory.lasts else None
        if now != was:
            for listener in self.listeners:
                listener(key, now)

    def learn(self, memories: Mapping[NodeStream, Memory | None]) -> None:
        """Take memories from a file or from another process; None: forget it."""
        for key, memory in memories.items():
            if memory is None:
                self._kept.pop(key, None)
            elif len(self._kept) < MAX_MEMORIES:
                self._kept[key] = _Kept(memory, None, time.monotonic())

    def end(self, key: NodeStream, stream: object) -> None:
        """Note that a stream has ended: its memory is kept for a while."""
        kept = self._kept.get(key)
        if kept is not None and kept.stream is stream:
            kept.stream, kept.ended_at = None, time.monotonic()

    def _sweep(self) -> None:
        """Forget memories of nodes that have been away for long."""
        for key in [key for key, kept in self._kept.items() if kept.is_over]:
            self.put(key, None, None)
