"""The course of the demo: it starts the mesh, runs each phase and the crash, and keeps running until Ctrl-C."""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from xds.cli.demo.mesh import CONTROL_PLANE, INSTANCES, Mesh
from xds.cli.demo.phase_result import PhaseResult
from xds.cli.demo.phases import PHASES
from xds.cli.demo.ports import LOOPBACK
from xds.cli.demo.processes import ChildError
from xds.cli.demo.running_phases import run_crash, run_phase
from xds.cli.demo.screen import Screen, open_screen, save_svg

CHECK_SECONDS = 0.1
RESTART_SECONDS = 10.0

NEXT_STEPS = """
The mesh keeps running, so that you can try things. In a second terminal:

  # see which instances answer
  for i in $(seq 60); do curl -s {url}; done | sort | uniq -c

  # change weights: they are in effect as soon as you save; the control plane's log reports mistakes
  nano {catalog}
  tail {logs}/control-plane.log

  # see which clients are up to date, and what another catalog would change
  {xds} status --admin {status}
  {xds} diff --admin {status} other-catalog.yaml

  # crash api-2, or the control plane: Envoy keeps its configuration
  kill -9 {instance}
  kill -9 {control_plane}

  # ask Envoy
  curl http://{admin}/clusters

The demo starts what you kill again after {seconds:g} s. Ctrl-C ends everything and removes {folder}
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    exit: bool
    variant: str
    port: int
    svg: Path | None


class Stop:
    """The signals that end the demo. The first one cancels the task; later ones do not interrupt the clean-up."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number = 0

    def listen(self, task: asyncio.Task[int]) -> None:
        """Cancel the task on Ctrl-C, on SIGTERM and when the terminal closes, except for ignored signals (nohup)."""
        for number in self.SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._stop, number, task)

    def _stop(self, number: int, task: asyncio.Task[int]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)
        if not self.number:
            self.number = number
            task.cancel()


def run_demo(options: Options) -> int:
    """Run the demo, and return its exit code."""
    with closing(open_screen()) as screen:
        return asyncio.run(_run(DemoRun(options, screen)))


async def _run(demo_run: "DemoRun") -> int:
    """Run until the end or a signal, and return the exit code: 128 + the signal's number before all phases are done."""
    stop = Stop()
    task: asyncio.Task[int] | None = asyncio.current_task()
    if task:
        stop.listen(task)
    try:
        return await demo_run.run()
    except asyncio.CancelledError:
        return 128 + stop.number if demo_run.code is None else demo_run.code
    except ChildError as error:
        click.echo(f"xds demo: {error}", err=True)
        return 1


class DemoRun:
    """One run of the demo. `code` is its exit code, once every phase has been judged."""

    def __init__(self, options: Options, screen: Screen) -> None:
        self.options = options
        self.screen = screen
        self.code: int | None = None

    async def run(self) -> int:
        """Run the whole demo, and return its exit code."""
        with Mesh(self.options.port, self.options.variant) as mesh, closing(self.screen):
            start = time.monotonic()
            self.screen.say("Starting three instances of api-service, the control plane and Envoy …")
            await mesh.start()
            self._show_start(mesh, time.monotonic() - start)
            results = [await run_phase(mesh, self.screen, phase) for phase in PHASES]
            results.append(await run_crash(mesh, self.screen, PHASES[-1]))
            self.code = self._show_outcome(results, time.monotonic() - start)
            if self.options.svg:
                save_svg(self.options.svg, results)
            if not self.options.exit:
                self._show_next(mesh)
                await self._keep_running(mesh)
            return self.code

    def _show_start(self, mesh: Mesh, seconds: float) -> None:
        """Show the addresses and files of what runs."""
        if mesh.gateway != f"{LOOPBACK}:{self.options.port}":
            self.screen.say(f"Port {self.options.port} is in use, so the gateway listens on another one.")
        self.screen.say(f"Up after {seconds:.1f} s: http://{mesh.gateway}/ → Envoy → {', '.join(INSTANCES)}")
        self.screen.say(f"Envoy is configured by xds over its {self.options.variant} variant.")
        self.screen.say(f"The demo now edits the catalog {mesh.catalog}")

    def _show_outcome(self, results: Sequence[PhaseResult], seconds: float) -> int:
        """Show which phases held and which failed, and return the exit code."""
        failed = [result for result in results if not result.verdict or not result.verdict.holds]
        for result in failed:
            self.screen.say(f"\nFailed: {result.title}: {result.verdict.words if result.verdict else 'not run'}")
        if not failed:
            self.screen.say(f"\nEvery phase held, after {seconds:.1f} s.")
        return 1 if failed else 0

    def _show_next(self, mesh: Mesh) -> None:
        """Show what one can try while everything runs."""
        pids = {name: child.pid for name, child in mesh.children.items()}
        self.screen.say(
            NEXT_STEPS.format(
                url=f"http://{mesh.gateway}/api/data",
                catalog=mesh.catalog,
                instance=pids[INSTANCES[1]],
                control_plane=pids[CONTROL_PLANE],
                seconds=RESTART_SECONDS,
                admin=mesh.admin,
                status=mesh.status,
                xds=Path(sys.executable).with_name("xds"),
                logs=mesh.logs,
                folder=mesh.folder,
            )
        )

    async def _keep_running(self, mesh: Mesh) -> None:
        """Run until a signal. Start again what the user kills, after RESTART_SECONDS, in which its absence shows."""
        due: dict[str, float] = {}
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = time.monotonic()
            for name in mesh.ended_children():
                if name not in due:
                    due[name] = now + RESTART_SECONDS
                    self.screen.say(f"{name} has ended; it is started again in {RESTART_SECONDS:g} s.")
                elif now >= due[name]:
                    del due[name]
                    self.screen.say(f"{name} is started again: pid {mesh.restart(name).pid}.")
