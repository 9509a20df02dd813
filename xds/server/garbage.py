"""When Python's garbage collector runs a full collection.

A full collection takes 0.1 s with a few thousand clients. Python starts one when many objects are new, which is while
many clients reconnect: the worst moment. Reference counting frees most of what a stream leaves behind. The rest can
wait until few new objects are made.
"""

import asyncio
import gc

CALM_SECONDS = 1.0
"""How long no collection of the middle generation must run before a full collection may."""

SOME = 10
"""How many collections of the middle generation make a full one worth while: 70,000 new objects, as Python's rule."""

MANY = 300
"""After how many collections of the middle generation a full one does not wait: garbage may hold some hundred MB."""

NEVER = 2**30


async def collect_when_calm(calm_seconds: float = CALM_SECONDS) -> None:
    """Run full collections only in quiet moments, until cancelled. Collections of younger objects run as usual."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    try:
        before = 0
        while True:
            await asyncio.sleep(calm_seconds)
            since = gc.get_count()[2]
            if since >= MANY or (since >= SOME and since == before):
                gc.collect()
                since = 0
            before = since
    finally:
        gc.set_threshold(young, middle, old)
