"""Subscription: what one stream wants of one type, what it has of it, and what it is still owed.

It knows no other type. What State of the World and delta share is here; `sotw.py` and `delta.py` add how names are
asked for and how a response is made.

What it holds of names and versions is never changed, only replaced, and so many streams hold one and the same: a
thousand clients that want all of a thousand resources, and have them, cost one set and one dict.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from xds.errors import PeerError
from xds.session.batch import Batch, is_large, share
from xds.session.request import Request
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER

V = TypeVar("V")

Reason = Literal["initial", "subscribe", "change", "follow", "heartbeat"]
REASONS: tuple[Reason, ...] = ("initial", "subscribe", "change", "follow", "heartbeat")
"""Why a response is sent: the first of a type; names that were added; what is served changed; endpoints after their
cluster, unchanged (rule 33); what lives for a while only (rule 36)."""

WILDCARD = "*"

NONE: frozenset[str] = frozenset()

NOTHING_KNOWN: Mapping[str, str] = {}

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
class Selection:
    """What to send: the version of each resource by name, the names alone, and those that are gone."""

    versions: Mapping[str, str]
    names: frozenset[str]
    gone: tuple[str, ...]


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
        "prolonged",
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
        self.names = NONE
        self.known = NOTHING_KNOWN  # what the client accepted (rule 31): name -> version
        self.in_flight: InFlight | None = None
        self.rejected: Mapping[str, str | None] = {}  # the version refused, None for a removal (rule 7)
        self.due = NONE  # owed an answer, although unchanged
        self.following = NONE  # owed too, since what refers to it was sent (rule 33)
        self.dirty = NONE  # changed since the last response
        self.withheld = NONE  # gone when the client came back, but it is not told yet (rule 32)
        self.everything = False  # all that is wanted is to be looked at, not only `due` and `dirty`
        self.owed = False  # an answer is owed, although empty (rule 24)
        self.heartbeat_due = False  # what lives for a while only is to be prolonged
        self.prolonged = False  # what is due is so since it lives for a while only
        self.returned = False  # the client came back with resources of an earlier stream
        self.answered = False  # there was a response
        self.nack: Nack | None = None  # the last refusal, until what was refused is mended

    @property
    def is_pending(self) -> bool:
        """Whether there may be something to say."""
        return bool(self.due or self.dirty or self.following or self.everything or self.owed or self.heartbeat_due)

    @property
    def reason(self) -> Reason:
        """Why there is something to say: of several reasons the one that an operator would name."""
        if not self.answered:
            return "initial"
        if self.dirty:
            return "change"
        if self.prolonged:
            return "heartbeat"
        if self.due or self.everything or self.owed:
            return "subscribe"
        return "follow" if self.following else "heartbeat"

    def wants(self, name: str) -> bool:
        """Tell whether the client subscribed to the name, by itself or by the wildcard."""
        return self.wildcard or name in self.names

    def on_reply(self, response_nonce: str, error: str | None, snapshot: TypeSnapshot) -> Nack | None:
        """Take an ACK or a NACK (rule 6); a nonce that is not the last one's is neither (rules 3, 18, 28)."""
        if self.in_flight is None or response_nonce != self.in_flight.nonce:
            return None
        batch, self.in_flight = self.in_flight.batch, None
        if error is not None:
            return self._on_nack(batch, error[:MAX_ERROR])
        self.accept(batch)
        if self.rejected or self.is_pending or self.withheld:
            self.known = self.known_after(batch)
        else:
            self.known = self._all_wanted(snapshot)
        self._clear_nack()
        return None

    def _on_nack(self, batch: Batch, error: str) -> Nack:
        nack = Nack(self.type_url, error, tuple(batch.versions) + batch.removed)
        if batch.is_heartbeat:  # the client has let go of what it was to keep: it needs it whole
            self.due = self.due.union(filter(self.wants, batch.versions))
            return nack
        refused = {name: version for name, version in self.refused(batch).items() if self.wants(name)}
        self.rejected = {**self.rejected, **refused}
        self.nack = nack
        return nack

    def on_change(self, names: frozenset[str]) -> None:
        """Note which resources of the type changed; those that nobody here wants cost nothing more (rule 12)."""
        self.dirty = unite(self.dirty, self._wanted(names))

    def on_sent(self, nonce: str, batch: Batch) -> None:
        """Note that a response left; until it is answered, nothing more does."""
        self.in_flight = InFlight(nonce, batch)
        self.answered = True

    def on_heartbeat(self, snapshot: TypeSnapshot, elapsed_ms: float) -> None:
        """Prolong what lives for a while only (rule 36).

        What may have died since the last time, or is not prolonged by less, is due whole.
        """
        self.heartbeat_due = self.with_ttl
        ending = frozenset(
            name
            for name, ttl_ms in snapshot.ttls.items()
            if name in self.known and name not in self.rejected and (ttl_ms <= elapsed_ms or not self.with_ttl)
        )
        self.prolonged = bool(ending) and not self.due
        self.due = unite(self.due, ending)

    def follow(self, names: frozenset[str]) -> None:
        """Owe the wanted ones of `names` again, unchanged: what refers to them was sent (rule 33)."""
        self.following = unite(self.following, self._wanted(names))

    def want(self, names: frozenset[str]) -> None:
        """Owe an answer for names that a request adds (rules 17, 25)."""
        self.due = unite(self.due, names)

    def release(self) -> None:
        """Tell of what was withheld with the next response."""
        self.dirty = unite(self.dirty, self.withheld)
        self.withheld = NONE

    def respond(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make the next response, or None while one is in flight or nothing is to be said (rule 8)."""
        if self.in_flight is not None or not self.is_pending:
            return None
        if self.rejected:
            self._mend(snapshot)
        if self.following:
            # What was refused does not follow (rule 7), and what does not exist cannot.
            self.due = self.due.union(n for n in self.following if n in snapshot.resources and n not in self.rejected)
        batch = self.compose(snapshot)
        self.following = self.due = self.dirty = NONE
        self.prolonged = False
        self.everything = self.owed = False
        if batch is None:
            self._clear_nack()  # what was refused was taken back, and the client has the rest
        if batch is None and self.heartbeat_due:
            self.heartbeat_due = False
            batch = self.compose_heartbeat(snapshot)
        return batch

    def _mend(self, snapshot: TypeSnapshot) -> None:
        """Have what was refused sent again, if any of it is another than it was then (rule 7)."""
        touched = {name for name in self.dirty if name in self.rejected}
        if all(self.rejected[name] == snapshot.versions.get(name) for name in touched):
            self.dirty -= touched
            return
        if len(self.rejected) > 1:
            # A client may have taken some of what it refused together, so that what it has is not known.
            self.due = self.due.union(self.rejected)
            self.known = without(self.known, self.rejected.keys())
        self.rejected = {}

    def _clear_nack(self) -> None:
        """Forget a refusal of which nothing stands: the operator has mended it."""
        if not self.rejected:
            self.nack = None

    def forget_unwanted(self) -> None:
        """Drop all state of names that are no longer wanted, so that asking again gets them again (rule 11)."""
        if not self.wildcard:
            self.known = without(self.known, self.known.keys() - self.names)
            self.rejected = without(self.rejected, self.rejected.keys() - self.names)
            self.due = _keep(self.due, self.names)
            self.dirty = _keep(self.dirty, self.names)
            self.following = _keep(self.following, self.names)
            self.withheld = _keep(self.withheld, self.names)
            self._clear_nack()

    def select(self, snapshot: TypeSnapshot) -> Selection:
        """Choose what to send: what is due or not yet known, and what is gone.

        It follows from what streams have in common, so that a large one is worked out once for all.
        """
        if not self.everything and not is_large(len(self.due) + len(self.dirty)):
            return self._select(snapshot)
        names = NONE if self.wildcard else self.names
        wanted = (self.everything, self.wildcard, names, self.due, self.dirty, self.withheld)
        # What is known is kept beside what follows from it, so that its id is of nothing else meanwhile.
        key = ("selection", self.type_url, wanted, id(self.known))
        return share(snapshot, key, lambda: (self._select(snapshot), self.known))[0]

    def _select(self, snapshot: TypeSnapshot) -> Selection:
        versions: dict[str, str] = {}
        gone: list[str] = []
        for name in sorted(self._candidates(snapshot)):
            version = snapshot.versions.get(name)
            if version is None:
                if name in self.due or (name in self.known and name not in self.withheld):
                    gone.append(name)
            elif name in self.due or self.known.get(name) != version:
                versions[name] = version
        return Selection(versions, frozenset(versions), tuple(gone))

    def _candidates(self, snapshot: TypeSnapshot) -> frozenset[str]:
        """Name what has to be looked at for a response that carries only what changed."""
        if self.everything:
            return self.due.union(self.known, snapshot.resources if self.wildcard else self.names)
        return self.due | self.dirty

    def _wanted(self, names: frozenset[str]) -> frozenset[str]:
        return names if self.wildcard else _keep(names, self.names)

    def _all_wanted(self, snapshot: TypeSnapshot) -> Mapping[str, str]:
        """Give the versions of all that the client wants: what it has when nothing is left to say."""
        if self.wildcard:
            return snapshot.versions
        if not is_large(len(self.names)):
            return _choose(snapshot.versions, self.names)
        return share(snapshot, ("versions", self.names), lambda: _choose(snapshot.versions, self.names))

    def to_prolong(self, snapshot: TypeSnapshot) -> dict[str, str]:
        """Choose what to prolong: what the client has as it is now, and only for a while."""
        versions = {name: snapshot.versions[name] for name in snapshot.ttls}
        return {name: version for name, version in versions.items() if self.known.get(name) == version}

    def refused(self, batch: Batch) -> dict[str, str | None]:
        """Give the versions that a NACK of the batch refuses; None is a removal."""
        return {**batch.versions, **dict.fromkeys(batch.removed)}

    @abstractmethod
    def on_names(self, request: Request, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Take what a request says of the names that are wanted, and use the request up.

        `first` is the type's first on the stream.
        """

    @abstractmethod
    def accept(self, batch: Batch) -> None:
        """Take it that the client has accepted a batch: what of it was refused before is no more."""

    @abstractmethod
    def known_after(self, batch: Batch) -> Mapping[str, str]:
        """Give what the client has once it has accepted a batch, while it does not have all that it wants."""

    @abstractmethod
    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of what is due and dirty, or None when the client has it all."""

    @abstractmethod
    def compose_heartbeat(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response that prolongs what the client has, or None when all of that lives for ever."""


def unite(some: frozenset[str], more: frozenset[str]) -> frozenset[str]:
    """Give both; the one itself where the other is empty, so that it can be shared."""
    return some | more if some and more else some or more


def _keep(some: frozenset[str], names: frozenset[str]) -> frozenset[str]:
    """Give those that are among `names`; the same object if all of them are."""
    return some if some is names or some <= names else some & names


def without(versions: Mapping[str, V], names: Collection[str]) -> Mapping[str, V]:
    """Give the versions but for those of `names`; the same object if it has none of them."""
    if not any(name in versions for name in names):
        return versions
    return {name: version for name, version in versions.items() if name not in names}


def check_names(names: frozenset[str]) -> None:
    """Raise PeerError for a name that is too long."""
    if any(len(name) > MAX_NAME for name in names):
        raise PeerError("INVALID_ARGUMENT", f"a resource name is longer than {MAX_NAME} characters")


def _choose(versions: Mapping[str, str], names: frozenset[str]) -> Mapping[str, str]:
    if names.issuperset(versions):
        return versions
    return {name: versions[name] for name in names if name in versions}
