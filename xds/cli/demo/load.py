"""Sends requests through the gateway at a steady rate, and records which instance answers."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import h11

CONNECTIONS = 16

TIMEOUT = 10.0
"""How many seconds a request may take, with the wait for its connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one request: when (time.monotonic()), its duration, and the instance that answered or the failure."""

    at: float
    seconds: float
    instance: str = ""
    failure: str = ""


class Load:
    """A client that sends `rate` GET requests per second to `url` (`http://HOST[:PORT]/…`), and keeps every answer.

    The rate does not depend on the answers, as long as a connection is free. A service that hangs, or a machine that
    is too slow for the rate, gets no more than `CONNECTIONS` requests at once. No request is sent twice, so that every
    failure counts.
    """

    def __init__(self, url: str, rate: float) -> None:
        self.url = url
        self.rate = rate
        self.answers: list[Answer] = []

    async def send(self, requests: int | None = None, until: asyncio.Event | None = None) -> None:
        """Send `requests` requests, or send until the event is set. Return when every request has ended."""
        idle: list[_Connection] = []
        try:
            async with asyncio.TaskGroup() as flight:
                start, sent, free = time.monotonic(), 0, asyncio.Semaphore(CONNECTIONS)
                while sent != requests and not (until and until.is_set()):
                    await asyncio.sleep(start + sent / self.rate - time.monotonic())
                    due = time.monotonic()
                    await free.acquire()
                    flight.create_task(self._one(idle, due)).add_done_callback(lambda _: free.release())
                    sent += 1
        finally:
            for connection in idle:
                await connection.close()

    async def _one(self, idle: list["_Connection"], start: float) -> None:
        """Send one request, and record its answer or failure. Its time includes the wait for a free connection."""
        instance, failure = "", ""
        try:
            async with asyncio.timeout(TIMEOUT):
                status, body = await self._get(idle)
            if status == 200:
                instance = json.loads(body)["instance"]
            else:
                failure = f"{status} {body.decode(errors='replace').strip()[:100]}"
        except (OSError, EOFError, h11.ProtocolError, ValueError, KeyError) as error:
            failure = repr(error)
        now = time.monotonic()
        self.answers.append(Answer(now, now - start, instance, failure))

    async def _get(self, idle: list["_Connection"]) -> tuple[int, bytes]:
        """Send one request over an idle connection, or over a new one. Return the status and the body."""
        while idle and not idle[-1].is_open:
            await idle.pop().close()
        connection = idle.pop() if idle else await _Connection.open(self.url)
        try:
            answer = await connection.get()
        except BaseException:
            await connection.close()
            raise
        idle.append(connection)
        return answer

    @property
    def failures(self) -> list[str]:
        """The failures of all failed requests, as text."""
        return [answer.failure for answer in self.answers if answer.failure]

    def counts(self, instances: Sequence[str], since: float = 0.0, before: float = float("inf")) -> list[int]:
        """Return the number of each instance's answers in a period (time.monotonic() values)."""
        names = [answer.instance for answer in self.answers if since <= answer.at < before]
        return [names.count(instance) for instance in instances]

    def percentile(self, share: float) -> float:
        """Return the time in seconds within which that share of the requests ended; 0 before the first answer."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(int(share * len(times)), len(times) - 1)] if times else 0.0


class _Connection:
    """One connection, with one request at a time."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(url)
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self._request = h11.Request(
            method="GET", target=target, headers=[("Host", parts.netloc), ("User-Agent", "xds-demo")]
        )
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, url: str) -> "_Connection":
        """Connect to the host of a URL. Raises OSError."""
        parts = urlsplit(url)
        return cls(url, *await asyncio.open_connection(parts.hostname, parts.port or 80))

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent."""
        return self._http.our_state is h11.IDLE and not self._reader.at_eof()

    async def get(self) -> tuple[int, bytes]:
        """Send the request, and return the status and the body. Raises OSError and h11.ProtocolError."""
        self._writer.write(self._http.send(self._request) + self._http.send(h11.EndOfMessage()))
        status, body = 0, b""
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(2**16))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        return status, body

    async def close(self) -> None:
        """Close the connection, whatever its state."""
        self._writer.close()
        with contextlib.suppress(OSError):  # the peer may have reset it
            await self._writer.wait_closed()
