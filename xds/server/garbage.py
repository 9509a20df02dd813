"""Garbage: when Python's collector looks at everything that there is.

That takes 0.1 s with a few thousand clients, and Python does it when much is new: in the middle of a storm of clients
that come back, when it is least welcome. Reference counts free most of what a stream leaves; what is left waits for a
calm moment.
"""

import asyncio
import gc

CALM_SECONDS = 1.0
"""It is calm when for so long nothing new stayed that is worth a look."""

SOME = 10
"""After how many collections of what is young a calm moment is used for all: after 70,000 new objects, as Python's."""

MANY = 300
"""After how many it is not waited for any longer: what is garbage of them may take some hundred MB."""

NEVER = 2**30


async def collect_when_calm(calm_seconds: float = CALM_SECONDS) -> None:
    """Collect what is old when it is calm, until cancelled; what is young goes on being collected as ever."""
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
