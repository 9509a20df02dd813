"""Runs each phase of the demo: an edit and the requests after it; and the crash of an instance under load.

What a phase promises, and how counts are judged, is in `phases.py`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager

from xds.cli.demo.load import Load
from xds.cli.demo.mesh import INSTANCES, Mesh
from xds.cli.demo.phase_result import PhaseResult
from xds.cli.demo.phases import Phase, judge_crash, judge_failures, shares
from xds.cli.demo.screen import Screen

COUNTED_RATE = 150
CRASH_RATE = 100
"""Requests per second: enough that one sees the bars grow, and few enough for two CPU cores."""

REDRAW_SECONDS = 0.1
STEADY_SECONDS = 1.0
DOWN_SECONDS = 2.0
RETURN_SECONDS = 15.0
"""How long the restarted instance may take to receive requests: several health checks, with one check per second."""


async def run_phase(mesh: Mesh, screen: Screen, phase: Phase) -> PhaseResult:
    """Make one edit, send requests, and judge their shares. Return the result with the verdict."""
    result = PhaseResult(phase.title, phase.words, INSTANCES, phase.expected(len(INSTANCES)))
    with _shown(screen, result):
        result.changes, result.effect_seconds = await mesh.apply(phase)
        load = Load(f"http://{mesh.gateway}/api/data", COUNTED_RATE)
        async with _meanwhile(load.send(phase.requests)) as sending:
            while not sending.done():
                result.count(load)
                screen.update(result)
                await asyncio.wait([sending], timeout=REDRAW_SECONDS)
        result.count(load)
        result.verdict = judge_failures(phase.judge(result.counts, result.expected), result.requests, load.failures)
    return result


async def run_crash(mesh: Mesh, screen: Screen, phase: Phase) -> PhaseResult:
    """Kill the instance with the largest share under load, and start it again. No request may fail.

    `phase` is the one whose edit is in effect. While requests run, the screen shows the shares of the last second. At
    the end it shows those of the time in which the instance was down.
    """
    victim = INSTANCES[0]
    usual, without = phase.expected(len(INSTANCES)), shares((0, *phase.weights[1:]))
    result = PhaseResult("crash", f"{victim} is killed under load", INSTANCES, usual)
    load, done = Load(f"http://{mesh.gateway}/api/data", CRASH_RATE), asyncio.Event()
    with _shown(screen, result):
        async with _meanwhile(load.send(until=done)):
            await _watch(screen, result, load, STEADY_SECONDS)

            result.notes.append(f"kill -9 {mesh.children[victim].pid} ({victim})")
            mesh.children[victim].kill()
            killed, result.expected = time.monotonic(), without
            async with _meanwhile(_note_removal(mesh, result, victim, killed)):
                await _watch(screen, result, load, DOWN_SECONDS)

            started = time.monotonic()
            await mesh.restart(victim).ready()
            result.words += " and started again"
            result.notes.append(f"{victim} is started again, as pid {mesh.children[victim].pid}")
            while not load.counts([victim], started)[0] and time.monotonic() < started + RETURN_SECONDS:
                await _watch(screen, result, load, REDRAW_SECONDS)
            returned, result.expected = time.monotonic(), usual
            await _watch(screen, result, load, STEADY_SECONDS)
            done.set()
        result.words += "; the shares while it was down"
        result.expected = without
        result.count(load, killed, started)
        verdict = judge_crash(load.counts([victim], started)[0], returned - started)
        result.verdict = judge_failures(verdict, result.requests, load.failures)
    return result


async def _note_removal(mesh: Mesh, result: PhaseResult, victim: str, killed: float) -> None:
    """Note when Envoy has noticed that an instance is gone. Until then, retries keep requests from failing."""
    await mesh.until(lambda: not mesh.is_healthy(victim), f"see that {victim} is gone")
    result.notes.append(f"{(time.monotonic() - killed) * 1000:.0f} ms later Envoy sends it no more requests")


async def _watch(screen: Screen, result: PhaseResult, load: Load, seconds: float) -> None:
    """Show the shares of the last second, for `seconds`."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        result.count(load, now - 1.0)
        screen.update(result)
        await asyncio.sleep(min(REDRAW_SECONDS, end - now))


@asynccontextmanager
async def _meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` during a block, and wait for it at the block's end. If the block raises, cancel `work`.

    Unlike a TaskGroup, it raises the original exception, not a group.
    """
    task = asyncio.create_task(work)
    try:
        yield task
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextmanager
def _shown(screen: Screen, result: PhaseResult) -> Iterator[None]:
    """Show a result during a block."""
    screen.begin(result)
    yield
    screen.end(result)
