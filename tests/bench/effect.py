"""The time from the save of a catalog's file to the first request that a real Envoy balances by it.

The measured service has two instances. One has practically all the weight, and an edit gives it to the other, so that
the other's first answer is the first request with the new weights. Envoy is a sidecar that knows all the services,
under a steady load. `python -m tests.bench.effect PORT PORT` runs the two instances.
"""

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.bench.documents import make_documents
from tests.bench.figures import Row
from tests.ecs import read_log
from xds.catalog.text.addresses import Listen
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import LOOPBACK, Child, await_until, free_port, start_control_plane, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message

T = TypeVar("T")

SERVICE = "api-service"
INSTANCES = ("a", "b")

RATE = 500
"""Requests a second."""

CONNECTIONS = 4

FOLLOWING = 50
"""The number of requests after the first of which at least SHARE must have the same instance."""

SHARE = 0.95

PAUSE_S = (0.05, 0.3)
"""The random pause before the next edit, so that edits follow no other clock."""

DEADLINE_S = 20.0
"""After this time, an edit without an effect counts as a failure."""

START_S = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The times of edits in milliseconds, and the results of the requests meanwhile.

    Times start at the save of the file: `read` ends when xds has read it, and `pushed` when xds has passed it to the
    streams. Figures without such a name end with the first request that is balanced by it. `envoy` is the time from
    `pushed` to that request. It covers gRPC, Envoy, and the wait for one request, up to 2 ms.
    """

    services: int
    edits: int
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    read_p50_ms: float
    read_p99_ms: float
    pushed_p50_ms: float
    pushed_p99_ms: float
    envoy_p50_ms: float
    envoy_p99_ms: float


@dataclass(frozen=True, slots=True)
class Edit:
    """The times of an edit (time.monotonic(), one clock for all processes of a machine)."""

    saved: float
    read: float
    pushed: float
    effect: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The end time of a request, and the instance that answered, or "" for a failure."""

    at: float
    instance: str


class Bench:
    """The processes, and the file of the measured service."""

    def __init__(self, folder: Path, services: int) -> None:
        self.folder = folder
        self.services = services
        self.catalog = folder / "catalog"
        self.ports = [free_port() for _ in INSTANCES]
        self.sidecar_port = free_port()
        self.catalog.mkdir()
        for name, document in make_documents(services - 1, folder=True).items():
            # Envoy must not connect to thousands of addresses that may belong to somebody.
            text = (document.content or b"").replace(b"    health_check: {http: /healthz}\n", b"")
            assert b"health_check" not in text
            (self.catalog / name).write_bytes(text)
        (self.catalog / "web.yaml").write_text(f"services:\n  web: {{sidecar: {self.sidecar_port}}}\n")
        self.save(INSTANCES[0])

    async def start(self, children: ExitStack) -> None:
        """Start instances, control plane and sidecar, and wait until the sidecar has all services."""
        command = [sys.executable, "-m", "tests.bench.effect", *map(str, self.ports)]
        instances = children.enter_context(Child("instances", command, self.folder))
        self.control_plane = children.enter_context(
            start_control_plane(self.catalog, free_port(), self.folder, "--admin", "off", "--log", "json")
        )
        for port in self.ports:
            await instances.until(partial(http_get, f"{LOOPBACK}:{port}", "/"), "answer over HTTP", START_S)
        await self.control_plane.ready(START_S)
        server = Listen(LOOPBACK, int(self.control_plane.address.rpartition(":")[2]))
        admin = Listen(LOOPBACK, 0)
        bootstrap = build_bootstrap("web-1", "web", server, admin, ApiType.DELTA)
        envoy = children.enter_context(start_envoy(json.dumps(decode_message(bootstrap)), self.folder))
        await envoy.ready(START_S)
        await envoy.listening(f"{LOOPBACK}:{self.sidecar_port}", START_S)
        assert envoy.admin.stats("^cluster_manager.active_clusters$").popitem()[1] > self.services

    def save(self, favoured: str) -> float:
        """Set one instance's weight, and save by renaming, as careful editors do. Return the time of the save."""
        endpoints = "".join(
            f'      - {{address: "{LOOPBACK}:{port}", weight: {1000 if instance == favoured else 1}}}\n'
            for instance, port in zip(INSTANCES, self.ports, strict=True)
        )
        fresh = self.catalog / f".{SERVICE}.yaml"
        fresh.write_text(f"services:\n  {SERVICE}:\n    balance: weighted\n    endpoints:\n{endpoints}")
        saved = time.monotonic()
        fresh.replace(self.catalog / f"{SERVICE}.yaml")
        return saved

    def pushes(self) -> list[tuple[float, float]]:
        """Return the times at which xds had read and pushed each edit, from its log."""
        monotonic = time.monotonic() - time.time()
        pushes = [
            (datetime.fromisoformat(line["@timestamp"]).timestamp() + monotonic, line["event.duration"] / 1e9)
            for line in read_log(self.control_plane.log.read_text(), "catalog changed")
        ]
        return [(pushed - seconds, pushed) for pushed, seconds in pushes]


def measure_effect(services: int, edits: int) -> Figures:
    """Measure edits of one of these services. An edit without an effect is an AssertionError."""
    return asyncio.run(_measure(services, edits))


async def _measure(services: int, edits: int) -> Figures:
    with ExitStack() as children:
        bench = Bench(Path(children.enter_context(tempfile.TemporaryDirectory())), services)
        await bench.start(children)
        moments: list[tuple[float, float]] = []
        async with _under_load(bench.sidecar_port) as answers:
            for number in range(1, edits + 1):
                await asyncio.sleep(random.uniform(*PAUSE_S))
                favoured = INSTANCES[number % 2]
                saved, since = bench.save(favoured), len(answers)
                moments.append((saved, await _await_effect(answers, since, favoured)))
        pairs = zip(moments, bench.pushes(), strict=True)
        return _summarize(services, answers, [Edit(saved, *push, effect) for (saved, effect), push in pairs])


@asynccontextmanager
async def _under_load(port: int) -> AsyncIterator[list[Answer]]:
    """Send requests to the service at a steady rate while the block runs. Yield the growing list of answers."""
    answers: list[Answer] = []
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(CONNECTIONS):
            tasks.create_task(_send(port, time.monotonic() + number / RATE, answers, stop))
        try:
            await _await(lambda: len(answers) >= FOLLOWING, "no answers")
            yield answers
        finally:
            stop.set()


async def _send(port: int, due: float, answers: list[Answer], stop: asyncio.Event) -> None:
    """Send one connection's share of the requests. After a failure, open the connection again."""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while not stop.is_set():
        await asyncio.sleep(due - time.monotonic())
        due += CONNECTIONS / RATE
        instance = ""
        try:
            streams = streams or await asyncio.open_connection(LOOPBACK, port)
            instance = await _ask(*streams)
        except (OSError, EOFError, ValueError, IndexError):
            if streams:
                streams[1].close()
            streams = None
        answers.append(Answer(time.monotonic(), instance))
    if streams:
        streams[1].close()
        await streams[1].wait_closed()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Send one request. Return the body of its answer, or "" for an error."""
    writer.write(f"GET / HTTP/1.1\r\nhost: {SERVICE}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(int(head.split(b"content-length:")[1].split()[0]))
    return body.decode() if head.startswith(b"http/1.1 200 ") else ""


async def _await_effect(answers: list[Answer], since: int, favoured: str) -> float:
    """Wait for the favoured instance's first answer that more of its answers follow, and return its time."""

    def find() -> Answer | None:
        for index in range(since, len(answers) - FOLLOWING):
            following = answers[index + 1 : index + 1 + FOLLOWING]
            if answers[index].instance == favoured and _share(following, favoured) >= SHARE:
                return answers[index]
        return None

    return (await _await(find, f"the edit in favour of {favoured} took no effect")).at


def _share(answers: list[Answer], instance: str) -> float:
    return sum(answer.instance == instance for answer in answers) / len(answers)


async def _await(probe: Callable[[], T | None], otherwise: str) -> T:
    try:
        return await await_until(probe, DEADLINE_S)
    except TimeoutError:
        raise AssertionError(otherwise) from None


def _summarize(services: int, answers: list[Answer], edits: list[Edit]) -> Figures:
    whole = [edit.effect - edit.saved for edit in edits]
    p50, p99 = _cut(whole)
    read_p50, read_p99 = _cut([edit.read - edit.saved for edit in edits])
    pushed_p50, pushed_p99 = _cut([edit.pushed - edit.saved for edit in edits])
    envoy_p50, envoy_p99 = _cut([edit.effect - edit.pushed for edit in edits])
    failed = sum(not answer.instance for answer in answers)
    return Figures(
        services, len(edits), len(answers), failed, p50, p99, max(whole) * 1000,
        read_p50, read_p99, pushed_p50, pushed_p99, envoy_p50, envoy_p99,
    )  # fmt: skip


def _cut(seconds: list[float]) -> tuple[float, float]:
    """Return the 50th and the 99th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


def _answering(instance: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(instance)}\r\n\r\n{instance}".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
        except (OSError, EOFError):
            writer.close()

    return serve


async def _serve(ports: list[int]) -> None:
    """Answer each request with the name of the instance that has its port, until the process ends."""
    servers = [
        await asyncio.start_server(_answering(instance), LOOPBACK, port)
        for instance, port in zip(INSTANCES, ports, strict=True)
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def describe_effect(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of a catalog of one service and of one with 1,000."""
    one, thousand = cells
    return (
        f"from the save to the first request that a real Envoy balances by it (`effect`), {one['edits']} edits",
        f"half within {one['p50_ms']:.0f} ms, 99% within {one['p99_ms']:.0f} ms; with 1,000 services "
        f"{thousand['p50_ms']:.0f} and {thousand['p99_ms']:.0f} ms; {one['failed'] + thousand['failed']} of "
        f"{one['requests'] + thousand['requests']:,} requests failed",
    )


if __name__ == "__main__":
    asyncio.run(_serve([int(port) for port in sys.argv[1:]]))
