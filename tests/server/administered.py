"""A servicer with its admin interface on real sockets in this process, and a sidecar that a test controls."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.server.serving import DELTA_ADS, Call, Serving, serving
from xds.cli.demo.envoy_admin import http_get
from xds.endpoints.providers import Providers, ProviderState
from xds.server.address import ListenAddress
from xds.server.admin.server import AdminServer
from xds.server.clients.documents import AppliedState
from xds.server.protocols.csds import CsdsServicer
from xds.sources.document import Document
from xds.sources.source import InstanceUpdate
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Locality, Node, Status

CATALOG = """\
services:
  api: {balance: weighted, endpoints: [{address: "127.0.0.1:5000", weight: 3}, "127.0.0.1:5001"]}
  users: {endpoints: ["127.0.0.1:5003"]}
  web: {endpoints: ["127.0.0.1:5009"], upstreams: [api]}
gateways:
  edge: {port: 8080, routes: [{to: api}]}
"""


def read_refused(provider: str, count: int) -> ProviderState:
    """Return the state of a provider that has yielded this number of instances without a port."""
    providers = Providers([provider])
    providers.put(provider, InstanceUpdate({("api", str(at)): "127.0.0.1" for at in range(count)}, full=True))
    return providers.states[0]


@dataclass
class Sidecar:
    """A delta client that a test controls."""

    call: Call
    node: Node
    last: dict[str, DeltaDiscoveryResponse] = field(default_factory=dict)

    async def ask(self, type_url: str = CLUSTER, *names: str) -> DeltaDiscoveryResponse:
        """Subscribe, and return the response without accepting it."""
        await self.send(type_url=type_url, resource_names_subscribe=names)
        return await self.read()

    async def read(self) -> DeltaDiscoveryResponse:
        """Return one response without accepting it."""
        async with asyncio.timeout(10):
            data = await self.call.read()
        assert data is not grpc.aio.EOF, await self.call.details()
        response = DeltaDiscoveryResponse.FromString(data)
        self.last[response.type_url] = response
        return response

    async def accept(self, type_url: str = CLUSTER) -> None:
        """ACK the last response of a type."""
        await self.send(type_url=type_url, response_nonce=self.last[type_url].nonce)

    async def refuse(self, message: str, type_url: str = CLUSTER) -> None:
        """NACK the last response of a type."""
        nonce = self.last[type_url].nonce
        await self.send(type_url=type_url, response_nonce=nonce, error_detail=Status(code=13, message=message))

    async def send(self, **fields: Any) -> None:
        """Send a request."""
        await self.call.write(DeltaDiscoveryRequest(node=self.node, **fields).SerializeToString())

    async def take(self, *type_urls: str) -> None:
        """Subscribe to these types, and accept every response."""
        for type_url in type_urls or (CLUSTER,):
            await self.ask(type_url, *(["api"] if type_url == CLUSTER_LOAD_ASSIGNMENT else []))
            await self.accept(type_url)


@dataclass
class Administered:
    """A running servicer with its admin interface, and CSDS on a port of its own.

    A test sets what the admin interface reports about the source.
    """

    serving: Serving
    refused_files: tuple[str, ...] = ()
    providers: tuple[ProviderState, ...] = ()
    taken_at: float = 0.0
    digest: str = "none"
    documents: dict[str, Document] = field(default_factory=dict)
    address: str = ""
    server: AdminServer = field(init=False)
    csds: str = ""

    def connect(self, node_id: str = "web-1", cluster: str = "web", **node: Any) -> Sidecar:
        """Open a stream as a sidecar."""
        locality = Locality(region="eu", zone="eu-1a")
        return Sidecar(
            self.serving.open(DELTA_ADS), Node(id=node_id, cluster=cluster, **{"locality": locality, **node})
        )

    def applied(self) -> AppliedState:
        """Return what the server has applied of its source."""
        return AppliedState(
            self.digest, self.taken_at, self.refused_files, providers=self.providers, collect=lambda: self.documents
        )

    async def get(self, path: str) -> Any:
        """Return a document of the admin interface."""
        status, body = await asyncio.to_thread(http_get, self.address, path, 10.0)
        assert status == 200, body
        return json.loads(body)

    async def until(self, state: str, type_url: str = CLUSTER, node_id: str = "web-1") -> Any:
        """Wait until a client has this state for a type, and return the status of that type."""
        async with asyncio.timeout(10):
            while True:
                for client in (await self.get("/status"))["clients"]:
                    for of_type in client["types"]:
                        if (client["node_id"], of_type["type_url"], of_type["state"]) == (node_id, type_url, state):
                            return of_type
                await asyncio.sleep(0.02)

    async def metrics(self) -> dict[str, float]:
        """Scrape the metrics, and return the value of each series by its name and labels."""
        _, body = await asyncio.to_thread(http_get, self.address, "/metrics", 10.0)
        lines = [line.rpartition(" ") for line in body.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}


@asynccontextmanager
async def administered(catalog: str = CATALOG, *, strangers: bool = True) -> AsyncIterator[Administered]:
    """Serve a catalog and its admin interface on free loopback ports."""
    async with serving(catalog, strangers=strangers) as running:
        made = Administered(running, documents={"c.yaml": Document("c.yaml", catalog.encode())})
        admin = AdminServer(ListenAddress("127.0.0.1", 0), running.servicer, made.applied)
        await admin.start()
        made.server, made.address = admin, str(admin.address)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((CsdsServicer(running.servicer).build_handler(),))
        made.csds = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield made
        finally:
            await server.stop(None)
            await admin.stop()
