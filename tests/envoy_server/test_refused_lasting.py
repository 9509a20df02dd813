"""A secret that a real Envoy refuses takes nothing down, nor does the end of a stream while an edit is refused."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, KeyPair, make_authority
from tests.envoy_server.mesh import until
from tests.envoy_server.test_listeners import get, serial, shown, write
from tests.envoy_server.test_refused import (
    CLUSTER_THAT_FAILS,
    RefusingMesh,
    answers,
    catalog,
    ports_of,
    used_port,
)
from xds.cli.demo.processes import Envoy, Instance, free_port

__all__ = ["used_port"]

HOST = "shop.example"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Create a certificate authority with its files in `certs`."""
    return make_authority(tmp_path / "certs")


class LastingMesh(RefusingMesh):
    """A mesh whose control plane stores its state, and can be killed and started again."""

    def __init__(self, folder: Path, catalog: str) -> None:
        self.options = ("--data", str(folder / "data"))
        super().__init__(folder, catalog)

    def restart(self) -> None:
        """Kill the control plane, and start another at its port. It has a new log."""
        self.control_plane.process.send_signal(signal.SIGKILL)
        self.control_plane.process.wait()
        port = int(self.control_plane.address.rpartition(":")[2])
        self.control_plane.log.unlink()
        self.control_plane = self.start_control_plane(port)

    async def stored(self) -> None:
        """Wait until what the Envoy refused is stored, and not only what it drains."""
        files = (self.folder / "data").glob
        await until(lambda: any(node["refused"] for file in files("*.held") for node in read_nodes(file)))


def read_nodes(file: Path) -> list[Any]:
    """Return what is stored of each node."""
    nodes: list[Any] = json.loads(file.read_text())["nodes"]
    return nodes


def with_tls(instance: Instance, pair: KeyPair, **more: Any) -> str:
    """Return a catalog whose gateway has a certificate."""
    listener = {"port": "GATEWAY", "tls": {"certificates": [shown(pair)]}}
    return write({"api": {"endpoints": [instance.address]}}, listener, routes=[{"to": "api"}], **more)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_certificate_that_is_missing_takes_no_port_down(
    tmp_path: Path, authority: Authority, instances: list[Instance], variant: str
) -> None:
    """The old one is used until the edit is corrected, also when the server starts again meanwhile."""
    old, new = authority.issue(HOST), KeyPair(authority.folder / "new.pem", authority.folder / "new.key")
    with LastingMesh(tmp_path, with_tls(instances[0], old)) as mesh:
        await mesh.start_gateway(variant)
        port = mesh.gateway_port

        def answers_as(number: object) -> bool:
            return (
                serial(port, HOST, authority) == number
                and get(port, HOST, "/api/data", trust=authority).status_code == 200
            )

        was = serial(port, HOST, authority)
        await mesh.refused(with_tls(instances[0], new))
        await until(lambda: answers_as(was))
        await mesh.stored()
        mesh.restart()
        await until(lambda: mesh.log("sidecar connected"))
        await mesh.take(with_tls(instances[0], new, limits={"header_size": "96KiB"}))
        assert all(answers_as(was) for _ in range(20))
        await mesh.take(with_tls(instances[0], old))
        assert answers_as(was)
        good = authority.issue(HOST, file="good")
        await mesh.take(with_tls(instances[0], good))
        await until(lambda: serial(port, HOST, authority) != was)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_certificate_that_does_not_fit_its_key_stops_no_later_edit(
    tmp_path: Path, authority: Authority, instances: list[Instance], variant: str
) -> None:
    """Envoy keeps the content that it has refused, so it is sent again what it had before."""
    one, other = authority.issue(HOST), authority.issue(HOST, file="other")
    with RefusingMesh(tmp_path, with_tls(instances[0], one)) as mesh:
        envoy = await mesh.start_gateway(variant)
        await mesh.refused(with_tls(instances[0], KeyPair(one.certificate, other.key)))
        await mesh.take(with_tls(instances[0], one, trusted_hops=1))
        await until(lambda: "xff_num_trusted_hops" in json.dumps(envoy.admin.config_dump("dynamic_listeners")))
        assert get(mesh.gateway_port, HOST, "/api/data", trust=authority).status_code == 200
        assert len(mesh.log("NACK")) == 1


async def start_again(mesh: RefusingMesh, envoy: Envoy, variant: str) -> Envoy:
    """Kill a gateway's Envoy, and start another with its name."""
    envoy.process.kill()
    envoy.process.wait()
    return await mesh.start_envoy("edge-1", "edge", variant)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_refused_port_closes_no_other_when_server_or_envoy_start_again(
    tmp_path: Path, instances: list[Instance], variant: str, used_port: int
) -> None:
    """The server is killed, and then the Envoy."""
    services = {"api": {"endpoints": [instances[0].address]}}
    old, new = free_port(), free_port()
    with LastingMesh(tmp_path, catalog(services, old)) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", variant)
        await mesh.refused(catalog(services, used_port))
        await mesh.stored()
        mesh.restart()
        await until(lambda: mesh.log("NACK"))
        assert ports_of(envoy) == {old}
        envoy = await start_again(mesh, envoy, variant)
        await until(lambda: ports_of(envoy) == {old})
        assert answers(old)
        mesh.write(catalog(services, new))
        await until(lambda: ports_of(envoy) == {new})
        await until(lambda: not [*(tmp_path / "data").glob("*.held")])


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_refused_cluster_takes_no_route_when_server_or_envoy_start_again(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """The service was renamed, and Envoy refused the new cluster."""
    one, port = {"endpoints": [instances[0].address]}, free_port()
    bad = {**one, "envoy": {"cluster": CLUSTER_THAT_FAILS}}
    with LastingMesh(tmp_path, catalog({"api": one}, port)) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", variant)
        await until(lambda: answers(port))
        await mesh.refused(catalog({"new": bad}, port, to="new"))
        await mesh.stored()
        mesh.restart()
        await until(lambda: mesh.log("NACK"))
        assert all(answers(port) for _ in range(20))
        envoy = await start_again(mesh, envoy, variant)
        await until(lambda: answers(port))
        mesh.write(catalog({"new": one}, port, to="new"))
        await until(lambda: bool(envoy.admin.hosts("new")))
        assert answers(port)
