"""Takes the steps of a plan in a mesh, and notes each fault: what is not as it must be."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from tests.envoy_server.chaos.difference import Resources, compare, list_expected, read_inventory
from tests.envoy_server.chaos.mesh import KINDS, PIECES, Mesh
from tests.envoy_server.chaos.plan import ENVOYS, State, Step, Texts
from tests.envoy_server.chaos.report import Report
from xds.cli.demo.processes import ChildError, await_until
from xds.cli.status.waiting import Stage, evaluate

Json = Any

SETTLE_SECONDS: Final = 60.0
"""How long a step may take until it is in effect. An Envoy tries again to connect after up to 30 s."""

POLL_SECONDS: Final = 0.03

ANSWERS: Final = 3
"""An outage, and a piece of a slow write, last until the steady load at one Envoy has so many more answers."""

HALF: Final = PIECES // 2

IN_VAIN: Final = "(update_rejected|init_fetch_timeout)$"
"""Counters of Envoy that stay 0: what it refused, and what it waited for in vain."""


class FaultError(Exception):
    """Something is not as it must be. It ends a run."""


class Run:
    """A run in a mesh. `tell` is called after each step."""

    def __init__(self, seed: int, mesh: Mesh, tell: Callable[[Report], None] = lambda _: None) -> None:
        self.mesh = mesh
        self.report = Report(seed)
        self._tell = tell
        self._expected: dict[str, Resources] = {}
        self._began = time.monotonic()

    async def take(self, steps: Iterator[Step]) -> Report:
        """Take steps until there are no more, or until a fault. The first writes the catalog."""
        try:
            await self._take(steps)
        except* (FaultError, ChildError, OSError, AssertionError) as errors:
            self.report.faults += [str(one) or repr(one) for one in errors.exceptions]
        self._look()
        return self.report

    async def _take(self, steps: Iterator[Step]) -> None:
        first = next(steps)
        self._note(first)
        async with self.mesh.run(first.state.texts):
            await self._settle(first.state)
            for step in steps:
                self._note(step)
                began = time.monotonic()
                await self._step(step)
                self.report.steps[-1] += f" ({time.monotonic() - began:.1f} s)"
                self._look()
                self._tell(self.report)
                if self.report.faults:
                    return
            if self.mesh.drain_seconds < SETTLE_SECONDS:
                await self._drained()
            for name in ENVOYS:
                self._check_counters(name)

    def _note(self, step: Step) -> None:
        report = self.report
        words = " | ".join(filter(None, (step.outage, step.envoy and f"{step.envoy} is killed", step.words)))
        report.steps.append(f"{len(report.steps) + 1:>4} {step.kind}: {words}")
        report.kinds[step.kind] += 1
        report.starts += step.outage in ("kill", "terminate", "") and (step.kind == "start" or bool(step.outage))
        report.restarts += bool(step.envoy)

    async def _step(self, step: Step) -> None:
        """Do what a step says, and wait until it is in effect, or until it is seen that it is wrong."""
        mesh = self.mesh
        if step.is_wrong and step.outage:
            whole = sorted(mesh.fill(one).encode() for one in step.state.texts.values())
            await await_until(lambda: mesh.stored() == whole, SETTLE_SECONDS)
        await mesh.begin(step.outage)
        for texts in step.saves:
            if step.slowly:
                await self._save_slowly(texts)
            else:
                mesh.save(texts)
        if step.envoy:
            self._check_counters(step.envoy)
            mesh.restart_envoy(step.envoy)
        if step.outage:
            await self._answered()
        await mesh.end(step.outage)
        await self._settle(step.state, is_wrong=step.is_wrong)
        if step.is_wrong:
            mesh.restore(step.state.texts)
            await self._settle(step.state)

    async def _save_slowly(self, texts: Texts) -> None:
        """Save files slowly. While the first is half written, each Envoy has what it had. Raises FaultError."""
        for number, _ in enumerate(self.mesh.save_slowly(texts)):
            await self._answered()
            if number == HALF and (problem := await self._find_problem(None)):
                raise FaultError(f"while a file is written, {problem}")

    async def _answered(self) -> None:
        load = max(self.mesh.loads.values(), key=lambda load: len(load.answers))
        enough = len(load.answers) + ANSWERS
        await await_until(lambda: len(load.answers) >= enough, SETTLE_SECONDS)

    async def _settle(self, state: State, *, is_wrong: bool = False) -> None:
        """Wait until each Envoy has what the state says, and answers as it says. Raises FaultError.

        If files are wrong, the control plane has to say so, and the Envoys have what the state says all the same.
        """
        inventory = read_inventory({name: self.mesh.fill(text) for name, text in state.texts.items()})
        self._expected = {name: list_expected(inventory, KINDS[name]) for name in ENVOYS}
        digest, deadline = self.mesh.digest(), time.monotonic() + SETTLE_SECONDS
        await self.mesh.listening()
        while problem := await self._find_problem(digest, is_wrong=is_wrong):
            self._check_running()
            if time.monotonic() > deadline:
                raise FaultError(problem)
            await asyncio.sleep(POLL_SECONDS)
        for probe in state.probes:
            while problem := await self.mesh.ask(probe):
                if time.monotonic() > deadline:
                    raise FaultError(f"{probe}: {problem}")
                await asyncio.sleep(POLL_SECONDS)
        self.report.comparisons += len(ENVOYS)
        self.report.probes += len(state.probes)

    async def _drained(self) -> None:
        """Wait until no listener drains, and no Envoy has anything that is kept for one. Raises FaultError."""
        deadline = time.monotonic() + self.mesh.drain_seconds + SETTLE_SECONDS
        while problem := next(chain(self.mesh.draining(), self._differences({})), ""):
            if time.monotonic() > deadline:
                raise FaultError(problem)
            await asyncio.sleep(POLL_SECONDS)

    async def _find_problem(self, digest: str | None, *, is_wrong: bool = False) -> str:
        """Return the first thing that is not as it must be; nothing if all is."""
        try:
            status = await self.mesh.status()
            if is_wrong and status["catalog"]["ok"]:
                return "the control plane has not noticed the mistake"
            if is_wrong:
                status["catalog"]["ok"] = True
            verdict = evaluate(status, digest, len(ENVOYS))
            if verdict.stage is not Stage.IN_EFFECT:
                return f"the catalog is {verdict.stage.value}: {verdict.reason}"
            kept = {one["node_id"]: one["held"] for one in status["clients"]}
            return next(self._differences(kept), "")
        except OSError as error:
            return repr(error)

    def _differences(self, kept: dict[str, list[Json]]) -> Iterator[str]:
        for name in ENVOYS:
            names = {(one["type"], one["name"]) for one in kept.get(name, [])}
            for one in compare(self._expected[name], self.mesh.resources(name), names):
                yield f"{name}: {one}"

    def _check_counters(self, name: str) -> None:
        found = {counter: value for counter, value in self.mesh.envoys[name].admin.stats(IN_VAIN).items() if value}
        if found:
            raise FaultError(f"{name} has {found}")

    def _check_running(self) -> None:
        for child in (self.mesh.control_plane, *self.mesh.envoys.values()):
            if not child.is_running:
                raise FaultError(f"{child.name} has ended with {child.process.returncode}:\n{child.log_tail()}")

    def _look(self) -> None:
        """Count the requests and failures so far, and what is new in the logs."""
        report, before = self.report, self.report.failures.total()
        report.seconds = time.monotonic() - self._began
        report.requests = sum(len(load.answers) for load in self.mesh.loads.values())
        for name, answer, is_absent in self.mesh.take_failures():
            report.unanswered += is_absent
            report.failures[f"{name}: {answer.failure}"] += not is_absent
        report.failures = +report.failures
        if new := report.failures.total() - before:
            report.faults.append(f"{new} requests failed")
        for line in self.mesh.take_log():
            self._look_at(line)
        for name, envoy in self.mesh.envoys.items():
            if "[critical]" in (text := envoy.log.read_text(errors="replace")):
                report.faults.append(f"{name}: {text[text.index('[critical]') :][:500]}")

    def _look_at(self, line: str) -> None:
        """Count a line of the control plane's log."""
        report = self.report
        message = json.loads(line).get("message", "") if line.startswith("{") else ""
        if message == "NACK":
            report.nacks += 1
            report.faults.append(line)
        elif "Traceback" in line:
            report.tracebacks += 1
            report.faults.append(line)
        elif message == "no answer in time, going on":
            report.waits_in_vain += 1
