"""gRPC's client in Node takes what xds sends. It knows fewer policies than the others, and rejects more."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.grpc_client.mesh import NAMES, NEEDS_NODE, NODE, start_mesh, weigh, write_catalog

pytestmark = NEEDS_NODE


@pytest.mark.parametrize(
    "balance",
    [
        "weighted",
        {"client_side_weighted": {"blackout_period": "10ms"}},
        pytest.param("round_robin", marks=pytest.mark.whole),  # the next test has it
        pytest.param("least_request", marks=pytest.mark.whole),
    ],
)
async def test_node_takes_the_cluster_and_reaches_every_instance(
    tmp_path: Path, addresses: list[str], balance: Any
) -> None:
    """Also the policy by reported load, which Node's client does not know: it takes endpoints in turn."""
    endpoints = weigh(addresses, 1, 1, 1) if balance == "weighted" else addresses
    write_catalog(tmp_path / "catalog.yaml", balance, endpoints)
    async with start_mesh(tmp_path, program=NODE) as mesh:
        since = await mesh.caller.reach(*NAMES)
        print(balance, Counter(await mesh.caller.next(150, since)))


async def test_node_follows_an_edit(tmp_path: Path, addresses: list[str]) -> None:
    """An endpoint that leaves the catalog gets no more calls, and no call fails."""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", addresses)
    async with start_mesh(tmp_path, program=NODE) as mesh:
        await mesh.caller.reach(*NAMES)
        mesh.write("round_robin", addresses[:2])
        await mesh.caller.reach(*NAMES[:2])
