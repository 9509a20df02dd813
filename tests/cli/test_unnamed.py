"""What an operator sees of clients that the catalog does not name, and of two Envoys with one node id."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.cli.asking import run
from tests.ecs import read_log
from tests.envoy_server.mesh import until
from tests.server.administered import CATALOG, Administered, administered
from tests.warm import start_control_plane
from xds.cli.demo.processes import free_port
from xds.server.streams import ads
from xds.wire import CLUSTER, LISTENER

RENAMED = CATALOG.replace("edge:", "edge-public:")


async def status(admin: Administered, *options: str) -> tuple[int, str, str]:
    """Run `xds status`."""
    return await run("status", "--admin", admin.address, *options)


async def test_a_client_of_an_unknown_cluster_is_seen() -> None:
    """It has a state of its own, one line in the log, a metric and an exit code, and no catalog is in effect."""
    with capture_logs() as logged:
        async with administered(strangers=False) as admin:
            for number in (1, 2):
                client = admin.connect(f"edge-{number}", "edeg")
                await client.take(CLUSTER, LISTENER)
                assert [len(one.resources) for one in client.last.values()] == [0, 0]
                await admin.until("SYNCED", LISTENER, f"edge-{number}")
            code, printed, _ = await status(admin)
            assert code == 1
            assert printed.splitlines()[1].split()[:2] == ["edge-1", "edeg"]
            assert "UNKNOWN" in printed.splitlines()[1]
            hint = 'the catalog does not name its node.cluster "edeg": did you mean edge?'
            assert f"edge-1 is sent nothing and keeps what it has: {hint}" in printed.splitlines()
            assert printed.splitlines()[-1] == "2 clients: 2 UNKNOWN | 3 services, 1 gateway"
            code, _, said = await status(admin, "--wait", "0.1")
            words = 'the catalog does not name the node.cluster of 2 of 2 clients: "edeg" (now edge?)\n'
            assert (code, said.partition(" s: ")[2]) == (4, words)
            assert (await admin.metrics())['xds_unnamed_clients{cluster="edeg",standing="unknown"}'] == 2
            client = (await admin.get("/status"))["clients"][0]
            assert (client["state"], client["standing"], client["did_you_mean"]) == ("UNKNOWN", "unknown", "edge")
            known = {"cluster": "edge", "standing": "named", "did_you_mean": None}
            assert await admin.get("/cluster?name=edge") == known
    warnings = [line for line in logged if line["log_level"] == "warning"]
    assert [(line["cluster"], line["did_you_mean"]) for line in warnings] == [("edeg", "edge")]


async def test_a_renamed_gateways_client_is_seen() -> None:
    """It keeps what it had. The log tells that the catalog names it again."""
    with capture_logs() as logged:
        async with administered(strangers=False) as admin:
            client = admin.connect("edge-1", "edge")
            await client.take(CLUSTER, LISTENER)
            await admin.until("SYNCED", LISTENER, "edge-1")
            assert await admin.serving.edit(RENAMED) == 0
            code, printed, _ = await status(admin)
            assert code == 1
            assert "KEPT" in printed.splitlines()[1]
            said = (
                'edge-1 keeps what it had: the catalog does not name its node.cluster "edge": did you mean edge-public?'
            )
            assert said in printed.splitlines()
            assert (await status(admin, "--wait", "0.1"))[0] == 4
            assert (await admin.metrics())['xds_unnamed_clients{cluster="edge",standing="kept"}'] == 1
            await admin.serving.edit(CATALOG)
            assert (await status(admin))[0] == 0
    told = [line for line in logged if line.get("cluster") == "edge" and "catalog" in line["event"]]
    assert [(line["log_level"], line.get("did_you_mean")) for line in told] == [
        ("warning", "edge-public"),
        ("info", None),
    ]


async def test_strangers_that_are_served_are_no_fault() -> None:
    """The catalog says that such clients exist."""
    async with administered() as admin:
        await admin.connect("job-1", "job").take()
        await admin.until("SYNCED", node_id="job-1")
        assert (await status(admin))[0] == 0
        assert (await status(admin, "--wait", "10"))[0] == 0


async def test_a_client_that_comes_with_resources_keeps_them() -> None:
    """The server does not know what the client was, and removes nothing. It is served once the catalog names it."""
    async with administered(RENAMED, strangers=False) as admin:
        client = admin.connect("edge-1", "edge")
        for type_url, name in ((CLUSTER, "api"), (LISTENER, "edge")):
            await client.send(type_url=type_url, initial_resource_versions={name: "1"})
        await admin.until("STALE", LISTENER, "edge-1")
        assert "keeps removed" not in (printed := (await status(admin))[1])
        assert "UNKNOWN" in printed
        await admin.serving.edit(CATALOG)
        response = await client.read()
        assert ([one.name for one in response.resources], [*response.removed_resources]) == (["api"], [])


async def test_a_refused_file_exits_with_1() -> None:
    """The catalog that is served is not the one that was written."""
    async with administered() as admin:
        assert (await status(admin))[0] == 0
        admin.refused_files = ("shop.yaml",)
        assert (await status(admin))[0] == 1


async def test_two_envoys_with_one_node_id_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC's own client has a stream for each of its targets, all with one id: that is in order."""
    monkeypatch.setattr(ads, "TWIN_SECONDS", 0.0)
    with capture_logs() as logged:
        async with administered() as admin:
            for _ in range(2):
                await admin.connect("job-1", "web", user_agent_name="gRPC Go").take()
                await admin.connect("web-1", "web").take()
            printed = (await status(admin))[1]
            assert "2 clients have the node id web-1, and each needs its own: " in printed
            assert "job-1, and" not in printed
            await until(lambda: [line for line in logged if line["event"].startswith("several Envoys")])
    told = [line for line in logged if line["event"].startswith("several Envoys")]
    assert [line["node"] for line in told] == ["web-1"]


async def test_a_settled_nack_is_logged() -> None:
    """The client has accepted what it was sent next."""
    with capture_logs() as logged:
        async with administered() as admin:
            client = admin.connect("edge-1", "edge")
            await client.ask(CLUSTER)
            await client.refuse("no such policy")
            await admin.until("NACKED", node_id="edge-1")
            await admin.serving.edit(CATALOG.replace("balance: weighted", "timeouts: {connect: 3s}, balance: weighted"))
            await client.read()
            await client.accept()
            await admin.until("SYNCED", node_id="edge-1")
    events: list[Any] = [line["event"] for line in logged if line["event"].startswith("NACK")]
    assert events == ["NACK", "NACK settled"]


async def test_a_catalog_that_is_mended_to_what_is_served_is_logged(tmp_path: Path) -> None:
    """Nothing changes, so no other line tells that the mistake is gone."""
    catalog = tmp_path / "c.yaml"
    catalog.write_text(CATALOG)
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off", "--log", "json") as server:
        await server.ready()
        catalog.write_text(CATALOG.replace("balance", "blance"))
        await until(lambda: "REFUSED" in server.log.read_text())
        catalog.write_text(CATALOG)
        await until(lambda: read_log(server.log.read_text(), "edit taken: what was refused is mended"))
        assert read_log(server.log.read_text(), "catalog changed") == []


async def test_bootstrap_warns_of_a_name_that_the_catalog_lacks() -> None:
    """It asks a server on this machine. Without one it prints the bootstrap and says nothing."""
    options = ("bootstrap", "--node-id", "edge-1", "--cluster")
    async with administered(strangers=False) as admin:
        code, printed, said = await run(*options, "edeg", XDS_ADMIN=admin.address)
        words = "warning: the catalog at 127.0.0.1 has no service or gateway edeg: did you mean edge?\n"
        assert (code, said) == (0, words)
        assert printed.startswith("node:")
        assert (await run(*options, "edge", XDS_ADMIN=admin.address))[2] == ""
    assert (await run(*options, "edeg"))[::2] == (0, "")


@pytest.mark.parametrize(
    ("mesh", "served"),
    [("", "the node is sent nothing"), ("mesh: {strangers: serve}\n", "such a node may call every service")],
    ids=["unknown", "stranger"],
)
async def test_explain_and_route_of_a_cluster_that_the_catalog_lacks(mesh: str, served: str) -> None:
    """A node that is sent nothing has no route. A stranger may call every service; this one asked for no endpoints."""
    async with administered(mesh + CATALOG, strangers=False) as admin:
        await admin.connect("edge-1", "edeg").take(CLUSTER)
        for command in (("explain", "api"), ("route", "http://api/")):
            found, *texts = await run(*command, "--node", "edge-1", "--admin", admin.address)
            text = "".join(texts)
            assert found == 1, text
            assert f"the catalog has no service or gateway edeg: did you mean `edge`?; {served}" in text
            assert ("services.api at" in text) is bool(mesh)
