"""Whatever a client sends, the server stays up, forgets the client when it goes, and serves the others."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inventories import build_inventory
from tests.sampling import examples
from tests.server.serving import DELTA_ADS, NODE, SOTW_ADS, Serving, delta, make_catalog, read_delta, serving
from xds.catalog.assembly.workspace import Workspace
from xds.cli.demo.processes import await_until
from xds.errors import PeerError
from xds.resources.view import kind_of
from xds.session.limits import Limits
from xds.session.session import DELTA, SOTW, Session, Variant
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, TYPE_URLS
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest, Node, Status

CATALOG = make_catalog("a", "b", "c")
NAMES = ["a", "b", "c", "*", "", "missing", "ä\x00\U0001f600", "x" * 5000]
STREAMS = 150

names = st.lists(st.sampled_from(NAMES), max_size=4)
types = st.sampled_from([*TYPE_URLS, "", "type.googleapis.com/unknown"])
nodes = st.builds(Node, id=st.sampled_from(["web-1", "web-2", ""]), cluster=st.sampled_from(["web", "a", "", "\x00"]))
nonces = st.sampled_from(["", "f-1", "f-2", "f-3", "g-1"])
errors = st.none() | st.builds(Status, message=st.sampled_from(["", "no", "n" * 10_000]))
sotw_requests = st.builds(
    DiscoveryRequest,
    node=nodes,
    type_url=types,
    resource_names=names,
    response_nonce=nonces,
    version_info=st.sampled_from(["", "0" * 16, "old"]),
    error_detail=errors,
)
delta_requests = st.builds(
    DeltaDiscoveryRequest,
    node=nodes,
    type_url=types,
    resource_names_subscribe=names,
    resource_names_unsubscribe=names,
    initial_resource_versions=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "old"]), max_size=3),
    response_nonce=nonces,
    error_detail=errors,
)


@st.composite
def mutants(draw: st.DrawFn, requests: st.SearchStrategy[Any]) -> bytes:
    """Draw a valid request, a request with bytes changed, lost or doubled, or arbitrary bytes."""
    data = bytearray(draw(requests).SerializeToString())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data) if draw(st.integers(0, 9)) else draw(st.binary(max_size=50))


def make_store(catalog: str) -> SnapshotStore:
    """Return a store with a catalog."""
    return SnapshotStore(build_inventory(Workspace().update({"c.yaml": Document("c.yaml", catalog.encode())})))


@pytest.mark.parametrize(
    ("variant", "requests"), [(SOTW, sotw_requests), (DELTA, delta_requests)], ids=["sotw", "delta"]
)
def test_a_session_answers_any_request_or_blames_the_client(
    variant: Variant[Any], requests: st.SearchStrategy[Any]
) -> None:
    """A session answers each request or ends the stream with a client error. What it holds has a limit."""
    store = make_store(CATALOG)

    @settings(examples(300), derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(mutants(requests), max_size=12))
    def play(sent: list[bytes]) -> None:
        session: Session[Any] = Session(
            variant, lambda node: store.acquire(kind_of(node)).read, "f", limits=Limits(names=5)
        )
        with contextlib.suppress(PeerError):  # any other exception is a bug in xds
            for data in sent:
                for response in session.on_request(data).responses:
                    variant.response.FromString(response.body)
            session.on_timeout()
        for type_url, subscription in session.subscriptions.items():
            assert type_url in TYPE_URLS
            assert len(subscription.names) <= 5 + len(NAMES)
        if session.node is not None:
            store.release(kind_of(session.node))

    play()


def requests_at_random(chance: random.Random) -> Iterator[tuple[str, list[bytes]]]:
    """Yield a method and bytes to send, without end: real requests with changed bytes, and noise."""
    while True:
        method, kind = chance.choice([(SOTW_ADS, DiscoveryRequest), (DELTA_ADS, DeltaDiscoveryRequest)])
        sent = []
        for _ in range(chance.randint(1, 5)):
            data = bytearray(kind(node=NODE, type_url=chance.choice(TYPE_URLS), response_nonce="x").SerializeToString())
            for _ in range(chance.choice([0, 0, 1, 3])):
                data[chance.randrange(len(data))] = chance.randrange(256)
            sent.append(bytes(data) if chance.random() < 0.9 else chance.randbytes(40))
        yield method, sent


async def torment(server: Serving, method: str, sent: list[bytes]) -> grpc.StatusCode | None:
    """Open a stream, send everything and leave. Return the server's status if the server ended the stream."""
    call = server.open(method)
    try:
        for data in sent:
            await call.write(data)
        async with asyncio.timeout(0.05):
            while await call.read() is not grpc.aio.EOF:
                pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        code: grpc.StatusCode = await call.code()
        # A write after the end of the stream fails in the client's own core, which hides the server's status.
        return None if await call.details() == "Internal error from Core" else code
    except TimeoutError:
        call.cancel()
    return None


async def test_a_server_under_fuzz_serves_others_and_keeps_nothing() -> None:
    """A good client gets each change meanwhile. Afterwards only its stream is left, and then none."""
    fuzz = requests_at_random(random.Random(1))
    statuses = set()
    async with serving(CATALOG) as server:
        good = server.open()
        await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, "a"))
        response = await read_delta(good)
        for weight in range(2, 2 + STREAMS // 10):
            async with asyncio.TaskGroup() as tasks:
                ends = [tasks.create_task(torment(server, *next(fuzz))) for _ in range(10)]
            statuses |= {end.result() for end in ends}
            await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=response.nonce))
            await server.edit(make_catalog("a", "b", "c", weight=weight))
            async with asyncio.timeout(10):
                response = await read_delta(good)
            assert [resource.name for resource in response.resources] == ["a"]
        assert statuses <= {None, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert grpc.StatusCode.INVALID_ARGUMENT in statuses
        await await_until(lambda: len(list(server.servicer.streams())) == 1, 10)
        good.cancel()
        await await_until(lambda: not list(server.servicer.streams()), 10)
        assert not server.servicer.store._views
        fresh = server.open(SOTW_ADS)
        await fresh.write(DiscoveryRequest(node=NODE, type_url=CLUSTER).SerializeToString())
        assert await fresh.read() is not grpc.aio.EOF
