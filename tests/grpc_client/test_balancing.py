"""The catalog's balance, by what gRPC's own client does with real calls: it is told by localities and their weights."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

from tests.grpc_client.mesh import CHI_SQUARE_LIMIT, NAMES, chi_square, start_mesh, weigh, write_catalog


async def test_round_robin_gives_each_instance_the_same(tmp_path: Path, addresses: list[str]) -> None:
    """Once all are connected, any number of calls in a row differ by at most 1, whatever zones the catalog names."""
    zoned = [{"address": address, "zone": f"z{min(n, 1)}"} for n, address in enumerate(addresses)]
    write_catalog(tmp_path / "catalog.yaml", "round_robin", zoned)
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach(*NAMES)
        answers = await mesh.caller.next(301, since)
        print("round robin:", Counter(answers))
        assert sorted(Counter(answers).values()) == [100, 100, 101]
        assert all(set(answers[n : n + 3]) == {*NAMES} for n in range(0, 300, 3))


async def test_random_is_uniform_and_no_round(tmp_path: Path, addresses: list[str]) -> None:
    """A chi-square test at 0.001 does not tell the counts from chance, and the order is not a fixed one."""
    write_catalog(tmp_path / "catalog.yaml", "random", addresses)
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach(*NAMES)
        answers = await mesh.caller.next(1200, since)
        distance = chi_square(answers, dict.fromkeys(NAMES, 1))
        print("random:", Counter(answers), f"chi-square {distance:.2f}")
        assert distance < CHI_SQUARE_LIMIT
        assert sum(one == other for one, other in pairwise(answers)) > 250  # 400 by chance; a round has none


async def test_weighted_gives_each_instance_its_share(tmp_path: Path, addresses: list[str]) -> None:
    """Weights 3:2:1 by chance: a chi-square test at 0.001 does not tell the counts from them."""
    write_catalog(tmp_path / "catalog.yaml", "weighted", weigh(addresses, 3, 2, 1))
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach(*NAMES)
        answers = await mesh.caller.next(1200, since)
        distance = chi_square(answers, dict(zip(NAMES, (3, 2, 1), strict=True)))
        print("weighted 3:2:1:", Counter(answers), f"chi-square {distance:.2f}")
        assert distance < CHI_SQUARE_LIMIT
