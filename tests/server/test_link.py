"""Two ends of a link: calls both ways, and what a caller hears when the other end fails or is gone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from xds.server.workers.link import CallError, Link, LinkClosedError, open_link


class Target:
    """What a link calls."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def double(self, data: bytes) -> bytes:
        """Give it twice."""
        return data * 2

    async def note(self, number: int) -> None:
        """Remember the order."""
        self.seen.append(number)

    async def fail(self) -> None:
        """Raise what the other process does not know."""
        raise KeyError("no such thing")

    async def hang(self) -> None:
        """Never answer."""
        await asyncio.Event().wait()


@asynccontextmanager
async def linked(target: object, other: object = None) -> AsyncIterator[tuple[Link, Link]]:
    """Give two ends, the first of which calls `target`."""
    ends = socket.socketpair()
    links = await open_link(ends[0], other), await open_link(ends[1], target)
    try:
        yield links
    finally:
        for link in links:
            link.close()
            await link.closed


async def test_both_ends_call() -> None:
    """Whatever the size, and at one time."""
    async with linked(Target(), Target()) as (one, other):
        answers = tuple(await asyncio.gather(one.call(Target.double, b"x" * 2**22), other.call(Target.double, b"y")))
        assert answers == (b"x" * 2**23, b"yy")


async def test_calls_begin_in_order() -> None:
    """A change must not overtake the one before."""
    target = Target()
    async with linked(target) as (link, _):
        await asyncio.gather(*(link.call(Target.note, number) for number in range(100)))
    assert target.seen == list(range(100))


async def test_an_error_is_the_callers_and_the_link_goes_on() -> None:
    """As words: the error's class may be unknown on this side."""
    async with linked(Target()) as (link, _):
        with pytest.raises(CallError, match="no such thing"):
            await link.call(Target.fail)
        assert await link.call(Target.double, b"a") == b"aa"


async def test_one_call_that_hangs_holds_up_no_other() -> None:
    """And its caller may give up."""
    async with linked(Target()) as (link, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await link.call(Target.hang)
        assert await link.call(Target.double, b"a") == b"aa"


async def test_who_waits_for_one_that_is_gone_is_told() -> None:
    """At once, and so is whoever calls later."""
    async with linked(Target()) as (link, other):
        waiting = asyncio.create_task(link.call(Target.hang))
        await link.call(Target.double, b"a")
        other.close()
        with pytest.raises(LinkClosedError):
            await waiting
        with pytest.raises(LinkClosedError):
            await link.call(Target.double, b"a")
