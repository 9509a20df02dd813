"""Workers: the processes that serve streams at one port, as the leader sees them, which holds the catalog.

They are started as programs of their own: a fork would copy gRPC's threads half, and unlike multiprocessing's processes
these can be awaited, need no process that watches over them, and have a name in `ps`.
"""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from xds.resources.inventory import Inventory
from xds.server.address import ListenAddress, ListenError, reserve
from xds.server.clients.ask import Answers, Question
from xds.server.settings import Settings
from xds.server.streams.ads import AdsServicer
from xds.server.workers.feed import describe_all, describe_change, pack
from xds.server.workers.link import CallError, Link, LinkClosedError, open_link
from xds.server.workers.worker import Worker

T = TypeVar("T")

COMMAND = "from xds.server.workers.worker import main; main()"

BEGIN_SECONDS = 60.0
"""How long a worker may take until it listens."""

TAKE_SECONDS = 30.0
"""How long a worker may take to push a change; after that it is replaced."""

ANSWER_SECONDS = 5.0
"""How long a worker is waited for; whoever asked a question is told that it did not answer."""

STOP_SECONDS = 5.0
"""How long a worker may take to end, beyond the grace of its streams."""

STEADY_SECONDS = 10.0
DELAY_SECONDS, MAX_DELAY_SECONDS = 1.0, 30.0
"""A worker that lived for less than STEADY_SECONDS is started again after a delay, each time twice as long."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Running:
    process: Process
    link: Link


class Workers:
    """Starts workers, feeds them, asks them, and replaces whoever dies. `ads` is the leader's own, without streams."""

    def __init__(self, ads: AdsServicer, settings: Settings) -> None:
        self._ads = ads
        self._settings = settings
        self._running: dict[int, _Running] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> int:
        """Wait until every worker listens, and give the port; raise ListenError when one cannot."""
        listen = self._settings.listen
        self._reserved = reserve(listen)
        port: int = self._reserved.getsockname()[1]
        self._settings = replace(self._settings, listen=ListenAddress(listen.host, port))
        numbers = range(1, self._settings.workers + 1)
        begun = {number: asyncio.get_running_loop().create_future() for number in numbers}
        self._keepers = [asyncio.create_task(self._keep(number, begun[number])) for number in numbers]
        try:
            await asyncio.gather(*begun.values())
        except ListenError:
            await self.stop()
            raise
        return port

    async def publish(self, inventory: Inventory) -> int:
        """Have every worker push what changed, and give the number of streams that it concerned.

        Who takes long is not waited for: the next change must come to the others.
        """
        self._ads.publish(inventory)  # who begins from now on begins with this
        change = pack(describe_change(inventory))
        pushing = [asyncio.create_task(self._push(*item, change)) for item in self._running.items()]
        done = (await asyncio.wait(pushing, timeout=ANSWER_SECONDS))[0] if pushing else ()
        return sum(task.result() for task in done)

    async def _push(self, number: int, one: _Running, change: bytes) -> int:
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                return await one.link.call(Worker.publish, change)
        except LinkClosedError:
            return 0
        except (CallError, TimeoutError) as error:
            log.error("a worker did not take a change: it is replaced", worker=number, error=repr(error))
            one.process.kill()
            return 0

    async def settle(self) -> int | None:
        """Wait until the clients of all workers have answered the last `publish`; when that was."""

        async def settle_one(one: _Running) -> int | None:
            try:
                return await one.link.call(Worker.settle)
            except (CallError, LinkClosedError):
                return None  # its clients come back to another worker, and are served anew

        ends = await asyncio.gather(*map(settle_one, list(self._running.values())))
        return max((end for end in ends if end is not None), default=None)

    async def ask(self, question: Question[T], /) -> Answers[T]:
        """Ask every worker, and this process; who does not answer in time is named."""
        answers = {0: await question(self._ads)}

        async def ask_one(number: int) -> None:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answers[number] = await self._running[number].link.call(Worker.ask, question)
            except (KeyError, LinkClosedError, TimeoutError):
                pass
            except CallError as error:
                log.error("a worker failed to answer", worker=number, error=str(error))

        numbers = range(1, self._settings.workers + 1)
        await asyncio.gather(*map(ask_one, numbers))
        return Answers(dict(sorted(answers.items())), tuple(number for number in numbers if number not in answers))

    async def stop(self) -> None:
        """Have every worker end its streams, and wait until it is gone."""
        log.info("stopping", workers=len(self._running))
        self._stopping = True
        for number, keeper in enumerate(self._keepers, 1):
            if number not in self._running:
                keeper.cancel()
        await asyncio.gather(*map(self._stop, self._running.values()))
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._reserved.close()

    async def _stop(self, one: _Running) -> None:
        try:
            async with asyncio.timeout(self._settings.grace + STOP_SECONDS):
                await one.link.call(Worker.stop)
                one.link.close()
                await one.process.wait()
        except LinkClosedError:
            pass  # it died: as good
        except (CallError, TimeoutError) as error:
            log.error("a worker did not stop: it is killed", pid=one.process.pid, error=repr(error))
            one.process.kill()

    async def _keep(self, number: int, begun: asyncio.Future[None]) -> None:
        """Have a worker of that number run, again and again."""
        loop, delay = asyncio.get_running_loop(), 0.0
        while True:
            since = loop.time()
            end = await self._run(number, begun)
            if self._stopping:
                return
            if not begun.done():
                begun.set_exception(ListenError(f"cannot start worker {number}: {end}"))
                return
            steady = loop.time() - since > STEADY_SECONDS
            delay = 0.0 if steady else min(max(DELAY_SECONDS, 2 * delay), MAX_DELAY_SECONDS)
            log.error("worker died: another takes its place", worker=number, how=end, in_seconds=delay)
            await asyncio.sleep(delay)

    async def _run(self, number: int, begun: asyncio.Future[None]) -> str:
        """Have a worker run until it ends; how that was."""
        started = asyncio.get_running_loop().time()
        try:
            one = self._running[number] = await self._spawn()
        except OSError as error:
            return str(error)
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                inventory = pack(describe_all(self._ads.store.inventory))
                await one.link.call(Worker.begin, number, self._settings, inventory)
            seconds = asyncio.get_running_loop().time() - started
            log.info("worker started", worker=number, pid=one.process.pid, ms=round(seconds * 1000, 1))
            if not begun.done():
                begun.set_result(None)
            await one.link.closed
        except LinkClosedError:
            pass
        except Exception as error:  # a fault of ours must not leave the port with a worker less
            one.process.kill()
            return repr(error)
        finally:
            one.link.close()
            code = await one.process.wait()
            del self._running[number]
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    async def _spawn(self) -> _Running:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", COMMAND),
                stdin=theirs.fileno(),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,  # the terminal's Ctrl-C is for the leader
            )
        return _Running(process, await open_link(ours, self))
