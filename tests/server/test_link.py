"""The link between two processes: calls in both directions, and the errors when the other end fails or is gone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from xds.server.workers.link import CallError, Link, LinkClosedError, open_link


class Target:
    """The object whose methods the link calls."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def double(self, data: bytes) -> bytes:
        """Return twice the value."""
        return data * 2

    async def note(self, number: int) -> None:
        """Record the order of the calls."""
        self.seen.append(number)

    async def fail(self) -> None:
        """Raise an error whose class the other process does not know."""
        raise KeyError("no such thing")

    async def hang(self) -> None:
        """Never answer."""
        await asyncio.Event().wait()


@asynccontextmanager
async def linked(target: object, other: object = None) -> AsyncIterator[tuple[Link, Link]]:
    """Return both ends of a link. The first one calls `target`."""
    ends = socket.socketpair()
    links = await open_link(ends[0], other), await open_link(ends[1], target)
    try:
        yield links
    finally:
        for link in links:
            link.close()
            await link.closed


async def test_both_ends_can_call_at_the_same_time() -> None:
    """This holds for messages of any size."""
    async with linked(Target(), Target()) as (one, other):
        answers = tuple(await asyncio.gather(one.call(Target.double, b"x" * 2**22), other.call(Target.double, b"y")))
        assert answers == (b"x" * 2**23, b"yy")


async def test_calls_start_in_order() -> None:
    """A change must not overtake the one before it."""
    target = Target()
    async with linked(target) as (link, _):
        await asyncio.gather(*(link.call(Target.note, number) for number in range(100)))
    assert target.seen == list(range(100))


async def test_an_error_reaches_the_caller_and_the_link_goes_on() -> None:
    """The error arrives as text, since this side may not know its class."""
    async with linked(Target()) as (link, _):
        with pytest.raises(CallError, match="no such thing"):
            await link.call(Target.fail)
        assert await link.call(Target.double, b"a") == b"aa"


async def test_a_call_that_hangs_delays_no_other_call() -> None:
    """Its caller can also give up."""
    async with linked(Target()) as (link, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await link.call(Target.hang)
        assert await link.call(Target.double, b"a") == b"aa"


async def test_callers_get_an_error_when_the_other_end_is_gone() -> None:
    """Waiting callers get it at once, and so does every later caller."""
    async with linked(Target()) as (link, other):
        waiting = asyncio.create_task(link.call(Target.hang))
        await link.call(Target.double, b"a")
        other.close()
        with pytest.raises(LinkClosedError):
            await waiting
        with pytest.raises(LinkClosedError):
            await link.call(Target.double, b"a")
