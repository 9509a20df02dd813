"""Instances: follows the sources of endpoints, and hands on what they say, merged by tick.

What arrives while a change is being pushed becomes one change after it, so a flood of registrations costs as many
changes as the server can make, and never a queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from xds.sources.source import InstanceSource, InstanceUpdate

TICK_SECONDS = 0.01
"""How long the first update waits for others: instances come and go in groups."""

RETRY_SECONDS = 1.0
"""How long a source that failed is left alone."""

log = structlog.get_logger()

Updates = list[tuple[str, InstanceUpdate]]
"""Providers' names and what they say, in the order in which it came."""


class Instances:
    """Follows sources; `apply` gets all updates of a tick, and is not called again until it has returned."""

    def __init__(self, sources: Sequence[InstanceSource], apply: Callable[[Updates], Awaitable[None]]) -> None:
        self._sources = sources
        self._apply = apply
        self._waiting: Updates = []
        self._arrived = asyncio.Event()

    async def follow(self) -> None:
        """Follow every source, until cancelled; return at once where there is none."""
        if not self._sources:
            return
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(self._watch(source))
            group.create_task(self._apply_waiting())

    async def _watch(self, source: InstanceSource) -> None:
        while True:
            try:
                async for update in source.watch():
                    self._waiting.append((source.name, update))
                    self._arrived.set()
                reason = "it ended"
            except Exception as error:  # whatever a source does, what it said before stays served
                reason = repr(error)
            log.error("a source of endpoints failed: what it said last stays", source=source.name, reason=reason)
            await asyncio.sleep(RETRY_SECONDS)

    async def _apply_waiting(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(TICK_SECONDS)
            self._arrived.clear()
            updates, self._waiting = self._waiting, []
            await self._apply(updates)
