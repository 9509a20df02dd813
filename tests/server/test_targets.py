"""`/v1/sd/prometheus`: where the metrics of connected Envoys are."""

import asyncio
import http.client
from functools import partial

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.server.administered import Administered, Sidecar, administered
from xds.server.clients.ask import Answers
from xds.server.clients.targets import Target, describe_targets, find_host
from xds.wire.discovery_pb2 import Locality
from xds.wire.node_metadata import METRICS_PORT, encode_metrics_port, find_metrics_port

PATH = "/v1/sd/prometheus"


async def connect(admin: Administered, node_id: str, metadata: bytes, locality: Locality) -> Sidecar:
    """Connect a client that says so of itself."""
    sidecar = admin.connect(node_id, metadata=metadata, locality=locality)
    await sidecar.take()
    return sidecar


async def test_clients_that_tell_a_port_are_listed_while_they_are_connected() -> None:
    """With what they say of themselves; a list that is empty is one too, and JSON as Prometheus demands."""
    async with administered() as admin:
        assert await admin.get(PATH) == []
        sidecar = await connect(admin, "web-1", encode_metrics_port(9902), Locality(region="eu", sub_zone="rack-1"))
        await connect(admin, "web-2", b"", Locality())
        await connect(admin, "web-3", b"\xff no Struct", Locality())
        labels = {"node_id": "web-1", "cluster": "web", "region": "eu", "sub_zone": "rack-1"}
        assert await admin.get(PATH) == [{"targets": ["127.0.0.1:9902"], "labels": labels}]
        connection = http.client.HTTPConnection(admin.address, timeout=10)
        await asyncio.to_thread(partial(connection.request, "GET", PATH, headers={"Accept": "application/json"}))
        response = await asyncio.to_thread(connection.getresponse)
        assert (response.status, response.headers.get_content_type()) == (200, "application/json")
        connection.close()
        sidecar.call.cancel()
        async with asyncio.timeout(10):
            while await admin.get(PATH):
                pass


async def test_a_list_that_may_lack_somebody_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus goes by the last whole one."""
    async with administered() as admin:

        async def ask(_question: object) -> Answers[list[Target]]:
            return Answers({0: []}, silent=(2,))

        monkeypatch.setattr(admin.server, "_ask", ask)
        connection = http.client.HTTPConnection(admin.address, timeout=10)
        await asyncio.to_thread(connection.request, "GET", PATH)
        response = await asyncio.to_thread(connection.getresponse)
        assert (response.status, response.read()) == (503, b'{"error": "worker 2 does not answer for its clients"}')
        connection.close()


def test_of_several_at_one_address_the_last_to_come_is_there() -> None:
    """An Envoy that has started anew, before the server knows that the old one is gone."""
    old, new = (Target("10.0.0.1:9902", (("node_id", name),), at) for name, at in (("old", 1.0), ("new", 2.0)))
    assert describe_targets([new, old]) == [{"targets": ["10.0.0.1:9902"], "labels": {"node_id": "new"}}]


@pytest.mark.parametrize(
    ("value", "port"),
    [(9902, 9902), ("9902", 9902), (9902.5, None), ("http", None), (0, None), (70000, None), (-1, None), (True, None)],
)
def test_a_port_is_read_as_text_or_a_number(value: float | str, port: int | None) -> None:
    """A person may have written it."""
    struct = Struct()
    struct.update({METRICS_PORT: value})
    assert find_metrics_port(struct.SerializeToString()) == port


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.3:4711", "10.0.0.3"),
        ("ipv6:%5B::1%5D:4711", "[::1]"),
        ("ipv6:[2001:db8::7]:4711", "[2001:db8::7]"),
        ("ipv6:%5B::ffff:10.0.0.3%5D:4711", "10.0.0.3"),
        ("unix:", None),
    ],
)
def test_the_host_is_where_the_client_comes_from(peer: str, host: str | None) -> None:
    """As a URL has it."""
    assert find_host(peer) == host
