"""The Client Status Discovery Service over a real socket, with the messages of envoy-data-plane."""

from typing import Any

import grpc
import pytest
from envoy_data_plane.envoy.admin.v3 import ClientResourceStatus
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.service.status.v3 import ClientStatusRequest, ClientStatusResponse, ConfigStatus
from envoy_data_plane.envoy.type.matcher.v3 import NodeMatcher, StringMatcher

from tests.server.administered import CATALOG, Administered, administered
from tests.warm import start_control_plane
from xds.cli.demo.processes import free_port
from xds.server.protocols.csds import CSDS
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT


async def ask(admin: Administered, request: ClientStatusRequest) -> ClientStatusResponse:
    """Call FetchClientStatus."""
    return ClientStatusResponse.parse(await fetch(admin.csds, bytes(request)))


async def fetch(address: str, request: bytes) -> bytes:
    """Call FetchClientStatus with arbitrary bytes."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(f"/{CSDS}/FetchClientStatus")
        answer: bytes = await call(request, timeout=10)
        return answer


def of_node(*node_ids: str) -> ClientStatusRequest:
    """Return a request for nodes by their ids."""
    matchers = [NodeMatcher(node_id=StringMatcher(exact=node_id)) for node_id in node_ids]
    return ClientStatusRequest(node_matchers=matchers)


async def test_csds_lists_each_resource_with_its_status_and_content() -> None:
    """Resources come by client, type and name. A resource is SYNCED once the client has accepted it."""
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.take()
        await sidecar.ask(CLUSTER_LOAD_ASSIGNMENT, "api")
        await admin.until("STALE", CLUSTER_LOAD_ASSIGNMENT)
        [config] = (await ask(admin, ClientStatusRequest())).config
        assert config.node is not None
        assert config.node.locality is not None
        assert (config.node.id, config.node.cluster, config.node.locality.zone) == ("web-1", "web", "eu-1a")
        cluster, assignment = config.generic_xds_configs
        assert (cluster.type_url, cluster.name, cluster.config_status) == (CLUSTER, "api", ConfigStatus.SYNCED)
        assert (cluster.client_status, cluster.error_state) == (ClientResourceStatus.ACKED, None)
        assert cluster.xds_config is not None
        assert cluster.last_updated is not None
        content = cluster.xds_config.unpack()
        assert isinstance(content, Cluster)
        assert content.name == "api"
        served = (await admin.get("/snapshot?cluster=web"))["clusters"]["web"]
        assert cluster.version_info == served[CLUSTER]["api"]
        assert (assignment.name, assignment.config_status) == ("api", ConfigStatus.STALE)


async def test_a_nack_is_an_error_with_the_clients_message() -> None:
    """The error also has the version that the client refused."""
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask()
        await sidecar.refuse("no such policy")
        await admin.until("NACKED")
        [config] = (await ask(admin, ClientStatusRequest())).config
        [cluster] = config.generic_xds_configs
        assert (cluster.config_status, cluster.client_status) == (ConfigStatus.ERROR, ClientResourceStatus.NACKED)
        assert cluster.error_state is not None
        assert (cluster.error_state.details, cluster.error_state.version_info) == (
            "no such policy",
            cluster.version_info,
        )
        assert cluster.error_state.last_update_attempt is not None


async def test_a_name_that_does_not_exist_has_that_status() -> None:
    """The server has answered the client, and there is nothing to send."""
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask(CLUSTER_LOAD_ASSIGNMENT, "nobody")
        await sidecar.accept(CLUSTER_LOAD_ASSIGNMENT)
        await admin.until("SYNCED", CLUSTER_LOAD_ASSIGNMENT)
        [config] = (await ask(admin, ClientStatusRequest())).config
        [missing] = config.generic_xds_configs
        assert (missing.config_status, missing.client_status) == (
            ConfigStatus.NOT_SENT,
            ClientResourceStatus.DOES_NOT_EXIST,
        )


async def test_node_ids_select_clients() -> None:
    """Each id must match exactly, and any of several may match. A request can leave out the contents."""
    async with administered() as admin:
        for node_id in ("web-1", "web-2", "web-3"):
            await admin.connect(node_id).take()
            await admin.until("SYNCED", node_id=node_id)
        request = of_node("web-1", "web-3", "web")
        request.exclude_resource_contents = True
        configs = (await ask(admin, request)).config
        assert [config.node and config.node.id for config in configs] == ["web-1", "web-3"]
        assert [one.xds_config for config in configs for one in config.generic_xds_configs] == [None, None]


@pytest.mark.parametrize(
    "matcher",
    [
        NodeMatcher(node_id=StringMatcher(prefix="web")),
        NodeMatcher(node_id=StringMatcher(exact="web-1", ignore_case=True)),
        NodeMatcher(),
    ],
    ids=["prefix", "any case", "nothing"],
)
async def test_other_matchers_are_refused_not_ignored(matcher: NodeMatcher) -> None:
    """The status is INVALID_ARGUMENT. If the server ignored the matcher, a request for one client would return all."""
    async with administered() as admin:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(admin, ClientStatusRequest(node_matchers=[matcher]))
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_bytes_that_are_not_a_request_are_refused() -> None:
    """The status is INVALID_ARGUMENT, and the server goes on."""
    async with administered() as admin:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await fetch(admin.csds, b"\x0a\xff")
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await ask(admin, ClientStatusRequest())).config == []


async def test_a_stream_answers_each_request() -> None:
    """Each answer has the state at the time of its request."""
    async with administered() as admin, grpc.aio.insecure_channel(admin.csds) as channel:
        stream: Any = channel.stream_stream(f"/{CSDS}/StreamClientStatus")(timeout=10)
        await stream.write(bytes(ClientStatusRequest()))
        assert ClientStatusResponse.parse(await stream.read()).config == []
        await admin.connect().take()
        await admin.until("SYNCED")
        await stream.write(bytes(of_node("web-1")))
        assert len(ClientStatusResponse.parse(await stream.read()).config) == 1


@pytest.mark.parametrize(("listen", "served"), [("127.0.0.1:PORT", True), ("0.0.0.0:PORT", False)])
async def test_csds_is_served_on_loopback_only(tmp_path: Any, listen: str, served: bool) -> None:
    """The service shows every node's configuration to anyone who asks."""
    catalog, port = tmp_path / "c.yaml", free_port()
    catalog.write_text(CATALOG)
    options = ["--listen", listen.replace("PORT", str(port)), "--allow-plaintext", "--admin", "off"]
    with start_control_plane(catalog, port, tmp_path, *options) as control_plane:
        await control_plane.ready()
        if served:
            assert ClientStatusResponse.parse(await fetch(control_plane.address, b"")).config == []
        else:
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await fetch(control_plane.address, b"")
            assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
