"""A fleet of clients of any xDS server, in a process of its own: it subscribes, accepts, and notes what arrives when.

`python -m tests.bench.fleet ADDRESS --clients N --variant delta|sotw [--clusters 20] --services 1000` prints one JSON
object a line: `{"synced": N}` when every client has what it asked for; `{"weight": W, "seen": [...]}` when all clients
whom it concerns saw an endpoint whose weight is the mark W, with the moments (time.monotonic(), one clock for all
processes of a machine) at which they did; and `{"bytes": B}`, all that was received, before each.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import grpc
from envoy_data_plane.envoy.config.core.v3 import Extension
from envoy_data_plane.envoy.config.core.v3 import Node as EnvoyNode
from google.protobuf.any_pb2 import Any as AnyMessage

from tests.bench.load import make_name
from xds.session.session import DELTA, SOTW, Variant
from xds.wire import ADS, CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest, Node
from xds.wire.endpoint_pb2 import ClusterLoadAssignment

CHANNEL = (
    ("grpc.use_local_subchannel_pool", 1),  # one connection a client, as sidecars have
    ("grpc.max_receive_message_length", -1),
)
EXTENSIONS = 516
"""How many extensions an Envoy 1.40 lists in its first request, of 61 KB."""

FIRST_MARK = 1000
"""Weights from here on are changes that are looked for."""

METHODS = {"delta": "DeltaAggregatedResources", "sotw": "StreamAggregatedResources"}


def make_node(number: int) -> Node:
    """Make the node of a first request, as large as a real one's; what xds does not know of it is carried along."""
    extensions = [
        Extension(
            name=f"envoy.filters.of.some.kind.number_{n}",
            category="envoy.filters.of_a_kind",
            type_urls=[f"envoy.extensions.filters.of.v3.Some{n}"],
        )
        for n in range(EXTENSIONS)
    ]
    return Node.FromString(
        bytes(EnvoyNode(id=f"node-{number}", cluster="bench", user_agent_name="envoy", extensions=extensions))
    )


@dataclass
class Fleet:
    """What all clients have in common: what they ask for, and what they saw."""

    address: str
    variant: Variant[Any]
    size: int
    services: int
    clusters: int | None
    received: int = 0
    synced: int = 0
    seen: dict[int, list[float]] = field(default_factory=dict)
    node: Node = field(default_factory=lambda: make_node(0))

    def names_of(self, number: int) -> list[str]:
        """Choose a client's clusters: all, or a few that differ from client to client."""
        if self.clusters is None:
            return [make_name(service) for service in range(self.services)]
        return [make_name((number * 7 + step * 53) % self.services) for step in range(self.clusters)]

    def concerned(self, service: int) -> int:
        """Count the clients that ask for a service."""
        return sum(make_name(service) in self.names_of(number) for number in range(self.size))


class Client:
    """One sidecar: it asks for clusters, then for their endpoints, and accepts all that it is sent."""

    def __init__(self, number: int, fleet: Fleet) -> None:
        self.fleet = fleet
        self.names = fleet.names_of(number)
        self.missing = set(self.names)
        self.delta = fleet.variant is DELTA
        self.node = Node()
        self.node.CopyFrom(fleet.node)
        self.node.id = f"node-{number}"

    async def run(self) -> None:
        """Connect, and go on until cancelled."""
        method = f"/{ADS}/{METHODS[self.fleet.variant.name]}"
        async with grpc.aio.insecure_channel(self.fleet.address, options=CHANNEL) as channel:
            stream: Any = channel.stream_stream(method)()
            await stream.write(self.request(CLUSTER, [] if self.fleet.clusters is None else self.names, node=self.node))
            await stream.write(self.request(CLUSTER_LOAD_ASSIGNMENT, self.names))
            while isinstance(data := await stream.read(), bytes):
                self.fleet.received += len(data)
                await stream.write(self.take(data))

    def request(self, type_url: str, names: list[str], *, node: Node | None = None, **fields: Any) -> bytes:
        """Encode a request; State of the World states the names each time."""
        if self.delta:
            return DeltaDiscoveryRequest(
                node=node, type_url=type_url, resource_names_subscribe=names, **fields
            ).SerializeToString()
        return DiscoveryRequest(node=node, type_url=type_url, resource_names=names, **fields).SerializeToString()

    def take(self, data: bytes) -> bytes:
        """Note what a response holds; give its ACK."""
        now = time.monotonic()
        response: Any = self.fleet.variant.response.FromString(data)
        if response.type_url == CLUSTER_LOAD_ASSIGNMENT:
            for resource in response.resources:
                body = resource.resource if self.delta else resource
                self.note(ClusterLoadAssignment.FromString(AnyMessage.FromString(body).value), now)
        if self.delta:
            return self.request(response.type_url, [], response_nonce=response.nonce)
        wildcard = response.type_url == CLUSTER and self.fleet.clusters is None
        return self.request(
            response.type_url,
            [] if wildcard else self.names,
            response_nonce=response.nonce,
            version_info=response.version_info,
        )

    def note(self, assignment: ClusterLoadAssignment, now: float) -> None:
        """Take in the endpoints of one cluster."""
        weight = assignment.endpoints[0].lb_endpoints[0].load_balancing_weight.value
        if weight >= FIRST_MARK:
            self.fleet.seen.setdefault(weight, []).append(now)
        if self.missing:
            self.missing.discard(assignment.cluster_name)
            self.fleet.synced += not self.missing


async def main() -> None:
    """Run a fleet until it is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--variant", choices=METHODS, required=True)
    parser.add_argument("--clusters", type=int)
    parser.add_argument("--services", type=int, required=True)
    options = parser.parse_args()
    variant = DELTA if options.variant == "delta" else SOTW
    fleet = Fleet(options.address, variant, options.clients, options.services, options.clusters)
    concerned = fleet.concerned(0)
    tasks = [asyncio.create_task(Client(number, fleet).run()) for number in range(fleet.size)]
    told = 0
    while not any(task.done() for task in tasks):
        await asyncio.sleep(0.02)
        if fleet.synced == fleet.size and not told:
            told = 1
            print(json.dumps({"synced": fleet.size, "bytes": fleet.received, "concerned": concerned}), flush=True)
        for weight in [weight for weight, seen in fleet.seen.items() if len(seen) >= concerned]:
            print(json.dumps({"weight": weight, "seen": fleet.seen.pop(weight), "bytes": fleet.received}), flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main())
