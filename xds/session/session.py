"""Session: all subscriptions of one stream, and the order in which they are answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic

from google.protobuf.message import DecodeError

from xds.errors import PeerError
from xds.resources.resource import Resource
from xds.session.delta import DeltaSubscription
from xds.session.sotw import SotwSubscription
from xds.session.subscription import Nack, Request, Subscription
from xds.snapshot.snapshot import Snapshot, SnapshotChange
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, TYPE_URLS
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
)

STAGED = frozenset({LISTENER, ROUTE_CONFIGURATION})
"""The types that name clusters: what they say next waits until the client has the clusters and their endpoints."""


@dataclass(frozen=True, slots=True)
class Variant(Generic[Request]):
    """What sets State of the World and delta apart: their messages, and how a subscription is stated and answered."""

    name: str
    request: type[Request]
    response: type[DiscoveryResponse] | type[DeltaDiscoveryResponse]
    subscription: Callable[[str], Subscription[Request]]


SOTW: Variant[DiscoveryRequest] = Variant("sotw", DiscoveryRequest, DiscoveryResponse, SotwSubscription)
DELTA: Variant[DeltaDiscoveryRequest] = Variant(
    "delta", DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaSubscription
)


@dataclass(frozen=True, slots=True)
class Response:
    """One encoded response, ready for the wire."""

    type_url: str
    nonce: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """What a request led to: responses to send, and what an operator should hear of."""

    responses: list[Response] = field(default_factory=list)
    nack: Nack | None = None
    unknown_type: str | None = None


class Session(Generic[Request]):
    """One stream of one client.

    `acquire` gives the snapshot for a node, once it has said who it is; `nonce_prefix` is unique among the
    server's streams, so that a nonce of another stream never counts (rule 3). `type_url` is the one type of a
    stream that is not aggregated.

    A change goes out make before break (rule 32): clusters and endpoints first; listeners, and then routes, when
    the client has accepted those; and what is gone when it has accepted these. `waits` counts the waits that began
    and is 0 while there is none: whoever keeps time calls `on_timeout` when one has lasted too long.
    """

    __slots__ = (
        "_acquire",
        "_awaited",
        "_latest",
        "_nonce_count",
        "_nonce_prefix",
        "_overdue",
        "_retained",
        "_wait_count",
        "node",
        "snapshot",
        "subscriptions",
        "type_url",
        "variant",
        "waits",
    )

    def __init__(
        self,
        variant: Variant[Request],
        acquire: Callable[[Node], Snapshot],
        nonce_prefix: str,
        type_url: str | None = None,
    ) -> None:
        self.variant: Variant[Request] = variant
        self.type_url = type_url
        self.node: Node | None = None
        self.snapshot = Snapshot({})  # what is served now; while something is retained, that is in it
        self.subscriptions: dict[str, Subscription[Request]] = {}
        self.waits = 0
        self._acquire = acquire
        self._latest = self.snapshot  # what is served once nothing is retained
        self._retained: dict[str, dict[str, Resource]] = {}
        self._awaited: set[str] = set()  # new clusters whose endpoints the client does not have yet
        self._overdue: set[str] = set()  # types that kept the others waiting too long
        self._nonce_prefix = nonce_prefix
        self._nonce_count = 0
        self._wait_count = 0

    def on_request(self, data: bytes) -> Step:
        """Take the bytes of a request; raise PeerError when they end the stream."""
        request = self._parse(data)
        if self.node is None:
            self._introduce(request.node)
        if self.type_url is not None:
            self._infer_type(request)
        if not request.type_url:
            raise PeerError("INVALID_ARGUMENT", "an ADS request needs a type_url")
        if request.type_url not in TYPE_URLS:
            return Step(unknown_type=request.type_url)
        first = request.type_url not in self.subscriptions
        if first:
            self.subscriptions[request.type_url] = self.variant.subscription(request.type_url)
        subscription = self.subscriptions[request.type_url]
        error = request.error_detail.message if request.HasField("error_detail") else None
        nack = subscription.on_reply(request.response_nonce, error)
        if nack is not None and request.type_url == CLUSTER:
            self._awaited.difference_update(nack.resource_names)
        subscription.on_names(request, self.snapshot.of(request.type_url), first=first)
        return Step(self._flush(), nack)

    def on_change(self, change: SnapshotChange) -> list[Response]:
        """Take the view's next snapshot; what is sent now is what nothing holds up."""
        self._latest, self.snapshot = change.snapshot, change.made
        if self._retained:  # of an earlier change that the client has not got through yet
            self._retain(change)
        else:
            self._retained = {type_url: dict(of_type) for type_url, of_type in change.retained.items()}
        for type_url, names in change.names.items():
            if subscription := self.subscriptions.get(type_url):
                subscription.on_change(names.difference(self._retained.get(type_url, ())))
        return self._flush()

    def on_timeout(self) -> list[Response]:
        """Wait no longer for what is unanswered: nothing that a client leaves undone holds it up for ever."""
        self._overdue = {type_url for type_url, one in self.subscriptions.items() if one.in_flight is not None}
        self._awaited.clear()
        self.waits = 0
        return self._flush()

    def _parse(self, data: bytes) -> Request:
        try:
            request: Request = self.variant.request.FromString(data)
        except DecodeError as error:
            raise PeerError("INVALID_ARGUMENT", f"not a {self.variant.request.DESCRIPTOR.name}: {error}") from None
        return request

    def _infer_type(self, request: Request) -> None:
        """Fill in the one type of a stream that is not aggregated; another is refused (rule 1)."""
        if request.type_url not in ("", self.type_url):
            raise PeerError("INVALID_ARGUMENT", f"this stream serves {self.type_url}, not {request.type_url}")
        request.type_url = self.type_url or ""

    def _introduce(self, node: Node) -> None:
        """Take the stream's first message's node; it counts for all that follow (rule 2)."""
        if not node.id:
            raise PeerError("INVALID_ARGUMENT", "the first request of a stream needs a node with an id")
        self.snapshot = self._latest = self._acquire(node)
        self.node = node

    def _retain(self, change: SnapshotChange) -> None:
        """Retain what is gone by this change and by the ones before, but for what came back."""
        for type_url, of_type in change.retained.items():
            self._retained.setdefault(type_url, {}).update(of_type)
        self._retained = {
            type_url: {name: r for name, r in of_type.items() if name not in change.snapshot.of(type_url).resources}
            for type_url, of_type in self._retained.items()
        }
        self.snapshot = change.snapshot.replace(self._retained)

    def _flush(self) -> list[Response]:
        """Answer what is due, type by type, in the order that makes before it breaks."""
        responses: list[Response] = []
        self._release()
        held = self._answer(responses)
        if self._release():
            held = self._answer(responses)
        if not (held or self._retained):
            self.waits = 0
        elif not self.waits:
            self._wait_count += 1
            self.waits = self._wait_count
        return responses

    def _release(self) -> bool:
        """Let go of what is gone, once the client has listeners and routes that no longer name it."""
        if not self._retained or any(map(self._is_behind, STAGED)):
            return False
        gone, self._retained, self.snapshot = self._retained, {}, self._latest
        for type_url, of_type in gone.items():
            if subscription := self.subscriptions.get(type_url):
                subscription.on_change(frozenset(of_type))
        return True

    def _answer(self, responses: list[Response]) -> bool:
        """Make the responses that nothing holds up; tell whether something is held up."""
        held = False
        for type_url in TYPE_URLS:
            if (subscription := self.subscriptions.get(type_url)) is None or not subscription.is_pending:
                continue
            if type_url in STAGED and subscription.answered and self._is_unready(type_url):
                held = True
            elif batch := subscription.respond(self.snapshot.of(type_url)):
                self._nonce_count += 1
                nonce = f"{self._nonce_prefix}-{self._nonce_count}"
                if type_url == CLUSTER:
                    self._await_assignments(subscription, batch.versions)
                subscription.on_sent(nonce, batch)
                self._overdue.discard(type_url)
                # Encoded messages merge by concatenation: all but the nonce is shared with other streams.
                body = batch.body + self.variant.response(nonce=nonce).SerializeToString()
                responses.append(Response(type_url, nonce, body))
        return held

    def _await_assignments(self, clusters: Subscription[Request], sent: Mapping[str, str]) -> None:
        """Have every cluster that is new or changed followed by its endpoints, although unasked (rule 33)."""
        changed = {name for name, version in sent.items() if clusters.known.get(name) != version}
        self._awaited |= changed - clusters.known.keys()
        if assignments := self.subscriptions.get(CLUSTER_LOAD_ASSIGNMENT):
            assignments.owe(changed)

    def _is_unready(self, type_url: str) -> bool:
        """Tell whether the client still lacks what resources of this type may name."""
        earlier = TYPE_URLS[: TYPE_URLS.index(type_url)]
        return any(map(self._is_unanswered, earlier)) or self._lacks_assignments()

    def _is_unanswered(self, type_url: str) -> bool:
        subscription = self.subscriptions.get(type_url)
        return subscription is not None and subscription.in_flight is not None and type_url not in self._overdue

    def _lacks_assignments(self) -> bool:
        """Tell whether the client has no endpoints yet for a cluster that is new to it."""
        if self._awaited:
            assignments = self.subscriptions.get(CLUSTER_LOAD_ASSIGNMENT)
            settled = assignments.known.keys() | assignments.rejected if assignments else set()
            self._awaited &= self._latest.of(CLUSTER_LOAD_ASSIGNMENT).resources.keys() - settled
        return bool(self._awaited)

    def _is_behind(self, type_url: str) -> bool:
        """Tell whether the client still goes by something older than what it is served, of one type."""
        if (subscription := self.subscriptions.get(type_url)) is None:
            return False
        if subscription.rejected:  # and then it does, however long that takes
            return True
        return type_url not in self._overdue and (subscription.is_pending or subscription.in_flight is not None)
