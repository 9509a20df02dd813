"""Sends many requests at little cost over a few HTTP/1.1 connections, each with one request at a time."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from xds.cli.demo.processes import await_until

CONNECTIONS = 4

SAMPLE = 1000
"""The number of requests for one measured share."""


class Traffic:
    """Requests to a loopback port. `answers` has the time of each, and who answered or the status with its text."""

    def __init__(self, port: int, path: str = "/", host: str = "any") -> None:
        self.port = port
        self.request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self.answers: list[tuple[float, str]] = []

    @property
    def failures(self) -> list[str]:
        """The answers other than 200."""
        return [answer for _, answer in self.answers if answer[:1].isdigit()]

    async def send(self, requests: int = SAMPLE) -> Counter[str]:
        """Send this number of requests, one after the other on each connection, and count the answers."""
        since = len(self.answers)
        await self._go(lambda: len(self.answers) >= since + requests - CONNECTIONS + 1)
        return Counter(answer for _, answer in self.answers[since:])

    async def count(self) -> Counter[str]:
        """Count the next `SAMPLE` answers to requests that are sent from now on, while `run` sends."""
        now, since = time.monotonic(), len(self.answers)
        await await_until(lambda: len(self.answers) >= since + SAMPLE + CONNECTIONS, 60)
        return Counter(answer for sent, answer in self.answers[since:] if sent >= now)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Send requests without a pause while the block runs. No request may fail."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._go(stop.is_set))
            try:
                yield
            finally:
                stop.set()
        assert self.failures == []

    async def _go(self, is_enough: Callable[[], bool]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(self._connect(is_enough))

    async def _connect(self, is_enough: Callable[[], bool]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not is_enough():
                sent = time.monotonic()
                writer.write(self.request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                body = (await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))).decode()
                status = head.split()[1]
                self.answers.append((sent, json.loads(body)["instance"] if status == "200" else f"{status} {body}"))
        finally:  # a connection that a failed test leaves open would fail the test that runs when it is collected
            writer.close()
            await writer.wait_closed()
