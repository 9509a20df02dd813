"""Propagation: how far one change has got with the clients of a process whom it concerns."""

import asyncio
import time


class Propagation:
    """Counts the streams that have not answered all that they were sent by a change; `seal` when all are counted.

    `done` gives when the last answer came, as time.monotonic_ns(), which is one clock for all processes of a machine;
    None when nobody was concerned, or all who were have gone without a word.
    """

    __slots__ = ("_answered_at", "_awaited", "_sealed", "done")

    def __init__(self) -> None:
        self.done: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._awaited = 0
        self._answered_at: int | None = None
        self._sealed = False

    def wait(self) -> None:
        """Wait for one stream more."""
        self._awaited += 1

    def seal(self) -> None:
        """Take it that no stream is added."""
        self._sealed = True
        self._check()

    def on_answered(self) -> None:
        """Take it that a stream has answered all."""
        self._answered_at = time.monotonic_ns()
        self.on_gone()

    def on_gone(self) -> None:
        """Wait for one stream less."""
        self._awaited -= 1
        self._check()

    def _check(self) -> None:
        if self._sealed and not self._awaited and not self.done.done():
            self.done.set_result(self._answered_at)
