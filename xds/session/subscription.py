"""Subscription: one type on one stream, with the names that the client wants, what it has, and what is to be sent.

A subscription knows nothing of other types. What State of the World and delta share is here. `sotw.py` and `delta.py`
add how a request changes the names and how a response is made.

Its sets of names and mappings of versions are never changed, only replaced. So streams can share them: a thousand
clients that want a thousand resources, and have them all, need one set and one dict in total.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from xds.errors import PeerError
from xds.resources.grpc.targets import find_service
from xds.session.batch import Batch, is_large, share
from xds.session.request import Request
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER, ROUTE_CONFIGURATION, SECRET

V = TypeVar("V")

Reason = Literal["initial", "subscribe", "change", "follow", "heartbeat"]
REASONS: tuple[Reason, ...] = ("initial", "subscribe", "change", "follow", "heartbeat")
"""Why a response is sent: it is the first of a type (initial); the client asked for more names (subscribe); resources
changed (change); unchanged endpoints follow their cluster (follow, rule 33); a TTL is renewed (heartbeat, rule 36)."""

NAMED_BY_LISTENERS = frozenset({ROUTE_CONFIGURATION, SECRET})
"""The types that an Envoy asks for while it has a listener that names them, also when this drains."""

WILDCARD = "*"

NO_NAMES: frozenset[str] = frozenset()

NOTHING_KNOWN: Mapping[str, str] = {}

WILDCARD_BY_DEFAULT = frozenset({CLUSTER, LISTENER})
"""The types for which a first request without names is a wildcard (rules 20, 22)."""

MAX_NAME_LENGTH = 4096
"""The maximum length of a name that a client asks for. No real name is as long; it bounds what a stream can hold."""

MAX_ERROR_LENGTH = 4096
"""How many characters of a NACK's message are kept."""


@dataclass(frozen=True, slots=True)
class Nack:
    """A client's NACK of a response: its message, and the names of the resources in the response."""

    type_url: str
    message: str
    resource_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to send: the version of each resource by name, the set of these names, and the removed names."""

    versions: Mapping[str, str]
    names: frozenset[str]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InFlight:
    """A response that the client has not answered yet."""

    nonce: str
    batch: Batch


class Subscription(ABC, Generic[Request]):
    """One type of one stream. At most one response is in flight; changes in the meantime are merged (rule 38)."""

    __slots__ = (
        "altered",
        "answered",
        "changed",
        "compare_all",
        "for_heartbeat",
        "heartbeat_due",
        "in_flight",
        "keeps_nack",
        "known",
        "must_respond",
        "nack",
        "names",
        "reconnected",
        "rejected",
        "to_follow",
        "to_send",
        "type_url",
        "wildcard",
        "with_ttl",
        "withheld",
    )

    def __init__(self, type_url: str, *, with_ttl: bool = False) -> None:
        self.type_url = type_url
        self.with_ttl = with_ttl  # the client supports TTL (rule 36)
        self.wildcard = False
        self.names = NO_NAMES
        self.known = NOTHING_KNOWN  # what the client accepted (rule 31): name -> version
        self.in_flight: InFlight | None = None
        self.rejected: Mapping[str, str | None] = {}  # refused (rule 7): name -> version, None for a removal
        self.to_send = NO_NAMES  # names to be sent even if unchanged
        self.to_follow = NO_NAMES  # names to be sent even if unchanged, since their cluster was sent (rule 33)
        self.changed = NO_NAMES  # names that changed since the last response
        self.altered = NO_NAMES  # of types that listeners name: the names that changed, came or went on this stream
        self.withheld = NO_NAMES  # names that a reconnecting client has and that no longer exist; sent later (rule 32)
        self.compare_all = False  # compare all wanted names, not only `to_send` and `changed`
        self.must_respond = False  # a response is to be sent even if it is empty (rule 24)
        self.heartbeat_due = False  # a heartbeat is to be sent
        self.for_heartbeat = False  # the names in `to_send` are there because of a heartbeat
        self.reconnected = False  # the client reconnected with resources of an earlier stream
        self.answered = False  # at least one response was sent
        self.nack: Nack | None = None  # the last NACK, until what it refused is corrected
        self.keeps_nack = False  # what was refused is held back, so that an ACK does not correct it

    @property
    def is_pending(self) -> bool:
        """Whether there may be something to send."""
        return bool(
            self.to_send
            or self.changed
            or self.to_follow
            or self.compare_all
            or self.must_respond
            or self.heartbeat_due
        )

    @property
    def reason(self) -> Reason:
        """Why there is something to send; of several reasons, the one that matters most to an operator."""
        if not self.answered:
            return "initial"
        if self.changed:
            return "change"
        if self.for_heartbeat:
            return "heartbeat"
        if self.to_send or self.compare_all or self.must_respond:
            return "subscribe"
        return "follow" if self.to_follow else "heartbeat"

    def find_due(self) -> frozenset[str] | None:
        """Return the names that may be sent next; None if these may be all wanted names."""
        return None if self.compare_all else unite(self.to_send, self.changed)

    def wants(self, name: str) -> bool:
        """Whether the client subscribed to the name, explicitly or by the wildcard."""
        return self.wildcard or name in self.names

    def names_any(self, names: frozenset[str]) -> bool:
        """Whether the client subscribed to any of these by name."""
        return not names.isdisjoint(self.names) or bool(self._find_targets(names))

    def on_reply(self, response_nonce: str, error: str | None, snapshot: TypeSnapshot) -> Nack | None:
        """Handle an ACK or a NACK (rule 6), and return the NACK. Another nonce than the last is neither (3, 18, 28)."""
        if self.in_flight is None or response_nonce != self.in_flight.nonce:
            return None
        batch, self.in_flight = self.in_flight.batch, None
        if error is not None:
            return self._on_nack(batch, error[:MAX_ERROR_LENGTH])
        self.accept(batch)
        if self.rejected or self.is_pending or self.withheld:
            self.known = self.known_after(batch)
        else:
            self.known = self._all_wanted(snapshot)
        self.clear_nack()
        return None

    def _on_nack(self, batch: Batch, error: str) -> Nack:
        nack = Nack(self.type_url, error, tuple(batch.versions) + batch.removed)
        if batch.is_heartbeat:  # the client no longer has these resources, so it needs them in full
            self.to_send = self.to_send.union(filter(self.wants, batch.versions))
            return nack
        refused = {name: version for name, version in self.refused(batch).items() if self.wants(name)}
        self.rejected = {**self.rejected, **refused}
        self.nack = nack
        return nack

    def is_repeat(self, _data: bytes) -> bool:
        """Whether an encoded request answers the response in flight, with the names of the request before.

        There is one such request for a response. An answer has no names in the delta variant.
        """
        return False

    def on_change(self, names: frozenset[str]) -> None:
        """Note which resources of the type changed. Names that the client does not want are ignored (rule 12)."""
        wanted = self._wanted(names)
        self.changed = unite(self.changed, wanted)
        if self.type_url in NAMED_BY_LISTENERS and not wanted <= self.altered:
            self.altered = unite(self.altered, wanted)

    def on_sent(self, nonce: str, batch: Batch) -> None:
        """Note that a response was sent. The next one waits until this one is answered."""
        self.in_flight = InFlight(nonce, batch)
        self.answered = True

    def on_heartbeat(self, snapshot: TypeSnapshot, elapsed_ms: float) -> None:
        """Mark resources with a TTL to be renewed (rule 36).

        A resource is sent in full if it may have expired in `elapsed_ms`, or if the client does not support TTL.
        """
        self.heartbeat_due = self.with_ttl
        ending = frozenset(
            name
            for name, ttl_ms in snapshot.ttls.items()
            if name in self.known and name not in self.rejected and (ttl_ms <= elapsed_ms or not self.with_ttl)
        )
        self.for_heartbeat = bool(ending) and not self.to_send
        self.to_send = unite(self.to_send, ending)

    def follow(self, names: frozenset[str]) -> None:
        """Mark the wanted names among `names` to be sent even if unchanged: their cluster was sent (rule 33)."""
        self.to_follow = unite(self.to_follow, self._wanted(names))

    def mark_to_send(self, names: frozenset[str]) -> None:
        """Mark names that a request adds to be sent (rules 17, 25)."""
        self.to_send = unite(self.to_send, names)

    def release(self) -> None:
        """Mark the withheld removals to be sent with the next response."""
        self.changed = unite(self.changed, self.withheld)
        self.withheld = NO_NAMES

    def respond(self, snapshot: TypeSnapshot) -> Batch | None:
        """Return the next response; None while one is in flight or when there is nothing to send (rule 8)."""
        if self.in_flight is not None or not self.is_pending:
            return None
        if self.rejected:
            self._retry_refused(snapshot)
        if self.to_follow:
            # Not those that the client refused (rule 7) or that do not exist.
            self.to_send = self.to_send.union(
                n for n in self.to_follow if n in snapshot.resources and n not in self.rejected
            )
        batch = self.compose(snapshot)
        self.to_follow = self.to_send = self.changed = NO_NAMES
        self.for_heartbeat = False
        self.compare_all = self.must_respond = False
        if batch is None:
            self.clear_nack()  # the refused change was reverted, and the client has everything else
        if batch is None and self.heartbeat_due:
            self.heartbeat_due = False
            batch = self.compose_heartbeat(snapshot)
        return batch

    def _retry_refused(self, snapshot: TypeSnapshot) -> None:
        """Mark refused resources to be sent again, if any of them has changed since the NACK (rule 7)."""
        touched = {name for name in self.changed if name in self.rejected}
        if all(self.rejected[name] == snapshot.versions.get(name) for name in touched):
            self.changed -= touched
            return
        # Also what returns to the version before: Envoy keeps a refused Secret, and needs the good one again.
        self.to_send = self.to_send.union(self.rejected)
        if len(self.rejected) > 1:
            # A client may have applied a part of the refused response, so it is unknown what it has of these.
            self.known = without(self.known, self.rejected.keys())
        self.rejected = {}

    def refuse_again(self, versions: Mapping[str, str], nack: Nack) -> None:
        """Note that the client would refuse these, as it did with that NACK."""
        self.rejected, self.nack = {**self.rejected, **versions}, nack

    def clear_nack(self) -> None:
        """Forget the NACK if none of its resources is refused any more."""
        if not (self.rejected or self.keeps_nack):
            self.nack = None

    def forget_unwanted(self) -> None:
        """Drop all state of names that are no longer wanted, so that a new subscription gets them again (rule 11)."""
        if not self.wildcard:
            self.known = without(self.known, self.known.keys() - self.names)
            self.rejected = without(self.rejected, self.rejected.keys() - self.names)
            self.to_send = _keep(self.to_send, self.names)
            self.changed = _keep(self.changed, self.names)
            self.to_follow = _keep(self.to_follow, self.names)
            self.withheld = _keep(self.withheld, self.names)
            self.altered = _keep(self.altered, self.names)
            self.clear_nack()

    def select(self, snapshot: TypeSnapshot) -> Selection:
        """Return what to send: resources that are due or that the client lacks, and removals.

        Streams in the same state share the result if it is large.
        """
        if not self.compare_all and not is_large(len(self.to_send) + len(self.changed)):
            return self._select(snapshot)
        names = NO_NAMES if self.wildcard else self.names
        wanted = (self.compare_all, self.wildcard, names, self.to_send, self.changed, self.withheld)
        # The result keeps a reference to `known`, so that no other object gets its id while it is shared.
        key = ("selection", self.type_url, wanted, id(self.known))
        return share(snapshot, key, lambda: (self._select(snapshot), self.known))[0]

    def _select(self, snapshot: TypeSnapshot) -> Selection:
        versions: dict[str, str] = {}
        gone: list[str] = []
        for name in sorted(self._candidates(snapshot)):
            version = snapshot.versions.get(name)
            if version is None:
                if name in self.to_send or (name in self.known and name not in self.withheld):
                    gone.append(name)
            elif name in self.to_send or self.known.get(name) != version:
                versions[name] = version
        return Selection(versions, frozenset(versions), tuple(gone))

    def _candidates(self, snapshot: TypeSnapshot) -> frozenset[str]:
        """Return the names that a response with only the changes may contain."""
        if self.compare_all:
            return self.to_send.union(self.known, snapshot.resources if self.wildcard else self.names)
        return self.to_send | self.changed

    def _wanted(self, names: frozenset[str]) -> frozenset[str]:
        return names if self.wildcard else unite(_keep(names, self.names), self._find_targets(names))

    def _find_targets(self, names: frozenset[str]) -> frozenset[str]:
        """Return the names of listeners that the client wants by a target with a port, `greeter:50051`."""
        if self.type_url != LISTENER or self.wildcard:
            return NO_NAMES
        return frozenset(one for one in self.names if one not in names and find_service(one) in names)

    def _all_wanted(self, snapshot: TypeSnapshot) -> Mapping[str, str]:
        """Return the versions of all wanted resources: what the client has when nothing is left to send."""
        if self.wildcard:
            return snapshot.versions
        if not is_large(len(self.names)):
            return _choose(snapshot.versions, self.names)
        return share(snapshot, ("versions", self.names), lambda: _choose(snapshot.versions, self.names))

    def select_heartbeat(self, snapshot: TypeSnapshot) -> dict[str, str]:
        """Return the versions of the resources with a TTL that the client has in the current version."""
        versions = {name: snapshot.versions[name] for name in snapshot.ttls}
        return {name: version for name, version in versions.items() if self.known.get(name) == version}

    def refused(self, batch: Batch) -> dict[str, str | None]:
        """Return the versions that a NACK of the batch refuses, with None for a removal."""
        return {**batch.versions, **dict.fromkeys(batch.removed)}

    @abstractmethod
    def on_names(self, request: Request, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Update the wanted names from a request. The request's fields are cleared.

        `first` is whether this is the first request for the type on the stream.
        """

    @abstractmethod
    def accept(self, batch: Batch) -> None:
        """Handle an accepted batch: its resources no longer count as refused."""

    @abstractmethod
    def known_after(self, batch: Batch) -> Mapping[str, str]:
        """Return what the client has after it accepted a batch that does not give it everything that it wants."""

    @abstractmethod
    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Return a response with what is due and what changed, or None when the client has everything."""

    @abstractmethod
    def compose_heartbeat(self, snapshot: TypeSnapshot) -> Batch | None:
        """Return a heartbeat for what the client has, or None when no resource has a TTL."""


def find_refused(nack: Nack) -> list[str]:
    """Return the names of the resources that a NACK is about.

    They are those that the client's message names, or else all of the response. A State of the World response carries
    every cluster, and Envoy's message names those that it refused.
    """
    return [name for name in nack.resource_names if _is_named(name, nack.message)] or list(nack.resource_names)


def _is_named(name: str, message: str) -> bool:
    """Whether the message contains the name as a whole word: `web-2` does not name `web`."""
    return name in message and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", message) is not None


def unite(some: frozenset[str], more: frozenset[str]) -> frozenset[str]:
    """Return the union; if one set is empty, the other object itself, so that streams share it."""
    return some | more if some and more else some or more


def _keep(some: frozenset[str], names: frozenset[str]) -> frozenset[str]:
    """Return the intersection; the object `some` itself if all of it is in `names`."""
    return some if some is names or some <= names else some & names


def without(versions: Mapping[str, V], names: Collection[str]) -> Mapping[str, V]:
    """Return the versions without those of `names`; the same object if it has none of them."""
    if not any(name in versions for name in names):
        return versions
    return {name: version for name, version in versions.items() if name not in names}


def check_names(names: frozenset[str]) -> None:
    """Raise PeerError if a name is too long."""
    if any(len(name) > MAX_NAME_LENGTH for name in names):
        raise PeerError("INVALID_ARGUMENT", f"a resource name is longer than {MAX_NAME_LENGTH} characters")


def _choose(versions: Mapping[str, str], names: frozenset[str]) -> Mapping[str, str]:
    if names.issuperset(versions):
        return versions
    return {name: versions[name] for name in names if name in versions}
