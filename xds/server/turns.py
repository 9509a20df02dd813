"""Turns: limits how many large requests are handled in one pass of the event loop, so that pushes do not wait."""

import asyncio
from collections import deque

PER_PASS = 8
"""How many large requests one pass of the loop handles: at about 200 µs each, they take about 2 ms."""


class Turns:
    """Lets `per_pass` callers continue in one pass of the event loop; the others wait in the order of their calls.

    After a restart every client of a mesh reconnects at once, and its first request takes a while to parse. A push must
    not wait until all of these requests are parsed.
    """

    def __init__(self, per_pass: int = PER_PASS) -> None:
        self._per_pass = per_pass
        self._left = per_pass
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_due = False

    async def wait(self) -> None:
        """Wait until the caller may continue."""
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
            if not turn.done():  # done: its stream has ended
                turn.set_result(None)
                self._left -= 1
        if self._waiting:
            self._begin_pass_later()
