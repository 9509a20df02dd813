"""`xds serve --workers 2`: real processes on one port, which look like one server to clients and to the operator."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from envoy_data_plane.envoy.service.status.v3 import ClientStatusResponse
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.cli.asking import run
from tests.ecs import read_log
from tests.server.administered import Sidecar
from tests.server.serving import DELTA_ADS, make_catalog
from xds.cli import main
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import ControlPlane, await_until, free_port, start_control_plane
from xds.server.address import ListenAddress, ListenError, check_free, reserve_port
from xds.server.clients.ask import describe_clients
from xds.server.control_plane import ControlPlane as Leader
from xds.server.protocols.csds import CSDS
from xds.server.settings import Settings
from xds.server.streams.ads import AdsServicer
from xds.server.workers import leader as workers_module
from xds.server.workers.worker import Worker
from xds.session.subscription import REASONS
from xds.sources.files.watch import FileSource
from xds.wire import CLUSTER
from xds.wire.discovery_pb2 import Node

CLIENTS = 20
"""Each has a connection of its own. In one of half a million runs, a worker gets none of them."""


class Workers:
    """A running `xds serve --workers 2` and its log."""

    def __init__(self, control_plane: ControlPlane, catalog: Path, admin: str) -> None:
        self.control_plane = control_plane
        self.catalog = catalog
        self.admin = admin

    def log_of(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of one kind. Every line must be complete."""
        lines = read_log(self.control_plane.log.read_text())
        return [line for line in lines if line["message"].startswith(event)]

    def pids(self) -> dict[int, int]:
        """Return the current process of each worker."""
        return {line["xds.worker"]: line["xds.worker_pid"] for line in self.log_of("worker started")}

    def worker_of(self, node_id: str) -> int:
        """Return the worker that has a client."""
        worker: int = next(
            line["xds.worker"] for line in self.log_of("sidecar connected")[::-1] if line["xds.node_id"] == node_id
        )
        return worker

    def get(self, path: str) -> Any:
        """Return a document of the admin interface."""
        status, body = http_get(self.admin, path, 20.0)
        assert status == 200, body
        return json.loads(body)

    def clients(self, state: str = "SYNCED") -> list[str]:
        """Return the names of the clients in this state."""
        return [one["node_id"] for one in self.get("/status")["clients"] if one["types"] and one["state"] == state]

    async def metrics(self) -> dict[str, float]:
        """Scrape the metrics, and return the value of each series."""
        _, body = await asyncio.to_thread(http_get, self.admin, "/metrics", 20.0)
        lines = [line.rpartition(" ") for line in body.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    async def until(self, probe: Callable[[], Any]) -> Any:
        """Wait until a probe returns a true value."""
        return await await_until(probe, 20)

    async def ready(self) -> None:
        """Wait until all workers serve."""
        await self.control_plane.until(lambda: self.log_of("serving"), "serve")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Start a server with two workers."""
    catalog, admin = tmp_path / "catalog.yaml", f"127.0.0.1:{free_port()}"
    catalog.write_text(make_catalog("a"))
    options = ["--workers", "2", "--admin", admin]
    with start_control_plane(catalog, free_port(), tmp_path, *options) as control_plane:
        made = Workers(control_plane, catalog, admin)
        asyncio.run(made.ready())
        yield made


@asynccontextmanager
async def connected(address: str, count: int = CLIENTS) -> AsyncIterator[list[Sidecar]]:
    """Connect clients that have accepted their clusters, each over a connection of its own."""
    async with AsyncExitStack() as stack:
        yield [await connect(stack, address, f"web-{number}") for number in range(count)]


async def connect(stack: AsyncExitStack, address: str, node_id: str) -> Sidecar:
    """Connect one client."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options))
    sidecar = Sidecar(channel.stream_stream(DELTA_ADS)(wait_for_ready=True), Node(id=node_id, cluster="web"))
    await sidecar.take()
    return sidecar


def count_pushes(metrics: dict[str, float]) -> float:
    """Return the number of cluster responses."""
    return sum(metrics[f'xds_pushes_total{{reason="{reason}",type="Cluster"}}'] for reason in REASONS)


def is_running(pid: int) -> bool:
    """Whether a process runs. A process that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_all_workers_together_look_like_one_server(workers: Workers) -> None:
    """Each client gets its answer and every change, whichever worker it reached.

    Status, dump, metrics and CSDS cover the clients of all workers.
    """
    async with connected(workers.control_plane.address) as sidecars:
        names = [sidecar.node.id for sidecar in sidecars]
        await workers.until(lambda: len(workers.clients()) == CLIENTS)
        assert {workers.worker_of(name) for name in names} == {1, 2}

        workers.catalog.write_text(make_catalog("a", "b"))
        for sidecar in sidecars:
            assert [one.name for one in (await sidecar.read()).resources] == ["b"]
        [change] = await workers.until(lambda: workers.log_of("catalog changed"))
        assert (change["xds.streams"], change["xds.added"]) == (CLIENTS, ["b"])
        assert set(workers.clients("STALE")) == set(names)
        await sidecars[0].refuse("no such luck")
        for sidecar in sidecars[1:]:
            await sidecar.accept()
        await workers.until(lambda: len(workers.clients()) == CLIENTS - 1)

        code, printed, _ = await run("status", "--output", "json", "--admin", workers.admin)
        status = json.loads(printed)
        assert code == 1
        assert [one["node_id"] for one in status["clients"]] == sorted(names)
        assert status["silent_workers"] == []
        [refused] = [one for one in status["clients"] if one["state"] == "NACKED"]
        assert refused["node_id"] == names[0]
        assert refused["types"][0]["nack"]["message"] == "no such luck"
        for worker in (1, 2):
            name = next(name for name in names if workers.worker_of(name) == worker)
            _, printed, _ = await run("dump", "--node", name, "--admin", workers.admin)
            [clusters] = json.loads(printed)["configs"]
            assert [one["name"] for one in clusters["resources"]] == ["a", "b"]
        code, _, errors = await run("dump", "--node", "web-99", "--admin", workers.admin)
        assert (code, errors) == (1, "no node 'web-99' is connected: did you mean `web-9`?\n")

        metrics = await workers.metrics()
        assert metrics['xds_connected_clients{variant="delta"}'] == CLIENTS
        assert metrics['xds_subscriptions{state="SYNCED",type="Cluster"}'] == CLIENTS - 1
        assert metrics['xds_pushes_total{reason="change",type="Cluster"}'] == CLIENTS
        assert metrics['xds_nacks_total{cluster="web",type="Cluster"}'] == 1
        assert metrics[f'xds_nacked{{cluster="web",node_id="{names[0]}",type="Cluster"}}'] == 1
        assert metrics["xds_silent_workers"] == 0
        assert metrics["xds_config_propagation_duration_seconds_count"] == 1
        assert metrics['process_resident_memory_bytes{worker="2"}'] > 0

        async with grpc.aio.insecure_channel(workers.control_plane.address) as channel:
            call: Any = channel.unary_unary(f"/{CSDS}/FetchClientStatus")
            configs = ClientStatusResponse.parse(await call(b"", timeout=20)).config
            assert [config.node and config.node.id for config in configs] == sorted(names)

        workers.catalog.write_text(make_catalog("a", "b", "c").replace("balance", "blance"))
        await workers.until(lambda: workers.log_of("edit REFUSED"))
        assert len(workers.clients()) == CLIENTS - 1
        assert workers.get("/status")["catalog"]["services"] == 2


async def test_a_killed_worker_is_replaced_and_the_others_go_on(workers: Workers) -> None:
    """Its clients come back, the clients of other workers notice nothing, and no counter decreases."""
    async with connected(workers.control_plane.address) as sidecars, AsyncExitStack() as stack:
        await workers.until(lambda: len(workers.clients()) == CLIENTS)
        pushes = count_pushes(await workers.metrics())
        before = workers.pids()
        os.kill(before[1], signal.SIGKILL)
        lost = [sidecar for sidecar in sidecars if workers.worker_of(sidecar.node.id) == 1]
        kept = [sidecar for sidecar in sidecars if sidecar not in lost]
        for sidecar in lost:
            assert await sidecar.call.code() == grpc.StatusCode.UNAVAILABLE
        back = [await connect(stack, workers.control_plane.address, sidecar.node.id) for sidecar in lost]
        workers.catalog.write_text(make_catalog("a", "b"))
        for sidecar in kept + back:
            assert [one.name for one in (await sidecar.read()).resources] == ["b"]
        await workers.until(lambda: workers.pids()[1] != before[1])
        assert workers.pids()[2] == before[2]
        [died] = workers.log_of("worker died")
        assert (died["xds.worker"], died["error.message"]) == (1, f"signal {signal.SIGKILL.value}")
        await workers.until(lambda: len(workers.clients("STALE")) == CLIENTS)
        assert count_pushes(await workers.metrics()) == pushes + len(back) + CLIENTS

        # The new worker has the current catalog.
        async def add(number: int) -> bool:
            sidecar = await connect(stack, workers.control_plane.address, f"new-{number}")
            assert [one.name for one in sidecar.last[CLUSTER].resources] == ["a", "b"]
            await workers.until(lambda: workers.log_of("sidecar connected")[-1]["xds.node_id"] == sidecar.node.id)
            return workers.worker_of(sidecar.node.id) == 1

        assert any([await add(number) for number in range(CLIENTS)])


async def test_sigterm_ends_all_workers(workers: Workers) -> None:
    """Health checks and streams of each worker learn of it, the exit code is 0, and no process is left."""
    pids = workers.pids().values()
    async with connected(workers.control_plane.address, 8) as sidecars, AsyncExitStack() as stack:
        await workers.until(lambda: len(workers.clients()) == 8)
        watches: list[Any] = []
        for _ in range(8):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.aio.insecure_channel(workers.control_plane.address, options)
            stub: Any = health_pb2_grpc.HealthStub(await stack.enter_async_context(channel))
            watches.append(stub.Watch(health_pb2.HealthCheckRequest()))
            assert (await watches[-1].read()).status == health_pb2.HealthCheckResponse.SERVING
        workers.control_plane.process.send_signal(signal.SIGTERM)
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
        for sidecar in sidecars:
            assert await sidecar.call.code() == grpc.StatusCode.UNAVAILABLE
            assert "stopping" in await sidecar.call.details()
        assert await workers.control_plane.ended() == 0
    assert not any(map(is_running, pids))
    assert "Traceback" not in workers.control_plane.log.read_text()
    assert not workers.log_of("worker died")


async def test_a_second_sigterm_ends_the_workers_too(workers: Workers) -> None:
    """They end at once, whatever their clients do."""
    async with grpc.aio.insecure_channel(workers.control_plane.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())  # a call that does not end
        await watch.read()
        workers.control_plane.process.send_signal(signal.SIGTERM)
        await watch.read()
        workers.control_plane.process.send_signal(signal.SIGTERM)
        assert await workers.control_plane.ended() == -signal.SIGTERM  # after the grace period the exit code would be 0
        await await_until(lambda: not any(map(is_running, workers.pids().values())), 10)


async def test_no_worker_outlives_its_leader(workers: Workers) -> None:
    """Without a leader, a worker would serve a catalog that never changes again."""
    workers.control_plane.kill()
    await await_until(lambda: not any(map(is_running, workers.pids().values())), 10)


async def test_workers_leave_signals_to_the_leader(workers: Workers) -> None:
    """A supervisor signals every process of a service. Ctrl-C in a terminal is one SIGINT and causes no traceback."""
    for pid in workers.pids().values():
        os.kill(pid, signal.SIGTERM)
    async with connected(workers.control_plane.address, 4):
        await workers.until(lambda: len(workers.clients()) == 4)
    assert all(map(is_running, workers.pids().values()))
    os.killpg(workers.control_plane.pid, signal.SIGINT)
    assert await workers.control_plane.ended() == 0
    assert "Traceback" not in workers.control_plane.log.read_text()


@asynccontextmanager
async def led(tmp_path: Path) -> AsyncIterator[tuple[Leader, workers_module.WorkerPool]]:
    """Run a leader of two workers."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(make_catalog("a"))
    leader = Leader(FileSource(catalog), Settings(ListenAddress("127.0.0.1", 0), workers=2))
    await leader.start()
    following = asyncio.create_task(leader.follow())
    assert isinstance(leader._streams, workers_module.WorkerPool)
    try:
        yield leader, leader._streams
    finally:
        following.cancel()
        await leader.stop()


async def test_a_worker_that_hangs_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin interface reports which worker does not answer.

    The leader replaces a worker that does not take a change, and the others have the change.
    """
    monkeypatch.setattr(workers_module, "ANSWER_SECONDS", 0.2)
    async with led(tmp_path) as (leader, workers), connected(f"127.0.0.1:{leader.port}", 8) as sidecars:
        hung = workers._running[1].process
        os.kill(hung.pid, signal.SIGSTOP)
        answers = await workers.ask(describe_clients)
        assert answers.silent == (1,)
        assert set(answers.by_worker) == {0, 2}
        monkeypatch.setattr(workers_module, "PUSH_SECONDS", 1.0)
        (tmp_path / "catalog.yaml").write_text(make_catalog("a", "b"))
        got = [sidecar for sidecar in sidecars if await is_told(sidecar)]
        assert len(got) == len(answers.by_worker[2])
        await await_until(lambda: workers._running.get(1, hung) is not hung and not is_running(hung.pid), 20)


async def test_no_edit_waits_for_a_worker_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known to be silent, an edit waits for the others only. The others count as ever."""
    monkeypatch.setattr(workers_module, "SILENT_SECONDS", 60.0)
    monkeypatch.setattr(workers_module, "PUBLISH_SECONDS", 60.0)
    async with led(tmp_path) as (leader, workers), connected(f"127.0.0.1:{leader.port}", 8) as sidecars:
        os.kill(workers._running[1].process.pid, signal.SIGSTOP)
        await await_until(lambda: workers._running[1].is_silent, 20)
        with capture_logs() as logs:
            for number in range(3):
                (tmp_path / "catalog.yaml").write_text(make_catalog("a", *"bcd"[: number + 1]))
                await await_until(partial(has, logs, "catalog changed", number + 1), 20)
        assert workers._running[1].is_silent
        os.kill(workers._running[1].process.pid, signal.SIGCONT)
        await await_until(lambda: not workers._running[1].is_silent, 20)
        for sidecar in sidecars:
            assert await is_told(sidecar)


async def test_a_worker_that_hangs_is_replaced_without_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is busy is not, and neither is one that answers again in time."""
    async with led(tmp_path) as (leader, workers):
        for one in workers._running.values():
            os.kill(one.process.pid, signal.SIGSTOP)
        await await_until(lambda: all(one.is_silent for one in workers._running.values()), 20)
        for one in workers._running.values():
            os.kill(one.process.pid, signal.SIGCONT)
        await await_until(lambda: not any(one.is_silent for one in workers._running.values()), 20)
        monkeypatch.setattr(workers_module, "SILENT_SECONDS", 1.0)
        before = {number: one.process.pid for number, one in workers._running.items()}
        with capture_logs() as logs:
            os.kill(before[1], signal.SIGSTOP)
            busy = asyncio.create_task(workers._running[2].link.call(Worker.ask, be_busy))
            await await_until(lambda: count(logs, "worker started") == 1, 30)
        await busy
        assert workers._running[1].process.pid != before[1]
        assert workers._running[2].process.pid == before[2]
        assert [line["worker"] for line in logs if line["event"] == "a worker does not answer: it is replaced"] == [1]
        async with connected(f"127.0.0.1:{leader.port}", 4):
            pass


async def be_busy(_ads: AdsServicer) -> None:
    """Keep a worker's event loop busy for a while."""
    end = time.process_time() + 2.0
    while time.process_time() < end:
        pass


def has(logs: list[EventDict], event: str, number: int) -> bool:
    """Whether there are so many lines of one kind."""
    return count(logs, event) == number


def count(logs: list[EventDict], event: str) -> int:
    """Count the lines of one kind."""
    return sum(line["event"] == event for line in logs)


async def test_the_delay_before_a_restart_grows_while_a_worker_keeps_dying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay doubles each time up to a limit. The other workers serve, and the worker starts when it can."""
    monkeypatch.setattr(workers_module, "DELAY_SECONDS", 0.05)
    monkeypatch.setattr(workers_module, "MAX_DELAY_SECONDS", 0.1)
    async with led(tmp_path) as (leader, workers):
        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(workers_module, "COMMAND", "raise SystemExit(3)")
            workers._running[1].process.kill()
            await await_until(lambda: len(logs) >= 4, 20)
            async with connected(f"127.0.0.1:{leader.port}", 2):
                assert (await workers.ask(describe_clients)).silent == (1,)
        assert [(line["how"], line["in_seconds"]) for line in logs[:4]] == [
            (f"signal {signal.SIGKILL.value}", 0.05),
            ("exit code 3", 0.1),
            ("exit code 3", 0.1),
            ("exit code 3", 0.1),
        ]

        with capture_logs() as logs:
            await await_until(lambda: "worker started" in [line["event"] for line in logs], 20)
        assert not (await workers.ask(describe_clients)).silent


async def test_a_worker_that_cannot_start_ends_the_servers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the exit code, as when no process can listen at the address."""
    monkeypatch.setattr(workers_module, "COMMAND", "raise SystemExit(3)")
    with pytest.raises(ListenError, match=r"cannot start worker [12]: exit code 3"):
        async with led(tmp_path):
            pass


async def is_told(sidecar: Sidecar) -> bool:
    """Whether a client gets a response and does not lose its stream."""
    try:
        return bool((await sidecar.read()).resources)
    except grpc.aio.AioRpcError:
        return False


def serve(catalog: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `xds serve` in a case in which it cannot start."""
    command = [sys.executable, "-m", "xds", "serve", "--catalog", str(catalog), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_wrong_number_of_workers_is_wrong_usage(tmp_path: Path, number: str) -> None:
    """The exit code is 2, and the message names the mistake."""
    answer = CliRunner().invoke(main, ["serve", "--catalog", str(tmp_path), "--workers", number])
    assert answer.exit_code == 2
    assert "Invalid value for '--workers'" in answer.stderr


def test_a_port_of_another_server_is_refused_with_one_line(tmp_path: Path) -> None:
    """The workers of one server share a port with each other, not with another server's workers."""
    (tmp_path / "catalog.yaml").write_text(make_catalog("a"))
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = serve(tmp_path, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--workers", "2", "--admin", "off")
    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1
    assert "the port is in use" in answer.stderr


@pytest.mark.parametrize("before", [0, 1], ids=["without workers", "with workers"])
def test_workers_start_where_a_server_has_just_ended(before: int) -> None:
    """A connection that it has closed is in TIME_WAIT. The workers may listen; a server without workers may not."""

    def open_socket(address: tuple[str, int], reuse_port: int) -> socket.socket:
        one = socket.socket()  # as gRPC does
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
        try:
            one.bind(address)
        except OSError:
            one.close()
            raise
        return one

    with open_socket(("127.0.0.1", 0), before) as ended:
        ended.listen()
        address = ended.getsockname()
        with socket.create_connection(address):
            ended.accept()[0].close()
    check_free(ListenAddress(*address))
    with reserve_port(ListenAddress(*address)):
        with pytest.raises(OSError, match="in use"):
            open_socket(address, 0)
        with open_socket(address, 1) as one, open_socket(address, 1) as another:
            one.listen()
            another.listen()
            with pytest.raises(ListenError, match="the port is in use"):
                check_free(ListenAddress(*address))
    with open_socket(address, 0) as after:
        after.listen()


def test_a_bad_catalog_starts_no_worker(tmp_path: Path) -> None:
    """The log has the catalog's mistakes and nothing else."""
    (tmp_path / "catalog.yaml").write_text("services: {a: {endpints: []}}")
    answer = serve(tmp_path, "--listen", f"127.0.0.1:{free_port()}", "--workers", "2")
    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1
    assert "did you mean `endpoints`" in answer.stderr


async def test_a_node_may_come_back_to_any_worker(workers: Workers) -> None:
    """What it refused at one of them is known to all, also to one that is started later."""
    workers.catalog.write_text(make_catalog("a", "c"))
    await workers.until(lambda: workers.log_of("catalog changed"))

    async def find_first() -> list[str]:
        async with AsyncExitStack() as stack:
            options = [("grpc.use_local_subchannel_pool", 1)]
            address = workers.control_plane.address
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options))
            call: Any = channel.stream_stream(DELTA_ADS)(wait_for_ready=True)
            return sorted(one.name for one in (await Sidecar(call, Node(id="web-1", cluster="web")).ask()).resources)

    async with AsyncExitStack() as stack:
        sidecar = await connect(stack, workers.control_plane.address, "web-1")
        workers.catalog.write_text(make_catalog("b", "c"))
        assert [one.name for one in (await sidecar.read()).resources] == ["b"]
        await sidecar.refuse("b: no")
        await workers.until(lambda: workers.clients("NACKED"))
    await workers.until(lambda: not workers.get("/status")["clients"])
    for _ in range(8):
        assert await find_first() == ["a", "b", "c"]
    before = workers.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    await workers.until(lambda: all(workers.pids()[number] != pid for number, pid in before.items()))
    assert await find_first() == ["a", "b", "c"]
