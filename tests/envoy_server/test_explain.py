"""Compares what `xds explain` expects of an Envoy with what the Envoy does."""

import json
from pathlib import Path
from typing import Any

from tests.chance import by_chance
from tests.cli.asking import run
from tests.envoy_server.mesh import Mesh, make_catalog, send
from xds.cli.demo.processes import Instance

REQUESTS = 800


async def test_every_endpoint_gets_the_share_that_explain_prints(tmp_path: Path, instances: list[Instance]) -> None:
    """Healthy endpoints share by weight. The degraded one gets what exceeds 1.4 times their capacity."""
    marks: tuple[dict[str, Any], ...] = ({"weight": 3}, {"weight": 1}, {"health": "degraded"})
    endpoints = [{"address": one.address, **mark} for one, mark in zip(instances, marks, strict=True)]
    with Mesh(tmp_path, make_catalog(endpoints, "weighted")) as mesh:
        await mesh.start_gateway()
        code, printed, errors = await run(
            "explain", "api-service", "--catalog", str(mesh.catalog), "--node", "edge", "--output", "json"
        )
        assert (code, errors) == (0, "")
        explained = json.loads(printed)["choices"][0]["endpoints"]
        shares = {one["address"]: one["percent"] / 100 for one in explained}
        counts = await send(mesh.load(), REQUESTS)
        print({name: round(share, 4) for name, share in shares.items()}, counts)
        assert [round(shares[one.address], 4) for one in instances] == [0.6975, 0.2325, 0.07]
        for index, instance in enumerate(instances, 1):
            assert counts[f"api-{index}"] in by_chance(REQUESTS, shares[instance.address])
