"""Many edits in a short time cause few pushes, and the last edit wins. A single edit goes out at once."""

from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from tests.server.serving import DELTA_ADS, Call, delta, make_catalog, read_delta
from tests.warm import start_control_plane
from xds.cli.demo.processes import free_port
from xds.wire import CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryResponse
from xds.wire.endpoint_pb2 import ClusterLoadAssignment

EDITS = 1000


def weight_of(response: DeltaDiscoveryResponse) -> int:
    """Return the weight of the one endpoint in a response."""
    [resource] = response.resources
    assignment = ClusterLoadAssignment.FromString(AnyMessage.FromString(resource.resource).value)
    return assignment.endpoints[0].lb_endpoints[0].load_balancing_weight.value


async def test_a_burst_of_edits_becomes_a_few_pushes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file is saved 1,000 times as fast as possible. The client ends with the last weight."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(make_catalog("a"))
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off") as control_plane:
        await control_plane.ready()
        async with grpc.aio.insecure_channel(control_plane.address) as channel:
            stream: Call = channel.stream_stream(DELTA_ADS)()
            await stream.write(delta(CLUSTER_LOAD_ASSIGNMENT, "a"))
            response = await read_delta(stream)
            for number in range(2, EDITS + 2):
                fresh = tmp_path / ".fresh"
                fresh.write_text(make_catalog("a", weight=number))
                fresh.replace(catalog)
            pushes = 0
            while weight_of(response) != EDITS + 1:
                await stream.write(delta(CLUSTER_LOAD_ASSIGNMENT, nonce=response.nonce))
                response = await read_delta(stream)
                pushes += 1
        with capsys.disabled():
            print(f" [{EDITS} edits: {pushes} pushes]", end="")
        assert 1 <= pushes <= 30
