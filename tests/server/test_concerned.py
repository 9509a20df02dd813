"""A change is passed to the streams that asked for it, and to no other."""

import asyncio

import grpc
import pytest

from tests.inventories import build_inventory
from tests.server.serving import Call, Serving, delta, make_catalog, read_delta, serving
from xds.resources.view import NodeKind
from xds.server.streams import pacing
from xds.server.streams.pacing import PER_PASS
from xds.session.session import Session
from xds.snapshot.building import SLICE
from xds.snapshot.snapshot import SnapshotChange
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, Node

STREAMS = 20


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SnapshotChange]:
    """The changes that sessions are asked about, one for each session."""
    changes: list[SnapshotChange] = []
    real = Session.on_change

    def on_change(self: Session, change: SnapshotChange) -> object:  # type: ignore[type-arg]
        changes.append(change)
        return real(self, change)

    monkeypatch.setattr(Session, "on_change", on_change)
    return changes


def write(a: int, b: int) -> str:
    """Return a catalog of two services with these weights."""
    return make_catalog("a", weight=a) + make_catalog("b", weight=b).partition("services:\n")[2]


async def open_stream(server: Serving, *names: str) -> Call:
    """Open a stream, subscribe to endpoints, and accept the answer."""
    call = server.open()
    await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, *names))
    response = await read_delta(call)
    await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=response.nonce))
    return call


async def test_a_change_asks_only_the_streams_that_asked_for_it(asked: list[SnapshotChange]) -> None:
    """What it costs does not grow with the streams of the view. Those that are not told have the change nevertheless:
    they get it when they ask.
    """
    async with serving(write(1, 1)) as server:
        for _ in range(STREAMS):
            stream = await open_stream(server, "a")
        few = [await open_stream(server, "b") for _ in range(2)]
        assert await server.edit(write(1, 2)) == len(asked) == len(few)
        for call in few:
            [resource] = (await read_delta(call)).resources
            assert resource.name == "b"
        asked.clear()
        await stream.write(delta(CLUSTER_LOAD_ASSIGNMENT, "b"))
        [late] = (await read_delta(stream)).resources
        assert late.version == resource.version
        for call in few:
            call.cancel()


async def test_a_change_that_nobody_asked_for_asks_no_stream(asked: list[SnapshotChange]) -> None:
    """This holds for what a stream has unsubscribed, too."""
    async with serving(write(1, 1)) as server:
        for _ in range(STREAMS):
            await open_stream(server, "a")
        call = await open_stream(server, "a", "b")
        request = DeltaDiscoveryRequest(type_url=CLUSTER_LOAD_ASSIGNMENT, resource_names_unsubscribe=["b"])
        await call.write(request.SerializeToString())
        await call.write(delta(CLUSTER))
        await read_delta(call)  # so the server has read what came before
        assert await server.edit(write(1, 2)) == len(asked) == 0


async def test_the_loop_has_turns_while_an_edit_of_many_views_is_built_and_pushed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With tracing, each cluster has a view of its own. Whoever waits for the loop does not wait for all of them."""
    monkeypatch.setattr(pacing, "SLICE_SECONDS", 0.0)
    traced = write(1, 1).replace("serve}", "serve, tracing: {otlp: '127.0.0.1:4317'}}")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with serving(traced) as server:
        for number in range(STREAMS):
            call = server.open()
            await call.write(delta(LISTENER, cluster=f"cluster-{number}"))
            await read_delta(call)
        counting = asyncio.create_task(count())
        assert await server.edit(traced.replace("4317", "4318")) == STREAMS
        counting.cancel()
    assert turns >= 2 * STREAMS  # each view is built, and then pushed


async def test_the_loop_has_turns_while_the_view_of_a_newcomer_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served meanwhile."""
    monkeypatch.setattr(pacing, "SLICE_SECONDS", 0.0)
    names = [f"service-{number}" for number in range(10 * SLICE)]
    async with serving(make_catalog(*names)) as server:
        steps = len([*server.servicer.store.prepare(NodeKind("other"))])
        assert steps == len(names) / SLICE
        store = server.servicer.store
        store.inventory = build_inventory(store.inventory.catalog)
        turns = 0
        preparing = asyncio.create_task(server.servicer._prepare(Node(id="new", cluster="new"), "10.0.0.1"))
        while not preparing.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= steps


async def test_many_newcomers_of_one_address_delay_another_by_a_few() -> None:
    """Each has a cluster of its own. They take turns by address."""
    ends: list[str] = []

    async def connect(number: int, host: str) -> None:
        await server.servicer._prepare(Node(id=f"{host}-{number}", cluster=f"{host}-{number}"), host)
        ends.append(host)

    async with serving(make_catalog("a")) as server, asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(connect(number, "10.0.0.1"))
        tasks.create_task(connect(0, "10.0.0.2"))
    assert ends.index("10.0.0.2") <= 2 * PER_PASS


async def test_a_fault_with_one_client_keeps_the_change_from_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream ends, so that it gets the change when it connects again."""
    async with serving(write(1, 1)) as server:
        calls = [await open_stream(server, "a") for _ in range(3)]
        real, faults = Session.on_change, iter([True])

        def on_change(self: Session, change: SnapshotChange) -> object:  # type: ignore[type-arg]
            if next(faults, False):
                raise KeyError("a bug")
            return real(self, change)

        monkeypatch.setattr(Session, "on_change", on_change)
        assert await server.edit(write(2, 1)) == 2
        ends = await asyncio.gather(*(call.read() for call in calls), return_exceptions=True)
        [failure] = [end for end in ends if not isinstance(end, bytes)]
        assert isinstance(failure, grpc.aio.AioRpcError)
        assert failure.code() is grpc.StatusCode.UNAVAILABLE
