"""The log: one line for each thing that an operator cares about, on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any

import structlog


class LogFormat(StrEnum):
    """How a line is written: for people, for machines, or by whether a person is there."""

    AUTO = "auto"
    HUMAN = "human"
    JSON = "json"


def configure_log(log_format: LogFormat, level: str) -> None:
    """Set how and from which level on (`debug`, `info`, `warning`, `error`) the process logs."""
    terminal = sys.stderr.isatty()
    human = log_format is LogFormat.HUMAN or (log_format is LogFormat.AUTO and terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            _lead,
            structlog.dev.ConsoleRenderer(colors=terminal, sort_keys=False, pad_event_to=0)
            if human
            else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _lead(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Put first what every line has."""
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | dict(event)
