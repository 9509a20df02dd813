"""A catalog that is lost, half written or emptied by accident fails no request of a real Envoy."""

import asyncio
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.envoy_server.mesh import ONE_VARIANT, Mesh, answered, make_catalog, under, until
from tests.warm import start_control_plane
from xds.cli.demo.processes import ControlPlane, Instance, free_port

HELD = "removal HELD: restore the files, or confirm it with `xds apply --yes`"
REFUSED = "edit REFUSED: the last good state of these files is still served"
OTHERS = [f"other-{number}" for number in range(5)]


class FolderMesh(Mesh):
    """A mesh whose catalog is a folder: one file with the gateway and its service, and one for each other service."""

    def __init__(self, folder: Path, endpoints: list[str], *options: str) -> None:
        self.folder = folder
        self.catalog = folder / "catalog"
        self.catalog.mkdir()
        self.gateway_port = free_port()
        self.main = self.catalog / "main.yaml"
        self.text = make_catalog(endpoints).replace("GATEWAY", str(self.gateway_port)) + "\n"
        self.main.write_text(self.text)
        for name in OTHERS:
            (self.catalog / f"{name}.yaml").write_text(f"services: {{{name}: {{endpoints: ['127.0.0.1:1']}}}}\n")
        self.options = options
        self.children = ExitStack()
        self.control_plane = self.start_control_plane(free_port())

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve`."""
        options = ("--admin", "off", "--log", "json", *self.options)
        return self.children.enter_context(start_control_plane(self.catalog, port, self.folder, *options))


@pytest.mark.parametrize("variant", ONE_VARIANT)
async def test_an_emptied_folder_and_a_slow_write_fail_no_request(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """Under 200 requests/s: all files go and come back, most files go, and the gateway's own file is written slowly."""
    with FolderMesh(tmp_path, [instance.address for instance in instances]) as mesh:
        envoy = await mesh.start_gateway(variant)
        kept = tmp_path / "kept"
        shutil.copytree(mesh.catalog, kept)
        async with under(mesh.load(200)) as load:
            for path in mesh.catalog.iterdir():
                path.unlink()
            await until(lambda: mesh.log(REFUSED))
            await answered(load, 100)
            shutil.copytree(kept, mesh.catalog, dirs_exist_ok=True)
            for path in [mesh.main, *(mesh.catalog / f"{name}.yaml" for name in OTHERS[1:])]:
                path.unlink()
            await until(lambda: mesh.log(HELD))
            await answered(load, 100)
            shutil.copytree(kept, mesh.catalog, dirs_exist_ok=True)
            (mesh.catalog / "new.yaml").write_text("services: {new: {endpoints: ['127.0.0.1:1']}}\n")
            await until(lambda: "new" in str(mesh.log("catalog changed")))
            with mesh.main.open("w") as file:
                file.write('{"services": {}}\n')
                file.flush()
                await answered(load, 500)
                await asyncio.to_thread(file.seek, 0)
                file.write(mesh.text.replace("round_robin", "random"))
            await until(lambda: "api-service" in str(mesh.log("catalog changed")))
            await answered(load, 100)
        assert f"127.0.0.1:{mesh.gateway_port}" in envoy.admin.listeners().values()
        assert not any("removed" in line["xds"] for line in mesh.log("catalog changed") if "xds" in line)


async def test_a_server_that_starts_with_a_bad_catalog_serves_new_envoys(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """From its last good state on disk."""
    data = ("--data", str(tmp_path / "data"))
    with FolderMesh(tmp_path, [instance.address for instance in instances], *data) as mesh:
        await mesh.control_plane.ready()
        mesh.control_plane.stop()
        mesh.main.write_text("services: [\n")
        mesh.control_plane = mesh.start_control_plane(free_port())
        envoy = await mesh.start_gateway()
        assert len(envoy.admin.hosts("api-service")) == len(instances)
        async with under(mesh.load(200)) as load:
            await answered(load, 50)
        assert len(mesh.log("the last good state from disk is served, and not the catalog as it is now")) == 1
