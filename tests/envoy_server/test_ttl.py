"""Rule 36: Envoy drops resources with a TTL when the control plane no longer renews them."""

import os
import signal
from pathlib import Path

import pytest

from tests.envoy_server.mesh import VARIANTS, Mesh, make_catalog, until
from xds.cli.demo.processes import Envoy, Instance


def stats(envoy: Envoy, name: str) -> int:
    """Return a counter of `api-service`."""
    return envoy.admin.stats(f"cluster.api-service.{name}")[f"cluster.api-service.{name}"]


@pytest.mark.parametrize("variant", VARIANTS)
async def test_endpoints_with_a_ttl_live_as_long_as_the_control_plane(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """They stay for several times their TTL and expire when it stops. They return with it on the same stream."""
    with Mesh(tmp_path, make_catalog([instance.address for instance in instances], ttl="1s")) as mesh:
        envoy = await mesh.start_gateway(variant)
        received = stats(envoy, "assignment_timeout_received")
        await until(lambda: stats(envoy, "assignment_timeout_received") >= received + 8)  # three for each second
        assert stats(envoy, "assignment_stale") == 0
        os.kill(mesh.control_plane.pid, signal.SIGSTOP)
        try:
            await until(lambda: not envoy.admin.hosts("api-service"))
        finally:
            os.kill(mesh.control_plane.pid, signal.SIGCONT)
        await until(lambda: len(envoy.admin.hosts("api-service")) == len(instances))
        assert len(mesh.log("sidecar connected")) == 1
