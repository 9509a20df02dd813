"""Link: lets two processes of one server call each other's methods over a socket.

Both processes run the same version of xds, so messages are pickled. Calls start in the order in which they are made.
"""

import asyncio
import pickle
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

HEAD_BYTES = 8


class LinkClosedError(Exception):
    """The other process has ended."""


class CallError(Exception):
    """The method raised an exception in the other process. The message is the exception's repr()."""


@dataclass(frozen=True, slots=True)
class _Call:
    number: int
    method: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    number: int
    value: Any = None
    error: str | None = None


class Link:
    """One end of the link: it calls methods of the other end's target, and runs the other end's calls on `target`.

    Writing never waits, so that a process that does not read delays no caller. Callers set their own timeouts.
    """

    def __init__(self, target: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self.closed = asyncio.create_task(self._read())
        """Done when the other process has ended, or `close` was called."""

    async def call(
        self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]], *args: P.args, **_none: P.kwargs
    ) -> T:
        """Call the method with the same name at the other end. Raises LinkClosedError and CallError."""
        if self.closed.done():
            raise LinkClosedError
        number = next(self._numbers)
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(_Call(number, method.__name__, args))
            return await answer
        finally:
            del self._waiting[number]

    def close(self) -> None:
        """Close the connection to the other process."""
        self._writer.close()

    def _send(self, message: _Call | _Answer) -> None:
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._writer.writelines((len(data).to_bytes(HEAD_BYTES, "big"), data))

    async def _read(self) -> None:
        try:
            while True:
                size = int.from_bytes(await self._reader.readexactly(HEAD_BYTES), "big")
                message = pickle.loads(await self._reader.readexactly(size))  # noqa: S301 the other process is ours
                if isinstance(message, _Call):
                    task = asyncio.create_task(self._answer(message))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
                elif (answer := self._waiting.get(message.number)) and not answer.done():
                    if message.error is None:
                        answer.set_result(message.value)
                    else:
                        answer.set_exception(CallError(message.error))
        except (asyncio.IncompleteReadError, OSError):
            pass  # the other process has ended
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(LinkClosedError())

    async def _answer(self, call: _Call) -> None:
        try:
            answer = _Answer(call.number, await getattr(self._target, call.method)(*call.args))
        except Exception as error:  # the caller decides what to do
            answer = _Answer(call.number, error=repr(error))
        if not self.closed.done():
            self._send(answer)


async def open_link(sock: socket.socket, target: object) -> Link:
    """Return a link that uses one end of a socket pair."""
    return Link(target, *await asyncio.open_unix_connection(sock=sock, limit=2**20))
