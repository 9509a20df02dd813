"""RepeatLog: what clients do again and again is a few lines of the log and a number, and not a line each time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import structlog

SECONDS = 10.0
"""The length of the period that the limits apply to."""

LINES_PER_CLIENT = 5
"""How many lines of one event a period has about one client."""

LINES = 100
"""How many lines of one event a period has."""

log = structlog.get_logger()


class RepeatLog:
    """Logs events that a client can cause at will. At the end of a period, a line has the number of the rest."""

    def __init__(self) -> None:
        self._of_client: Counter[tuple[str, Hashable]] = Counter()
        self._of_event: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, client: Hashable, write: Callable[..., Any], event: str, **fields: Any) -> None:
        """Log an event about a client by `write`, such as `log.warning`, or count it."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self.flush)
        if self._of_event[event] >= LINES or self._of_client[event, client] >= LINES_PER_CLIENT:
            self._left_out[event] += 1
            return
        self._of_event[event] += 1
        self._of_client[event, client] += 1
        write(event, **fields)

    def flush(self) -> None:
        """Log how many lines were left out, and start a new period."""
        if self._timer is not None:
            self._timer.cancel()
        for event, number in self._left_out.items():
            log.warning("more lines of this kind were left out", kind=event, more=number)
        self._timer = None
        self._of_client, self._of_event, self._left_out = Counter(), Counter(), Counter()
