"""Waiting: queries that are answered when what they ask about changes."""

import asyncio
from collections.abc import Callable, Iterable

from xds.endpoints.registrations.indexes import Topic


class Waiting:
    """The queries that wait, by what they ask about: a change wakes only those of its topics."""

    def __init__(self) -> None:
        self._waiting: dict[Topic, set[asyncio.Future[None]]] = {}

    def wake(self, topics: Iterable[Topic]) -> None:
        """Wake the queries about these."""
        for topic in topics:
            for future in self._waiting.pop(topic, ()):
                if not future.done():
                    future.set_result(None)

    async def wait(self, topic: Topic, seconds: float, is_due: Callable[[], bool]) -> None:
        """Return when `is_due`, which only a change of the topic can change, or after some seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not is_due() and loop.time() < end:
            future = loop.create_future()
            self._waiting.setdefault(topic, set()).add(future)
            timer = loop.call_at(end, _end, future)
            try:
                await future
            finally:
                timer.cancel()
                self._forget(topic, future)

    def _forget(self, topic: Topic, future: "asyncio.Future[None]") -> None:
        of_topic = self._waiting.get(topic, set())
        of_topic.discard(future)
        if not of_topic:
            self._waiting.pop(topic, None)


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
