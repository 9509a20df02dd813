"""Python's garbage collector makes a full collection only while the server is idle."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import ref

from xds.cli.demo.processes import await_until
from xds.server.streams.pacing import MIN_COLLECTIONS, NEVER, collect_when_calm

CALM_SECONDS = 0.02


class Knot:
    """A reference cycle, which reference counting does not free."""

    def __init__(self) -> None:
        self.me = self


@asynccontextmanager
async def collecting() -> AsyncIterator[None]:
    """Enable paced collections while the block runs, with a short idle time."""
    gc.collect()
    task = asyncio.create_task(collect_when_calm(CALM_SECONDS))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def fill(collections: int) -> list[list[None]]:
    """Create enough lasting objects for many collections of the young generation."""
    young, middle, _ = gc.get_threshold()
    return [[None] for _ in range((young + 1) * (middle + 1) * (collections + 1))]


async def test_old_garbage_is_collected_while_the_server_is_idle() -> None:
    """Afterwards the thresholds are as they were before."""
    thresholds = gc.get_threshold()
    async with collecting():
        assert gc.get_threshold() == (*thresholds[:2], NEVER)
        knot = Knot()
        gone = ref(knot)
        kept = fill(2)
        del knot
        kept += fill(MIN_COLLECTIONS)
        assert kept
        assert gc.get_count()[2] >= MIN_COLLECTIONS
        await await_until(lambda: gc.get_count()[2] == 0, 10)
        assert gone() is None
    assert gc.get_threshold() == thresholds


async def test_no_full_collection_runs_during_a_storm() -> None:
    """While more and more objects come, no full collection delays anyone."""
    collected: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            collected.append(gc.get_count()[2])

    kept = []
    async with collecting():
        gc.callbacks.append(note)
        try:
            for _ in range(10):
                kept.append(fill(MIN_COLLECTIONS))
                await asyncio.sleep(CALM_SECONDS / 2)
            assert collected == []
            await await_until(lambda: collected, 10)
        finally:
            gc.callbacks.remove(note)
