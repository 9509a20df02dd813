"""A node that comes back loses nothing by what happened meanwhile: to its stream, to the catalog, to the server."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.server.administered import administered
from tests.server.editing import EDGE, editing, running, write
from tests.server.providing import MemorySource
from tests.server.serving import SOTW_ADS, make_catalog, read_sotw, serving
from xds.cli.demo.processes import await_until
from xds.resources.view import NodeKind, kind_of
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest, Node

GATEWAY = """\
services: {old: {endpoints: ['127.0.0.1:1']}, new: {endpoints: ['127.0.0.1:2']}}
gateways: {edge: {port: 8080, routes: [{to: old}]}}
"""
MOVED = """\
services: {new: {endpoints: ['127.0.0.1:2']}}
gateways: {edge: {listeners: [{port: 8080}], routes: [{to: new}]}}
"""
"""The listener has another name."""
FILES = {"s0": write("s0"), "s1": write("s1"), "edge": EDGE}


async def say_first(call: Any, version_info: str, cluster: str = "edge") -> None:
    """Ask for clusters on a new stream of State of the World."""
    node = Node(id=f"{cluster}-1", cluster=cluster)
    request = DiscoveryRequest(node=node, type_url=CLUSTER, version_info=version_info)
    await call.write(request.SerializeToString())


async def find_version(address: str) -> str:
    """Return the version of the clusters of a gateway that has nothing yet."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(SOTW_ADS)()
        await say_first(call, "")
        return (await read_sotw(call)).version_info


async def test_a_cluster_that_went_while_a_node_was_away_is_served_to_it() -> None:
    """A node that is new is not sent it."""
    async with serving(make_catalog("a", "b")) as server:
        call = server.open(SOTW_ADS)
        await say_first(call, "")
        before = await read_sotw(call)
        call.cancel()
        await server.edit(make_catalog("b", "c"))
        for version_info, count in ((before.version_info, 3), ("", 2)):
            call = server.open(SOTW_ADS)
            await say_first(call, version_info)
            assert len((await read_sotw(call)).resources) == count
            call.cancel()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_cluster_that_went_while_no_server_ran_is_served_to_a_node_that_had_it(
    tmp_path: Path, workers: int
) -> None:
    """The last good state says what was served before."""
    folder, data = tmp_path / "catalog", tmp_path / "data"
    async with editing(folder, FILES, data=data, workers=workers) as mesh:
        version = await find_version(f"127.0.0.1:{mesh.control_plane.port}")
    (folder / "s0.yaml").unlink()
    (folder / "edge.yaml").write_text(EDGE.replace("s0", "s1"))
    async with (
        running(folder, data=data, workers=workers) as again,
        grpc.aio.insecure_channel(f"127.0.0.1:{again.port}") as channel,
    ):
        call: Any = channel.stream_stream(SOTW_ADS)()
        await say_first(call, version)
        assert len((await read_sotw(call)).resources) == 2
        call.cancel()


@pytest.mark.parametrize("sources", [(), (MemorySource("registry"),)], ids=["all in the catalog", "a registry too"])
async def test_endpoints_from_before_a_restart_are_served_if_all_are_known(
    tmp_path: Path, sources: tuple[MemorySource, ...]
) -> None:
    """A client that keeps its endpoints is better off than one that is sent a part of them."""
    folder, data = tmp_path / "catalog", tmp_path / "data"
    async with editing(folder, FILES, data=data):
        pass
    (folder / "edge.yaml").write_text(EDGE.replace("s0", "s1"))
    async with running(folder, sources, data) as control_plane:
        [past] = control_plane._ads.store.build_past(NodeKind("edge"))
    assert past.of(CLUSTER).resources.keys() == {"s0"}
    assert (not past.of(CLUSTER_LOAD_ASSIGNMENT).resources) is bool(sources)


async def test_the_rest_of_a_drain_is_waited_for_on_the_next_stream() -> None:
    """And not the whole time again."""
    async with administered(GATEWAY, strangers=False) as admin:
        memories = admin.serving.servicer.shared.memories
        store, kind = admin.serving.servicer.store, kind_of(Node(id="edge-1", cluster="edge"))
        gateway = admin.connect("edge-1", "edge")
        await gateway.take(CLUSTER, LISTENER)
        had = {one.name: one.version for one in gateway.last[CLUSTER].resources}
        for catalog in (GATEWAY, MOVED):
            await admin.serving.edit(catalog)
            routes = [*store.build_snapshot(kind).of(ROUTE_CONFIGURATION).resources]
            await gateway.send(type_url=ROUTE_CONFIGURATION, resource_names_subscribe=routes)
            while [one.name for one in getattr(gateway.last.get(ROUTE_CONFIGURATION), "resources", ())] != routes:
                await gateway.accept((await gateway.read()).type_url)
        async with asyncio.timeout(10):
            while not any(one["reason"] == "draining" for one in (await admin.get("/status"))["clients"][0]["held"]):
                pass
        [[key, memory]] = memories.lasting.items()
        [one] = memory.drains
        longest = admin.serving.servicer.shared.drain_seconds
        assert 0 < one.until - time.time() <= longest
        assert [*memory.removed[CLUSTER]] == ["old"]
        gateway.call.cancel()
        await await_until(lambda: not [*admin.serving.servicer.streams()], 10)
        until = time.time() + 1.0
        memories.put(key, replace(memory, drains=(replace(one, until=until),)), None)
        again = admin.connect("edge-1", "edge")
        first = DeltaDiscoveryRequest(node=again.node, type_url=CLUSTER, initial_resource_versions=had)
        await again.call.write(first.SerializeToString())
        await again.send(type_url=LISTENER)
        await again.send(type_url=ROUTE_CONFIGURATION, resource_names_subscribe=routes)
        gone: list[str] = []
        while "old" not in gone:
            response = await again.read()
            gone += response.removed_resources
            await again.accept(response.type_url)
        assert time.time() >= until
        await await_until(lambda: not memories.lasting, 10)
