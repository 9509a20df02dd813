"""Real Envoys whose cluster the catalog does not name: a gateway that is renamed or removed, and a misspelt one."""

from pathlib import Path

import pytest

from tests.envoy_server.mesh import ONE_VARIANT, VARIANTS, Mesh, send, until
from xds.cli.demo.processes import free_port, start_instance


def make_catalog(instance: int, name: str = "edge", more: str = "") -> str:
    """Return a catalog of a gateway of that name, and of a TCP service that every sidecar has a listener for."""
    return (
        f"mesh: {{strangers: refuse}}\nservices:\n  api: {{endpoints: ['127.0.0.1:{instance}']}}\n"
        f"  db: {{protocol: tcp, local_port: {free_port()}, endpoints: ['127.0.0.1:{instance}']}}\n{more}"
        f"gateways:\n  {name}: {{address: 127.0.0.1, port: GATEWAY, routes: [{{to: api}}]}}\n"
    )


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_renamed_gateway_goes_on(tmp_path: Path, variant: str) -> None:
    """Its Envoy has its port and no other, after the rename, after a reconnection, and after a start of the server.

    Endpoints stay up to date while the server knows what the Envoy had. When the catalog has the name again, all is as
    before.
    """
    ports = [free_port(), free_port()]
    with Mesh(tmp_path, make_catalog(ports[0])) as mesh:
        for number, port in enumerate(ports, 1):
            await mesh.children.enter_context(start_instance(f"api-{number}", port, tmp_path)).ready()
        envoy = await mesh.start_gateway(variant)
        listeners = envoy.admin.listeners()
        assert len(listeners) == 1
        await mesh.take(make_catalog(ports[1], "edge-public"))
        load = mesh.load()
        await until(lambda: f"127.0.0.1:{ports[1]}" in envoy.admin.hosts("api"))
        assert {*await send(load, 20)} <= {"api-1", "api-2"}
        assert envoy.admin.listeners() == listeners
        mesh.control_plane.stop()
        mesh.control_plane = mesh.start_control_plane(int(mesh.control_plane.address.rpartition(":")[2]))
        await mesh.control_plane.ready()
        await until(lambda: [line for line in mesh.log("sidecar connected") if line["xds.cluster"] == "edge"])
        await send(mesh.load(), 20)
        assert envoy.admin.listeners() == listeners
        await mesh.take(make_catalog(ports[0]))
        await until(lambda: f"127.0.0.1:{ports[0]}" in envoy.admin.hosts("api"))
        assert envoy.admin.listeners() == listeners


@pytest.mark.parametrize("variant", ONE_VARIANT)
async def test_a_misspelt_gateway_starts_and_has_nothing(tmp_path: Path, variant: str) -> None:
    """It need not wait for anything. When the catalog names it, it listens."""
    with Mesh(tmp_path, make_catalog(free_port())) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edeg", variant)
        assert envoy.admin.listeners() == {}
        assert envoy.admin.hosts("api") == {}
        await mesh.take(make_catalog(free_port(), "edeg"))
        await envoy.listening(f"127.0.0.1:{mesh.gateway_port}")
