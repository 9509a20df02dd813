"""The processes of a chaos run: instances, the control plane, the wire, three Envoys and a steady load at each."""

import asyncio
import http.client
import json
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.envoy_server.chaos.difference import Resources, list_actual, list_draining
from tests.envoy_server.chaos.plan import ENVOYS, Probe, Texts
from tests.envoy_server.chaos.wire import Wire
from tests.envoy_server.chaos.world import CALLED, SIDECAR, fill
from tests.envoy_server.instances import start_instances
from tests.warm import start_control_plane
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.text.addresses import Listen
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.load import Answer, Load
from xds.cli.demo.processes import (
    ControlPlane,
    Envoy,
    end_all,
    free_port,
    start_envoy,
)
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message
from xds.resources.view import NodeKind
from xds.server.state import StateFile
from xds.sources.files.watch import FileSource

Json = Any

VARIANTS: Final = {"edge-a": ApiType.DELTA, "edge-b": ApiType.SOTW, SIDECAR: ApiType.DELTA}

KINDS: Final = {name: NodeKind(name, locality=Locality("eu", "a") if name == "edge-a" else NOWHERE) for name in ENVOYS}
"""Each Envoy is the only node of its kind, and its node id is its cluster. One runs in a zone."""

PIECES: Final = 4
"""A file that is written slowly is written in so many pieces."""


@dataclass
class Absence:
    """A time in which an Envoy is not there (time.monotonic() values)."""

    since: float
    until: float = math.inf

    def explains(self, answer: Answer) -> bool:
        """Whether a request was on its way in this time."""
        return answer.at >= self.since and answer.at - answer.seconds <= self.until


class Mesh:
    """What runs. The catalog is a folder, and the last good state is stored beside it."""

    def __init__(self, folder: Path, rate: float, drain_seconds: int) -> None:
        self.folder = folder
        self.catalog = folder / "catalog"
        self.data = folder / "data"
        self.drain_seconds = drain_seconds
        self.ports = {f"{name}{end}": free_port() for name in ENVOYS for end in ("", "-2")}
        self.values: dict[str, str | int] = {**self.ports}
        self.server = free_port()
        self.admin = f"127.0.0.1:{free_port()}"
        self.wire = Wire(free_port(), self.server)
        self._counted = dict.fromkeys(ENVOYS, 0)
        self._read = 0
        self.control_plane: ControlPlane
        self.envoys: dict[str, Envoy] = {}
        self.loads = {name: Load(f"http://{self.host(name)}:{self.ports[name]}/data", rate) for name in ENVOYS}
        self.absences = {name: [Absence(-math.inf)] for name in ENVOYS}

    def host(self, name: str) -> str:
        """Return the host of the steady load at an Envoy."""
        return CALLED if name == SIDECAR else "127.0.0.1"

    @asynccontextmanager
    async def run(self, texts: Mapping[str, str]) -> AsyncIterator[None]:
        """Start everything with a catalog, and end it after the block. Every request has its answer then."""
        async with AsyncExitStack() as stack:
            instances = await stack.enter_async_context(start_instances(a=("eu", 3), b=("eu", 3)))
            self.values |= {one.name: one.address for one in instances}
            await self.wire.start()
            stack.push_async_callback(self.wire.stop)
            self.save(texts)
            self.start_control_plane()
            stack.push_async_callback(self._end_all)
            await self.control_plane.ready()
            for name in ENVOYS:
                self.start_envoy(name)
            await self.listening()
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for load in self.loads.values():
                    tasks.create_task(load.send(until=stop))
                try:
                    yield
                finally:
                    stop.set()

    async def _end_all(self) -> None:
        """End all processes, while the wire still passes what they say to each other."""
        if self.control_plane.is_running:
            os.kill(self.control_plane.pid, signal.SIGCONT)
        await asyncio.to_thread(end_all, [self.control_plane, *self.envoys.values()])

    def start_control_plane(self) -> None:
        """Start `xds serve`."""
        options = ["--admin", self.admin, "--log", "json", "--data", str(self.data)]
        options += ["--drain-time", str(self.drain_seconds)]
        self.control_plane = start_control_plane(self.catalog, self.server, self.folder, *options)

    def start_envoy(self, name: str) -> None:
        """Start an Envoy."""
        server, admin = Listen("127.0.0.1", self.wire.port), Listen("127.0.0.1", 0)
        bootstrap = build_bootstrap(name, name, server, admin, VARIANTS[name], KINDS[name].locality)
        text = json.dumps(decode_message(bootstrap))
        self.envoys[name] = start_envoy(text, self.folder, name=name, drain_seconds=self.drain_seconds)

    def restart_envoy(self, name: str) -> None:
        """Kill an Envoy, and start it again."""
        self.absences[name].append(Absence(time.monotonic()))
        self.envoys[name].kill()
        self.start_envoy(name)

    async def listening(self) -> None:
        """Wait until all Envoys answer requests: those that have just been started are absent until then."""
        for name, envoy in self.envoys.items():
            absent = [one for one in self.absences[name] if one.until == math.inf]
            while absent:
                await envoy.ready()
                await envoy.listening(f"127.0.0.1:{self.ports[name]}")
                if not await self.ask(Probe(name, "/data", self.host(name), ())):
                    break
            for one in absent:
                one.until = time.monotonic()

    async def ask(self, probe: Probe) -> str:
        """Send a request over a new connection. Return what is wrong with the answer: nothing, if it is empty."""
        return await asyncio.to_thread(self._ask, probe)

    def _ask(self, probe: Probe) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[probe.envoy], timeout=10)
        try:
            connection.request("GET", probe.path, headers={"Host": probe.host})
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
        if response.status != 200:
            return f"{response.status} {body}"
        instance = json.loads(body)["instance"]
        return f"{instance} answers" if probe.instances and instance not in probe.instances else ""

    def save(self, texts: Texts) -> None:
        """Save files by renaming, or delete them."""
        for name, text in texts.items():
            path = self.catalog / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_text(self.fill(text), errors="surrogateescape")
            fresh.replace(path)

    def restore(self, texts: Mapping[str, str]) -> None:
        """Save these files, and delete all others."""
        for path in [path for path in self.catalog.rglob("*.yaml") if str(path.relative_to(self.catalog)) not in texts]:
            path.unlink()
        self.save(texts)

    def save_slowly(self, texts: Texts) -> Iterator[None]:
        """Write files in place. Each is open, and not whole yet, whenever this yields."""
        for name, text in texts.items():
            content = self.fill(text or "")
            size = -(-len(content) // PIECES)
            with (self.catalog / name).open("w") as file:
                for start in range(0, len(content), size):
                    yield
                    file.write(content[start : start + size])
                    file.flush()

    def fill(self, text: str) -> str:
        """Put the mesh's addresses and ports into a text."""
        return fill(text, self.values)

    async def begin(self, outage: str) -> None:
        """Begin an outage of the plan. Raises AssertionError if SIGTERM does not end the control plane properly."""
        server = self.control_plane
        if outage == "kill":
            server.kill()
        elif outage == "terminate":
            code = await asyncio.to_thread(server.stop)
            assert code == 0, f"the control plane ended with {code} after SIGTERM"
        elif outage == "pause":
            os.kill(server.pid, signal.SIGSTOP)
        elif outage == "freeze":
            self.wire.freeze()
        elif outage == "cut":
            self.wire.cut()

    async def end(self, outage: str) -> None:
        """End an outage."""
        if outage in ("kill", "terminate"):
            self.start_control_plane()
            await self.control_plane.ready()
        elif outage == "pause":
            os.kill(self.control_plane.pid, signal.SIGCONT)
        elif outage == "freeze":
            self.wire.thaw()

    async def status(self) -> Json:
        """Return the control plane's status. Raises OSError without an answer."""
        code, body = await asyncio.to_thread(http_get, self.admin, "/status", 10.0)
        assert code == 200, body
        return json.loads(body)

    def digest(self) -> str | None:
        """Return the digest of the files as they are; None if there are none: the control plane waits for some then."""
        if not [*self.catalog.rglob("*.yaml")]:
            return None
        source = FileSource(self.catalog)
        source.read()
        return source.digest

    def stored(self) -> list[bytes]:
        """Return the files of the last good state, in order. Raises StateError if it cannot be used."""
        state = StateFile(self.data, self.catalog).read()
        return sorted(one.content or b"" for one in state.documents.values()) if state else []

    def resources(self, name: str) -> Resources:
        """Return what an Envoy has. Raises OSError without an answer."""
        admin = self.envoys[name].admin
        return list_actual(admin.config_dump(), json.loads(admin.get("/clusters?format=json")))

    def draining(self) -> Iterator[str]:
        """Yield each listener that drains, in words. Raises OSError without an answer."""
        for name, envoy in self.envoys.items():
            for listener in list_draining(envoy.admin.config_dump()):
                yield f"{name}: the listener {listener} drains"

    def take_failures(self) -> Iterator[tuple[str, Answer, bool]]:
        """Yield the requests that failed since the last call: the Envoy, the answer, and whether it was absent."""
        for name, load in self.loads.items():
            new = load.answers[self._counted[name] :]
            self._counted[name] += len(new)
            for one in new:
                if one.failure:
                    yield name, one, any(absence.explains(one) for absence in self.absences[name])

    def take_log(self) -> list[str]:
        """Return the lines that the control plane has logged since the last call."""
        with self.control_plane.log.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole + end)
        return whole.decode(errors="replace").splitlines()
