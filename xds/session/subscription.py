"""Subscription: what one stream wants of one type, what it has of it, and what it is still owed.

It knows no other type. What State of the World and delta share is here; `sotw.py` and `delta.py` add how names are
asked for and how a response is made.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from xds.snapshot.snapshot import TypeSnapshot
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest

Request = TypeVar("Request", DiscoveryRequest, DeltaDiscoveryRequest)
"""Either variant's request."""

WILDCARD = "*"
MAX_ENCODED = 64
"""How many different responses one TypeSnapshot keeps encoded; a client that asks for oddities cannot add more."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one response carries: the version of each resource by name, the names that are gone, and the bytes.

    `body` is the encoded response but for its nonce, so that all streams that are sent the same share it.
    """

    versions: Mapping[str, str]
    removed: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Nack:
    """A client's refusal of a response: what it said, and the resources that were in it."""

    type_url: str
    message: str
    resource_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InFlight:
    """A response that the client has neither accepted nor refused yet."""

    nonce: str
    batch: Batch


class Subscription(ABC, Generic[Request]):
    """One type of one stream. At most one response is in flight; what changes meanwhile is merged (rule 38)."""

    __slots__ = (
        "answered",
        "dirty",
        "due",
        "everything",
        "in_flight",
        "known",
        "nack",
        "names",
        "owed",
        "rejected",
        "type_url",
        "wildcard",
    )

    def __init__(self, type_url: str) -> None:
        self.type_url = type_url
        self.wildcard = False
        self.names: set[str] = set()
        self.known: dict[str, str] = {}  # what the client accepted (rule 31): name -> version
        self.in_flight: InFlight | None = None
        self.rejected: set[str] = set()  # not sent again before one of them changes (rule 7)
        self.due: set[str] = set()  # owed an answer, although unchanged
        self.dirty: set[str] = set()  # changed since the last response
        self.everything = False  # all that is wanted is to be looked at, not only `due` and `dirty`
        self.owed = False  # an answer is owed, although empty (rule 24)
        self.answered = False  # there was a response
        self.nack: Nack | None = None  # the last refusal, until what was refused is mended

    @property
    def is_pending(self) -> bool:
        """Whether there may be something to say."""
        return bool(self.everything or self.due or self.dirty or self.owed)

    def wants(self, name: str) -> bool:
        """Tell whether the client subscribed to the name, by itself or by the wildcard."""
        return self.wildcard or name in self.names

    def on_reply(self, response_nonce: str, error: str | None) -> Nack | None:
        """Take an ACK or a NACK (rule 6); a nonce that is not the last one's is neither (rules 3, 18, 28)."""
        if self.in_flight is None or response_nonce != self.in_flight.nonce:
            return None
        batch, self.in_flight = self.in_flight.batch, None
        if error is not None:
            self.rejected.update(batch.versions, batch.removed)
            self.nack = Nack(self.type_url, error, tuple(batch.versions) + batch.removed)
            return self.nack
        self.accept(batch)
        if not self.rejected:
            self.nack = None
        return None

    def on_change(self, names: frozenset[str]) -> None:
        """Note which resources of the type changed; those that nobody here wants cost nothing more (rule 12)."""
        self.dirty |= names if self.wildcard else names & self.names

    def on_sent(self, nonce: str, batch: Batch) -> None:
        """Note that a response left; until it is answered, nothing more does."""
        self.in_flight = InFlight(nonce, batch)
        self.answered = True

    def owe(self, names: Iterable[str]) -> None:
        """Owe the wanted ones of `names` again, unchanged: what refers to them was sent (rule 33)."""
        self.due.update(name for name in names if self.wants(name))

    def respond(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make the next response, or None while one is in flight or nothing is to be said (rule 8)."""
        if self.in_flight is not None or not self.is_pending:
            return None
        if not self.dirty.isdisjoint(self.rejected):
            self.dirty |= self.rejected
            self.rejected.clear()
        batch = self.compose(snapshot)
        self.everything = self.owed = False
        self.due.clear()
        self.dirty.clear()
        return batch

    def forget_unwanted(self) -> None:
        """Drop all state of names that are no longer wanted, so that asking again gets them again (rule 11)."""
        if not self.wildcard:
            self.known = {name: version for name, version in self.known.items() if name in self.names}
            self.due &= self.names
            self.dirty &= self.names
            self.rejected &= self.names

    def candidates(self, snapshot: TypeSnapshot) -> set[str]:
        """Name what has to be looked at for a response that carries only what changed."""
        if self.everything:
            return self.due | self.known.keys() | (snapshot.resources.keys() if self.wildcard else self.names)
        return self.due | self.dirty

    def select(self, snapshot: TypeSnapshot) -> tuple[dict[str, str], tuple[str, ...]]:
        """Choose what to send of the candidates: what is due or not yet known, and what is gone."""
        versions: dict[str, str] = {}
        gone: list[str] = []
        for name in sorted(self.candidates(snapshot)):
            resource = snapshot.resources.get(name)
            if resource is None:
                if name in self.due or name in self.known:
                    gone.append(name)
            elif name in self.due or self.known.get(name) != resource.version:
                versions[name] = resource.version
        return versions, tuple(gone)

    @abstractmethod
    def on_names(self, request: Request, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Take what a request says of the names that are wanted; `first` is the type's first on the stream."""

    @abstractmethod
    def accept(self, batch: Batch) -> None:
        """Take what the client has accepted as known."""

    @abstractmethod
    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of what is due and dirty, or None when the client has it all."""


def share(snapshot: TypeSnapshot, key: object, make: Callable[[], Batch]) -> Batch:
    """Give the batch that was made for this key before, or make it."""
    batch: Batch | None = snapshot.encoded.get(key)
    if batch is None:
        if len(snapshot.encoded) >= MAX_ENCODED:
            snapshot.encoded.clear()
        batch = snapshot.encoded[key] = make()
    return batch
