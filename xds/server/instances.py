"""Instances: follows the sources of endpoints, and passes on their updates, merged by tick.

What arrives while a change is being pushed becomes one change after it, so a flood of registrations costs as many
changes as the server can make, and never a queue.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial

import structlog

from xds.server.following import follow
from xds.sources.source import InstanceSource, InstanceUpdate

TICK_SECONDS = 0.01
"""How long the first update waits for others: instances come and go in groups."""

MAX_WAITING = 10_000
"""How many updates may wait; then the sources wait until a change was applied."""

log = structlog.get_logger()

Updates = list[tuple[str, InstanceUpdate]]
"""Providers' names and updates, in the order in which they came."""


class Instances:
    """Follows sources; `apply` gets all updates of a tick, and is not called again until it has returned."""

    def __init__(self, sources: Sequence[InstanceSource], apply: Callable[[Updates], Awaitable[None]]) -> None:
        self._sources = sources
        self._apply = apply
        self._waiting: Updates = []
        self._arrived = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def follow(self) -> None:
        """Follow every source, until cancelled; return at once where there is none."""
        if not self._sources:
            return
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(self._watch(source))
            group.create_task(self._apply_waiting())

    async def _watch(self, source: InstanceSource) -> None:
        """Follow one source. When it fails, its last endpoints stay served, and it is watched again after a wait."""

        def tell(reason: str) -> None:
            log.error("a source of endpoints failed: its last endpoints stay served", source=source.name, reason=reason)

        await follow(partial(self._read, source), partial(self._put, source.name), tell)

    async def _put(self, name: str, update: InstanceUpdate) -> None:
        self._waiting.append((name, update))
        self._arrived.set()
        if len(self._waiting) >= MAX_WAITING:
            self._has_room.clear()
        await self._has_room.wait()
        await asyncio.sleep(0)  # a source that never waits must not stop the server

    async def _read(self, source: InstanceSource) -> AsyncGenerator[InstanceUpdate]:
        """Yield the updates of one watch. Raises ValueError when the source does not keep its promise."""
        is_first = True
        async with aclosing(source.watch()) as updates:
            async for update in updates:
                if not isinstance(update, InstanceUpdate):
                    raise ValueError(f"yielded {type(update).__name__}, which is not an InstanceUpdate")  # noqa: TRY004
                if is_first and not update.full:
                    raise ValueError("the first update is not the full set")
                is_first = False
                yield update

    async def _apply_waiting(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(TICK_SECONDS)
            self._arrived.clear()
            updates, self._waiting = self._waiting, []
            self._has_room.set()
            await self._apply(updates)
