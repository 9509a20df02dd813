"""An Envoy that cannot stream polls over HTTP, and balances and follows edits like any other."""

import json
from pathlib import Path

from tests.envoy_server.mesh import Mesh, answered, make_catalog, send, under, until
from xds.catalog.text.addresses import Listen
from xds.cli.demo.processes import ControlPlane, Instance, free_port, start_control_plane, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message


class RestMesh(Mesh):
    """A mesh whose control plane also answers polls."""

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve --rest`."""
        self.rest_port = free_port()
        options = ("--log", "json", "--rest", f"127.0.0.1:{self.rest_port}")
        return self.children.enter_context(start_control_plane(self.catalog, port, self.folder, *options))


async def test_an_envoy_that_polls_balances_and_follows_edits(tmp_path: Path, instances: list[Instance]) -> None:
    """Clusters, endpoints, listeners and routes come by polls alone. An edit arrives with the next poll."""
    one, two, three = (instance.address for instance in instances)
    with RestMesh(tmp_path, make_catalog([one, two])) as mesh:
        await mesh.control_plane.ready()
        bootstrap = build_bootstrap(
            "edge-1", "edge", Listen("127.0.0.1", mesh.rest_port), Listen("127.0.0.1", 0), ApiType.REST
        )
        envoy = mesh.children.enter_context(start_envoy(json.dumps(decode_message(bootstrap)), tmp_path, name="edge-1"))
        await envoy.ready()
        await envoy.listening(f"127.0.0.1:{mesh.gateway_port}")
        counts = await send(mesh.load(), 50)
        assert counts == {"api-1": 25, "api-2": 25}
        async with under(mesh.load(100)) as load:
            mesh.write(make_catalog([one, three], "random"))
            await until(lambda: set(envoy.admin.hosts("api-service")) == {one, three})
            await answered(load, 20)
        rejected = {name: value for name, value in envoy.admin.stats("update_rejected").items() if value}
        assert rejected == {}
