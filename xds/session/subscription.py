"""Subscription: what one stream wants of one type, what it has of it, and what it is still owed.

It knows no other type. What State of the World and delta share is here; `sotw.py` and `delta.py` add how names are
asked for and how a response is made.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from xds.errors import PeerError
from xds.session.batch import Batch
from xds.session.heartbeat import times_to_live
from xds.session.request import Request
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER

WILDCARD = "*"

WILDCARD_BY_DEFAULT = frozenset({CLUSTER, LISTENER})
"""The types of which a first request without names wants all (rules 20, 22)."""

MAX_NAME = 4096
"""The longest name that a client may ask for: far above any that exists, and a bound on what a stream may hold."""

MAX_ERROR = 4096
"""How much of what a client says about a refusal is kept."""


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
        "following",
        "heartbeat_due",
        "in_flight",
        "known",
        "nack",
        "names",
        "owed",
        "rejected",
        "returned",
        "type_url",
        "wildcard",
        "with_ttl",
        "withheld",
    )

    def __init__(self, type_url: str, *, with_ttl: bool = False) -> None:
        self.type_url = type_url
        self.with_ttl = with_ttl  # the client understands a time to live (rule 36)
        self.wildcard = False
        self.names: set[str] = set()
        self.known: dict[str, str] = {}  # what the client accepted (rule 31): name -> version
        self.in_flight: InFlight | None = None
        self.rejected: dict[str, str | None] = {}  # the version refused, None for a removal (rule 7)
        self.due: set[str] = set()  # owed an answer, although unchanged
        self.following: set[str] = set()  # owed too, since what refers to it was sent (rule 33)
        self.dirty: set[str] = set()  # changed since the last response
        self.withheld: set[str] = set()  # gone when the client came back, but it is not told yet (rule 32)
        self.everything = False  # all that is wanted is to be looked at, not only `due` and `dirty`
        self.owed = False  # an answer is owed, although empty (rule 24)
        self.heartbeat_due = False  # what lives for a while only is to be prolonged
        self.returned = False  # the client came back with resources of an earlier stream
        self.answered = False  # there was a response
        self.nack: Nack | None = None  # the last refusal, until what was refused is mended

    @property
    def is_pending(self) -> bool:
        """Whether there may be something to say."""
        named = self.due or self.dirty or self.following
        return bool(named or self.everything or self.owed or self.heartbeat_due)

    def wants(self, name: str) -> bool:
        """Tell whether the client subscribed to the name, by itself or by the wildcard."""
        return self.wildcard or name in self.names

    def on_reply(self, response_nonce: str, error: str | None) -> Nack | None:
        """Take an ACK or a NACK (rule 6); a nonce that is not the last one's is neither (rules 3, 18, 28)."""
        if self.in_flight is None or response_nonce != self.in_flight.nonce:
            return None
        batch, self.in_flight = self.in_flight.batch, None
        if error is not None:
            return self._on_nack(batch, error[:MAX_ERROR])
        self.accept(batch)
        self._clear_nack()
        return None

    def _on_nack(self, batch: Batch, error: str) -> Nack:
        nack = Nack(self.type_url, error, tuple(batch.versions) + batch.removed)
        if batch.is_heartbeat:  # the client has let go of what it was to keep: it needs it whole
            self.due.update(filter(self.wants, batch.versions))
            return nack
        self.rejected.update((name, version) for name, version in self.refused(batch).items() if self.wants(name))
        self.nack = nack
        return nack

    def on_change(self, names: frozenset[str]) -> None:
        """Note which resources of the type changed; those that nobody here wants cost nothing more (rule 12)."""
        self.dirty |= names if self.wildcard else names & self.names

    def on_sent(self, nonce: str, batch: Batch) -> None:
        """Note that a response left; until it is answered, nothing more does."""
        self.in_flight = InFlight(nonce, batch)
        self.answered = True

    def on_heartbeat(self, snapshot: TypeSnapshot, elapsed_ms: float) -> None:
        """Prolong what lives for a while only (rule 36).

        What may have died since the last time, or is not prolonged by less, is due whole.
        """
        self.heartbeat_due = self.with_ttl
        for name, ttl_ms in times_to_live(snapshot).items():
            if name in self.known and name not in self.rejected and (ttl_ms <= elapsed_ms or not self.with_ttl):
                self.due.add(name)

    def follow(self, names: Iterable[str]) -> None:
        """Owe the wanted ones of `names` again, unchanged: what refers to them was sent (rule 33)."""
        self.following.update(filter(self.wants, names))

    def want(self, names: set[str]) -> None:
        """Owe an answer for names that a request adds (rules 17, 25); raise PeerError for one that cannot be."""
        if any(len(name) > MAX_NAME for name in names):
            raise PeerError("INVALID_ARGUMENT", f"a resource name is longer than {MAX_NAME} characters")
        self.due |= names

    def release(self) -> None:
        """Tell of what was withheld with the next response."""
        self.dirty |= self.withheld
        self.withheld.clear()

    def respond(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make the next response, or None while one is in flight or nothing is to be said (rule 8)."""
        if self.in_flight is not None or not self.is_pending:
            return None
        if self.rejected:
            self._mend(snapshot)
        # What was refused does not follow (rule 7), and what does not exist cannot.
        self.due.update(n for n in self.following if n in snapshot.resources and n not in self.rejected)
        batch = self.compose(snapshot)
        self.following.clear()
        self.everything = self.owed = False
        self.due.clear()
        self.dirty.clear()
        if batch is None:
            self._clear_nack()  # what was refused was taken back, and the client has the rest
        if batch is None and self.heartbeat_due:
            self.heartbeat_due = False
            batch = self.compose_heartbeat(snapshot)
        return batch

    def _mend(self, snapshot: TypeSnapshot) -> None:
        """Have what was refused sent again, if any of it is another than it was then (rule 7)."""
        touched = {name for name in self.dirty if name in self.rejected}
        if all(self.rejected[name] == _version(snapshot, name) for name in touched):
            self.dirty -= touched
        elif len(self.rejected) > 1:
            # A client may have taken some of what it refused together, so that what it has is not known.
            self.due.update(self.rejected)
            for name in self.rejected:
                self.known.pop(name, None)
            self.rejected.clear()
        else:
            self.rejected.clear()

    def _clear_nack(self) -> None:
        """Forget a refusal of which nothing stands: the operator has mended it."""
        if not self.rejected:
            self.nack = None

    def forget_unwanted(self) -> None:
        """Drop all state of names that are no longer wanted, so that asking again gets them again (rule 11)."""
        if not self.wildcard:
            self.known = {name: version for name, version in self.known.items() if name in self.names}
            self.rejected = {name: version for name, version in self.rejected.items() if name in self.names}
            self.due &= self.names
            self.dirty &= self.names
            self.following &= self.names
            self.withheld &= self.names
            self._clear_nack()

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
                if name in self.due or (name in self.known and name not in self.withheld):
                    gone.append(name)
            elif name in self.due or self.known.get(name) != resource.version:
                versions[name] = resource.version
        return versions, tuple(gone)

    def to_prolong(self, snapshot: TypeSnapshot) -> dict[str, str]:
        """Choose what to prolong: what the client has as it is now, and only for a while."""
        versions = {name: snapshot.resources[name].version for name in times_to_live(snapshot)}
        return {name: version for name, version in versions.items() if self.known.get(name) == version}

    def refused(self, batch: Batch) -> dict[str, str | None]:
        """Give the versions that a NACK of the batch refuses; None is a removal."""
        return {**batch.versions, **dict.fromkeys(batch.removed)}

    @abstractmethod
    def on_names(self, request: Request, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Take what a request says of the names that are wanted; `first` is the type's first on the stream."""

    @abstractmethod
    def accept(self, batch: Batch) -> None:
        """Take what the client has accepted as known."""

    @abstractmethod
    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of what is due and dirty, or None when the client has it all."""

    @abstractmethod
    def compose_heartbeat(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response that prolongs what the client has, or None when all of that lives for ever."""


def _version(snapshot: TypeSnapshot, name: str) -> str | None:
    resource = snapshot.resources.get(name)
    return resource.version if resource else None
