"""Session: all subscriptions of one stream, and the order in which they are answered."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from google.protobuf.message import DecodeError

from xds.errors import PeerError
from xds.session.delta import DeltaSubscription
from xds.session.sotw import SotwSubscription
from xds.session.subscription import Nack, Request, Subscription
from xds.snapshot.snapshot import Snapshot, SnapshotChange
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, TYPE_URLS
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
)


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
    resource_count: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a request led to: responses to send, and what an operator should hear of."""

    responses: list[Response] = field(default_factory=list)
    nack: Nack | None = None
    unknown_type: str | None = None


class Session(Generic[Request]):
    """One stream of one client.

    `acquire` gives the snapshot for a node, once it has said who it is; `nonce_prefix` is unique among the
    server's streams, so that a nonce of another stream never counts (rule 3).
    """

    __slots__ = ("_acquire", "_nonce_count", "_nonce_prefix", "node", "snapshot", "subscriptions", "variant")

    def __init__(self, variant: Variant[Request], acquire: Callable[[Node], Snapshot], nonce_prefix: str) -> None:
        self.variant: Variant[Request] = variant
        self.node: Node | None = None
        self.snapshot = Snapshot({})
        self.subscriptions: dict[str, Subscription[Request]] = {}
        self._acquire = acquire
        self._nonce_prefix = nonce_prefix
        self._nonce_count = 0

    def on_request(self, data: bytes) -> Step:
        """Take the bytes of a request; raise PeerError when they end the stream."""
        request = self._parse(data)
        if self.node is None:
            self._introduce(request.node)
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
        subscription.on_names(request, self.snapshot.of(request.type_url), first=first)
        return Step(self._flush(), nack)

    def on_change(self, change: SnapshotChange) -> list[Response]:
        """Take the view's next snapshot; what is sent now is what no unanswered response holds up."""
        self.snapshot = change.snapshot
        for type_url, names in change.names.items():
            if subscription := self.subscriptions.get(type_url):
                subscription.on_change(names)
        return self._flush()

    def _parse(self, data: bytes) -> Request:
        try:
            request: Request = self.variant.request.FromString(data)
        except DecodeError as error:
            raise PeerError("INVALID_ARGUMENT", f"not a {self.variant.request.DESCRIPTOR.name}: {error}") from None
        return request

    def _introduce(self, node: Node) -> None:
        """Take the stream's first message's node; it counts for all that follow (rule 2)."""
        if not node.id:
            raise PeerError("INVALID_ARGUMENT", "the first request of a stream needs a node with an id")
        self.snapshot = self._acquire(node)
        self.node = node

    def _flush(self) -> list[Response]:
        """Answer what is due, type by type, in the order that makes before it breaks."""
        responses: list[Response] = []
        for type_url in TYPE_URLS:
            if (subscription := self.subscriptions.get(type_url)) is None:
                continue
            batch = subscription.respond(self.snapshot.of(type_url))
            if batch is None:
                continue
            self._nonce_count += 1
            nonce = f"{self._nonce_prefix}-{self._nonce_count}"
            subscription.on_sent(nonce, batch)
            # Encoded messages merge by concatenation: all but the nonce is shared with other streams.
            body = batch.body + self.variant.response(nonce=nonce).SerializeToString()
            responses.append(Response(type_url, nonce, body, len(batch.versions)))
            if type_url == CLUSTER and (assignments := self.subscriptions.get(CLUSTER_LOAD_ASSIGNMENT)):
                assignments.owe(batch.versions)
        return responses
