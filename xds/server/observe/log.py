"""The log: in which format it is written. Where it is written, on standard error, is in `lines.py`.

How a line is written as JSON is in `ecs.py`.
"""

import atexit
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from functools import partial
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor

from xds.server.observe.ecs import EcsRenderer
from xds.server.observe.lines import BufferedLines, open_lines, stop_waiting_for_stderr
from xds.wording import printable

END_SECONDS = 1.0
"""How long the end of a process waits until the log is written, at most."""

UNENDED = "ExecuteBatchError raised in core by servicer method"
"""How grpcio begins its error when it cannot send the end of a call, as when the client dies at that moment."""

log = structlog.get_logger()


class LogFormat(StrEnum):
    """The format of a line: for people, JSON, or AUTO, which is for people when standard error is a terminal."""

    AUTO = "auto"
    HUMAN = "human"
    JSON = "json"


class _Loggers:
    """Makes structlog's loggers, which write lines."""

    def __init__(self, lines: BufferedLines) -> None:
        self.lines = lines

    def __call__(self, *_args: object) -> structlog.WriteLogger:
        return structlog.WriteLogger(cast("TextIO", self.lines))


class _LibraryLog(logging.Handler):
    """Writes what libraries log as lines of this log: the last resort of `logging` would wait for standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A call that cannot be ended is no error of the server, and has no traceback."""
        if (message := record.getMessage()).startswith(UNENDED):
            log.info("gRPC could not end a call: its client has probably gone", logger=record.name)
            return
        fields: dict[str, str] = {"logger": record.name}
        if record.exc_info and record.exc_info[1]:
            fields["error"] = repr(record.exc_info[1])
            fields["stack"] = "".join(traceback.format_exception(record.exc_info[1]))
        report = log.error if record.levelno >= logging.ERROR else log.warning
        report(message, **fields)


def own_standard_error() -> None:
    """Have nothing in this process wait for who reads standard error, libraries neither. Call it once, at the start."""
    logging.getLogger().addHandler(_LibraryLog(logging.WARNING))
    stop_waiting_for_stderr()


def flush_log(seconds: float = END_SECONDS) -> None:
    """Wait until the lines so far are written, for so many seconds at most."""
    if isinstance(loggers := structlog.get_config()["logger_factory"], _Loggers):
        loggers.lines.drain(seconds)


def count_dropped() -> int:
    """Return how many lines this process has dropped."""
    loggers = structlog.get_config()["logger_factory"]
    return loggers.lines.dropped if isinstance(loggers, _Loggers) else 0


def _tell_dropped(number: int) -> None:
    log.warning("lines of the log were dropped: nobody read them in time", dropped=number)


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
        logger_factory=_Loggers(open_lines(sys.stderr, _tell_dropped)),
    )
    atexit.register(flush_log)


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
