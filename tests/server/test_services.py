"""The services for a single type, which run beside ADS on one server: Stream, Delta and Fetch."""

import grpc
import pytest

from tests.server.serving import NODE, delta, make_catalog, read_delta, read_sotw, serving, sotw
from xds.resources.view import kind_of
from xds.server.streams.ads import MAX_POLLED
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET, SERVICES
from xds.wire.discovery_pb2 import DiscoveryRequest, Node

CATALOG = make_catalog("a", "b")
NAMES = {
    CLUSTER: ["a", "b"],
    CLUSTER_LOAD_ASSIGNMENT: ["a", "b"],
    LISTENER: ["sidecar"],
    ROUTE_CONFIGURATION: ["sidecar"],
}
SERVED = [(service, word, type_url) for service, (word, type_url) in SERVICES.items() if type_url in NAMES]


@pytest.mark.parametrize(("service", "word", "type_url"), SERVED)
async def test_1_a_stream_of_one_type_infers_the_type(service: str, word: str, type_url: str) -> None:
    """Rule 1: requests may leave out the type, in both variants."""
    async with serving(CATALOG) as server:
        stream = server.open(f"/{service}/Stream{word}")
        await stream.write(sotw("", *NAMES[type_url]))
        response = await read_sotw(stream)
        assert response.type_url == type_url
        assert len(response.resources) == len(NAMES[type_url])
        incremental = server.open(f"/{service}/Delta{word}")
        await incremental.write(delta("", *NAMES[type_url]))
        answer = await read_delta(incremental)
        assert [resource.name for resource in answer.resources] == NAMES[type_url]


@pytest.mark.parametrize("kind", ["Stream", "Delta"])
async def test_1_a_stream_of_one_type_refuses_another(kind: str) -> None:
    """Rule 1: the status is INVALID_ARGUMENT, and the message names both types."""
    async with serving(CATALOG) as server:
        stream = server.open(f"/envoy.service.cluster.v3.ClusterDiscoveryService/{kind}Clusters")
        await stream.write((sotw if kind == "Stream" else delta)(LISTENER))
        assert await stream.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert CLUSTER in await stream.details()
        assert LISTENER in await stream.details()


async def test_a_change_reaches_the_single_type_streams_that_it_affects() -> None:
    """All services share one store, so an edit reaches each subscriber on whichever service it uses."""
    async with serving(CATALOG) as server:
        stream = server.open("/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints")
        await stream.write(delta("", "a"))
        first = await read_delta(stream)
        await stream.write(delta("", nonce=first.nonce))
        await server.edit(make_catalog("a", "b", weight=2))
        second = await read_delta(stream)
        assert [resource.name for resource in second.resources] == ["a"]


async def test_sds_answers_for_secrets_that_do_not_exist() -> None:
    """Rule 26: SDS answers although the catalog has no secrets."""
    async with serving(CATALOG) as server:
        stream = server.open("/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets")
        await stream.write(delta(SECRET, "certificate"))
        response = await read_delta(stream)
        assert list(response.removed_resources) == ["certificate"]


@pytest.mark.parametrize(("service", "word", "type_url"), SERVED)
async def test_fetch_answers_once_and_leaves_nothing(service: str, word: str, type_url: str) -> None:
    """Fetch returns the requested names, or all clusters and listeners. The server keeps nothing of it."""
    async with serving(CATALOG) as server:
        request = DiscoveryRequest(node=NODE, resource_names=NAMES[type_url][:1])
        response = await server.fetch(f"/{service}/Fetch{word}", request)
        assert len(response.resources) == 1
        everything = await server.fetch(f"/{service}/Fetch{word}", DiscoveryRequest(node=NODE))
        assert len(everything.resources) == (len(NAMES[type_url]) if type_url in (CLUSTER, LISTENER) else 0)
        assert list(server.servicer.streams()) == []


async def test_polls_share_a_view_and_the_number_of_views_has_a_limit() -> None:
    """The first poll creates a view, and the view follows edits.

    The server drops it when many other views were used since.
    """
    async with serving(CATALOG) as server:
        first = server.servicer.fetch(DiscoveryRequest(node=NODE), CLUSTER)
        made = server.servicer.store.acquire(kind_of(NODE))
        assert server.servicer.store.acquire(kind_of(NODE)) is made
        for _ in range(2):
            server.servicer.store.release(kind_of(NODE))
        await server.edit(make_catalog("a"))
        second = server.servicer.fetch(DiscoveryRequest(node=NODE), CLUSTER)
        assert first is not None
        assert second is not None
        assert (len(first.resources), len(second.resources)) == (2, 1)
        for number in range(3 * MAX_POLLED):
            server.servicer.fetch(DiscoveryRequest(node=Node(id="x", cluster=f"c-{number}")), CLUSTER)
        assert len(server.servicer.store._views.places) == MAX_POLLED


async def test_fetch_with_the_current_version_is_aborted() -> None:
    """The server honours `version_info`. The status is ABORTED, since there is nothing new."""
    method = "/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters"
    async with serving(CATALOG) as server:
        response = await server.fetch(method, DiscoveryRequest(node=NODE))
        again = DiscoveryRequest(node=NODE, version_info=response.version_info)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.fetch(method, again)
        assert caught.value.code() == grpc.StatusCode.ABORTED
        await server.edit(make_catalog("a"))
        assert len((await server.fetch(method, again)).resources) == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [(DiscoveryRequest(), "needs a node with an id"), (DiscoveryRequest(node=NODE, type_url=LISTENER), "not type")],
    ids=["no node", "another type"],
)
async def test_fetch_refuses_what_it_cannot_answer(request_: DiscoveryRequest, message: str) -> None:
    """The status is INVALID_ARGUMENT with the reason."""
    async with serving(CATALOG) as server:
        with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
            await server.fetch("/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters", request_)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
