"""Worker: a process that serves streams for the leader, which holds the catalog and has started the worker.

Its standard input is a socket, the link to the leader. The worker ends when the link closes. It ignores SIGTERM: a
service supervisor sends it to the whole process group, but the leader decides when a worker stops.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

import structlog
import uvloop

from xds.catalog.catalog import Catalog
from xds.endpoints.endpoint_set import Endpoints
from xds.resources.inventory import build_inventory
from xds.server.clients.ask import Answers, Question
from xds.server.observe.log import configure_log, flush_log, own_standard_error
from xds.server.protocols.discovery import DiscoveryServer, build_servicer
from xds.server.settings import Settings
from xds.server.streams.memories import NodeStream
from xds.server.workers.inventory_change import apply_change, decode_change
from xds.server.workers.link import CallError, Link, LinkClosedError, open_link
from xds.session.memory import Memory

T = TypeVar("T")

log = structlog.get_logger()


class Leader(Protocol):
    """The methods that a worker calls on its leader."""

    async def ask(self, question: Question[T], /) -> Answers[T]:
        """Ask every process."""
        ...

    async def remember(self, number: int, key: NodeStream, memory: Memory | None) -> None:
        """Note what a node's next stream begins with, on behalf of the worker of that number."""
        ...


class Worker:
    """The methods that the leader calls on a worker, `start` first."""

    link: Link
    is_serving = False

    def __init__(self) -> None:
        self._telling: set[asyncio.Task[None]] = set()
        self._publishing = asyncio.Lock()

    async def start(
        self,
        number: int,
        settings: Settings,
        inventory: bytes,
        past: Sequence[bytes],
        memories: Mapping[NodeStream, Memory],
    ) -> None:
        """Serve an inventory, with what clients may have from before, and with memories of other processes.

        Each inventory is encoded as the change from an empty one.
        """
        configure_log(settings.log_format, settings.log_level, number)
        empty = build_inventory(Catalog({}, {}), Endpoints())
        present, *before = (apply_change(decode_change(one), empty) for one in (inventory, *past))
        self._ads = build_servicer(present, settings, before)
        self._ads.shared.memories.learn(memories)
        self._ads.shared.memories.listeners.append(partial(self._tell, number))
        self._server = DiscoveryServer(self._ads, settings, self._ask_all)
        self.is_serving = True
        await self._server.start()

    async def publish(self, change: bytes) -> int:
        """Apply an encoded change, push it, and return the number of streams that it concerned."""
        async with self._publishing:  # the next change is one of the inventory that this one makes
            return await self._server.publish(apply_change(decode_change(change), self._ads.store.inventory))

    async def wait_for_answers(self) -> int | None:
        """Wait until clients of this process have answered the last change, and return when (time.monotonic_ns())."""
        return await self._ads.wait_for_answers()

    async def ping(self) -> None:
        """Show that this process answers."""

    async def ask(self, question: Question[T], /) -> T:
        """Return this process's answer."""
        return await question(self._ads)

    def _tell(self, number: int, key: NodeStream, memory: Memory | None) -> None:
        task = asyncio.create_task(self._remember(number, key, memory))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _remember(self, number: int, key: NodeStream, memory: Memory | None) -> None:
        with contextlib.suppress(LinkClosedError, CallError):
            await self.link.call(Leader.remember, number, key, memory)

    async def learn(self, memories: Mapping[NodeStream, Memory | None]) -> None:
        """Take memories from other workers."""
        self._ads.shared.memories.learn(memories)

    async def _ask_all(self, question: Question[T], /) -> Answers[T]:
        return await self.link.call(Leader.ask, question)

    async def stop(self) -> None:
        """End every stream, and stop serving."""
        self.is_serving = False
        await self._server.stop()


def main() -> None:
    """Run a worker until its leader closes the link."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    own_standard_error()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work())


async def _work() -> None:
    worker = Worker()
    worker.link = await open_link(socket.socket(fileno=0), worker)
    await worker.link.closed
    if worker.is_serving:
        log.error("the leader is gone")
    flush_log()
    os._exit(0)  # remaining streams end with the process
