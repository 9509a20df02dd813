"""The servicer on a real socket in this process, with a catalog that a test edits in memory."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from tests.inventories import build_inventory, welcome
from xds.catalog.assembly.workspace import Workspace
from xds.server.streams.ads import AdsServicer
from xds.session.limits import Limits
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.wire import ADS, CLUSTER
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
)

NODE = Node(id="web-1", cluster="web")
DELTA_ADS = f"/{ADS}/DeltaAggregatedResources"
SOTW_ADS = f"/{ADS}/StreamAggregatedResources"

Call = Any
"""A bidirectional call that passes messages as bytes. grpc's stubs lack its types."""


def make_catalog(*names: str, weight: int = 1) -> str:
    """Return a catalog of services with one endpoint each, for nodes of every cluster."""
    endpoint = f"{{address: '127.0.0.1:5000', weight: {weight}}}"
    services = "".join(f"  {name}: {{balance: weighted, endpoints: [{endpoint}]}}\n" for name in names)
    return f"mesh: {{strangers: serve}}\nservices:\n{services}"


@dataclass
class Serving:
    """A running servicer, a channel to it, and the catalog that it serves."""

    servicer: AdsServicer
    channel: grpc.aio.Channel
    address: str
    workspace: Workspace
    strangers: bool = True

    async def edit(self, catalog: str) -> int:
        """Publish another catalog, and return the number of streams that it affects."""
        catalog_now = self.workspace.update({"c.yaml": Document("c.yaml", catalog.encode())})
        catalog_now = welcome(catalog_now) if self.strangers else catalog_now
        return await self.servicer.publish(build_inventory(catalog_now, self.servicer.store.inventory))

    def open(self, method: str = DELTA_ADS) -> Call:
        """Open a stream."""
        return self.channel.stream_stream(method)()

    async def fetch(self, method: str, request: DiscoveryRequest) -> DiscoveryResponse:
        """Call a Fetch method. It raises AioRpcError when the server refuses the call."""
        call: Any = self.channel.unary_unary(method)
        return DiscoveryResponse.FromString(await call(request.SerializeToString()))


@asynccontextmanager
async def serving(
    catalog: str, limits: Limits | None = None, options: Mapping[str, int] | None = None, *, strangers: bool = True
) -> AsyncIterator[Serving]:
    """Serve a catalog on a free loopback port, with `strangers` to nodes of every cluster."""
    workspace = Workspace()
    read = workspace.update({"c.yaml": Document("c.yaml", catalog.encode())})
    inventory = build_inventory(welcome(read) if strangers else read)
    servicer = AdsServicer(SnapshotStore(inventory), limits or Limits())
    server = grpc.aio.server(options=list((options or {}).items()))
    server.add_generic_rpc_handlers(servicer.build_handlers())
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Serving(servicer, channel, address, workspace, strangers)
    finally:
        await server.stop(None)


def delta(type_url: str = CLUSTER, *names: str, nonce: str = "", cluster: str = NODE.cluster) -> bytes:
    """Encode a delta request. Names make it a subscription, and a nonce makes it an ACK."""
    node = Node(id=NODE.id, cluster=cluster)
    request = DeltaDiscoveryRequest(node=node, type_url=type_url, resource_names_subscribe=names, response_nonce=nonce)
    return request.SerializeToString()


def sotw(type_url: str = CLUSTER, *names: str, nonce: str = "") -> bytes:
    """Encode a State of the World request."""
    return DiscoveryRequest(
        node=NODE, type_url=type_url, resource_names=names, response_nonce=nonce
    ).SerializeToString()


async def read_delta(call: Call) -> DeltaDiscoveryResponse:
    """Read one response."""
    data = await call.read()
    assert data is not grpc.aio.EOF, await call.details()
    return DeltaDiscoveryResponse.FromString(data)


async def read_sotw(call: Call) -> DiscoveryResponse:
    """Read one response."""
    data = await call.read()
    assert data is not grpc.aio.EOF, await call.details()
    return DiscoveryResponse.FromString(data)
