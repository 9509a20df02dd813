"""Following: watches a source without end. What a source does ends nothing but its own watch, which begins again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NoReturn, TypeVar

T = TypeVar("T")

RETRY_SECONDS = 1.0
"""How long a source that failed is left alone, at first. The time doubles each time it fails without an update."""

MAX_RETRY_SECONDS = 30.0
"""How long it is left alone at most."""


async def follow(
    watch: Callable[[], AsyncGenerator[T]], take: Callable[[T], Awaitable[None]], tell: Callable[[str], None]
) -> NoReturn:
    """Pass everything that a source yields to `take`, until cancelled. `tell` is called with why a watch has ended."""
    wait = RETRY_SECONDS
    while True:
        try:
            async with aclosing(watch()) as updates:
                async for update in updates:
                    await take(update)
                    wait = RETRY_SECONDS
            reason = "it ended"
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            reason = repr(error)  # something inside the source was cancelled
        except Exception as error:
            reason = repr(error)
        tell(reason)
        await asyncio.sleep(wait)
        wait = min(2 * wait, MAX_RETRY_SECONDS)
