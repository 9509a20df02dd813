"""An edit that a real Envoy refuses takes nothing down, and what a draining listener uses stays."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest

from tests.envoy_server.mesh import Mesh, until
from xds.cli.demo.processes import Envoy, Instance, free_port

LISTENER_THAT_FAILS = {"socket_options": [{"level": 1, "name": 9999, "int_value": 1, "state": "STATE_PREBIND"}]}
CLUSTER_THAT_FAILS: dict[str, Any] = {"load_balancing_policy": {"policies": []}}


class RefusingMesh(Mesh):
    """A mesh whose Envoy may refuse resources."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop all."""
        self.children.close()

    async def refused(self, catalog: str) -> None:
        """Save a catalog, and wait for the NACK."""
        before = len(self.log("NACK"))
        self.write(catalog)
        await until(lambda: len(self.log("NACK")) > before)


@pytest.fixture
def used_port() -> Iterator[int]:
    """Listen at a port, so that nobody else can."""
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        yield used.getsockname()[1]


def catalog(
    services: dict[str, Any], *ports: int | str, to: str = "api", envoy: dict[str, Any] | None = None, **more: Any
) -> str:
    """Return a catalog whose gateway has one listener at each port."""
    listeners = [{"address": "127.0.0.1", "port": port} for port in ports]
    edge = {"listeners": listeners, "routes": [{"prefix": "/", "to": to}], **more}
    if envoy:
        edge["envoy"] = envoy
    return json.dumps({"services": services, "gateways": {"edge": edge}})


def answers(port: int) -> bool:
    """Whether a service answers at a port of the gateway."""
    return httpx.get(f"http://127.0.0.1:{port}/api/data", trust_env=False).status_code == 200


def ports_of(envoy: Envoy) -> set[int]:
    """Return the ports at which Envoy listens."""
    return {int(address.rpartition(":")[2]) for address in envoy.admin.listeners().values()}


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_port_that_is_in_use_does_not_close_the_old_one(
    tmp_path: Path, instances: list[Instance], variant: str, used_port: int
) -> None:
    """The old port answers until the new one is mended. Removing a listener in so many words removes it."""
    services = {"api": {"endpoints": [instances[0].address]}}
    old, second, new = free_port(), free_port(), free_port()
    with RefusingMesh(tmp_path, catalog(services, old, second)) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", variant)
        await until(lambda: ports_of(envoy) == {old, second})
        await mesh.refused(catalog(services, used_port, second))
        mesh.write(catalog(services, used_port))
        await until(lambda: ports_of(envoy) == {old})
        assert answers(old)
        mesh.write(catalog(services, new))
        await until(lambda: ports_of(envoy) == {new})
        assert answers(new)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_refused_listener_gives_its_address_back(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """A listener gets another name at the same address, and Envoy refuses it."""
    services = {"api": {"endpoints": [instances[0].address]}}
    port = free_port()
    named = json.loads(catalog(services, port))
    named["gateways"]["edge"] = {"address": "127.0.0.1", "port": port, "routes": [{"prefix": "/", "to": "api"}]}
    with RefusingMesh(tmp_path, json.dumps(named)) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", variant)
        await until(lambda: envoy.admin.listeners().keys() == {"edge"})
        await mesh.refused(catalog(services, port, envoy={"listener": LISTENER_THAT_FAILS}))
        await until(lambda: envoy.admin.listeners().keys() == {"edge"})
        await until(lambda: answers(port))
        mesh.write(catalog(services, port))
        await until(lambda: envoy.admin.listeners().keys() == {f"edge/127.0.0.1:{port}"})
        await until(lambda: answers(port))


@pytest.mark.parametrize("stays", [False, True], ids=["renamed", "moved"])
@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_route_to_a_refused_cluster_goes_to_the_old_one(
    tmp_path: Path, instances: list[Instance], variant: str, *, stays: bool
) -> None:
    """The service is renamed, or the route moves to a new one. Envoy refuses the new cluster."""
    one, port = {"endpoints": [instances[0].address]}, free_port()
    old = {"api": one} if stays else {}
    with RefusingMesh(tmp_path, catalog({"api": one}, port)) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", variant)
        await until(lambda: answers(port))
        bad = {**one, "envoy": {"cluster": CLUSTER_THAT_FAILS}}
        await mesh.refused(catalog({**old, "new": bad}, port, to="new"))
        mesh.write(catalog({**old, "new": bad}, port, to="new", trusted_hops=1))  # another edit arrives as usual
        await until(lambda: "xff_num_trusted_hops" in json.dumps(envoy.admin.config_dump("dynamic_listeners")))
        assert answers(port)
        mesh.write(catalog({**old, "new": one}, port, to="new"))
        await until(lambda: bool(envoy.admin.hosts("new")))
        assert answers(port)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_kept_connections_of_a_renamed_listener_have_their_clusters(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """One edit renames the listener and the service. A connection that was open before goes on to work."""
    one, (old, new) = {"endpoints": [instances[0].address]}, (free_port(), free_port())
    with Mesh(tmp_path, catalog({"api": one}, old)) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", variant)
        await until(lambda: answers(old))
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{old}") as client:
            assert (await client.get("/api/data")).status_code == 200
            mesh.write(catalog({"renamed": one}, new, to="renamed"))
            await until(lambda: ports_of(envoy) == {new})
            await mesh.take(catalog({"renamed": one, "more": one}, new, to="renamed"))
            await until(lambda: answers(new))
            assert {(await client.get("/api/data")).status_code for _ in range(20)} == {200}
        assert envoy.admin.hosts("api")
