"""Propagation: waits until the clients of one process have answered one change."""

import asyncio
import time


class Propagation:
    """Counts the streams that have not answered everything that a change sent them.

    Call `seal` after the last `add_stream`. The result of `done` is when the last answer came, as time.monotonic_ns();
    all processes of a machine share that clock. The result is None when the change concerned no stream, or when all of
    these streams ended without an answer.
    """

    __slots__ = ("_answered_at", "_awaited", "_sealed", "done")

    def __init__(self) -> None:
        self.done: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._awaited = 0
        self._answered_at: int | None = None
        self._sealed = False

    def add_stream(self) -> None:
        """Wait for one more stream."""
        self._awaited += 1

    def seal(self) -> None:
        """Note that no more streams are added."""
        self._sealed = True
        self._check()

    def on_answered(self) -> None:
        """Note that a stream has answered everything."""
        self._answered_at = time.monotonic_ns()
        self.on_gone()

    def on_gone(self) -> None:
        """Wait for one stream fewer: it has ended or has answered."""
        self._awaited -= 1
        self._check()

    def _check(self) -> None:
        if self._sealed and not self._awaited and not self.done.done():
            self.done.set_result(self._answered_at)
