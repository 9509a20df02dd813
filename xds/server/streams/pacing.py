"""Pacing: work that is not urgent waits, so that what is urgent finds the event loop free.

After a restart every client of a mesh is back at once, with requests that take a while to read: they are read a few at
a time. Python's full garbage collections, 0.1 s with a few thousand clients, wait for a calm moment.
"""

import asyncio
import gc
from collections import deque

PER_PASS = 8
"""How many have their turn in one pass of the loop: of large requests, at some 200 µs each, about 2 ms."""


class Turns:
    """Lets so many through in one pass of the loop; the others wait, first come, first served.

    After a restart every client of a mesh is back at once, with requests that take a while to read. A push must not
    wait until the last of them was read.
    """

    def __init__(self, per_pass: int = PER_PASS) -> None:
        self._per_pass = per_pass
        self._left = per_pass
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_due = False

    async def wait(self) -> None:
        """Wait for a turn."""
        if self._left and not self._waiting:
            self._left -= 1
            self._begin_pass_later()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._begin_pass_later()
        await turn

    def _begin_pass_later(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin_pass)

    def _begin_pass(self) -> None:
        self._is_due = False
        self._left = self._per_pass
        while self._waiting and self._left:
            turn = self._waiting.popleft()
            if not turn.done():  # else its stream has ended meanwhile
                turn.set_result(None)
                self._left -= 1
        if self._waiting:
            self._begin_pass_later()


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
