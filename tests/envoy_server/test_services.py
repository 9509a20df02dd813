"""An Envoy that gets clusters and listeners over single-type streams, and the other types over ADS."""

import json
from pathlib import Path

import pytest

from tests.envoy_server.mesh import Mesh, make_catalog, send, until
from xds.catalog.text.addresses import Listen
from xds.cli.demo.processes import Instance, start_envoy
from xds.resources.bootstrap.bootstrap import XDS_CLUSTER, ApiType, build_bootstrap
from xds.resources.decode import decode_message


def make_bootstrap(server: Listen, api_type: ApiType) -> str:
    """Return a bootstrap in which CDS and LDS call StreamClusters and StreamListeners, or the Delta methods."""
    bootstrap = decode_message(build_bootstrap("edge-1", "edge", server, Listen("127.0.0.1", 0), api_type))
    source = {
        "resource_api_version": "V3",
        "api_config_source": {
            "api_type": "DELTA_GRPC" if api_type is ApiType.DELTA else "GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}}],
        },
    }
    bootstrap["dynamic_resources"] |= {"cds_config": source, "lds_config": source}
    return json.dumps(bootstrap)


@pytest.mark.parametrize("api_type", [ApiType.SOTW, ApiType.DELTA])
async def test_an_envoy_can_use_single_type_services_beside_ads(
    tmp_path: Path, instances: list[Instance], api_type: ApiType
) -> None:
    """It balances, and follows an edit of clusters from one stream and of endpoints from the other."""
    one, two, three = (instance.address for instance in instances)
    with Mesh(tmp_path, make_catalog([one, two])) as mesh:
        await mesh.control_plane.ready()
        host, _, port = mesh.control_plane.address.rpartition(":")
        text = make_bootstrap(Listen(host, int(port)), api_type)
        envoy = mesh.children.enter_context(start_envoy(text, tmp_path, name="edge-1"))
        await envoy.ready()
        await envoy.listening(f"127.0.0.1:{mesh.gateway_port}")
        assert await send(mesh.load(), 50) == {"api-1": 25, "api-2": 25}
        assert len(mesh.log("sidecar connected")) >= 3  # CDS, LDS and ADS
        mesh.write(make_catalog([one, three], "random"))
        await until(lambda: set(envoy.admin.hosts("api-service")) == {one, three})
        counts = await send(mesh.load(), 50)
        assert counts.keys() == {"api-1", "api-3"}
