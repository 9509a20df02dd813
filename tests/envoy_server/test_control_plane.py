"""The control plane dies, comes back and changes its variant; Envoy's traffic and configuration do not care."""

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
from xds.catalog.model.locality import NOWHERE
from xds.cli.demo.processes import Envoy, Instance, free_port
from xds.resources.view import NodeKind, build_view


def bytes_received(envoy: Envoy) -> int:
    """Count what Envoy received from the control plane since it started."""
    return envoy.admin.stats("cluster.xds_cluster.upstream_cx_rx_bytes_total")[
        "cluster.xds_cluster.upstream_cx_rx_bytes_total"
    ]


def is_connected(envoy: Envoy) -> bool:
    """Tell whether Envoy has a stream to the control plane."""
    return envoy.admin.stats("control_plane.connected_state")["control_plane.connected_state"] == 1


async def test_a_killed_control_plane_costs_no_request_and_resends_nothing(
    tmp_path: Path, instances: list[Instance], capsys: pytest.CaptureFixture[str]
) -> None:
    """Envoy goes on without it; when it is back, a delta Envoy is sent nothing that it has: the bytes are counted."""
    endpoints = [instance.address for instance in instances]
    many = {f"service-{number}": {"endpoints": endpoints} for number in range(50)}
    catalog = json.loads(make_catalog(endpoints).replace("GATEWAY", '"GATEWAY"'))
    catalog["services"].update(many)
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
        assert again < 500  # HTTP/2's own frames and headers; the smallest resource is larger than what is left
        with capsys.disabled():
            print(f" [first: {first} bytes, after the restart: {again}]", end="")
        # It is not just silence: what changes now arrives.
        mesh.write(make_catalog(endpoints[:2]))
        await until(lambda: len(envoy.admin.hosts("api-service")) == 2)


async def test_sotw_and_delta_give_the_same_configuration(tmp_path: Path, instances: list[Instance]) -> None:
    """Two gateways, one of each variant, dump the same clusters, endpoints, listeners and routes."""
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
    """Keep what xds sent, by kind: no times, no versions of a whole type (delta has one for each resource)."""
    kinds = {}
    for config in dump["configs"]:
        kind = config.pop("@type").rpartition(".")[2]
        if kind not in ("BootstrapConfigDump", "SecretsConfigDump"):
            kinds[kind] = scrub(config)
    return kinds


def scrub(value: Any) -> Any:
    """Leave out times and versions, and the control plane's own cluster, at any depth."""
    if isinstance(value, list):
        return sorted((scrub(item) for item in value if "xds_cluster" not in json.dumps(item)), key=json.dumps)
    if isinstance(value, dict):
        return {k: scrub(v) for k, v in value.items() if k not in ("last_updated", "version_info", "client_status")}
    return value


def put_certificates(folder: Path, names: list[str]) -> None:
    """Put a certificate, or its key, where a catalog says that there is one."""
    if names:
        pair = make_authority(folder).issue("localhost")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((pair.key if name.endswith(".key") else pair.certificate).read_bytes())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Start a control plane for many catalogs, one after the other."""
    mesh = Mesh(tmp_path_factory.mktemp("server"), make_catalog([]))
    with mesh.children:
        yield mesh


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parent.name)
async def test_envoy_takes_all_that_the_checker_passes(tmp_path: Path, server: Mesh, path: Path) -> None:
    """Every golden catalog, for every kind of node that it has, without a NACK: else the checker has a hole."""
    text, catalog = path.read_text(), read_catalog(path)
    put_certificates(tmp_path / "certs", re.findall(r"/certs/([\w/.]+)", text))
    text = text.replace("/certs/", f"{tmp_path}/certs/")
    ports = {port: str(free_port()) for port in ("8080", "8443", "6379", "5432")}
    text = re.sub("|".join(ports), lambda match: ports[match[0]], text)
    inventory = build_inventory(catalog)
    views = {
        build_view(inventory, NodeKind(name, locality=locality)): (name, locality)
        for name in [*catalog.gateways, *catalog.services, "anyone"]
        for locality in (HERE, NOWHERE)  # which most catalogs do not care for: the last of equal views is tried
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
