"""gRPC's own client follows edits of the catalog while it calls, and no call fails."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.grpc_client.mesh import (
    MESH,
    NAMES,
    NEEDS_NODE,
    NODE,
    PYTHON,
    Caller,
    are_shared,
    start_instance,
    start_mesh,
    weigh,
    write_catalog,
)

CLIENTS = [pytest.param(PYTHON, id="python"), pytest.param(NODE, id="node", marks=NEEDS_NODE)]


async def follows(caller: Caller, *weights: int) -> None:
    """Wait until 600 calls are shared by these weights."""
    since = await caller.shown(lambda answers: are_shared(answers, *weights), 600, f"share its calls {weights}")
    print(f"weights {weights}:", Counter(caller.answers[since - 600 : since]))


async def test_the_client_follows_edited_weights(tmp_path: Path, addresses: list[str]) -> None:
    """The weights change from 3:2:1 to 1:2:3."""
    write_catalog(tmp_path / "catalog.yaml", "weighted", weigh(addresses, 3, 2, 1))
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach(*NAMES)
        await follows(mesh.caller, 3, 2, 1)
        mesh.write("weighted", weigh(addresses, 1, 2, 3))
        await follows(mesh.caller, 1, 2, 3)
        [change] = mesh.log("catalog changed")
        assert change["xds.streams"] == 1


@pytest.mark.parametrize(
    "balance", ["weighted", *(pytest.param(name, marks=pytest.mark.whole) for name in ("round_robin", "random"))]
)
async def test_the_client_follows_a_removed_endpoint_that_comes_back(
    tmp_path: Path, addresses: list[str], balance: str
) -> None:
    """The other endpoints get its calls, and then all endpoints share them again."""
    write_catalog(tmp_path / "catalog.yaml", balance, addresses)
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach(*NAMES)
        mesh.write(balance, addresses[:2])
        since = await mesh.caller.reach(*NAMES[:2])
        assert "api-3" not in await mesh.caller.next(300, since)
        mesh.write(balance, addresses)
        await mesh.caller.reach(*NAMES)
        print(f"{balance}: {len(mesh.caller.answers)} calls, none failed")


async def test_the_client_follows_another_balance(tmp_path: Path, addresses: list[str]) -> None:
    """The edit moves every endpoint into another locality."""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", addresses)
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach(*NAMES)
        mesh.write("weighted", weigh(addresses, 1, 2, 3))
        await follows(mesh.caller, 1, 2, 3)
        mesh.write("round_robin", addresses)
        await mesh.caller.shown(lambda answers: sorted(Counter(answers).values()) == [100] * 3, 300, "take turns")
        print(f"{len(mesh.caller.answers)} calls, none failed")


async def test_removing_an_instance_before_it_stops_fails_no_call(tmp_path: Path, addresses: list[str]) -> None:
    """An operator takes an instance out of service in this order."""
    with ExitStack() as ending:
        endpoints = [addresses[0], ending.enter_context(start_instance("api-4"))]
        write_catalog(tmp_path / "catalog.yaml", "round_robin", endpoints)
        async with start_mesh(tmp_path) as mesh:
            await mesh.caller.reach("api-1", "api-4")
            mesh.write("round_robin", addresses[:1])
            await mesh.caller.reach("api-1")
            ending.close()
            await mesh.caller.reach("api-1")
            print(f"{len(mesh.caller.answers)} calls, none failed")


async def test_the_client_leaves_an_instance_that_stops(tmp_path: Path, addresses: list[str]) -> None:
    """The catalog still names it. A gRPC server that stops may cancel a call that has just arrived."""
    with ExitStack() as ending:
        endpoints = [addresses[0], ending.enter_context(start_instance("api-4"))]
        write_catalog(tmp_path / "catalog.yaml", "round_robin", endpoints)
        async with start_mesh(tmp_path, may_fail=1) as mesh:
            await mesh.caller.reach("api-1", "api-4")
            ending.close()
            await mesh.caller.reach("api-1")
            print(f"{len(mesh.caller.answers)} calls, {len(mesh.caller.failures)} cancelled by the instance")


async def test_the_client_resolves_a_service_with_one_host_name(tmp_path: Path, addresses: list[str]) -> None:
    """The service is a LOGICAL_DNS cluster with the name."""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", [addresses[0].replace("127.0.0.1", "localhost")])
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach("api-1")


async def test_the_client_can_call_a_service_whose_protocol_is_http(tmp_path: Path, addresses: list[str]) -> None:
    """`protocol` is for Envoys. A caller with gRPC's client knows that the service accepts gRPC."""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", addresses, protocol="http", timeouts={"request": "5s"})
    async with start_mesh(tmp_path) as mesh:
        await mesh.caller.reach(*NAMES)


@pytest.mark.parametrize("program", CLIENTS)
async def test_a_targets_port_does_not_matter(tmp_path: Path, addresses: list[str], program: Sequence[str]) -> None:
    """`xds:///api-service:50051` is the service."""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", addresses)
    async with start_mesh(tmp_path, "xds:///api-service:50051", program=program) as mesh:
        await mesh.caller.reach(*NAMES)
        mesh.write("round_robin", addresses[:2])
        await mesh.caller.reach(*NAMES[:2])


async def test_a_target_with_a_port_follows_a_service_that_leaves_and_comes_back(
    tmp_path: Path, addresses: list[str]
) -> None:
    """Meanwhile calls fail. (Node's client does not recover from this, with a port or without.)"""
    write_catalog(tmp_path / "catalog.yaml", "round_robin", addresses)
    async with start_mesh(tmp_path, "xds:///api-service:50051", may_fail=100_000) as mesh:
        await mesh.caller.reach(*NAMES)
        mesh.catalog.write_text(json.dumps({"services": {"other": {}}, "mesh": MESH}))
        await mesh.caller.shown(lambda answers: all(one.startswith("!UNAVAILABLE") for one in answers), 3, "fail")
        mesh.write("round_robin", addresses)
        await mesh.caller.reach(*NAMES)
