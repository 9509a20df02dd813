"""What an operator sees of a real Envoy: its state, its resources, and its NACKs."""

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.cli.asking import run
from tests.envoy_server.mesh import VARIANTS, Mesh, make_catalog, until
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import ControlPlane, Instance, free_port, start_control_plane
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

NOT_OURS = "192.0.2.1"
"""An address that no machine has (RFC 5737): the checker cannot know that, but Envoy notices it."""


class WatchedMesh(Mesh):
    """A mesh whose control plane has an admin interface, and in which an Envoy may refuse resources."""

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve` with an admin interface."""
        self.admin = f"127.0.0.1:{free_port()}"
        options = ["--log", "json", "--admin", self.admin]
        return self.children.enter_context(start_control_plane(self.catalog, port, self.folder, *options))

    def get(self, path: str) -> Any:
        """Return a document of the admin interface."""
        return json.loads(http_get(self.admin, path, 10.0)[1])

    def listeners(self) -> Any:
        """Return the gateway's status for listeners."""
        [client] = self.get("/status")["clients"]
        return next(of_type for of_type in client["types"] if of_type["type_url"] == LISTENER)

    def nacked(self) -> bool:
        """Whether the metric has the gateway."""
        series = 'xds_nacked{cluster="edge",node_id="edge-1",type="Listener"} 1.0'
        return series in http_get(self.admin, "/metrics", 10.0)[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.children.close()


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
