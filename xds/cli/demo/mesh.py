"""The demo's mesh while it runs: a folder, ports, three instances, the control plane and an Envoy."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from xds.cli.demo import edits
from xds.cli.demo.envoy_admin import EnvoyAdmin, balancing_policy, http_get
from xds.cli.demo.phases import Phase
from xds.cli.demo.ports import LOOPBACK, Ports
from xds.cli.demo.processes import (
    Child,
    ChildError,
    await_until,
    end_all,
    start_bootstrap,
    start_control_plane,
    start_envoy,
    start_instance,
)

CONTROL_PLANE = "control-plane"
ENVOY = "envoy"
INSTANCES = ("api-1", "api-2", "api-3")

FIRST_INSTANCE_PORT = 5001  # on a Mac, AirPlay uses 5000
CONTROL_PLANE_PORT = 18000
STATUS_PORT = 18002
ADMIN_PORT = 9901

EFFECT_SECONDS = 20.0
"""How long an edit may take to be in effect in Envoy: much longer than it takes, so that only a fault exceeds it."""


class Mesh:
    """Everything that the demo starts and writes. Enter it, then call `start()`. Leaving it removes everything."""

    def __init__(self, gateway_port: int, variant: str) -> None:
        self._wanted_port = gateway_port
        self._variant = variant
        self._ports = Ports()
        self._starters: dict[str, Callable[[], Child]] = {}
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="xds-demo-"))
        self.catalog = self.folder / "catalog.yaml"
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_all(list(self.children.values()))
        shutil.rmtree(self.folder)
        self._ports.close()

    async def start(self) -> None:
        """Choose ports, write the first catalog, start everything, and wait until the gateway listens."""
        self.gateway = self._reserve_port(self._wanted_port)
        self.addresses = {name: self._reserve_port(FIRST_INSTANCE_PORT) for name in INSTANCES}
        self.server, self.admin = self._reserve_port(CONTROL_PLANE_PORT), self._reserve_port(ADMIN_PORT)
        self.status = self._reserve_port(STATUS_PORT)
        edits.save(self.catalog, edits.first_catalog(self.addresses[INSTANCES[0]], self.gateway))

        self._starters[CONTROL_PLANE] = lambda: start_control_plane(
            self.catalog, _port(self.server), self.logs, "--admin", self.status
        )
        for name, address in self.addresses.items():
            self._starters[name] = partial(start_instance, name, _port(address), self.logs)
        for name in self._starters:
            self.restart(name)
        bootstrap = start_bootstrap(
            "demo", edits.GATEWAY, self.server, self.logs, variant=self._variant, admin=self.admin
        )
        self.children[bootstrap.name] = bootstrap
        text = await bootstrap.text()
        del self.children[bootstrap.name]

        await asyncio.gather(*(self.children[name].ready() for name in (CONTROL_PLANE, *INSTANCES)))
        self._starters[ENVOY] = lambda: start_envoy(text, self.logs)
        self.restart(ENVOY)
        await self.children[ENVOY].ready()
        await self.until(lambda: self.gateway in self.envoy.listeners().values(), "give Envoy its gateway")

    def restart(self, name: str) -> Child:
        """Start a child that is not running, with the same port and files as before, and return it."""
        self.children[name] = self._starters[name]()
        return self.children[name]

    @property
    def envoy(self) -> EnvoyAdmin:
        """Envoy's admin interface."""
        return EnvoyAdmin(self.admin)

    def is_healthy(self, instance: str) -> bool:
        """Whether Envoy sends requests to an instance."""
        return self.envoy.hosts(edits.SERVICE)[self.addresses[instance]].healthy

    def ended_children(self) -> list[str]:
        """Return the names of the children that have ended."""
        return [name for name, child in self.children.items() if not child.is_running]

    async def apply(self, phase: Phase) -> tuple[list[str], float]:
        """Make a phase's edit, save it, and wait until it is in effect. Return the changed lines, and the seconds."""
        before = self.catalog.read_text()
        endpoints = list(self.addresses.values())
        after = edits.set_endpoints(edits.set_balance(before, phase.balance), endpoints, phase.weights)
        saved = edits.save(self.catalog, after)
        await self.until(lambda: self._is_in_effect(phase), f"bring {phase.title} into effect")
        new = {name for name, address in self.addresses.items() if address not in before}
        await self.until(lambda: new <= self._who_answers(), f"send requests to {', '.join(sorted(new))}")
        return edits.changed_lines(before, after), time.monotonic() - saved

    def _is_in_effect(self, phase: Phase) -> bool:
        """Whether Envoy's active cluster has the phase's policy, endpoints and weights, and all are healthy."""
        cluster = self.envoy.cluster(edits.SERVICE)
        if cluster is None or balancing_policy(cluster) != phase.envoy_policy:
            return False
        hosts = self.envoy.hosts(edits.SERVICE)
        if set(hosts) != set(self.addresses.values()) or not all(host.healthy for host in hosts.values()):
            return False
        # Only the proportions are compared: the control plane may scale weights.
        weights = phase.weights or (1,) * len(INSTANCES)
        sent = [hosts[address].weight for address in self.addresses.values()]
        return all(weight * sum(weights) == due * sum(sent) for weight, due in zip(sent, weights, strict=True))

    def _who_answers(self) -> set[str]:
        """Send three requests through the gateway, and return the instances that answered.

        Envoy's workers learn an endpoint's health up to one second later than its admin interface, since Envoy merges
        changes (`update_merge_window`). Only an answer proves that a new endpoint receives requests.
        """
        answers = [http_get(self.gateway, "/api/data") for _ in INSTANCES]
        return {json.loads(body)["instance"] for status, body in answers if status == 200}

    async def until(self, probe: Callable[[], bool], what: str, seconds: float = EFFECT_SECONDS) -> None:
        """Wait until the probe is true. Raises ChildError if it takes too long, or if a process ends.

        `what` completes the sentence "the control plane did not ...".
        """
        try:
            await await_until(probe, seconds, self.check)
        except TimeoutError:
            logs = [self.children[name] for name in (CONTROL_PLANE, ENVOY)]
            tails = "".join(f"\n{child.name}:\n{child.log_tail()}" for child in logs)
            raise ChildError(f"the control plane did not {what} within {seconds:g} s. The logs:{tails}") from None

    def check(self) -> None:
        """Raise ChildError if the control plane or Envoy has ended."""
        for name in {CONTROL_PLANE, ENVOY} & {*self.ended_children()}:
            child = self.children[name]
            raise ChildError(f"{name} ended with {child.process.returncode}. Its log:\n{child.log_tail()}")

    def _reserve_port(self, preferred: int) -> str:
        try:
            return f"{LOOPBACK}:{self._ports.reserve(preferred)}"
        except OSError as error:
            raise ChildError(f"port {preferred} cannot be used: {error.strerror}") from None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
