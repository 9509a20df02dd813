"""An Envoy that cannot stream polls over HTTP, and balances and follows edits like any other."""

import json
from pathlib import Path
from socket import socket

from tests.envoy_server.mesh import Mesh, answered, make_catalog, send, under, until
from tests.warm import start_control_plane
from xds.catalog.text.addresses import Listen
from xds.cli.demo.processes import ControlPlane, Envoy, Instance, free_port, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message


class RestMesh(Mesh):
    """A mesh whose control plane also answers polls."""

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve --rest`."""
        self.rest_port = free_port()
        options = ("--log", "json", "--rest", f"127.0.0.1:{self.rest_port}")
        return self.children.enter_context(start_control_plane(self.catalog, port, self.folder, *options))

    async def start_gateway(self, variant: str = "rest") -> Envoy:
        """Start the gateway `edge`, and wait until it listens."""
        await self.control_plane.ready()
        rest = Listen("127.0.0.1", self.rest_port)
        bootstrap = build_bootstrap("edge-1", "edge", rest, Listen("127.0.0.1", 0), ApiType(variant))
        text = json.dumps(decode_message(bootstrap))
        envoy = self.children.enter_context(start_envoy(text, self.folder, name="edge-1"))
        await envoy.ready()
        await envoy.listening(f"127.0.0.1:{self.gateway_port}")
        return envoy


async def test_an_envoy_that_polls_keeps_its_port_when_it_refuses_the_new_one(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """The new port is in use. The old one answers until the edit is mended."""

    def at(port: int | str) -> str:
        listeners = [{"address": "127.0.0.1", "port": port}]
        catalog = json.loads(make_catalog([instances[0].address]).replace("GATEWAY", "0"))
        catalog["gateways"]["edge"] = {"listeners": listeners, "routes": [{"prefix": "/", "to": "api-service"}]}
        return json.dumps(catalog).replace('"GATEWAY"', "GATEWAY")

    with RestMesh(tmp_path, at("GATEWAY")) as mesh, socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        envoy = await mesh.start_gateway()
        await mesh.take(at(used.getsockname()[1]))
        await until(lambda: envoy.admin.stats("lds.update_rejected").get("listener_manager.lds.update_rejected", 0) > 1)
        await send(mesh.load(), 20)
        free = free_port()
        mesh.write(at(free))
        await until(lambda: [*envoy.admin.listeners().values()] == [f"127.0.0.1:{free}"])


async def test_an_envoy_that_polls_balances_and_follows_edits(tmp_path: Path, instances: list[Instance]) -> None:
    """Clusters, endpoints, listeners and routes come by polls alone. An edit arrives with the next poll."""
    one, two, three = (instance.address for instance in instances)
    with RestMesh(tmp_path, make_catalog([one, two])) as mesh:
        envoy = await mesh.start_gateway()
        counts = await send(mesh.load(), 50)
        assert counts == {"api-1": 25, "api-2": 25}
        async with under(mesh.load(100)) as load:
            mesh.write(make_catalog([one, three], "random"))
            await until(lambda: set(envoy.admin.hosts("api-service")) == {one, three})
            await answered(load, 20)
        rejected = {name: value for name, value in envoy.admin.stats("update_rejected").items() if value}
        assert rejected == {}
