"""RequestPacer: so many in one pass of the loop, first come, first served."""

import asyncio

from xds.server.streams.pacing import RequestPacer


async def test_no_more_than_so_many_have_their_turn_in_one_pass() -> None:
    """Others get to run in between, and the order is that of coming."""
    pacer, passed = RequestPacer(3), list[int]()

    async def work(number: int) -> None:
        await pacer.wait()
        passed.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(work(number))
        before = 0
        while len(passed) < 20:
            await asyncio.sleep(0)
            assert len(passed) - before <= 3
            before = len(passed)
    assert passed == list(range(20))


async def test_who_goes_while_waiting_takes_no_turn() -> None:
    """A stream may end before it was read; the next one is let through instead."""
    pacer = RequestPacer(1)
    await pacer.wait()
    waiting = [asyncio.create_task(pacer.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.wait_for(waiting[2], 1)


async def test_a_turn_is_free_again_after_the_pass() -> None:
    """Nobody waits where nobody waits."""
    pacer = RequestPacer(1)
    for _ in range(5):
        await asyncio.wait_for(pacer.wait(), 1)
