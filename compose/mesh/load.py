"""Sends requests through the gateway at a steady rate, and records who answers."""

import http.client
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CONNECTIONS = 8
TIMEOUT = 10.0
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent (time.monotonic()), its duration, and who answered or the failure."""

    sent: float
    seconds: float
    served_by: str = ""
    failure: str = ""


class Load:
    """Sends `rate` GET requests per second to `http://{address}{path}` during its block, and keeps all answers.

    It does not retry, so that it notices every failure that a client would notice.
    """

    def __init__(self, address: str, path: str, rate: float) -> None:
        self.url = f"http://{address}{path}"
        self.answers: list[Answer] = []
        self._address, self._path, self._rate = address, path, rate
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> list[str]:
        """The failures of all failed requests, as text."""
        return [answer.failure for answer in self.answers if answer.failure]

    def count(self, since: float = 0.0, before: float = FOREVER) -> Counter[str]:
        """Return the number of answers by instance, for requests sent in a period (time.monotonic() values)."""
        return Counter(one.served_by for one in self.answers if not one.failure and since <= one.sent < before)

    def percentile(self, share: float) -> float:
        """Return the time in seconds within which that share of the requests ended; 0 without answers."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(int(share * len(times)), len(times) - 1)] if times else 0.0

    def _send(self) -> None:
        """Send requests over one connection. A thread takes the next request when it is free."""
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT)
        for number in self._numbers:
            if self._stop.wait(max(0.0, self._start + number / self._rate - time.monotonic())):
                break
            sent = time.monotonic()
            served_by = failure = ""
            try:
                connection.request("GET", self._path)
                response = connection.getresponse()
                text = response.read().decode(errors="replace")
                served_by = response.headers.get("Served-By", "?")
                if response.status != 200:
                    failure = f"{response.status} {text.strip()[:100]}"
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
                connection.close()
            self.answers.append(Answer(sent, time.monotonic() - sent, served_by, failure))
        connection.close()
