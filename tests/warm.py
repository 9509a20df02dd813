"""Starts `xds` from a process that has imported it, which costs a fraction of a start from nothing.

Each process that runs tests has one such starter. It forks for every command; what runs is the command's own code, in a
process of its own, with its own arguments, environment, folder and descriptors. How a start from nothing behaves is for
tests/cli/test_ending.py, tests/server/test_serve.py, the demo and the README's tour.
"""

import atexit
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

import xds
from xds.cli.demo import processes
from xds.cli.demo.die_with_parent import kill_with_parent
from xds.cli.demo.processes import ControlPlane
from xds.entry import run

SIZE = 2**18
"""Bytes that a request has at most."""

LATE = ("anyio._backends._asyncio", "anyio.to_thread", "encodings.idna")
"""What no module of xds imports, but a running server does."""


class WarmProcess:
    """A command of `xds` that runs. It has what tests use of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        descriptors: tuple[int, int, int],
        environment: Mapping[str, str] = os.environ,
        folder: Path | None = None,
        closed: Sequence[int] = (),
    ) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._ending, theirs = socket.socketpair()
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder or Path.cwd()),
            "closed": closed,
        }
        with theirs:
            socket.send_fds(_start_starter(), [json.dumps(request).encode()], [*descriptors, theirs.fileno()])
        self.pid = int(self._ending.recv(32))

    def poll(self) -> int | None:
        """Return the exit code, which is -N after signal N, or None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return the exit code. Raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._ending, select.POLLIN)
            if waiting.poll(None if seconds is None else seconds * 1000):
                self.returncode = int(self._ending.recv(32))
                self._ending.close()
        return self.returncode


class WarmControlPlane(ControlPlane):
    """A control plane that a starter has started."""

    def _start(
        self, command: Sequence[str | Path], output: int, log: int, environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        assert tuple(command[:3]) == (sys.executable, "-m", "xds")
        with Path(os.devnull).open() as nothing:
            arguments = list(map(str, command[3:]))
            return WarmProcess(arguments, (nothing.fileno(), output, log), environment)  # type: ignore[return-value]


def start_control_plane(catalog: Path, port: int, folder: Path, *options: str) -> ControlPlane:
    """Start `xds serve` as `xds.cli.demo.processes` does, from the starter."""
    return processes.start_control_plane(catalog, port, folder, *options, kind=WarmControlPlane)


def call(
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    *,
    given: str = "",
    output: int | None = None,
    closed: Sequence[int] = (),
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end. Return the exit code, the output and the error output.

    `given` is its input. The output can go to a descriptor instead. Some descriptors can be closed at the start. Raises
    subprocess.TimeoutExpired after a minute.
    """
    with TemporaryFile("w+") as fed, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        fed.write(given)
        fed.seek(0)
        descriptors = (fed.fileno(), out.fileno() if output is None else output, err.fileno())
        process = WarmProcess(arguments, descriptors, environment, folder, closed)
        try:
            code = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


@cache
def _start_starter() -> socket.socket:
    """Start the process that starts commands, and return the socket for requests. It ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        starter = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)

    def end() -> None:
        ours.close()
        starter.wait()

    atexit.register(end)
    return ours


def main(descriptor: int) -> None:
    """Start a command for each request, and report its process id and then its exit code. Ends when requests end."""
    for module in pkgutil.walk_packages(xds.__path__, "xds."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in LATE:
        import_module(name)
    requests = socket.socket(fileno=descriptor)
    running: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _report_ended(running)
        if requests in ready:
            message, descriptors, _, _ = socket.recv_fds(requests, SIZE, 4)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                _become(json.loads(message), descriptors, own=[requests, woken, wakes, *running.values()])
            for one in descriptors[:3]:
                os.close(one)
            running[pid] = socket.socket(fileno=descriptors[3])
            running[pid].send(str(pid).encode())


def _report_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as asker:
            asker.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: dict[str, Any], descriptors: Sequence[int], own: Sequence[socket.socket]) -> NoReturn:
    """Run a command as this process, which has just been forked, as if it had been started for it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for one in own:
        one.close()
    os.setsid()
    kill_with_parent(os.getppid())
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    for number in request["closed"]:
        os.close(number)
    sys.stdin, sys.stdout, sys.stderr = (
        None if number in request["closed"] else os.fdopen(number, mode) for number, mode in enumerate(("r", "w", "w"))
    )
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["xds", *request["arguments"]]
    run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
