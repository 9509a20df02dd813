"""The admin interface over HTTP: what it reports, who may ask, and how it runs beside the gRPC port."""

import asyncio
import contextlib
import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import pytest

from tests.ecs import read_log
from tests.server.administered import CATALOG, administered, read_refused
from tests.server.serving import SOTW_ADS, read_sotw, sotw
from tests.warm import start_control_plane
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import await_until, free_port
from xds.server.address import ListenAddress
from xds.server.admin.metrics import MAX_NODES
from xds.server.admin.server import AdminServer
from xds.server.clients.ask import Answers, Question, ask_one_process
from xds.server.clients.documents import MAX_PROBLEMS
from xds.server.http_server import names_this_machine
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

T = TypeVar("T")


async def test_status_describes_each_client_and_each_type() -> None:
    """The status shows who a client is, since when it is connected, its variant, and the version that it has."""
    async with administered() as admin:
        assert (await admin.get("/status"))["clients"] == []
        await admin.connect(user_agent_name="envoy").take(CLUSTER, LISTENER)
        await admin.until("SYNCED", LISTENER)
        status = await admin.get("/status")
        [client] = status["clients"]
        assert (client["node_id"], client["cluster"], client["locality"]) == ("web-1", "web", "eu/eu-1a")
        assert (client["variant"], client["user_agent"], client["state"]) == ("delta", "envoy", "SYNCED")
        assert client["connected_at"] <= client["types"][0]["last_push_at"] <= status["now"]
        clusters, listeners = client["types"]
        assert (clusters["type"], listeners["type"]) == ("Cluster", "Listener")
        served = await admin.get("/snapshot?cluster=web")
        assert served["clusters"]["web"][CLUSTER]["api"] == clusters["version_info"]
        assert clusters["resources"] == {"wanted": 1, "accepted": 1, "missing": [], "missing_count": 0}
        assert status["sources"] == []
        assert status["catalog"] == {
            "ok": True, "refused_files": [], "services": 3, "endpoints": 4, "gateways": 1, "by_locality": 0,
            "digest": "none", "taken_at": "1970-01-01T00:00:00.000Z",
        }  # fmt: skip


async def test_the_catalog_that_is_served_can_be_read() -> None:
    """`xds explain` and `xds route` tell routes by their places in these texts."""
    async with administered() as admin:
        assert await admin.get("/catalog") == {"digest": "none", "files": {"c.yaml": CATALOG}}


async def test_of_a_refused_file_the_last_good_text_is_read(tmp_path: Path) -> None:
    """What a node is served is explained by what it was made of."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    admin = f"127.0.0.1:{free_port()}"
    with start_control_plane(path, free_port(), tmp_path, "--admin", admin) as control_plane:
        await control_plane.ready()
        path.write_text(CATALOG.replace("balance", "blance"))
        await await_until(lambda: not json.loads(http_get(admin, "/status")[1])["catalog"]["ok"], 20)
        assert json.loads(http_get(admin, "/catalog")[1])["files"] == {str(path): CATALOG}


async def test_the_status_shows_the_catalog_from_before_the_clients_were_asked() -> None:
    """A catalog that is taken while the server asks its clients appears in the next status.

    Until then, what the clients report may concern the catalog before it.
    """
    async with administered() as admin:
        admin.digest = "before"

        async def ask(question: Question[T], /) -> Answers[T]:
            answers = await ask_one_process(admin.serving.servicer)(question)
            admin.digest = "after"
            return answers

        server = AdminServer(ListenAddress("127.0.0.1", 0), admin.serving.servicer, admin.applied, ask)
        await server.start()
        try:
            bodies = [(await asyncio.to_thread(http_get, str(server.address), "/status", 10.0))[1] for _ in range(2)]
        finally:
            await server.stop()
        assert [json.loads(body)["catalog"]["digest"] for body in bodies] == ["before", "after"]


async def test_a_response_without_an_answer_is_stale() -> None:
    """A type is stale from the push until the ACK, and nothing of that push counts as accepted."""
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask()
        assert (await admin.until("STALE"))["resources"]["accepted"] == 0
        await sidecar.accept()
        assert (await admin.until("SYNCED"))["resources"]["accepted"] == 1


async def test_a_nack_stays_until_the_refused_resource_is_corrected() -> None:
    """A NACK shows the client's message, the resources and their versions. The last accepted version stays."""
    async with administered() as admin:
        sidecar = admin.connect(cluster="anyone")
        await sidecar.take()
        old = (await admin.get("/snapshot?cluster=anyone"))["clusters"]["anyone"][CLUSTER]["users"]
        before = (await admin.until("SYNCED"))["version_info"]
        await admin.serving.edit(CATALOG.replace("users: {endp", "users: {balance: random, endp"))
        await sidecar.read()
        await sidecar.refuse("users: bad policy")
        clusters = await admin.until("NACKED")
        assert clusters["nack"]["message"] == "users: bad policy"
        assert clusters["version_info"] != before
        new = (await admin.get("/snapshot?cluster=anyone"))["clusters"]["anyone"][CLUSTER]["users"]
        assert clusters["nack"]["resources"] == [{"name": "users", "version_info": new, "accepted_version_info": old}]
        assert new != old
        metrics = await admin.metrics()
        assert metrics['xds_nacks_total{cluster="anyone",type="Cluster"}'] == 1
        assert metrics['xds_nacked{cluster="anyone",node_id="web-1",type="Cluster"}'] == 1
        await admin.serving.edit(CATALOG.replace("users: {endp", "users: {health_check: {http: /}, endp"))
        await sidecar.read()
        await sidecar.accept()
        assert (await admin.until("SYNCED"))["nack"] is None
        metrics = await admin.metrics()
        assert metrics['xds_nacks_total{cluster="anyone",type="Cluster"}'] == 1
        assert not [name for name in metrics if name.startswith("xds_nacked{")]


async def test_a_nack_ends_when_the_edit_is_reverted() -> None:
    """The server sends what the client accepted before, since it may have applied a part of what it refused."""
    async with administered() as admin:
        sidecar = admin.connect(cluster="anyone")
        await sidecar.take()
        await admin.serving.edit(CATALOG.replace("users: {endp", "users: {balance: random, endp"))
        await sidecar.read()
        await sidecar.refuse("users: bad policy")
        await admin.until("NACKED")
        await admin.serving.edit(CATALOG)
        assert [one.name for one in (await sidecar.read()).resources] == ["users"]
        await sidecar.accept()
        assert (await admin.until("SYNCED"))["nack"] is None


async def test_a_nack_of_many_resources_names_the_bad_one() -> None:
    """A State of the World response contains every cluster. The client's message names the bad one."""
    async with administered() as admin:
        sidecar = admin.connect(cluster="anyone")
        await sidecar.ask()
        await sidecar.refuse("Error adding/updating cluster(s) users: no such thing as web-2")
        nack = (await admin.until("NACKED"))["nack"]
        assert [one["name"] for one in nack["resources"]] == ["users"]


async def test_a_name_that_only_a_draining_listener_needs_is_not_missing() -> None:
    """A gateway's listener is gone. Its Envoy asks for the routes until the connections have ended."""
    two = CATALOG.replace("port: 8080,", "listeners: [{port: 8080}, {port: 8081}],")
    async with administered(two) as admin:
        object.__setattr__(admin.serving.servicer.shared, "drain_seconds", 0.0)
        gateway = admin.connect("edge-1", "edge")
        await gateway.take(LISTENER)
        names = ["edge/8080", "edge/8081", "edge/8082"]
        await gateway.ask(ROUTE_CONFIGURATION, *names)
        await gateway.accept(ROUTE_CONFIGURATION)
        await admin.serving.edit(two.replace(", {port: 8081}", ""))
        for _ in range(2):
            await gateway.accept((await gateway.read()).type_url)
        resources = (await admin.until("SYNCED", ROUTE_CONFIGURATION, "edge-1"))["resources"]
        assert resources["missing"] == ["edge/8082"]
        assert (resources["wanted"], resources["accepted"]) == (2, 1)


async def test_a_name_that_does_not_exist_is_reported_as_missing() -> None:
    """A client that asks for a name that does not exist is not stale for that reason."""
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask(CLUSTER_LOAD_ASSIGNMENT, "api", "nobody")
        await sidecar.accept(CLUSTER_LOAD_ASSIGNMENT)
        status = await admin.until("SYNCED", CLUSTER_LOAD_ASSIGNMENT)
        assert status["resources"] == {"wanted": 2, "accepted": 1, "missing": ["nobody"], "missing_count": 1}


async def test_one_client_with_a_stream_for_each_type_is_one_line() -> None:
    """An Envoy that asks each type's own service appears as one client with all of its types."""
    methods = {
        CLUSTER: "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
        LISTENER: "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
    }
    async with administered() as admin:
        for type_url, method in methods.items():
            stream = admin.serving.open(method)
            await stream.write(sotw(type_url))
            response = await read_sotw(stream)
            await stream.write(sotw(type_url, nonce=response.nonce))
        await admin.until("SYNCED", LISTENER)
        [client] = (await admin.get("/status"))["clients"]
        assert [of_type["type"] for of_type in client["types"]] == ["Cluster", "Listener"]
        assert client["variant"] == "sotw"
        both = admin.serving.open(SOTW_ADS)
        await both.write(sotw())
        await read_sotw(both)
        assert len((await admin.get("/status"))["clients"]) == 2


async def test_dump_is_exactly_what_the_node_is_served() -> None:
    """A dump has only what the node asked for and is served, by type, with Envoy's field names."""
    async with administered() as admin:
        await admin.connect().take(CLUSTER, CLUSTER_LOAD_ASSIGNMENT)
        await admin.until("SYNCED", CLUSTER_LOAD_ASSIGNMENT)
        dump = await admin.get("/dump?node=web-1")
        assert dump["node"]["cluster"] == "web"
        assert [(config["type_url"], len(config["resources"])) for config in dump["configs"]] == [
            (CLUSTER, 1),
            (CLUSTER_LOAD_ASSIGNMENT, 1),
        ]
        [cluster], [assignment] = (config["resources"] for config in dump["configs"])
        assert cluster["name"] == cluster["resource"]["name"] == "api"
        assert cluster["resource"]["@type"] == CLUSTER
        assert cluster["resource"]["outlier_detection"]["enforcing_consecutive_5xx"] == 0
        weights = [
            endpoint.get("load_balancing_weight")
            for locality in assignment["resource"]["endpoints"]
            for endpoint in locality["lb_endpoints"]
        ]
        assert weights[0] == 3


async def test_dump_of_an_unknown_node_suggests_the_nearest() -> None:
    """The answer is 404 and names the most similar node."""
    async with administered() as admin:
        await admin.connect().take()
        await admin.until("SYNCED")
        status, body = await asyncio.to_thread(http_get, admin.address, "/dump?node=web1")
        assert status == 404
        assert json.loads(body) == {"error": "no node 'web1' is connected: did you mean `web-1`?"}


async def test_snapshot_shows_nodes_that_are_not_connected() -> None:
    """The snapshot shows what any node.cluster would get, and can show a single resource of it."""
    async with administered() as admin:
        clusters = (await admin.get("/snapshot?cluster=edge&cluster=web"))["clusters"]
        assert sorted(clusters["edge"]) == sorted([CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION])
        assert clusters["edge"][CLUSTER] == clusters["web"][CLUSTER]
        resource = await admin.get("/resource?cluster=edge&type=Listener&name=edge")
        assert resource["version_info"] == clusters["edge"][LISTENER]["edge"]
        assert resource["resource"]["address"]["socket_address"]["port_value"] == 8080
        grpc_client = (await admin.get("/snapshot?cluster=web&grpc"))["clusters"]["web"]
        assert grpc_client[LISTENER] != clusters["web"][LISTENER]


async def test_metrics_count_clients_and_the_catalog() -> None:
    """Metrics count clients by variant, type and state. A refused file makes the catalog not ok."""
    async with administered() as admin:
        await admin.connect().take()
        await admin.until("SYNCED")
        metrics = await admin.metrics()
        assert metrics['xds_connected_clients{variant="delta"}'] == 1
        assert metrics['xds_connected_clients{variant="sotw"}'] == 0
        assert metrics['xds_subscriptions{state="SYNCED",type="Cluster"}'] == 1
        assert metrics['xds_pushes_total{reason="initial",type="Cluster"}'] == 1
        assert (metrics["xds_catalog_services"], metrics["xds_catalog_endpoints"]) == (3, 4)
        assert metrics['xds_resources{type="Cluster"}'] == 3
        assert metrics["xds_catalog_ok"] == 1
        assert metrics["process_resident_memory_bytes"] > 0
        admin.refused_files = ("bad.yaml",)
        metrics = await admin.metrics()
        assert (metrics["xds_catalog_ok"], metrics["xds_catalog_refused_files"]) == (0, 1)
        assert (await admin.get("/status"))["catalog"]["refused_files"] == ["bad.yaml"]


async def test_instances_that_are_not_served_are_in_the_status_and_in_the_metrics() -> None:
    """Both count them by source. The status has the first problems."""
    async with administered() as admin:
        admin.providers = (read_refused("registry", MAX_PROBLEMS + 1),)
        [source] = (await admin.get("/status"))["sources"]
        problems = source.pop("problems")
        assert source == {
            "name": "registry", "endpoints": 0, "refused": 21, "withheld": 0, "problem_count": 21,
        }  # fmt: skip
        assert len(problems) == MAX_PROBLEMS
        assert problems[0]["path"] == "services.api.endpoints.0"
        assert problems[0]["message"].startswith("the port is missing")
        metrics = await admin.metrics()
        assert metrics['xds_source_refused_instances{source="registry"}'] == 21
        assert metrics['xds_source_withheld_instances{source="registry"}'] == 0
        assert metrics['xds_source_endpoints{source="registry"}'] == 0


async def test_metrics_name_a_bounded_number_of_nodes() -> None:
    """The number of named nodes has a limit, however many refuse something. The count includes them all."""
    async with administered() as admin:
        for number in range(MAX_NODES + 5):
            sidecar = admin.connect(f"web-{number}")
            await sidecar.ask()
            await sidecar.refuse("no")
        await admin.until("NACKED", node_id=f"web-{number}")
        metrics = await admin.metrics()
        assert len([name for name in metrics if name.startswith("xds_nacked{")]) == MAX_NODES
        assert metrics['xds_subscriptions{state="NACKED",type="Cluster"}'] == MAX_NODES + 5


def ask(address: str, method: str, path: str, host: str) -> int:
    """Ask by a method and in a host's name; the status."""
    connection = http.client.HTTPConnection(address, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, headers={"Host": host})
        return connection.getresponse().status


async def test_a_web_page_cannot_read_the_admin_interface() -> None:
    """The server refuses, on every path, a host name that a stranger's DNS could point at loopback.

    It refuses every method but GET.
    """
    async with administered() as admin:
        for path in ("/", "/status", "/metrics", "/nothing"):
            assert await asyncio.to_thread(ask, admin.address, "GET", path, "evil.example:18002") == 403
        assert await asyncio.to_thread(ask, admin.address, "GET", "/status", "localhost:18002") == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert await asyncio.to_thread(ask, admin.address, method, "/status", admin.address) == 405


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:18002", "[::1]", "[::1]:18002"])
def test_hosts_that_name_this_machine(host: str) -> None:
    """Loopback's name and IP addresses need no DNS lookup."""
    assert names_this_machine(host)


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "[x]:1"])
def test_hosts_that_a_stranger_may_own(host: str) -> None:
    """A stranger's DNS can answer for these names."""
    assert not names_this_machine(host)


@pytest.mark.parametrize(
    "path",
    ["/dump", "/snapshot", "/resource?cluster=web&type=Cluster", "/resource?cluster=web&type=Clutser&name=api"],
)
async def test_a_malformed_query_gets_400(path: str) -> None:
    """The answer explains what is missing or wrong in the query."""
    async with administered() as admin:
        status, body = await asyncio.to_thread(http_get, admin.address, path)
        assert status == 400
        assert "is missing in the query" in body or "did you mean `Cluster`" in body


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Write a catalog and return its path."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return path


def serve(catalog: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `xds serve` in a case in which it cannot start."""
    listen = ["--listen", f"127.0.0.1:{free_port()}"]
    command = [sys.executable, "-m", "xds", "serve", "--catalog", str(catalog), *listen, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_an_explicit_admin_port_in_use_ends_the_start_with_one_line(catalog: Path) -> None:
    """The exit code is 1, as for --listen."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = serve(catalog, "--admin", f"127.0.0.1:{port}")
    assert answer.returncode == 1
    told = json.loads(answer.stderr.splitlines()[-1])["message"]
    assert told.startswith(f"cannot listen at 127.0.0.1:{port}: the port is in use")
    assert "Traceback" not in answer.stderr


async def test_the_default_admin_port_in_use_is_only_a_warning(tmp_path: Path, catalog: Path) -> None:
    """The server warns and still serves its clients."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # another process has the port, which serves the test as well
            stack.enter_context(socket.create_server(("127.0.0.1", 18002)))
        with start_control_plane(catalog, free_port(), tmp_path) as control_plane:
            await control_plane.until(lambda: '"serving"' in control_plane.log.read_text(), "serve")
            lines = read_log(control_plane.log.read_text())
            [warning] = [line for line in lines if line["log.level"] == "warning"]
            assert "18002" in warning["error.message"]
            assert [line for line in lines if line["message"] == "serving"]


async def test_admin_off_opens_no_port(tmp_path: Path, catalog: Path) -> None:
    """The server opens no admin port and logs nothing about it."""
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off") as control_plane:
        await control_plane.ready()
        assert "admin" not in control_plane.log.read_text()


def test_an_admin_port_that_other_machines_reach_needs_an_option(catalog: Path) -> None:
    """The admin interface shows every node's configuration."""
    answer = serve(catalog, "--admin", "0.0.0.0:0")
    assert answer.returncode == 2
    assert "0.0.0.0:0 can be reached from other machines" in answer.stderr


async def test_status_names_a_refused_file_until_it_is_corrected(tmp_path: Path, catalog: Path) -> None:
    """A real server's status has the file's name."""
    port = free_port()
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", f"127.0.0.1:{port}") as control_plane:

        def refused() -> list[str]:
            files: list[str] = json.loads(http_get(f"127.0.0.1:{port}", "/status")[1])["catalog"]["refused_files"]
            return files

        await control_plane.ready()
        catalog.write_text(CATALOG.replace("balance", "blance"))
        await await_until(refused, 10)
        assert refused() == [str(catalog)]
        catalog.write_text(CATALOG)
        await await_until(lambda: not refused(), 10)
