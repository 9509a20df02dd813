"""The parts that benchmarks run: a catalog in a folder, a server on one core, a fleet of clients on another."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench.cpu import read_cpu
from tests.bench.documents import make_document, make_documents
from xds.cli.demo.ports import free_port
from xds.cli.demo.processes import ChildError, ControlPlane, start_control_plane

PAGE = os.sysconf("SC_PAGE_SIZE")
CORES = sorted(os.sched_getaffinity(0))
"""The server gets the first, its clients the last."""

REST_SECONDS, REST_SHARE = 0.5, 0.04
"""A server that needs no larger share of a core than this, for so long, is at rest."""

LINE_SECONDS = 120.0
"""The time in which the clients must report the awaited line."""

START_SECONDS = 120.0
"""The time in which a server must start."""


class Catalog:
    """A folder with one file for each service, and space beside it."""

    def __init__(self, room: Path, services: int, endpoints: int) -> None:
        self.room, self.folder, self._endpoints = room, room / "catalog", endpoints
        self.folder.mkdir()
        for name, document in make_documents(services, folder=True, endpoints=endpoints).items():
            (self.folder / name).write_bytes(document.content or b"")

    def save(self, service: int, weight: int) -> float:
        """Set the weight of a service's first endpoint. The new file replaces the old one, as editors do.

        Returns the time as time.monotonic().
        """
        document = make_document(service, weight=weight, endpoints=self._endpoints)
        fresh = self.folder / f".{document.name}"
        fresh.write_bytes(document.content or b"")
        moment = time.monotonic()
        fresh.replace(self.folder / document.name)
        return moment


@contextmanager
def write_catalog(services: int, endpoints: int = 10) -> Iterator[Catalog]:
    """Write a catalog, and remove it after the block."""
    with tempfile.TemporaryDirectory() as room:
        yield Catalog(Path(room), services, endpoints)


class Server:
    """A running `xds serve` with its workers, if it has any, and the kernel's figures about them."""

    def __init__(self, control_plane: ControlPlane, log_begins: int = 0, *, pinned: bool = True) -> None:
        self.child = control_plane
        self._log_begins = log_begins  # after the log of an earlier server
        self.address = control_plane.address
        if pinned:
            os.sched_setaffinity(control_plane.pid, {CORES[0]})

    def pids(self) -> list[int]:
        """The process and its workers."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [self.child.pid, *map(int, children.split())]

    def cpu(self) -> float:
        """User and system time so far, in seconds, of the process and its workers."""
        return read_cpu(*self.pids())

    def memory(self) -> float:
        """Resident memory, in MB."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids()) * PAGE / 1e6

    def files(self) -> int:
        """The number of open files, sockets included."""
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir()))

    def threads(self) -> int:
        """The number of threads."""
        return len(list(Path(f"/proc/{self.child.pid}/task").iterdir()))

    def load(self, seconds: float) -> float:
        """Measure for this time which share of a core it uses."""
        before, began = self.cpu(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu() - before) / (time.monotonic() - began)

    def rest(self) -> float:
        """Wait until the CPU time hardly grows, and return it."""
        before = self.cpu()
        while True:
            time.sleep(REST_SECONDS)
            after = self.cpu()
            if after - before <= REST_SHARE * REST_SECONDS:
                return after
            before = after

    def await_log(self, event: str) -> None:
        """Wait until the log has an event."""
        deadline = time.monotonic() + START_SECONDS
        while f'"{event}"' not in self.child.log.read_text()[self._log_begins :]:
            if time.monotonic() > deadline or not self.child.is_running:
                raise TimeoutError(self.child.log_tail())
            time.sleep(0.05)


@contextmanager
def start_server(
    catalog: Catalog, *options: str, port: int | None = None, admin: str = "off", pinned: bool = True
) -> Iterator[Server]:
    """Start `xds serve`, on the first core if it is `pinned`, and wait until it serves."""
    with ExitStack() as stack:
        options = ("--log", "json", "--admin", admin, *options)
        log = catalog.room / "control-plane.log"
        log_begins = len(log.read_text()) if log.exists() else 0
        child = stack.enter_context(start_control_plane(catalog.folder, port or free_port(), catalog.room, *options))
        server = Server(child, log_begins, pinned=pinned)
        server.await_log("serving")
        yield server


class RunningFleet:
    """A running fleet of clients. `tests.bench.fleet` describes its input and output."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self.pid = process.pid
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._unread = b""

    def tell(self, **command: Any) -> None:
        """Send it a command."""
        self._input.write(json.dumps(command).encode() + b"\n")
        self._input.flush()

    def next(self, what: str, seconds: float = LINE_SECONDS) -> dict[str, Any]:
        """Return the next line with the key `what`. Skip the lines before it."""
        deadline = time.monotonic() + seconds
        while True:
            line, end, rest = self._unread.partition(b"\n")
            if not end:
                self._read(what, deadline, seconds)
                continue
            self._unread = rest
            facts: dict[str, Any] = json.loads(line)
            if what in facts:
                return facts

    def close(self) -> None:
        """Close its input, which ends it."""
        self._input.close()

    def wait(self, seconds: float = LINE_SECONDS) -> int:
        """Wait until it has ended, and return its exit code."""
        return self._process.wait(seconds)

    def _read(self, what: str, deadline: float, seconds: float) -> None:
        """Read the available output. TimeoutError means no output, and ChildError that the fleet has ended."""
        if not select.select([self._output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"the fleet of clients did not report {what!r} within {seconds:g} s")
        if not (data := os.read(self._output.fileno(), 2**20)):
            raise ChildError(f"the fleet of clients ended with {self._process.wait()} before it reported {what!r}")
        self._unread += data


@contextmanager
def start_fleet(
    address: str,
    variant: str,
    clients: int,
    clusters: int | None,
    services: int,
    at_once: int | None = None,
    *,
    assignments: int | None = None,
    pinned: bool = True,
) -> Iterator[RunningFleet]:
    """Start the clients, on the other core if they are `pinned`. They end with the block.

    Each asks for `clusters` and their endpoints, or for all clusters and the endpoints of `assignments` of them; None
    is all.
    """
    command = [sys.executable, "-m", "tests.bench.fleet", address, "--clients", str(clients), "--variant", variant]
    command += ["--services", str(services)]
    command += ["--clusters", str(clusters)] if clusters else []
    command += ["--assignments", str(assignments)] if assignments else []
    command += ["--at-once", str(at_once)] if at_once else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        if pinned:
            os.sched_setaffinity(process.pid, {CORES[-1]})
        try:
            yield RunningFleet(process)
        finally:
            process.terminate()
