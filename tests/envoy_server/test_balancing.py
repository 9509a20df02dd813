"""The three classic algorithms: a real Envoy balances real requests."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.chance import by_chance, in_turn
from tests.envoy_server.mesh import ONE_VARIANT, VARIANTS, Mesh, make_catalog, send
from xds.cli.demo.processes import Instance

NAMES = ("api-1", "api-2", "api-3")


def weigh(instances: list[Instance], *weights: int) -> list[dict[str, object]]:
    """Return endpoints of the instances with these weights."""
    return [{"address": i.address, "weight": weight} for i, weight in zip(instances, weights, strict=True)]


@pytest.mark.parametrize("variant", VARIANTS)
async def test_round_robin_gives_each_instance_the_same_number(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """With one worker thread, instances differ by at most 1 after any number of requests."""
    with Mesh(tmp_path, make_catalog([instance.address for instance in instances])) as mesh:
        await mesh.start_gateway(variant)
        counts = await send(mesh.load(), 100)
        assert sorted(counts[name] for name in NAMES) == [33, 33, 34]


async def test_random_is_uniform_and_not_round_robin(tmp_path: Path, instances: list[Instance]) -> None:
    """Chance explains the counts, and how often an instance gets two requests in a row. Round robin never does that."""
    with Mesh(tmp_path, make_catalog([instance.address for instance in instances], "random")) as mesh:
        await mesh.start_gateway()
        load = mesh.load(500)
        counts = await send(load, 900)
        assert all(counts[name] in by_chance(900, 1 / 3) for name in NAMES)
        order = [answer.instance for answer in load.answers]
        repeats = sum(first == second for first, second in pairwise(order))
        assert repeats in by_chance(899, 1 / 3)


@pytest.mark.parametrize("variant", ONE_VARIANT)
async def test_weights_are_exact_within_one_round(tmp_path: Path, instances: list[Instance], variant: str) -> None:
    """With weights 3:2:1, each instance gets its share of 120 requests, up to a single round."""
    with Mesh(tmp_path, make_catalog(weigh(instances, 3, 2, 1), "weighted")) as mesh:
        await mesh.start_gateway(variant)
        counts = await send(mesh.load(), 120)
        for name, weight in zip(NAMES, (3, 2, 1), strict=True):
            assert counts[name] in in_turn(120, weight / 6, 3)
