"""RequestPacer limits the requests of one pass of the event loop. The first to come is the first served."""

import asyncio

from xds.server.streams.pacing import RequestPacer


async def test_one_pass_serves_no_more_requests_than_the_limit() -> None:
    """Other tasks run in between, and requests keep their order of arrival."""
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


async def test_a_waiter_that_leaves_takes_no_turn() -> None:
    """A stream may end before the server reads it. The next waiter takes its place."""
    pacer = RequestPacer(1)
    await pacer.wait()
    waiting = [asyncio.create_task(pacer.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.wait_for(waiting[2], 10)


async def test_a_turn_is_available_again_after_the_pass() -> None:
    """Nobody waits while there are free turns."""
    pacer = RequestPacer(1)
    for _ in range(5):
        await asyncio.wait_for(pacer.wait(), 10)
