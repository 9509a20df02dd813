"""Who is connected and what each client has: read from the streams when somebody asks, and only then.

Nothing here changes a stream or a session, and nothing is kept: what is given out are copies.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xds.catalog.model.locality import write_locality
from xds.resources.resource import Resource
from xds.server.streams.stream import Stream
from xds.session.subscription import Nack, Subscription
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import TYPE_URLS
from xds.wire.discovery_pb2 import Node

MAX_NAMES = 100
"""How many names a status tells of what is missing or refused; it says how many there are."""


class State(StrEnum):
    """How a client stands with one type; of several, the worst counts."""

    SYNCED = "SYNCED"
    STALE = "STALE"
    NACKED = "NACKED"


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource of a response that was refused: its version now, and the one that the client goes on with."""

    name: str
    version: str | None
    accepted_version: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A NACK that stands: the client's words, when they came (as time.time()), and what they are about."""

    message: str
    at: float | None
    resources: tuple[Refused, ...]
    resource_count: int


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type of one client. `wanted` counts what it asked for, `accepted` what it has in the version served.

    `answered` tells whether nothing is on its way: a refusal that stands is then of what is served now.
    """

    type_url: str
    state: State
    answered: bool
    version: str
    wanted: int
    accepted: int
    missing: tuple[str, ...]
    missing_count: int
    pushed_at: float | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One type that a client subscribed to, and the stream by which it did."""

    stream: Stream
    subscription: Subscription[Any]

    @property
    def type_url(self) -> str:
        """The type."""
        return self.subscription.type_url

    @property
    def snapshot(self) -> TypeSnapshot:
        """What nodes of this view are served of the type."""
        return self.stream.session.snapshot.of(self.type_url)

    @property
    def state(self) -> State:
        """How the client stands with the type; takes the same time however much there is of it."""
        if self.subscription.nack is not None:
            return State.NACKED
        return State.SYNCED if self.answered else State.STALE

    @property
    def answered(self) -> bool:
        """Whether the client has accepted or refused all that it is to be told of the type."""
        return self.subscription.in_flight is None and not self.subscription.is_pending

    def served(self) -> list[Resource]:
        """Give exactly what this client is served of the type, by name."""
        names = self.wanted_names()
        return [resource for name, resource in sorted(self.snapshot.resources.items()) if name in names]

    def wanted_names(self) -> set[str]:
        """Name what the client asked for, whether it exists or not."""
        names = set(self.subscription.names)
        return names.union(self.snapshot.resources) if self.subscription.wildcard else names

    def describe(self) -> TypeStatus:
        """Count and compare; takes time with the number of resources."""
        state, wanted, resources = self.state, self.wanted_names(), self.snapshot.resources
        missing = sorted(wanted.difference(resources))
        known = self.subscription.known
        accepted = len(wanted) - len(missing)
        if state is not State.SYNCED:
            accepted = sum(name in resources and known.get(name) == resources[name].version for name in wanted)
        return TypeStatus(
            type_url=self.type_url,
            state=state,
            answered=self.answered,
            version=self.snapshot.version,
            wanted=len(wanted),
            accepted=accepted,
            missing=tuple(missing[:MAX_NAMES]),
            missing_count=len(missing),
            pushed_at=self.stream.pushed_at.get(self.type_url),
            refusal=self._describe_refusal(),
        )

    def _describe_refusal(self) -> Refusal | None:
        nack = self.subscription.nack
        if nack is None:
            return None
        resources, known = self.snapshot.resources, self.subscription.known
        refused = [
            Refused(name, resources[name].version if name in resources else None, known.get(name))
            for name in concerned(nack)
        ]
        at = self.stream.nacked_at.get(self.type_url)
        return Refusal(nack.message, at, tuple(refused[:MAX_NAMES]), len(refused))


@dataclass(frozen=True, slots=True)
class Client:
    """A connected client: its one aggregated stream, or its streams of one type each over one connection."""

    streams: tuple[Stream, ...]

    @property
    def node(self) -> Node:
        """Who it says it is."""
        node = self.streams[0].session.node
        return node if node is not None else Node()

    @property
    def variant(self) -> str:
        """`sotw` or `delta`."""
        return self.streams[0].session.variant.name

    @property
    def connected_at(self) -> float:
        """When its first stream began, as time.time()."""
        return min(stream.connected_at for stream in self.streams)

    def types(self) -> list[Subscribed]:
        """Give what it subscribed to, in the order of the types."""
        found = {
            type_url: Subscribed(stream, subscription)
            for stream in self.streams
            for type_url, subscription in stream.session.subscriptions.items()
        }
        return [found[type_url] for type_url in TYPE_URLS if type_url in found]


def gather_clients(streams: Iterable[Stream]) -> list[Client]:
    """Join the streams of one type each that come from one client; sort by `node.cluster` and `node.id`."""
    clients: dict[object, list[Stream]] = {}
    for stream in streams:
        session = stream.session
        key = stream if session.type_url is None or session.node is None else (session.node.id, stream.peer)
        clients.setdefault(key, []).append(stream)
    gathered = [Client(tuple(sorted(group, key=_age))) for group in clients.values()]
    return sorted(gathered, key=lambda client: (client.node.cluster, client.node.id, client.connected_at))


def concerned(nack: Nack) -> list[str]:
    """Name the resources that a refusal is about: those that the client names in it, or else all that were sent.

    A State of the World response carries every cluster, and Envoy's message says which of them it did not take.
    """
    return [name for name in nack.resource_names if _is_named(name, nack.message)] or list(nack.resource_names)


def locality_of(node: Node) -> str:
    """`region/zone/sub_zone`, without what is not given."""
    locality = node.locality
    return write_locality(locality.region, locality.zone, locality.sub_zone)


def worst(states: Iterable[State]) -> State:
    """Give the worst of several states."""
    order = list(State)
    return max(states, key=order.index, default=State.SYNCED)


def _is_named(name: str, message: str) -> bool:
    """Tell whether the message has the name as a word of its own: `web` is not named by `web-2`."""
    return name in message and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", message) is not None


def _age(stream: Stream) -> float:
    return stream.connected_at
