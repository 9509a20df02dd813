"""WorkerPool: starts and supervises the worker processes, which serve streams at one port.

This is the leader's side; the leader is the process that holds the catalog. The worker's side is in `worker.py`.
Workers are started as new programs. A fork would copy gRPC's threads incompletely. Unlike the processes of
multiprocessing, programs can be awaited, need no extra process that watches them, and have a name in `ps`.
"""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import structlog

from xds.resources.inventory import Inventory
from xds.server.address import ListenAddress, ListenError, reserve_port
from xds.server.clients.ask import Answers, Question
from xds.server.settings import Settings
from xds.server.streams.ads import AdsServicer
from xds.server.streams.memories import NodeStream
from xds.server.workers.inventory_change import describe_all, describe_change, encode_change
from xds.server.workers.link import CallError, Link, LinkClosedError, open_link
from xds.server.workers.worker import Worker
from xds.session.memory import Memory

T = TypeVar("T")

COMMAND = "from xds.server.workers.worker import main; main()"

START_SECONDS = 60.0
"""How long a worker may take from its start until it listens."""

PUSH_SECONDS = 30.0
"""How long a worker may take to push a change; after that it is replaced."""

ANSWER_SECONDS = 5.0
"""How long the leader waits for a worker's answer. After that, a question's result names it as silent."""

PUBLISH_SECONDS = 0.25
"""How long an edit waits to learn how many streams it concerns in a worker. It does not wait for one that is silent."""

PING_SECONDS = 0.5
"""How often it is asked whether a worker answers. One that has not within this time is silent."""

SILENT_SECONDS = 5.0
"""How long a worker may be silent without any work: then it is stopped or hangs, and is replaced. One that is busy has
PUSH_SECONDS."""

STOP_SECONDS = 5.0
"""How long a worker may take to end, in addition to the grace period of its streams."""

STEADY_SECONDS = 10.0
DELAY_SECONDS, MAX_DELAY_SECONDS = 1.0, 30.0
"""A worker that ran for less than STEADY_SECONDS is started again after a delay, which doubles each time."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Running:
    process: Process
    link: Link
    is_silent: bool = True  # until it has started, and while it does not answer

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            self.process.kill()


class WorkerPool:
    """Starts workers, sends them changes and questions, and replaces a worker that dies.

    `ads` is the leader's own servicer, which has no streams.
    """

    def __init__(self, ads: AdsServicer, settings: Settings) -> None:
        self._ads = ads
        self._settings = settings
        self._running: dict[int, _Running] = {}
        self._supervisors: list[asyncio.Task[None]] = []
        self._stopping = False
        self._pushing: set[asyncio.Task[int]] = set()

    async def start(self) -> int:
        """Wait until every worker listens, and return the port. Raises ListenError when a worker cannot start."""
        listen = self._settings.listen
        self._reserved = reserve_port(listen)
        port: int = self._reserved.getsockname()[1]
        self._settings = replace(self._settings, listen=ListenAddress(listen.host, port))
        numbers = range(1, self._settings.workers + 1)
        listening = {number: asyncio.get_running_loop().create_future() for number in numbers}
        self._supervisors = [asyncio.create_task(self._keep_running(number, listening[number])) for number in numbers]
        try:
            await asyncio.gather(*listening.values())
        except ListenError:
            await self.stop()
            raise
        return port

    async def publish(self, inventory: Inventory) -> int:
        """Have every worker push what changed, and return the number of streams that it concerned.

        It waits for PUBLISH_SECONDS at most, and for no worker that is silent, so that a slow worker does not delay the
        next change for the others. The number does not include the streams of such a worker.
        """
        before = self._ads.store.inventory
        await self._ads.publish(inventory)  # who begins from now on begins with this
        change = encode_change(describe_change(inventory, before))
        pushing = [(one, asyncio.create_task(self._push(number, one, change))) for number, one in self._running.items()]
        self._pushing |= {task for _, task in pushing}
        await asyncio.sleep(0)  # each has been sent now
        answering = [task for one, task in pushing if not one.is_silent]
        done = (await asyncio.wait(answering, timeout=PUBLISH_SECONDS))[0] if answering else ()
        self._pushing = {task for task in self._pushing if not task.done()}
        return sum(task.result() for task in done)

    async def _push(self, number: int, one: _Running, change: bytes) -> int:
        try:
            async with asyncio.timeout(PUSH_SECONDS):
                return await one.link.call(Worker.publish, change)
        except LinkClosedError:
            return 0
        except (CallError, TimeoutError) as error:
            log.error("a worker did not apply a change: it is replaced", worker=number, error=repr(error))
            one.kill()
            return 0

    async def wait_for_answers(self) -> int | None:
        """Wait until the clients of all workers have answered the last `publish`, and return when that was.

        The time is a time.monotonic_ns(), or None when no client answered.
        """

        async def wait_for_one(one: _Running) -> int | None:
            try:
                return await one.link.call(Worker.wait_for_answers)
            except (CallError, LinkClosedError):
                return None  # its clients reconnect, to another worker, and are served from the start

        ends = await asyncio.gather(*map(wait_for_one, list(self._running.values())))
        return max((end for end in ends if end is not None), default=None)

    async def remember(self, number: int, key: NodeStream, memory: Memory | None) -> None:
        """Tell all other workers what a node's next stream begins with: it may reach any of them."""
        self._ads.shared.memories.put(key, memory, None)

        async def tell(one: _Running) -> None:
            with contextlib.suppress(LinkClosedError, CallError):
                await one.link.call(Worker.learn, {key: memory})

        await asyncio.gather(*(tell(one) for other, one in self._running.items() if other != number))

    async def ask(self, question: Question[T], /) -> Answers[T]:
        """Ask every worker and this process."""
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
        """Have every worker end its streams, and wait until the processes have ended."""
        log.info("stopping", workers=len(self._running))
        self._stopping = True
        for number, supervisor in enumerate(self._supervisors, 1):
            if number not in self._running:
                supervisor.cancel()
        await asyncio.gather(*map(self._stop, self._running.values()))
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        self._reserved.close()

    async def _stop(self, one: _Running) -> None:
        try:
            async with asyncio.timeout(self._settings.grace + STOP_SECONDS):
                await one.link.call(Worker.stop)
                one.link.close()
                await one.process.wait()
        except LinkClosedError:
            pass  # it died, so it need not be stopped
        except (CallError, TimeoutError) as error:
            log.error("a worker did not stop: it is killed", pid=one.process.pid, error=repr(error))
            one.kill()

    async def _keep_running(self, number: int, listening: asyncio.Future[None]) -> None:
        """Run the worker with that number, and start it again when it ends.

        `listening` is done when it first listens.
        """
        loop, delay = asyncio.get_running_loop(), 0.0
        while True:
            since = loop.time()
            end = await self._run(number, listening)
            if self._stopping:
                return
            if not listening.done():
                listening.set_exception(ListenError(f"cannot start worker {number}: {end}"))
                return
            steady = loop.time() - since > STEADY_SECONDS
            delay = 0.0 if steady else min(max(DELAY_SECONDS, 2 * delay), MAX_DELAY_SECONDS)
            log.error("worker died: another takes its place", worker=number, how=end, in_seconds=delay)
            await asyncio.sleep(delay)

    async def _run(self, number: int, listening: asyncio.Future[None]) -> str:
        """Run a worker until it ends, and return how it ended, for the log."""
        started = asyncio.get_running_loop().time()
        try:
            one = self._running[number] = await self._spawn()
        except OSError as error:
            return str(error)
        try:
            async with asyncio.timeout(START_SECONDS):
                inventory = encode_change(describe_all(self._ads.store.inventory))
                past = [encode_change(describe_all(before)) for before in islice(self._ads.store.past, 1)]
                memories = self._ads.shared.memories.lasting
                await one.link.call(Worker.start, number, self._settings, inventory, past, memories)
            seconds = asyncio.get_running_loop().time() - started
            one.is_silent = False
            log.info("worker started", worker=number, pid=one.process.pid, ms=round(seconds * 1000, 1))
            if not listening.done():
                listening.set_result(None)
            pinging = asyncio.create_task(self._ping(number, one))
            try:
                await one.link.closed
            finally:
                pinging.cancel()
        except LinkClosedError:
            pass
        except Exception as error:  # after a bug in xds, the worker must still be replaced
            one.kill()
            return repr(error)
        finally:
            one.link.close()
            code = await one.process.wait()
            del self._running[number]
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    async def _ping(self, number: int, one: _Running) -> None:
        """Ask a worker again and again whether it answers, and kill it when it does not for long.

        The waits are counted, and not measured: a leader that was stopped itself learns nothing from the clock.
        """
        while True:
            answer = asyncio.create_task(one.link.call(Worker.ping))
            waits = idle_waits = 0
            ticks = _read_cpu_ticks(one.process.pid)
            while not (await asyncio.wait({answer}, timeout=PING_SECONDS))[0]:
                before, ticks = ticks, _read_cpu_ticks(one.process.pid)
                waits, idle_waits = waits + 1, 0 if ticks is None or ticks != before else idle_waits + 1
                one.is_silent = True
                if waits * PING_SECONDS >= PUSH_SECONDS or idle_waits * PING_SECONDS >= SILENT_SECONDS:
                    log.error("a worker does not answer: it is replaced", worker=number, pid=one.process.pid)
                    answer.cancel()
                    one.kill()
                    return
            one.is_silent = False
            if answer.exception() is not None:
                return
            await asyncio.sleep(PING_SECONDS)

    async def _spawn(self) -> _Running:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", COMMAND),
                stdin=theirs.fileno(),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,  # so that Ctrl-C in the terminal reaches the leader only
            )
        return _Running(process, await open_link(ours, self))


def _read_cpu_ticks(pid: int) -> int | None:
    """Return how many clock ticks of CPU time a process has used; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[11]) + int(fields[12])
