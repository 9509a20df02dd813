"""The log: where and in which format it is written, on standard error.

How a line is written as JSON is in `ecs.py`.
"""

import asyncio
import io
import logging
import select
import sys
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from functools import partial
from itertools import accumulate, takewhile
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor

from xds.server.observe.ecs import EcsRenderer
from xds.wording import printable


class LogFormat(StrEnum):
    """The format of a line: for people, JSON, or AUTO, which is for people when standard error is a terminal."""

    AUTO = "auto"
    HUMAN = "human"
    JSON = "json"


class BufferedLines(io.TextIOBase):
    """A stream that collects the lines of one pass of the event loop and writes them together.

    Each write lets another thread run. While many clients connect and disconnect, an event loop that wrote line by line
    spent most of its time waiting to continue. Outside of an event loop, each line is written at once. A write has at
    most PIPE_BUF bytes, where a line is not longer: so the lines of several processes do not mix in one pipe.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pending: list[str] = []

    def write(self, text: str) -> int:
        """Collect a line; return its length."""
        self._pending.append(text)
        if len(self._pending) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._write_out)
            except RuntimeError:  # no loop runs here
                self._write_out()
        return len(text)

    def flush(self) -> None:
        """Do nothing: every logger flushes after each line, and the lines are written at the end of the pass."""

    def _write_out(self) -> None:
        lines, self._pending = self._pending, []
        while lines:
            sizes = accumulate(len(line.encode(errors="replace")) for line in lines)
            count = max(1, sum(1 for _ in takewhile(lambda size: size <= select.PIPE_BUF, sizes)))
            self._stream.write("".join(lines[:count]))
            self._stream.flush()
            del lines[:count]


def configure_log(log_format: LogFormat, level: str, worker: int | None = None) -> None:
    """Configure structlog: the format, and the lowest level that is logged (`debug`, `info`, `warning`, `error`).

    All workers log to the same standard error, so each line of a worker has its number.
    """
    terminal, human = sys.stderr.isatty(), is_for_people(log_format)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            *(_for_people(worker, colors=terminal) if human else [EcsRenderer(worker)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", BufferedLines(sys.stderr))),
    )


def is_for_people(log_format: LogFormat) -> bool:
    """Whether lines of a format are for people, where this process writes them."""
    return log_format is LogFormat.HUMAN or (log_format is LogFormat.AUTO and sys.stderr.isatty())


def _for_people(worker: int | None, *, colors: bool) -> list[Processor]:
    process = {} if worker is None else {"worker": worker}
    return [
        partial(_order_fields, process),
        _escape_values,
        structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0),
    ]


def _order_fields(
    process: Mapping[str, int], _logger: object, _method: str, event: MutableMapping[str, Any]
) -> dict[str, Any]:
    """Order the fields: those of every line first, then the worker. A `problem` is dropped: the event has its text."""
    event.pop("problem", None)
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | {**process, **event}


def _escape_values(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what a terminal must not get: values come from clients, too. What is no text is written as repr()."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value)
    return event
