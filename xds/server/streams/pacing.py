"""Pacing: divides work and makes it wait if it is not urgent, so that pushes find the event loop free.

After a restart every client of a mesh reconnects at once, and each first request takes a while to parse. `RequestPacer`
lets the streams parse a few of them at a time. `collect_when_calm` does the same for Python's full garbage collections,
which take 0.1 s with a few thousand clients.
"""

import asyncio
import gc
import time
from collections import OrderedDict, deque

PER_PASS = 8
"""How many large requests one pass of the loop handles: at about 200 µs each, they take about 2 ms."""

COST = 200
"""What a large request costs at least (`metering.py`). One that costs more takes the turns of several."""


class RequestPacer:
    """Lets callers continue in one pass of the event loop whose costs make `per_pass` requests; the others wait.

    Those of one peer wait in the order of their calls. Peers take turns, so that a thousand requests of one peer delay
    another's by one.
    """

    def __init__(self, per_pass: int = PER_PASS) -> None:
        self._per_pass = per_pass * COST
        self._left = self._per_pass
        self._waiting: OrderedDict[str, deque[tuple[asyncio.Future[None], int]]] = OrderedDict()
        self._is_due = False

    async def wait(self, peer: str = "", cost: int = COST) -> None:
        """Wait until the caller may continue."""
        cost = max(cost, COST)
        if self._left > 0 and not self._waiting:
            self._left -= cost
            self._begin_pass_later()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(peer, deque()).append((turn, cost))
        self._begin_pass_later()
        await turn

    def _begin_pass_later(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin_pass)

    def _begin_pass(self) -> None:
        self._is_due = False
        self._left = min(self._per_pass, self._left + self._per_pass)
        while self._waiting and self._left > 0:
            peer, turns = self._waiting.popitem(last=False)
            turn, cost = turns.popleft()
            if turns:
                self._waiting[peer] = turns
            if not turn.done():  # done: its stream has ended
                turn.set_result(None)
                self._left -= cost
        if self._waiting or self._left < self._per_pass:
            self._begin_pass_later()


SLICE_SECONDS = 0.005
"""How long work of many steps goes on before the loop has a turn."""


class Turns:
    """Divides work of many steps into slices, between which the loop has a turn."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE_SECONDS

    async def give(self) -> None:
        """Give the loop a turn, if a slice of time is used up. Call it after each step."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + SLICE_SECONDS


CALM_SECONDS = 1.0
"""How long no collection of the middle generation must run before a full collection may."""

MIN_COLLECTIONS = 10
"""How many collections of the middle generation make a full one worth while: 70,000 new objects, as Python's rule."""

MAX_COLLECTIONS = 300
"""After how many collections of the middle generation a full one does not wait: garbage may hold some hundred MB."""

NEVER = 2**30


async def collect_when_calm(calm_seconds: float = CALM_SECONDS) -> None:
    """Run full collections only in quiet moments, until cancelled. Collections of younger objects run as usual.

    Python starts a full collection when many objects are new, which is while many clients reconnect. Reference counting
    frees most of what a stream leaves behind, so the rest can wait.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    try:
        before = 0
        while True:
            await asyncio.sleep(calm_seconds)
            since = gc.get_count()[2]
            if since >= MAX_COLLECTIONS or (since >= MIN_COLLECTIONS and since == before):
                gc.collect()
                since = 0
            before = since
    finally:
        gc.set_threshold(young, middle, old)
