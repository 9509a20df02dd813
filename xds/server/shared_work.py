"""Slow answers: equal questions at once are answered once, and nobody works for a client that is gone.

`Slow` makes long answers in a thread, one after another. `Together` asks one question for all who wait for its turn.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")

PIECE = 2**16
"""The size of a piece of an answer, in bytes; the last one is smaller, and one that is made at once may be larger."""

MAX_ANSWERS = 8
"""How many different answers are made or wait, at most."""

MAX_READERS = 100
"""How many clients wait for or read such answers, at most."""


class BusyError(Exception):
    """There is too much to do already: ask again later."""


class Answer:
    """An answer that is being made, as pieces of text.

    The pieces are kept until the last reader has them, so that a slow reader delays no other. They are kept compressed:
    JSON has a tenth of its size then.
    """

    def __init__(self, parts: Callable[[], Iterable[str]]) -> None:
        self.readers = 0
        self._parts = parts
        self._pieces: list[bytes] = []
        self._abandoned = False
        self._loop = asyncio.get_running_loop()
        self._made: asyncio.Future[None] | None = None
        self._news = asyncio.Event()

    @property
    def is_made(self) -> bool:
        """Whether all pieces are there, or it failed."""
        return self._made is not None and self._made.done()

    def start(self, executor: ThreadPoolExecutor, then: Callable[[], None]) -> None:
        """Have it made in a thread; `then` is called when it is made or has failed."""
        self._made = self._loop.run_in_executor(executor, self._make)
        self._made.add_done_callback(lambda made: self._end(made, then))

    def abandon(self) -> None:
        """Make no more of it: nobody reads it."""
        self._abandoned = True
        if self._made is not None:
            self._made.cancel()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield the pieces from the first one on. Raises what making them raised, after what was made before."""
        at = 0
        while at < len(self._pieces) or not self.is_made:
            if at == len(self._pieces):
                await self._news.wait()
                continue
            yield zlib.decompress(self._pieces[at])
            at += 1
        if self._made is not None:
            self._made.result()

    def _make(self) -> None:
        if self._abandoned:  # while it waited: the cancellation may come too late
            return
        for piece in join(self._parts()):
            if self._abandoned:
                return
            self._pieces.append(zlib.compress(piece, 1))
            self._loop.call_soon_threadsafe(self._tell)

    def _end(self, made: asyncio.Future[None], then: Callable[[], None]) -> None:
        if not made.cancelled():
            made.exception()  # is for readers: without one, it concerns nobody
        then()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Slow:
    """Makes answers in a thread of its own. Any number may ask for one; few are made, and one at a time."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "slow")
        self._answers: dict[Hashable, Answer] = {}
        self._readers = 0

    @asynccontextmanager
    async def share(self, key: Hashable, parts: Callable[[], Iterable[str]]) -> AsyncIterator[Answer]:
        """Have an answer made, or join those for whom one with this key is being made. Raises BusyError.

        `parts` is called in the thread. An answer without readers is not made further.
        """
        answer = self._answers.get(key)
        if self._readers >= MAX_READERS or (answer is None and len(self._answers) >= MAX_ANSWERS):
            raise BusyError
        if answer is None:
            answer = self._answers[key] = Answer(parts)
            answer.start(self._executor, partial(self._forget, key, answer))
        answer.readers += 1
        self._readers += 1
        try:
            yield answer
        finally:
            answer.readers -= 1
            self._readers -= 1
            if not answer.readers:
                answer.abandon()
                self._forget(key, answer)

    def _forget(self, key: Hashable, answer: Answer) -> None:
        """Later questions have an answer of their own: what they ask about may have changed."""
        if self._answers.get(key) is answer:
            del self._answers[key]

    def close(self) -> None:
        """Begin no further answer."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Together(Generic[T]):
    """Asks a question, one at a time. All who come while one is asked share the next, which begins after they came."""

    def __init__(self, question: Callable[[], Awaitable[T]]) -> None:
        self._question = question
        self._turn = asyncio.Lock()
        self._next: _Asked[T] | None = None

    async def ask(self) -> T:
        """Return an answer that was begun after this call. It is not asked for further when all callers are gone."""
        asked = self._next
        if asked is None:
            asked = self._next = _Asked()
            asked.task = asyncio.create_task(self._run(asked))
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.task)
        finally:
            asked.waiting -= 1
            if not asked.waiting:
                asked.task.cancel()
                self._begin(asked)

    async def _run(self, asked: "_Asked[T]") -> T:
        async with self._turn:
            self._begin(asked)
            return await self._question()

    def _begin(self, asked: "_Asked[T]") -> None:
        if self._next is asked:
            self._next = None


class _Asked(Generic[T]):
    """One time that a question is asked, and for how many."""

    task: asyncio.Task[T]

    def __init__(self) -> None:
        self.waiting = 0


def join(parts: Iterable[str]) -> Iterator[bytes]:
    """Join short texts to pieces, and let other threads run between them."""
    collected: list[bytes] = []
    size = 0
    for part in parts:
        collected.append(part.encode())
        size += len(collected[-1])
        time.sleep(0)
        if size >= PIECE:
            yield b"".join(collected)
            collected, size = [], 0
    if collected:
        yield b"".join(collected)
