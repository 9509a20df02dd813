"""What an operator sees of a real Envoy: its state, its resources, and its NACKs."""

import time
from pathlib import Path

import pytest

from tests.cli.asking import run
from tests.envoy_server.mesh import VARIANTS, make_catalog, until
from tests.envoy_server.watched import NOT_OURS, WatchedMesh
from xds.cli.demo.processes import Instance
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_nack_is_reported_and_cleared_by_a_fixed_catalog(
    tmp_path: Path, instances: list[Instance], variant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log, the status and the metrics have it with Envoy's message. Envoy keeps the version before."""
    good = make_catalog([instances[0].address])
    bad = good.replace('"address": "127.0.0.1", "port": GATEWAY', f'"address": "{NOT_OURS}", "port": GATEWAY')
    assert bad != good
    with WatchedMesh(tmp_path, good) as mesh:
        envoy = await mesh.start_gateway(variant)
        await until(lambda: mesh.listeners()["state"] == "SYNCED")
        assert not mesh.nacked()
        accepted = mesh.get("/snapshot?cluster=edge")["clusters"]["edge"][LISTENER]["edge"]

        mesh.write(bad)
        await until(lambda: mesh.log("catalog changed"))
        changed_at = time.monotonic()
        await until(lambda: mesh.log("NACK") and mesh.listeners()["state"] == "NACKED" and mesh.nacked())
        seconds = time.monotonic() - changed_at
        with capsys.disabled():
            print(f" [{seconds * 1000:.0f} ms]", end="")
        [line], nack = mesh.log("NACK"), mesh.listeners()["nack"]
        assert (line["xds.node_id"], line["xds.type"], line["xds.resources"]) == ("edge-1", "Listener", ["edge"])
        assert NOT_OURS in line["error.message"]
        assert nack["message"] == line["error.message"]
        assert [(one["name"], one["accepted_version_info"]) for one in nack["resources"]] == [("edge", accepted)]
        assert envoy.admin.listeners()["edge"] == f"127.0.0.1:{mesh.gateway_port}"
        code, printed, _ = await run("status", "--admin", mesh.admin)
        assert code == 1
        assert "edge-1 NACKED Listener edge" in printed
        assert NOT_OURS in printed

        mesh.write(good.replace('"prefix": "/"', '"prefix": "/api"'))
        await until(lambda: mesh.listeners()["state"] == "SYNCED")
        assert mesh.listeners()["nack"] is None
        assert not mesh.nacked()
        assert (await run("status", "--admin", mesh.admin))[0] == 0


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_dump_is_what_envoy_has(tmp_path: Path, instances: list[Instance], variant: str) -> None:
    """The names, and the fields of a listener, are those of Envoy's own config_dump. `xds diff` finds no difference."""
    with WatchedMesh(tmp_path, make_catalog([instance.address for instance in instances])) as mesh:
        envoy = await mesh.start_gateway(variant)
        await until(lambda: mesh.get("/status")["clients"][0]["state"] == "SYNCED")
        configs = {config["type_url"]: config["resources"] for config in mesh.get("/dump?node=edge-1")["configs"]}
        names = {type_url: [resource["name"] for resource in resources] for type_url, resources in configs.items()}
        assert names == {
            CLUSTER: ["api-service"],
            CLUSTER_LOAD_ASSIGNMENT: ["api-service"],
            LISTENER: ["edge"],
            ROUTE_CONFIGURATION: ["edge"],
        }
        kinds = {config["@type"].rpartition(".")[2]: config for config in envoy.admin.config_dump()["configs"]}
        [cluster] = kinds["ClustersConfigDump"]["dynamic_active_clusters"]
        [listener] = kinds["ListenersConfigDump"]["dynamic_listeners"]
        assert cluster["cluster"] == configs[CLUSTER][0]["resource"]
        assert listener["active_state"]["listener"] == configs[LISTENER][0]["resource"]
        assert await run("diff", str(mesh.catalog), "--admin", mesh.admin) == (0, "nothing would change\n", "")
