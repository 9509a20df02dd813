"""gRPC's own client calls its own zone first, while any endpoint there is reachable, and follows locality weights."""

from contextlib import ExitStack
from pathlib import Path

from tests.grpc_client.mesh import NAMES, start_instance, start_mesh, write_catalog
from tests.grpc_client.test_edits import follows
from xds.catalog.model.locality import Locality


async def test_the_clients_own_zone_comes_first(tmp_path: Path, addresses: list[str]) -> None:
    """All calls go to the zone. When its last instance stops, they go to the region. Zone weights share the calls.

    A gRPC server that stops may cancel a call that has just arrived.
    """
    with ExitStack() as ending:
        places = zip(
            (ending.enter_context(start_instance("api-1")), *addresses[1:]), ("eu", "eu", "us"), "abc", strict=True
        )
        endpoints = [{"address": address, "region": region, "zone": zone} for address, region, zone in places]
        write_catalog(tmp_path / "catalog.yaml", "round_robin", endpoints, locality="failover")
        async with start_mesh(tmp_path, may_fail=1, locality=Locality("eu", "a")) as mesh:
            since = await mesh.caller.reach("api-1")
            assert {*await mesh.caller.next(200, since)} == {"api-1"}
            mesh.write("round_robin", endpoints, locality={"weights": {"a": 60, "b": 30, "us": 10}})
            await mesh.caller.reach(*NAMES)
            await follows(mesh.caller, 6, 3, 1)
            mesh.write("weighted", endpoints, locality={"weights": {"a": 10, "eu/b": 30, "us/c": 60}})
            await follows(mesh.caller, 1, 3, 6)
            mesh.write("random", endpoints, locality="failover")
            await mesh.caller.reach("api-1")
            ending.close()
            since = await mesh.caller.reach("api-2")
            assert {*await mesh.caller.next(200, since)} == {"api-2"}
