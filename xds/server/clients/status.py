"""The connected clients and their state for each type, read from the streams on request.

Nothing here changes a stream or a session, and no state is kept between requests.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from typing import Any

from xds.catalog.model.locality import write_locality
from xds.resources.mentions import mentions
from xds.resources.resource import Resource
from xds.server.streams.stream import Stream
from xds.session.held import Held
from xds.session.subscription import Subscription, find_refused
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER, TYPE_URLS
from xds.wire.discovery_pb2 import Node

MAX_NAMES = 100
"""How many missing or refused names a status lists. Their full number is given beside the list."""


class State(StrEnum):
    """A client's state for one type: it has all of it (SYNCED), an answer is due (STALE), or a NACK is open (NACKED).

    They are in order from best to worst.
    """

    SYNCED = "SYNCED"
    STALE = "STALE"
    NACKED = "NACKED"


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource of a refused response: the version served now, and the version that the client keeps."""

    name: str
    version: str | None
    accepted_version: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A current NACK: the client's message, when it came (time.time()), and the resources that it is about."""

    message: str
    at: float | None
    resources: tuple[Refused, ...]
    resource_count: int


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type of one client.

    `wanted` counts the resources that it asked for, `accepted` those that it has in the version served now. `answered`
    is whether no response is in flight or pending: then a `refusal` is about what is served now. `pushed_at` is a
    time.time().
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
class SubscribedType:
    """One type that a client subscribed to, and the stream of the subscription."""

    stream: Stream
    subscription: Subscription[Any]

    @property
    def type_url(self) -> str:
        """The subscription's type_url."""
        return self.subscription.type_url

    @property
    def snapshot(self) -> TypeSnapshot:
        """The resources of the type that nodes of this view are served."""
        return self.stream.session.snapshot.of(self.type_url)

    @property
    def state(self) -> State:
        """The client's state for the type, in a time that does not depend on the number of resources."""
        if self.subscription.nack is not None:
            return State.NACKED
        return State.SYNCED if self.answered else State.STALE

    @property
    def answered(self) -> bool:
        """Whether no response of the type is in flight or pending."""
        return self.subscription.in_flight is None and not self.subscription.is_pending

    def served(self) -> list[Resource]:
        """Return the resources of the type that this client is served, sorted by name."""
        names = self.wanted_names()
        return [resource for name, resource in sorted(self.snapshot.resources.items()) if name in names]

    def wanted_names(self) -> set[str]:
        """Return the names that the client asked for, whether or not these resources exist."""
        names = set(self.subscription.names)
        return names.union(self.snapshot.resources) if self.subscription.wildcard else names

    def describe(self) -> TypeStatus:
        """Return the client's status for the type. The time grows with the number of resources."""
        state, names, resources = self.state, self.subscription.names, self.snapshot.resources
        wildcard = self.subscription.wildcard
        missing = names.difference(resources, self._find_left_over())
        found = len(resources) if wildcard else sum(name in resources for name in names)
        accepted = found
        if state is not State.SYNCED:
            known = self.subscription.known
            accepted = sum(
                (wildcard or one.name in names) and known.get(one.name) == one.version for one in resources.values()
            )
        return TypeStatus(
            type_url=self.type_url,
            state=state,
            answered=self.answered,
            version=self.snapshot.version,
            wanted=found + len(missing),
            accepted=accepted,
            missing=tuple(nsmallest(MAX_NAMES, missing)),
            missing_count=len(missing),
            pushed_at=self.stream.pushed_at.get(self.type_url),
            refusal=self._describe_refusal(),
        )

    def _find_left_over(self) -> list[str]:
        """Return the names that the client asks for only because of a listener that drains.

        They existed on this stream, and nothing that is served names them any more.
        """
        gone = self.subscription.altered.difference(self.snapshot.resources)
        if not gone:
            return []
        snapshot = self.stream.session.snapshot
        served = [one for type_url in (LISTENER, CLUSTER) for one in snapshot.of(type_url).resources.values()]
        return [name for name in gone if not any(mentions(one, name) for one in served)]

    def _describe_refusal(self) -> Refusal | None:
        nack = self.subscription.nack
        if nack is None:
            return None
        resources, known = self.snapshot.resources, self.subscription.known
        refused = [
            Refused(name, resources[name].version if name in resources else None, known.get(name))
            for name in find_refused(nack)
        ]
        at = self.stream.nacked_at.get(self.type_url)
        return Refusal(nack.message, at, tuple(refused[:MAX_NAMES]), len(refused))


@dataclass(frozen=True, slots=True)
class Client:
    """A connected client: one ADS stream, or the streams of one type each that come over one connection."""

    streams: tuple[Stream, ...]

    @property
    def node(self) -> Node:
        """The node that its first request contained."""
        node = self.streams[0].session.node
        return node if node is not None else Node()

    @property
    def variant(self) -> str:
        """`sotw` or `delta`."""
        return self.streams[0].session.variant.name

    @property
    def connected_at(self) -> float:
        """When its first stream started, as time.time()."""
        return min(stream.connected_at for stream in self.streams)

    def held(self) -> list[Held]:
        """Return what it is served against the catalog, sorted by type and name."""
        found = [one for stream in self.streams for one in stream.session.describe_held()]
        return sorted(found, key=lambda one: (TYPE_URLS.index(one.type_url), one.name))

    def count_names(self) -> int:
        """Return to how many names it subscribed, on which the time to describe it depends."""
        return sum(len(one.names) for stream in self.streams for one in stream.session.subscriptions.values())

    def types(self) -> list[SubscribedType]:
        """Return the types that it subscribed to, in the order of TYPE_URLS."""
        found = {
            type_url: SubscribedType(stream, subscription)
            for stream in self.streams
            for type_url, subscription in stream.session.subscriptions.items()
        }
        return [found[type_url] for type_url in TYPE_URLS if type_url in found]


def gather_clients(streams: Iterable[Stream]) -> list[Client]:
    """Return the clients of these streams, sorted by `node.cluster`, `node.id` and age.

    Streams of one type each are one client when their `node.id` and peer address are equal.
    """
    clients: dict[object, list[Stream]] = {}
    for stream in streams:
        session = stream.session
        key = stream if session.type_url is None or session.node is None else (session.node.id, stream.peer)
        clients.setdefault(key, []).append(stream)
    gathered = [Client(tuple(sorted(group, key=_age))) for group in clients.values()]
    return sorted(gathered, key=lambda client: (client.node.cluster, client.node.id, client.connected_at))


def locality_of(node: Node) -> str:
    """Return a node's locality as `region/zone/sub_zone`, without empty parts."""
    locality = node.locality
    return write_locality(locality.region, locality.zone, locality.sub_zone)


def worst_state(states: Iterable[State]) -> State:
    """Return the worst of several states; SYNCED when there are none."""
    order = list(State)
    return max(states, key=order.index, default=State.SYNCED)


def _age(stream: Stream) -> float:
    return stream.connected_at
