"""`/v1/sd/prometheus` lists the addresses of the metrics of connected Envoys."""

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
    """Connect a client with these metadata."""
    sidecar = admin.connect(node_id, metadata=metadata, locality=locality)
    await sidecar.take()
    return sidecar


async def test_connected_clients_that_state_a_metrics_port_are_listed() -> None:
    """Each entry has what the client states about itself.

    An empty list is valid, and the JSON is as Prometheus requires.
    """
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


async def test_an_incomplete_list_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus then keeps the last complete list."""
    async with administered() as admin:

        async def ask(_question: object) -> Answers[list[Target]]:
            return Answers({0: []}, silent=(2,))

        monkeypatch.setattr(admin.server, "_ask", ask)
        connection = http.client.HTTPConnection(admin.address, timeout=10)
        await asyncio.to_thread(connection.request, "GET", PATH)
        response = await asyncio.to_thread(connection.getresponse)
        assert (response.status, response.read()) == (503, b'{"error": "worker 2 does not answer for its clients"}')
        connection.close()


def test_of_several_clients_with_one_address_the_newest_is_listed() -> None:
    """An Envoy may restart before the server knows that the old one is gone."""
    old, new = (Target("10.0.0.1:9902", (("node_id", name),), at) for name, at in (("old", 1.0), ("new", 2.0)))
    assert describe_targets([new, old]) == [{"targets": ["10.0.0.1:9902"], "labels": {"node_id": "new"}}]


@pytest.mark.parametrize(
    ("value", "port"),
    [(9902, 9902), ("9902", 9902), (9902.5, None), ("http", None), (0, None), (70000, None), (-1, None), (True, None)],
)
def test_a_metrics_port_may_be_text_or_a_number(value: float | str, port: int | None) -> None:
    """People write it by hand."""
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
def test_the_host_is_the_address_that_the_client_connects_from(peer: str, host: str | None) -> None:
    """It has the form that a URL needs."""
    assert find_host(peer) == host
