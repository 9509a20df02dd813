"""Turns: work that is not urgent does not come all at once, so that what is urgent finds the loop free."""

import asyncio
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
