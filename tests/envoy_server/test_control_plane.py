"""The control plane dies, restarts and changes its variant. Envoy's traffic and configuration stay the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import make_authority
from tests.envoy_server.mesh import VARIANTS, Mesh, answered, make_catalog, under, until
from tests.inventories import build_inventory
from tests.resources.golden import CATALOGS, HERE, read_catalog
from tests.warm import start_control_plane
from xds.catalog.model.locality import NOWHERE
from xds.cli.demo.processes import ControlPlane, Envoy, Instance, free_port
from xds.resources.view import NodeKind, build_view


def bytes_received(envoy: Envoy) -> int:
    """Return the bytes that Envoy received from the control plane since it started."""
    return envoy.admin.stats("cluster.xds_cluster.upstream_cx_rx_bytes_total")[
        "cluster.xds_cluster.upstream_cx_rx_bytes_total"
    ]


def is_connected(envoy: Envoy) -> bool:
    """Whether Envoy has a stream to the control plane."""
    return envoy.admin.stats("control_plane.connected_state")["control_plane.connected_state"] == 1


async def test_a_killed_control_plane_fails_no_request_and_resends_nothing(
    tmp_path: Path, instances: list[Instance], capsys: pytest.CaptureFixture[str]
) -> None:
    """Envoy goes on without it.

    After the restart, the byte count shows that a delta Envoy gets nothing that it already has.
    """
    endpoints = [instance.address for instance in instances]
    many = {f"service-{number}": {"endpoints": endpoints} for number in range(50)}
    catalog = json.loads(make_catalog(endpoints).replace("GATEWAY", '"GATEWAY"'))
    catalog["services"].update(many)
    catalog["mesh"] = {"brake": "off"}  # the last edit removes most of them
    catalog["gateways"]["edge"]["routes"] += [{"path": f"/{name}", "to": name} for name in many]
    with Mesh(tmp_path, json.dumps(catalog).replace('"GATEWAY"', "GATEWAY")) as mesh:
        envoy = await mesh.start_gateway()
        first = bytes_received(envoy)
        async with under(mesh.load(100)) as load:
            mesh.control_plane.kill()
            await until(
                lambda: envoy.admin.stats("control_plane.connected_state")["control_plane.connected_state"] == 0
            )
            await answered(load, 50)
            before = bytes_received(envoy)
            port = int(mesh.control_plane.address.rpartition(":")[2])
            mesh.control_plane = mesh.start_control_plane(port)
            await mesh.control_plane.ready()
            await until(lambda: mesh.log("sidecar connected")[1:], 30)
            await answered(load, 50)
            again = bytes_received(envoy) - before
        assert first > 20_000
        assert again < 500  # HTTP/2's own frames and headers; the smallest resource is larger than this allowance
        with capsys.disabled():
            print(f" [first: {first} bytes, after the restart: {again}]", end="")
        # The stream works: a change now arrives.
        mesh.write(make_catalog(endpoints[:2]))
        await until(lambda: len(envoy.admin.hosts("api-service")) == 2)


async def test_sotw_and_delta_give_the_same_configuration(tmp_path: Path, instances: list[Instance]) -> None:
    """Two gateways, one for each variant, dump the same clusters, endpoints, listeners and routes."""
    dumps = []
    for variant in VARIANTS:
        folder = tmp_path / variant
        folder.mkdir()
        endpoints: list[str | dict[str, Any]] = [
            {"address": instances[0].address, "weight": 3, "zone": "a"},
            instances[1].address,
            instances[2].address,
        ]
        check = {"http": "/api/data", "interval": "1s", "timeout": "500ms"}
        with Mesh(folder, make_catalog(endpoints, "weighted", health_check=check)) as mesh:
            envoy = await mesh.start_envoy("web-1", "web", variant)
            await envoy.listening("127.0.0.1:15001")
            dumps.append(normalize(envoy.admin.config_dump()))
    assert dumps[0] == dumps[1]
    assert {"ClustersConfigDump", "EndpointsConfigDump", "ListenersConfigDump", "RoutesConfigDump"} <= dumps[0].keys()


def normalize(dump: Any) -> dict[str, Any]:
    """Return what xds sent, by kind, without times and without the version of a whole type.

    Delta has a version for each resource instead.
    """
    kinds = {}
    for config in dump["configs"]:
        kind = config.pop("@type").rpartition(".")[2]
        if kind not in ("BootstrapConfigDump", "SecretsConfigDump"):
            kinds[kind] = scrub(config)
    return kinds


def scrub(value: Any) -> Any:
    """Remove times, versions and the control plane's own cluster at any depth."""
    if isinstance(value, list):
        return sorted((scrub(item) for item in value if "xds_cluster" not in json.dumps(item)), key=json.dumps)
    if isinstance(value, dict):
        return {k: scrub(v) for k, v in value.items() if k not in ("last_updated", "version_info", "client_status")}
    return value


def put_certificates(folder: Path, names: list[str]) -> None:
    """Write a certificate or its key to a path that a catalog names."""
    if names:
        pair = make_authority(folder).issue("localhost")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((pair.key if name.endswith(".key") else pair.certificate).read_bytes())


class Unbraked(Mesh):
    """A mesh whose catalog can be replaced by one that has nothing of it: the file beside it turns the brake off."""

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve` with a folder that has the catalog and the other file."""
        catalogs = self.folder / "catalogs"
        catalogs.mkdir()
        (catalogs / "brake.yaml").write_text("mesh: {brake: off}\n")
        self.catalog = self.catalog.rename(catalogs / "catalog.yaml")
        options = ("--admin", "off", "--log", "json")
        return self.children.enter_context(start_control_plane(catalogs, port, self.folder, *options))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Start a control plane for many catalogs, one after the other."""
    mesh = Unbraked(tmp_path_factory.mktemp("server"), make_catalog([]))
    with mesh.children:
        yield mesh


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parent.name)
async def test_envoy_accepts_every_catalog_that_the_checker_accepts(tmp_path: Path, server: Mesh, path: Path) -> None:
    """For every golden catalog and every kind of node, Envoy sends no NACK. A NACK would be a gap in the checker."""
    text, catalog = path.read_text(), read_catalog(path)
    put_certificates(tmp_path / "certs", re.findall(r"/certs/([\w/.]+)", text))
    text = text.replace("/certs/", f"{tmp_path}/certs/")
    ports = {port: str(free_port()) for port in ("8080", "8443", "6379", "5432")}
    text = re.sub("|".join(ports), lambda match: ports[match[0]], text)
    inventory = build_inventory(catalog)
    views = {
        build_view(inventory, NodeKind(name, locality=locality)): (name, locality)
        for name in [*catalog.gateways, *catalog.services, "anyone"]
        for locality in (HERE, NOWHERE)  # most catalogs do not depend on it: the test tries the last of equal views
    }
    server.folder, refusals = tmp_path, len(server.log("NACK"))
    await server.control_plane.ready()
    await server.take(text)
    for node_cluster, locality in views.values():
        zone_aware = locality == HERE
        node_id = f"{'here' if zone_aware else 'node'}-of-{node_cluster}"
        with await server.start_envoy(node_id, node_cluster, "delta", locality, zone_aware=zone_aware) as envoy:
            rejected = {name: value for name, value in envoy.admin.stats("update_rejected").items() if value}
            assert rejected == {}
            assert envoy.admin.listeners()
    assert server.log("NACK")[refusals:] == []
