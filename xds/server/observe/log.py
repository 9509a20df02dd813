"""The log: one line for each thing that an operator cares about, on standard error."""

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


class LogFormat(StrEnum):
    """How a line is written: for people, for machines, or by whether a person is there."""

    AUTO = "auto"
    HUMAN = "human"
    JSON = "json"


class Lines(io.TextIOBase):
    """Writes what one pass of a loop logs in one go, and what is logged outside of a loop at once.

    Each write lets other threads in. In a storm of clients that come and go, a loop that wrote line by line spent most
    of its time waiting to go on. What several processes write to one pipe is not mixed up to PIPE_BUF bytes a write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pending: list[str] = []

    def write(self, text: str) -> int:
        """Take a line."""
        self._pending.append(text)
        if len(self._pending) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._write_out)
            except RuntimeError:  # no loop runs here
                self._write_out()
        return len(text)

    def flush(self) -> None:
        """Leave it to the end of the pass: every logger flushes after each line."""

    def _write_out(self) -> None:
        lines, self._pending = self._pending, []
        while lines:
            sizes = accumulate(len(line.encode(errors="replace")) for line in lines)
            count = max(1, sum(1 for _ in takewhile(lambda size: size <= select.PIPE_BUF, sizes)))
            self._stream.write("".join(lines[:count]))
            self._stream.flush()
            del lines[:count]


def configure_log(log_format: LogFormat, level: str, worker: int | None = None) -> None:
    """Set how and from which level on (`debug`, `info`, `warning`, `error`) the process logs.

    Workers log to the same place: each of a worker's lines has its number.
    """
    terminal = sys.stderr.isatty()
    human = log_format is LogFormat.HUMAN or (log_format is LogFormat.AUTO and terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            *(_for_people(worker, colors=terminal) if human else [EcsRenderer(worker)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Lines(sys.stderr))),
    )


def _for_people(worker: int | None, *, colors: bool) -> list[Processor]:
    process = {} if worker is None else {"worker": worker}
    return [partial(_lead, process), structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0)]


def _lead(process: Mapping[str, int], _logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Put first what every line has, and then the process that it is of; a problem's line says all of it in words."""
    event.pop("problem", None)
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | {**process, **event}
