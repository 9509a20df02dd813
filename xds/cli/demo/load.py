"""Sends requests through the gateway at a steady rate, and records which instance answers."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one request: when (time.monotonic()), its duration, and the instance that answered or the failure."""

    at: float
    seconds: float
    instance: str = ""
    failure: str = ""


class Load:
    """A client that sends `rate` GET requests per second to `url`, and keeps every answer.

    The rate does not depend on the answers, as long as a connection is free. A service that hangs, or a machine that
    is too slow for the rate, gets no more than `CONNECTIONS` requests at once.
    """

    def __init__(self, url: str, rate: float) -> None:
        self.url = url
        self.rate = rate
        self.answers: list[Answer] = []

    async def send(self, requests: int | None = None, until: asyncio.Event | None = None) -> None:
        """Send `requests` requests, or send until the event is set. Return when every request has ended."""
        # Without the environment, since the user's proxy must not handle the demo's requests.
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=10.0, limits=limits) as client,
            asyncio.TaskGroup() as flight,
        ):
            start, sent, free = time.monotonic(), 0, asyncio.Semaphore(CONNECTIONS)
            while sent != requests and not (until and until.is_set()):
                await asyncio.sleep(start + sent / self.rate - time.monotonic())
                due = time.monotonic()
                await free.acquire()
                flight.create_task(self._one(client, due)).add_done_callback(lambda _: free.release())
                sent += 1

    async def _one(self, client: httpx.AsyncClient, start: float) -> None:
        """Send one request, and record its answer or failure. Its time includes the wait for a free connection."""
        instance, failure = "", ""
        try:
            response = await client.get(self.url)
            response.raise_for_status()
            instance = response.json()["instance"]
        except httpx.HTTPStatusError as error:
            failure = f"{error.response.status_code} {error.response.text.strip()[:100]}"
        except (httpx.HTTPError, ValueError, KeyError) as error:
            failure = repr(error)
        now = time.monotonic()
        self.answers.append(Answer(now, now - start, instance, failure))

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
