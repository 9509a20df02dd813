"""Lines: writes the lines of the log on standard error, without ever delaying who logs.

Whoever should read them may stop to: a terminal that is paused, a collector that hangs. So a thread writes them, and
what waits for it is bounded.
"""

import asyncio
import contextlib
import io
import os
import select
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

MAX_CHARACTERS = 2**22
"""How much text may wait to be written. More is dropped."""

STDERR = 2


class Output(Protocol):
    """Where lines go."""

    dropped: int
    """How many lines were dropped so far."""

    def put(self, lines: Sequence[str]) -> None:
        """Write the lines, or have them written."""
        ...

    def drain(self, seconds: float) -> None:
        """Wait until what was put is written, for so many seconds at most."""
        ...


class StreamOutput:
    """Writes lines at once, to a stream that is no file of the system, such as a test's."""

    dropped = 0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def put(self, lines: Sequence[str]) -> None:
        """Write the lines."""
        self._stream.write("".join(lines))
        self._stream.flush()

    def drain(self, _seconds: float) -> None:
        """Do nothing: everything is written."""


class ThreadOutput:
    """Has a thread write lines to a file descriptor.

    A write has at most PIPE_BUF bytes, where a line is not longer: so the lines of several processes do not mix in one
    pipe. `tell` is called, in the thread, with the number of the lines that were dropped, when others are written
    again.
    """

    def __init__(self, descriptor: int, tell: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._tell = tell
        self._lines: deque[str] = deque()
        self._size = 0  # of what waits and of what is being written
        self._untold = 0
        self._changed = threading.Condition()
        self.dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, lines: Sequence[str]) -> None:
        """Have the lines written, except those that are too much."""
        with self._changed:
            for line in lines:
                if self._size + len(line) > MAX_CHARACTERS:
                    self._count_dropped(1)
                else:
                    self._lines.append(line)
                    self._size += len(line)
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until what was put is written, for so many seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._size == 0, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                lines = self._take()
            written = self._write("".join(lines).encode(errors="backslashreplace"))
            with self._changed:
                self._size -= sum(map(len, lines))
                if not written:
                    self._count_dropped(len(lines))
                untold = self._untold if written and 2 * self._size < MAX_CHARACTERS else 0
                self._untold -= untold
                self._changed.notify_all()
            if untold:
                self._tell(untold)

    def _count_dropped(self, number: int) -> None:
        self.dropped += number
        self._untold += number

    def _take(self) -> list[str]:
        """Return the lines of the next write: at least one."""
        lines = [self._lines.popleft()]
        size = len(lines[0].encode(errors="backslashreplace"))
        while self._lines and (size := size + len(self._lines[0].encode(errors="backslashreplace"))) <= select.PIPE_BUF:
            lines.append(self._lines.popleft())
        return lines

    def _write(self, data: bytes) -> bool:
        """Write bytes, and return whether they are written: the reader may be gone, or the disk full."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()
            except OSError:
                return False
        return True


class BufferedLines(io.TextIOBase):
    """A stream that collects the lines of one pass of the event loop and passes them on together.

    Each time, another thread runs. While many clients connect and disconnect, an event loop that wrote line by line
    spent most of its time waiting to continue. Outside of an event loop, each line is passed on at once.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._pending: list[str] = []

    @property
    def dropped(self) -> int:
        """How many lines were dropped."""
        return self._output.dropped

    def write(self, text: str) -> int:
        """Collect a line; return its length."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no loop runs here
            self._output.put([text])
        else:
            self._pending.append(text)
            if len(self._pending) == 1:
                loop.call_soon(self._pass_on)
        return len(text)

    def flush(self) -> None:
        """Do nothing: every logger flushes after each line, and the lines are passed on at the end of the pass."""

    def drain(self, seconds: float) -> None:
        """Wait until all lines are written, for so many seconds at most."""
        self._pass_on()
        self._output.drain(seconds)

    def _pass_on(self) -> None:
        if self._pending:
            lines, self._pending = self._pending, []
            self._output.put(lines)


def open_lines(stream: TextIO, tell_dropped: Callable[[int], None]) -> BufferedLines:
    """Return the lines that are written to a stream: by a thread, if it is a file of the system."""
    try:
        descriptor = os.dup(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return BufferedLines(StreamOutput(stream))
    return BufferedLines(ThreadOutput(descriptor, tell_dropped))


def stop_waiting_for_stderr() -> None:
    """Have nothing else in this process wait for a pipe at standard error either, such as gRPC's own lines.

    The pipe is opened once more for this process alone, where it may. Who else has it notices nothing.
    """
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(STDERR).st_mode):
            own = os.open(f"/proc/self/fd/{STDERR}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.dup2(own, STDERR)
            os.close(own)
