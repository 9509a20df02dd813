"""Rule 32 with a real Envoy: under traffic, one edit moves a route to a new service and removes the old service."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.envoy_server.mesh import Mesh, answered, make_catalog, under, until
from xds.cli.demo.processes import Envoy, Instance

MOVES = 50


def has_moved(envoy: Envoy, number: int) -> bool:
    """Whether Envoy has the new service and no longer the old one."""
    return bool(envoy.admin.hosts(f"service-{number}")) and not envoy.admin.hosts(f"service-{number - 1}")


@pytest.mark.parametrize(
    ("variant", "health"),
    [
        ("delta", True),
        ("sotw", False),
        pytest.param("delta", False, marks=pytest.mark.whole),
        pytest.param("sotw", True, marks=pytest.mark.whole),
    ],
)
async def test_a_route_moves_to_a_new_service_without_a_failure(
    tmp_path: Path, instances: list[Instance], variant: str, *, health: bool
) -> None:
    """The test does 50 such edits. Each new service is unknown to Envoy, and the edit removes the old one."""
    addresses = [instance.address for instance in instances]
    check = {"http": "/api/data", "interval": "1s", "timeout": "500ms"}
    service: dict[str, Any] = {"health_check": check} if health else {}

    def move(number: int) -> str:
        return make_catalog(addresses, "round_robin", **service).replace("api-service", f"service-{number}")

    with Mesh(tmp_path, move(0)) as mesh:
        envoy = await mesh.start_gateway(variant)
        async with under(mesh.load(150)) as load:
            for number in range(1, MOVES + 1):
                mesh.write(move(number))
                await until(partial(has_moved, envoy, number))
            await answered(load, 20)
        assert mesh.log("no answer in time, going on") == []
