"""A mesh of real processes: instances of a service, `xds serve` with a catalog, and Envoys."""

import asyncio
import json
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from mesh.balance import MERGE_SECONDS
from tests.ecs import read_log
from tests.warm import start_control_plane
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.text.addresses import Listen
from xds.cli.demo.load import Load
from xds.cli.demo.processes import ControlPlane, Envoy, await_until, free_port, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message

VARIANTS = ("delta", "sotw")

ONE_VARIANT = ("delta", pytest.param("sotw", marks=pytest.mark.whole))
"""For what does not depend on the variant: the sample has one of them."""


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer, address: str, port: int) -> AsyncIterator[None]:
    """Serve each connection with a function, which need not close it. No connection remains after the block."""
    running: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running[writer] = asyncio.current_task()
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await answer(reader, writer)
        writer.close()

    async with await asyncio.start_server(serve, address, port) as server:
        try:
            yield
        finally:
            server.close()
            for _ in range(5):  # an accepted connection needs three passes of the loop until `serve` has it
                await asyncio.sleep(0)
            for writer, task in running.items():
                if task is not None and not task.done():
                    task.cancel()
                    await task
                with suppress(OSError):
                    await writer.wait_closed()


@asynccontextmanager
async def scripted_instance(status: int = 200, seconds: float = 0.0) -> AsyncIterator[str]:
    """Run an instance `scripted` that answers every request with this status after this time. Yield its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        await asyncio.sleep(seconds)
        body = '{"instance": "scripted"}' if status == 200 else ""
        writer.write(f"HTTP/1.1 {status} So\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    port = free_port()
    async with answering(answer, "127.0.0.1", port):
        yield f"127.0.0.1:{port}"


MESH_FLOW, MESH_BLOCK = "mesh: {strangers: serve, ", "mesh:\n  strangers: serve"


def welcome(catalog: str) -> str:
    """Return the text of a catalog, YAML or JSON, that serves strangers, unless it says itself whether it does."""
    if "strangers" in catalog:
        return catalog
    if '"mesh": {' in catalog:
        return catalog.replace('"mesh": {', '"mesh": {"strangers": "serve", ', 1)
    if catalog.startswith("{"):
        return catalog.replace("{", '{"mesh": {"strangers": "serve"}, ', 1)
    if "\nmesh:" in f"\n{catalog}":
        return re.sub(
            r"^mesh:( *\{)?", lambda found: MESH_FLOW if found[1] else MESH_BLOCK, catalog, flags=re.MULTILINE
        )
    return f"{catalog}\nmesh: {{strangers: serve}}\n"


class Mesh:
    """A control plane with `catalog` and the Envoys that a test starts. As a context manager, it stops them.

    An Envoy that refuses a resource fails the test at the end of the block, since the checker let the resource pass.
    """

    options: tuple[str, ...] = ()
    """More options of `xds serve`."""

    def __init__(self, folder: Path, catalog: str) -> None:
        self.folder = folder
        self.catalog = folder / "catalog.yaml"
        self.gateway_port = free_port()
        self.write(catalog)
        self.children = ExitStack()
        self.control_plane = self.start_control_plane(free_port())

    def write(self, catalog: str) -> None:
        """Save the catalog as an editor does that replaces the file. GATEWAY stands for the gateway's port.

        A sidecar may be of a service that the catalog does not name, unless the catalog says otherwise.
        """
        fresh = self.catalog.with_name(".catalog.yaml.new")
        fresh.write_text(welcome(catalog).replace("GATEWAY", str(self.gateway_port)))
        fresh.replace(self.catalog)

    async def take(self, catalog: str) -> None:
        """Save another catalog, and wait until the control plane has taken it."""
        before = len(self.log("catalog changed"))
        self.write(catalog)
        await until(lambda: len(self.log("catalog changed")) > before)

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve`."""
        control_plane = start_control_plane(
            self.catalog, port, self.folder, "--admin", "off", "--log", "json", *self.options
        )
        return self.children.enter_context(control_plane)

    async def start_envoy(
        self,
        node_id: str,
        node_cluster: str,
        variant: str = "delta",
        locality: Locality = NOWHERE,
        *,
        zone_aware: bool = False,
        metrics: Listen | None = None,
    ) -> Envoy:
        """Start an Envoy with one worker thread, and wait until it has its first configuration."""
        await self.control_plane.ready()
        host, _, port = self.control_plane.address.rpartition(":")
        bootstrap = build_bootstrap(
            node_id,
            node_cluster,
            Listen(host, int(port)),
            Listen("127.0.0.1", free_port() if metrics else 0),
            ApiType(variant),
            locality,
            zone_aware=zone_aware,
            metrics=metrics,
        )
        envoy = self.children.enter_context(
            start_envoy(json.dumps(decode_message(bootstrap)), self.folder, name=node_id)
        )
        await envoy.ready()
        return envoy

    async def start_gateway(self, variant: str = "delta") -> Envoy:
        """Start the gateway `edge`, and wait until it listens."""
        envoy = await self.start_envoy("edge-1", "edge", variant)
        await envoy.listening(f"127.0.0.1:{self.gateway_port}")
        return envoy

    def load(self, rate: float = 400, path: str = "/api/data") -> Load:
        """Return a client of the gateway."""
        return Load(f"http://127.0.0.1:{self.gateway_port}{path}", rate)

    def lines(self) -> list[dict[str, Any]]:
        """Return the control plane's log."""
        return read_log(self.control_plane.log.read_text())

    def log(self, event: str) -> list[dict[str, Any]]:
        """Return the control plane's log lines of one kind."""
        return [line for line in self.lines() if line["message"] == event]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.children.close()
        if error is None:
            assert self.log("NACK") == []


async def send(load: Load, requests: int) -> Counter[str]:
    """Send this number of requests and count the answers by instance. No request may fail."""
    await load.send(requests)
    assert load.failures == []
    return Counter(answer.instance for answer in load.answers)


async def until(probe: Callable[[], object], seconds: float = 60.0) -> float:
    """Wait until the probe returns a true value, and return the seconds that it took."""
    start = time.monotonic()
    await await_until(probe, seconds)
    return time.monotonic() - start


@asynccontextmanager
async def under(load: Load) -> AsyncIterator[Load]:
    """Send requests while the block runs and shortly before. No request may fail."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.send(until=stop))
        await answered(load, 50)
        yield load
        stop.set()
    assert load.failures == []


async def answered(load: Load, more: int) -> None:
    """Wait for this number of further answers."""
    target = len(load.answers) + more
    await until(lambda: len(load.answers) >= target)


async def settled(envoy: Envoy) -> float:
    """Wait until an Envoy's workers have what its admin interface shows now, and return that time.

    Envoy's main thread answers the admin interface. It collects changes of health and weight for a while and then sends
    them to the workers. When it answers after that time, the changes are on their way, and a later request comes after
    them.
    """
    await asyncio.sleep(MERGE_SECONDS)
    for _ in range(2):  # the first answer may come in the same pass of its loop as the sending, before it
        await until(envoy.admin.is_ready)
    return time.monotonic()


def counts_since(load: Load, since: float, before: float = math.inf) -> Counter[str]:
    """Count the answers by instance for requests that were sent and answered in a period (monotonic time).

    A busy machine sends some requests much later than planned. After the period, they may see the next state.
    """
    return Counter(one.instance for one in load.answers if since <= one.at - one.seconds and one.at < before)


def in_flight(load: Load, *moments: float) -> int:
    """Count the requests that were sent before one of these times and answered after it. All have answers by now."""
    return sum(answer.at - answer.seconds < moment <= answer.at for answer in load.answers for moment in moments)


def make_catalog(endpoints: Sequence[str | dict[str, Any]], balance: Any = "round_robin", **service: Any) -> str:
    """Return a catalog of `api-service` behind the gateway `edge`."""
    services = {"api-service": {"balance": balance, "endpoints": list(endpoints), **service}}
    routes = [{"prefix": "/", "to": "api-service"}]
    gateways = {"edge": {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}}
    return json.dumps({"services": services, "gateways": gateways}).replace('"GATEWAY"', "GATEWAY")


class MeshWithoutDrains(Mesh):
    """A mesh in which what an edit removes does not stay for connections that Envoy drains."""

    options = ("--drain-time", "0")
