"""A fleet of clients of any xDS server, in its own process: it subscribes, accepts, and records what arrives when.

`python -m tests.bench.fleet ADDRESS --clients N --variant delta|sotw --services 1000 [--clusters N | --assignments N]`
reads commands and prints reports, one JSON object a line. Times are time.monotonic(), one clock for all processes of a
machine.

It prints
- `{"synced": N, "bytes": B, "messages": M, "resources": R, "cpu": S}` each time that all clients are connected and have
  everything that they asked for: at first, and after reconnects. The figures cover the time since the start. R counts
  resources with a body, and S is the CPU time of this process in seconds. A delta client that reconnects with
  everything waits only until the server reads its requests, since there may be nothing to answer;
- `{"lost": N, "reasons": {reason: n}}` when N clients lost their connections and start to reconnect;
- `{"converged": [time, ...], "most_messages": m, ...}` in answer to an await, with the figures as above. It has a time
  for each client that the await covers, and the highest number of messages that a client got since the last answer.
  The answer to `{"await": {}}` comes at once.

It reads
- `{"await": {"service-0": 1001}}`: wait until each client that asked for these services has exactly these weights at
  their first endpoints. The fleet records weights from FIRST_MARK on when they arrive, before or after the await;
- `{"drop": k}`: k random clients lose their connections and reconnect at once with their resources;
- `{"nack": k}`: the clients reject the next k responses.

It ends when its input ends, or by SIGTERM.
"""

import argparse
import asyncio
import json
import random
import resource
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import uvloop
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from tests.bench.documents import make_name
from tests.bench.http2 import Connection, build_opening
from xds.session.session import DELTA, SOTW, Variant
from xds.wire import ADS, CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest, Node, Status
from xds.wire.endpoint_pb2 import ClusterLoadAssignment
from xds.wire.skeleton_pb2 import Cluster
from xds.wire.varint import encode_field

EXTENSIONS = 516
"""The number of extensions in the first request of Envoy 1.40, which has 61 KB."""

FIRST_MARK = 1000
"""Weights from this one on are marks of changes."""

METHODS = {"delta": "DeltaAggregatedResources", "sotw": "StreamAggregatedResources"}
TYPES = (CLUSTER, CLUSTER_LOAD_ASSIGNMENT)

BACK_SECONDS, RETRY_SECONDS, LOST_SECONDS = 0.05, 0.1, 0.02
"""How long until a client that lost its connection looks for another, tries again, and until it reports the losses."""

MAX_LINE = 2**24
"""The longest command in bytes."""

ERROR = Status(code=3, message="tried by the bench")
"""The error of a NACK."""

NONCE_TAG = b"\x2a"
"""The tag of field 5, the nonce in both variants' responses. The next byte is its length."""

MAX_CONTENTS, MAX_RESOURCES, MAX_STATES = 8, 50_000, 16
"""Cache sizes for contents, resources and states that more clients may get or have."""


def make_node(number: int) -> Node:
    """Return the node of a first request, as large as a real one. xds carries the fields that it does not know."""
    extensions = [
        encode_field(1, f"envoy.filters.of.some.kind.number_{n}".encode())
        + encode_field(2, b"envoy.filters.of_a_kind")
        + encode_field(6, f"envoy.extensions.filters.of.v3.Some{n}".encode())
        for n in range(EXTENSIONS)
    ]
    node = Node(id=f"node-{number}", cluster="bench", user_agent_name="envoy").SerializeToString()
    return Node.FromString(node + b"".join(encode_field(9, extension) for extension in extensions))


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The content of a response without its nonce. All clients that get the same share one object.

    `versions` has each resource's name, and its version if it has its own. `marks` has the weights that are marks. A
    `whole` response leaves out the resources that the client must delete, as for clusters in State of the World.
    """

    type_url: str
    version_info: str
    versions: Mapping[str, str]
    removed: tuple[str, ...]
    marks: Mapping[str, int]
    bodies: int
    is_whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Have:
    """The resources of one type that a client has."""

    version_info: str
    versions: Mapping[str, str]

    def after(self, content: Content) -> "Have":
        """Return the state of a client after it accepts a response."""
        versions = content.versions
        if not (content.is_whole or self.versions.keys() <= versions.keys()):
            versions = {**self.versions, **versions}
            for name in content.removed:
                versions.pop(name, None)
        return Have(content.version_info, versions)


NOTHING = Have("", {})


class Reader:
    """Reads responses. It parses the same content for all clients once, since their bytes differ only in the nonce."""

    def __init__(self, variant: Variant[Any]) -> None:
        self._variant = variant
        self._recent: list[tuple[bytes, bytes, Content]] = []  # the bytes before the nonce and after it
        self._resources: dict[bytes, tuple[str, int]] = {}

    def read(self, data: bytes) -> tuple[Content, str]:
        """Return a response's content and its nonce."""
        for head, tail, content in self._recent:
            if data.startswith(head) and data.endswith(tail):
                between = data[len(head) : len(data) - len(tail)]
                if between[:1] == NONCE_TAG and len(between) == 2 + between[1] < 130:
                    return content, between[2:].decode()
        response = self._variant.response.FromString(data)
        content = self._parse(response)
        self._remember(data, response.nonce, content)
        return content, response.nonce

    def _remember(self, data: bytes, nonce: str, content: Content) -> None:
        """Store a content by its bytes without the nonce."""
        encoded = nonce.encode()
        encoded = NONCE_TAG + bytes([len(encoded) % 128]) + encoded
        at = data.rfind(encoded)
        try:
            self._variant.response.FromString(data[: max(at, 0)])
        except DecodeError:
            return  # the match was inside another field
        if at >= 0:
            self._recent.insert(0, (data[:at], data[at + len(encoded) :], content))
            del self._recent[MAX_CONTENTS:]

    def _parse(self, response: Any) -> Content:
        if self._variant is DELTA:
            found = [(one.version, one.resource) for one in response.resources if one.resource]
            version_info, removed = response.system_version_info, tuple(response.removed_resources)
        else:
            found = [("", body) for body in response.resources]
            version_info, removed = response.version_info, ()
        versions: dict[str, str] = {}
        marks: dict[str, int] = {}
        for version, body in found:
            name, weight = self._describe(body)
            versions[name] = sys.intern(version)
            if weight >= FIRST_MARK:
                marks[name] = weight
        is_whole = response.type_url == CLUSTER and self._variant is SOTW
        return Content(response.type_url, sys.intern(version_info), versions, removed, marks, len(found), is_whole)

    def _describe(self, body: bytes) -> tuple[str, int]:
        """Return a resource's name and, for a ClusterLoadAssignment, the weight of the first endpoint."""
        if (found := self._resources.get(body)) is None:
            if len(self._resources) >= MAX_RESOURCES:
                self._resources.clear()
            found = self._resources[body] = _describe(AnyMessage.FromString(body))
        return found


def _describe(body: AnyMessage) -> tuple[str, int]:
    if body.type_url == CLUSTER:
        return Cluster.FromString(body.value).name, 0
    assignment = ClusterLoadAssignment.FromString(body.value)
    weights = [one.load_balancing_weight.value for some in assignment.endpoints for one in some.lb_endpoints]
    return assignment.cluster_name, weights[0] if weights else 0


class Asked:
    """What some clients ask for: the names, or all clusters and the ClusterLoadAssignments of the names.

    It holds the requests and states that the clients have in common. Encoded messages merge by concatenation.
    """

    def __init__(self, variant: Variant[Any], names: list[str], *, wildcard: bool) -> None:
        self.names = frozenset(names)
        self.wildcard = wildcard
        self._delta = variant is DELTA
        self._listed = {CLUSTER: [] if wildcard else names, CLUSTER_LOAD_ASSIGNMENT: names}
        acks = {
            type_url: DeltaDiscoveryRequest(type_url=type_url)
            if self._delta
            else DiscoveryRequest(type_url=type_url, resource_names=listed)
            for type_url, listed in self._listed.items()
        }
        self._acks = {type_url: ack.SerializeToString() for type_url, ack in acks.items()}
        self._latest: dict[str, Have] = {}
        self.accept = lru_cache(maxsize=MAX_STATES)(self._accept)
        self.first = lru_cache(maxsize=MAX_STATES)(self._encode_first)

    def _accept(self, have: Have, content: Content) -> Have:
        """Return the state of a client after it accepts a response. Clients with the same state share one object."""
        new = have.after(content)
        latest = self._latest.get(content.type_url, NOTHING)
        if (latest.version_info, latest.versions) != (new.version_info, new.versions):
            latest = self._latest[content.type_url] = new
        return latest

    def _encode_first(self, type_url: str, have: Have) -> bytes:
        """Encode the first request of a type without the node, for a client with this state, which may be NOTHING."""
        request: DeltaDiscoveryRequest | DiscoveryRequest
        names = self._listed[type_url]
        if self._delta:
            request = DeltaDiscoveryRequest(
                type_url=type_url, resource_names_subscribe=names, initial_resource_versions=have.versions
            )
        else:
            request = DiscoveryRequest(type_url=type_url, resource_names=names, version_info=have.version_info)
        return request.SerializeToString()

    def answer(self, type_url: str, nonce: str, version_info: str, error: Status | None = None) -> tuple[bytes, bytes]:
        """Encode an ACK or a NACK in two parts. State of the World states `version_info` as accepted."""
        request: DeltaDiscoveryRequest | DiscoveryRequest
        if self._delta:
            request = DeltaDiscoveryRequest(response_nonce=nonce, error_detail=error)
        else:
            request = DiscoveryRequest(response_nonce=nonce, version_info=version_info, error_detail=error)
        return self._acks[type_url], request.SerializeToString()

    def missing(self, type_url: str, have: Have) -> frozenset[str]:
        """Return the names that a client with this state still needs after it connects.

        A State of the World server sends named resources again on each stream, since requests do not state their
        versions.
        """
        if type_url == CLUSTER and self.wildcard:
            return self.names if have is NOTHING else frozenset()
        return self.names.difference(have.versions) if self._delta and have.versions else self.names


@dataclass(slots=True)
class Await:
    """The awaited weights, the clients that do not have them, and the times at which the others got them."""

    weights: Mapping[str, int]
    pending: set["Client"]
    moments: list[float]


class Client:
    """A sidecar that asks for clusters and their endpoints, accepts every response, and reconnects."""

    __slots__ = (
        "_connection",
        "_fleet",
        "_have",
        "_is_read",
        "_marks",
        "_missing",
        "_number",
        "asked",
        "is_synced",
        "messages",
    )

    def __init__(self, number: int, fleet: "Fleet", asked: Asked) -> None:
        self.asked = asked
        self.messages = 0  # since the last report for an await
        self.is_synced = False
        self._number = number
        self._fleet = fleet
        self._connection: Connection | None = None
        self._is_read = False
        self._have = dict.fromkeys(TYPES, NOTHING)
        self._missing: dict[str, frozenset[str]] = {}
        self._marks: dict[str, tuple[int, float]] = {}

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to lose."""
        return self._connection is not None

    async def connect(self) -> None:
        """Connect now, or as soon as there is a server."""
        fleet = self._fleet
        while True:
            try:
                await fleet.loop.create_connection(lambda: Connection(fleet.opening, self), fleet.host, fleet.port)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def on_open(self, connection: Connection) -> None:
        """Subscribe with the resources from earlier connections."""
        self._connection = connection
        self._is_read = False
        node = self._fleet.variant.request(node=Node(id=f"node-{self._number}")).SerializeToString()
        parts: tuple[bytes, ...] = (self._fleet.node, node)
        for type_url, have in self._have.items():
            self._missing[type_url] = self.asked.missing(type_url, have)
            connection.send(*parts, self.asked.first(type_url, have))
            parts = ()
        connection.ask_read()

    def on_read(self) -> None:
        """Record that the server reads the requests. It may have nothing to answer."""
        self._is_read = True
        self._check_synced()

    def on_message(self, message: bytes) -> None:
        """Accept a response or reject it."""
        now = time.monotonic()
        self.messages += 1
        content, nonce = self._fleet.read(message)
        is_accepted = not self._fleet.rejects()
        if is_accepted:
            self._take(content, now)
        if self._connection is not None:
            version_info = self._have[content.type_url].version_info
            error = None if is_accepted else ERROR
            self._connection.send(*self.asked.answer(content.type_url, nonce, version_info, error))
        if not self.is_synced:
            self._check_synced()

    def on_end(self, reason: str) -> None:
        """Reconnect after a delay."""
        self._fleet.on_lost(reason)
        self._leave()
        self._fleet.loop.call_later(BACK_SECONDS, self._fleet.enter, self)

    def drop(self) -> None:
        """Close the connection and reconnect at once."""
        if self._connection is not None:
            self._connection.close()
            self._leave()
            self._fleet.enter(self)

    def _leave(self) -> None:
        self._connection = None
        self._fleet.on_leave(self)
        self.is_synced = False

    def _take(self, content: Content, now: float) -> None:
        type_url = content.type_url
        self._have[type_url] = self.asked.accept(self._have[type_url], content)
        if missing := self._missing[type_url]:
            named = not (type_url == CLUSTER and self.asked.wildcard)
            self._missing[type_url] = missing.difference(content.versions) if named else frozenset()
        for name in self._marks.keys() - content.marks.keys():
            if name in content.versions or name in content.removed:
                del self._marks[name]
        if content.marks:
            for name, weight in content.marks.items():
                if name not in self._marks or self._marks[name][0] != weight:
                    self._marks[name] = weight, now
            self._fleet.on_marks(self)

    def reached(self, weights: Mapping[str, int]) -> float | None:
        """Return the time of the last of these weights that the client asked for, or None while one is another."""
        last = 0.0
        for name, weight in weights.items():
            if name in self.asked.names:
                mark, moment = self._marks.get(name, (0, 0.0))
                if mark != weight:
                    return None
                last = max(last, moment)
        return last

    def _check_synced(self) -> None:
        if self._is_read and not self.is_synced and not any(self._missing.values()):
            self.is_synced = True
            self._fleet.on_synced(self)


class Fleet:
    """All clients, their common state, and the reports about them. It belongs to the event loop that runs it."""

    def __init__(
        self, address: str, variant: Variant[Any], size: int, services: int, some: int | None, *, wildcard: bool
    ) -> None:
        host, _, port = address.rpartition(":")
        self.loop = asyncio.get_running_loop()
        self.host, self.port = host.strip("[]"), int(port)
        self.opening = build_opening(f"/{ADS}/{METHODS[variant.name]}", address)
        self.variant = variant
        self.services, self.some = services, some
        node = make_node(0)
        node.ClearField("id")
        self.node = variant.request(node=node).SerializeToString()
        self._reader = Reader(variant)
        asked: dict[int, Asked] = {}
        self._clients = []
        for number in range(size):
            key = 0 if some is None else number * 7 % services  # `names_of` takes names from this
            if key not in asked:
                asked[key] = Asked(variant, self.names_of(number), wildcard=wildcard)
            self._clients.append(Client(number, self, asked[key]))
        self.at_once = size
        self._waiting: deque[Client] = deque()
        self._entering: dict[Client, asyncio.Task[None]] = {}  # clients that are connecting or not yet synced
        self._synced = 0
        self._lost: Counter[str] = Counter()
        self._rejecting = 0
        self._awaits: list[Await] = []
        self._bytes = self._messages = self._resources = 0

    def names_of(self, number: int) -> list[str]:
        """Return the services that a client has the endpoints of: all, or a few that differ from client to client."""
        if self.some is None:
            return [make_name(service) for service in range(self.services)]
        return [make_name((number * 7 + step * 53) % self.services) for step in range(self.some)]

    def start(self) -> None:
        """Connect all clients."""
        for client in self._clients:
            self.enter(client)

    def obey(self, command: Mapping[str, Any]) -> None:
        """Execute a line of the input."""
        if "await" in command:
            self._await(command["await"])
        elif "drop" in command:
            connected = [client for client in self._clients if client.is_connected]
            for client in random.sample(connected, min(command["drop"], len(connected))):
                client.drop()
        elif "nack" in command:
            self._rejecting += command["nack"]
        else:
            raise ValueError(f"not a command: {command}")

    def enter(self, client: Client) -> None:
        """Connect a client when few enough others are connecting."""
        if len(self._entering) < self.at_once:
            self._entering[client] = self.loop.create_task(client.connect())
        else:
            self._waiting.append(client)

    def _entered(self, client: Client) -> None:
        del self._entering[client]
        if self._waiting:
            self.enter(self._waiting.popleft())

    def read(self, message: bytes) -> tuple[Content, str]:
        """Read a response and count it."""
        content, nonce = self._reader.read(message)
        self._bytes += len(message)
        self._messages += 1
        self._resources += content.bodies
        return content, nonce

    def rejects(self) -> bool:
        """Whether the client must reject the current response."""
        if not self._rejecting:
            return False
        self._rejecting -= 1
        return True

    def on_synced(self, client: Client) -> None:
        """Count a client that has everything that it asked for."""
        self._entered(client)
        self._synced += 1
        if self._synced == len(self._clients):
            self._tell_lost()
            self._tell(synced=self._synced)

    def on_leave(self, client: Client) -> None:
        """Stop counting a client that has lost its connection."""
        if client.is_synced:
            self._synced -= 1
        else:
            self._entered(client)

    def on_lost(self, reason: str) -> None:
        """Report that a client lost its connection, together with others at the same time."""
        if not self._lost:
            self.loop.call_later(LOST_SECONDS, self._tell_lost)
        self._lost[reason] += 1

    def _tell_lost(self) -> None:
        if self._lost:
            print(json.dumps({"lost": self._lost.total(), "reasons": self._lost}), flush=True)
            self._lost.clear()

    def _await(self, weights: Mapping[str, int]) -> None:
        if low := [name for name, weight in weights.items() if weight < FIRST_MARK]:
            raise ValueError(f"weights below {FIRST_MARK} are not noted: {low}")
        concerned = [client for client in self._clients if not client.asked.names.isdisjoint(weights)]
        moments = {client: client.reached(weights) for client in concerned}
        one = Await(
            weights,
            {client for client, moment in moments.items() if moment is None},
            [moment for moment in moments.values() if moment is not None],
        )
        if one.pending:
            self._awaits.append(one)
        else:
            self._answer(one)

    def on_marks(self, client: Client) -> None:
        """Check whether a client has the awaited weights, and report when all have them."""
        for one in self._awaits:
            if client in one.pending and (moment := client.reached(one.weights)) is not None:
                one.pending.discard(client)
                one.moments.append(moment)
                if not one.pending:
                    self._answer(one)

    def _answer(self, one: Await) -> None:
        self._awaits = [other for other in self._awaits if other is not one]
        self._tell(converged=one.moments, most_messages=max(client.messages for client in self._clients))
        for client in self._clients:
            client.messages = 0

    def _tell(self, **facts: Any) -> None:
        """Print a line with the figures so far."""
        facts |= {"bytes": self._bytes, "messages": self._messages, "resources": self._resources}
        print(json.dumps({**facts, "cpu": time.process_time()}), flush=True)


async def main() -> None:
    """Run a fleet until its input ends or a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--variant", choices=METHODS, required=True)
    few = parser.add_mutually_exclusive_group()
    few.add_argument("--clusters", type=int, help="of how many services a client asks for Cluster and endpoints")
    few.add_argument("--assignments", type=int, help="of how many services a client of all Clusters asks for endpoints")
    parser.add_argument("--services", type=int, required=True)
    parser.add_argument("--at-once", type=int, help="how many may be connecting, or not yet synced, at once")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=MAX_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, commands.feed_eof)
    variant = DELTA if options.variant == "delta" else SOTW
    some, wildcard = options.clusters or options.assignments, not options.clusters
    fleet = Fleet(options.address, variant, options.clients, options.services, some, wildcard=wildcard)
    fleet.at_once = options.at_once or options.clients
    fleet.start()
    async for line in commands:
        fleet.obey(json.loads(line))


if __name__ == "__main__":
    uvloop.run(main())
