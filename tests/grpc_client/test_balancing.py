"""gRPC's own client balances real calls as the catalog says. It gets the balance as localities with weights."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import grpc
import pytest

from tests.chance import by_chance
from tests.grpc_client.mesh import NAMES, are_shared, start_instance, start_mesh, weigh, write_catalog


async def test_round_robin_gives_each_instance_the_same_number(tmp_path: Path, addresses: list[str]) -> None:
    """Once all are connected, any consecutive calls differ by at most 1, whatever zones the catalog names."""
    zoned = [{"address": address, "zone": f"z{min(n, 1)}"} for n, address in enumerate(addresses)]
    write_catalog(tmp_path / "catalog.yaml", "round_robin", zoned)
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach(*NAMES)
        answers = await mesh.caller.next(301, since)
        print("round robin:", Counter(answers))
        assert sorted(Counter(answers).values()) == [100, 100, 101]
        assert all(set(answers[n : n + 3]) == {*NAMES} for n in range(0, 300, 3))


async def test_random_is_uniform_and_not_round_robin(tmp_path: Path, addresses: list[str]) -> None:
    """Chance explains the counts, and how often an instance gets two calls in a row. Round robin never does that."""
    write_catalog(tmp_path / "catalog.yaml", "random", addresses)
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach(*NAMES)
        answers = await mesh.caller.next(1200, since)
        print("random:", Counter(answers))
        assert are_shared(answers, 1, 1, 1)
        assert sum(one == other for one, other in pairwise(answers)) in by_chance(1199, 1 / 3)


async def test_weighted_gives_each_instance_its_share(tmp_path: Path, addresses: list[str]) -> None:
    """With weights 3:2:1, chance explains the counts."""
    write_catalog(tmp_path / "catalog.yaml", "weighted", weigh(addresses, 3, 2, 1))
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach(*NAMES)
        answers = await mesh.caller.next(1200, since)
        print("weighted 3:2:1:", Counter(answers))
        assert are_shared(answers, 3, 2, 1)


async def test_the_load_that_instances_report_sets_their_shares(tmp_path: Path) -> None:
    """Three times the utilization gets a third of the calls, whatever zones the catalog names."""
    balance = {"client_side_weighted": {"blackout_period": "10ms", "weight_update_period": "100ms"}}
    with start_instance("idle", 0.2) as idle, start_instance("busy", 0.6) as busy:
        endpoints = [{"address": idle, "zone": "a"}, {"address": busy, "zone": "b"}]
        write_catalog(tmp_path / "catalog.yaml", balance, endpoints)
        async with start_mesh(tmp_path) as mesh:

            def is_so(answers: list[str]) -> bool:
                return answers.count("idle") in by_chance(200, 3 / 4)

            since = await mesh.caller.shown(is_so, 200, "share by load")
            answers = await mesh.caller.next(200, since)
            print("client_side_weighted:", Counter(answers))
            assert is_so(answers)


async def test_calls_are_retried_by_status(tmp_path: Path, addresses: list[str]) -> None:
    """The catalog names the statuses. Half of the calls reach an instance that fails, and no call is lost."""
    with start_instance("away", status=grpc.StatusCode.UNAVAILABLE) as away:
        retries = {"on": ["unavailable"], "back_off": {"base": "10ms"}}
        write_catalog(tmp_path / "catalog.yaml", "round_robin", [away, addresses[0]], retries=retries)
        async with start_mesh(tmp_path) as mesh:
            assert {*await mesh.caller.next(60, 0)} == {"api-1"}


@pytest.mark.parametrize("balance", ["ring_hash", "maglev"])
async def test_hashing_keeps_a_channel_on_one_instance(tmp_path: Path, addresses: list[str], balance: str) -> None:
    """With `source`, all calls of a channel have the same hash.

    The client also accepts a hash of a header that the calls lack.
    """
    endpoints, affinity = weigh(addresses, 3, 2, 1), {"header": "x-user", "source": True}
    write_catalog(tmp_path / "catalog.yaml", balance, endpoints, affinity=affinity)
    async with start_mesh(tmp_path) as mesh:
        assert len({*await mesh.caller.next(200, 0)}) == 1


async def test_edits_between_round_robin_and_hashing_fail_no_call(tmp_path: Path, addresses: list[str]) -> None:
    """This holds in both directions. With a header that the calls lack, they go to any instance."""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", addresses)
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach(*NAMES)
        mesh.write("ring_hash", addresses, affinity={"source": True})
        await mesh.caller.shown(lambda answers: len({*answers}) == 1, 100, "keep to one instance")
        mesh.write("maglev", addresses, affinity={"header": "x-user"})
        await mesh.caller.reach(*NAMES)
        mesh.write("least_request", addresses)
        await mesh.caller.shown(lambda answers: sorted(Counter(answers).values()) == [100] * 3, 300, "take turns")


async def test_a_drained_endpoint_gets_no_calls(tmp_path: Path, addresses: list[str]) -> None:
    """xds does not send it to gRPC's client."""
    write_catalog(tmp_path / "catalog.yaml", "least_request", addresses)
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach(*NAMES)
        drained, unhealthy = {"address": addresses[0], "drain": True}, {"address": addresses[1], "health": "unhealthy"}
        mesh.write("least_request", [drained, unhealthy, addresses[2]])
        since = await mesh.caller.reach("api-3")
        assert {*await mesh.caller.next(100, since)} == {"api-3"}
