"""Session: all subscriptions of one stream.

It passes each event to the subscriptions and to `order.py`, and returns the responses to send. What one type is sent is
in `subscription.py`; the order of the types is in `order.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic

from xds.errors import PeerError
from xds.resources.view import GRPC_USER_AGENT
from xds.session.delta import DeltaSubscription
from xds.session.heartbeat import period_ms, supports_ttl
from xds.session.held import Held, Latest
from xds.session.limits import Limits
from xds.session.memory import Memory
from xds.session.order import Alarm, UpdateOrder
from xds.session.request import Request, check_length, check_node, check_request, parse_request, read_state
from xds.session.sotw import SotwSubscription
from xds.session.subscription import MAX_NAME_LENGTH, Nack, Reason, Subscription
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshotPool
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, TYPE_URLS
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
)
from xds.wire.node_metadata import encode_metrics_port, find_metrics_port

DEFAULT_LIMITS = Limits()


def recall_nothing(_node: Node) -> None:
    """Return no memory."""


def find_no_past(_node: Node) -> Iterable[Snapshot]:
    """Return no snapshots."""
    return ()


@dataclass(frozen=True, slots=True)
class Variant(Generic[Request]):
    """A variant of the protocol, State of the World or delta: its messages and its class of subscription."""

    name: str
    request: type[Request]
    response: type[DiscoveryResponse] | type[DeltaDiscoveryResponse]
    subscription: Callable[..., Subscription[Request]]


SOTW: Variant[DiscoveryRequest] = Variant("sotw", DiscoveryRequest, DiscoveryResponse, SotwSubscription)
DELTA: Variant[DeltaDiscoveryRequest] = Variant(
    "delta", DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaSubscription
)


@dataclass(frozen=True, slots=True)
class Response:
    """One encoded response, with the reason why it is sent."""

    type_url: str
    nonce: str
    body: bytes
    reason: Reason


@dataclass(frozen=True, slots=True)
class RequestResult:
    """The result of a request: responses to send, and what to log (a NACK, or a type that xds does not serve)."""

    responses: list[Response] = field(default_factory=list)
    nack: Nack | None = None
    unknown_type: str | None = None


class Session(Generic[Request]):
    """One stream of one client.

    `acquire` returns what to call for the latest snapshot of a node's view, and is called with the node of the first
    request. Each change of it that concerns the client must be told by `on_change`, before any other event. `recall`
    returns the node's memory of its last stream, `find_past` the snapshots that its view had before the latest, newest
    first, and `pool` is where TypeSnapshots come from. `nonce_prefix` is unique among the server's streams, so that a
    nonce of another stream never counts (rule 3). `type_url` is the type of a stream that is not aggregated, and None
    for ADS.

    A session has no clock; the caller keeps timers for it. While `waits` is not 0, the session waits for the client's
    answer: the caller calls `on_timeout` when one wait lasts too long (rule 32). Each wait has another number. For each
    alarm that `take_alarms` returns, the caller calls `on_alarm` when its pause is over. `heartbeat_ms` is the time
    from one call of `on_heartbeat` to the next; with 0, none is needed (rule 36).
    """

    __slots__ = (
        "_acquire",
        "_find_past",
        "_limits",
        "_nonce_count",
        "_nonce_prefix",
        "_order",
        "_pool",
        "_recall",
        "_wait_count",
        "_with_ttl",
        "node",
        "subscriptions",
        "type_url",
        "variant",
        "waits",
    )

    def __init__(
        self,
        variant: Variant[Request],
        acquire: Callable[[Node], Latest],
        nonce_prefix: str,
        type_url: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        recall: Callable[[Node], Memory | None] = recall_nothing,
        pool: TypeSnapshotPool | None = None,
        find_past: Callable[[Node], Iterable[Snapshot]] = find_no_past,
    ) -> None:
        self.variant: Variant[Request] = variant
        self.type_url = type_url
        self.node: Node | None = None
        self.subscriptions: dict[str, Subscription[Request]] = {}
        self.waits = 0
        self._acquire = acquire
        self._limits = limits
        self._recall = recall
        self._find_past = find_past
        self._pool = pool
        self._order = UpdateOrder(self.subscriptions, aggregated=type_url is None)
        self._with_ttl = False
        self._nonce_prefix = nonce_prefix
        self._nonce_count = 0
        self._wait_count = 0

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is served now."""
        return self._order.snapshot

    @property
    def overrides(self) -> bool:
        """Whether the client is served anything but the latest snapshot, so that every change concerns it."""
        return self._order.overrides

    @property
    def is_settled(self) -> bool:
        """Whether the client has accepted or refused everything, and nothing more is to be sent."""
        if self.waits and not self._order.is_blind:  # a blind wait is for no answer
            return False
        return not any(one.in_flight is not None or one.is_pending for one in self.subscriptions.values())

    @property
    def heartbeat_ms(self) -> int:
        """The milliseconds between two heartbeats; 0 when the client is served nothing with a TTL."""
        if CLUSTER_LOAD_ASSIGNMENT not in self.subscriptions:
            return 0
        return period_ms(self.snapshot.of(CLUSTER_LOAD_ASSIGNMENT))

    def on_request(self, data: bytes) -> RequestResult:
        """Handle an encoded request. Raises PeerError when the stream must end."""
        self.check(data)
        return self.on_parsed(self.parse(data))

    def check(self, data: bytes) -> int:
        """Return how many names an encoded request has. Raises PeerError when the stream must end."""
        return check_request(self.variant.request, data, self._limits.names)

    def parse(self, data: bytes) -> Request:
        """Parse a request that `check` allows, or that is a repeat. Raises PeerError when the stream must end."""
        return parse_request(self.variant.request, data)

    def is_repeat(self, data: bytes) -> bool:
        """Whether an encoded request is an answer that repeats the names before, so that these need no work."""
        return any(one.is_repeat(data) for one in self.subscriptions.values())

    def on_parsed(self, request: Request) -> RequestResult:
        """Handle a parsed request. Raises PeerError when the stream must end."""
        states = None if request.type_url in self.subscriptions else read_state(request)
        self._check_node(request.node, comes_back=states is not None)
        if self.type_url is not None:
            self._infer_type(request)
        type_url = request.type_url
        if not type_url:
            raise PeerError("INVALID_ARGUMENT", "an ADS request needs a type_url")
        if type_url not in TYPE_URLS:
            check_length("type_url", type_url)
            return RequestResult(unknown_type=type_url)
        first = type_url not in self.subscriptions
        if first:
            self.subscriptions[type_url] = self.variant.subscription(type_url, with_ttl=self._with_ttl)
            if states is not None and self.node is not None:
                self._order.catch_up(type_url, states, self._find_past(self.node))
        subscription, served = self.subscriptions[type_url], self.snapshot.of(type_url)
        error = request.error_detail.message if request.HasField("error_detail") else None
        was_open = subscription.in_flight is not None
        nack = subscription.on_reply(request.response_nonce, error, served)
        self._order.on_reply(type_url, nack, accepted=was_open and nack is None and subscription.in_flight is None)
        subscription.on_names(request, self.snapshot.of(type_url), first=first)
        if first:
            self._order.on_first(type_url)
        self._check_names(subscription.names)
        return RequestResult(self._flush(), nack)

    def on_change(self, change: SnapshotChange) -> list[Response] | None:
        """Note that the view has its next snapshot, and return the responses that need not wait.

        Returns None if the client subscribed to nothing that changed (rule 12).
        """
        return self._flush() if self._order.on_change(change) else None

    def on_timeout(self) -> list[Response]:
        """Stop waiting for the client's answers, and return the responses that waited."""
        self._order.on_timeout()
        self.waits = 0
        return self._flush()

    def take_alarms(self) -> tuple[Alarm, ...]:
        """Return the pauses that began since the last call."""
        alarms, self._order.alarms = self._order.alarms, ()
        return alarms

    def on_alarm(self, alarm: Alarm) -> list[Response]:
        """Note the end of a pause, and return the responses that waited for it."""
        self._order.on_alarm(alarm)
        return self._flush()

    def describe_held(self) -> tuple[Held, ...]:
        """Return what the client is served against the catalog, and why."""
        return self._order.describe_held()

    def remember(self) -> Memory | None:
        """Return what the client's next stream is to begin with; None if that is the latest snapshot."""
        return self._order.remember()

    def on_heartbeat(self, elapsed_ms: float) -> list[Response]:
        """Return heartbeats for resources with a TTL. `elapsed_ms` is the time since the last call, in milliseconds."""
        if subscription := self.subscriptions.get(CLUSTER_LOAD_ASSIGNMENT):
            subscription.on_heartbeat(self.snapshot.of(CLUSTER_LOAD_ASSIGNMENT), elapsed_ms)
        return self._flush()

    def _infer_type(self, request: Request) -> None:
        """Set the request's type on a stream of one type. Raises PeerError for another type (rule 1)."""
        if request.type_url not in ("", self.type_url):
            raise PeerError("INVALID_ARGUMENT", f"this stream serves {self.type_url}, not {request.type_url}")
        request.type_url = self.type_url or ""

    def _check_node(self, node: Node, *, comes_back: bool) -> None:
        """Store the node of the first request, which is valid for the whole stream (rule 2). Raises PeerError.

        `comes_back` is whether the request states that the client has something of an earlier stream.
        """
        if self.node is not None:
            if node.id not in ("", self.node.id):
                raise PeerError("INVALID_ARGUMENT", f"this stream belongs to node {self.node.id!r}, not {node.id!r}")
            return
        check_node(node)
        drains = not node.user_agent_name.startswith(GRPC_USER_AGENT)
        self._with_ttl = supports_ttl(node)
        memory = self._recall(node)
        if memory is not None and not comes_back:
            memory = memory.for_new_client()
        latest = self._acquire(node)
        # A copy without Envoy's list of about 500 extensions. It is parsed from bytes, since CopyFrom would keep the
        # request's memory.
        node.DiscardUnknownFields()
        if node.metadata:  # xds only uses the metrics port in it
            port = find_metrics_port(node.metadata)
            node.metadata = b"" if port is None else encode_metrics_port(port)
        self.node = Node.FromString(node.SerializeToString())  # what was acquired is released for a session with a node
        self._order.begin(latest, drains=drains, memory=memory, pool=self._pool)

    def _check_names(self, names: frozenset[str]) -> None:
        """Raise PeerError if the names of one type are too many, or too long together."""
        if len(names) > self._limits.names:
            raise PeerError("RESOURCE_EXHAUSTED", f"more than {self._limits.names} names of one type on a stream")
        longest = self._limits.message_bytes
        if len(names) > longest // MAX_NAME_LENGTH and sum(map(len, names)) > longest:
            raise PeerError("RESOURCE_EXHAUSTED", f"the names of one type on a stream have more than {longest} bytes")

    def _flush(self) -> list[Response]:
        """Return the responses that may be sent now, in the order of the types, make before break."""
        responses: list[Response] = []
        self._order.release()
        held = self._answer(responses)
        if self._order.release():
            held = self._answer(responses)
        if not (held or self._order.has_pending_removals):
            self.waits = 0
        elif not self.waits:
            self._wait_count += 1
            self.waits = self._wait_count
        return responses

    def _answer(self, responses: list[Response]) -> bool:
        """Append the responses that may be sent now; return whether others must wait."""
        held = False
        if self.snapshot.is_unknown and any(one.reconnected for one in self.subscriptions.values()):
            return held  # it keeps what it has
        for type_url in TYPE_URLS:
            if (subscription := self.subscriptions.get(type_url)) is None or not subscription.is_pending:
                continue
            if self._order.must_wait(subscription):
                held = True
                continue
            reason = subscription.reason
            if batch := subscription.respond(self.snapshot.of(type_url)):
                self._nonce_count += 1
                nonce = f"{self._nonce_prefix}-{self._nonce_count}"
                self._order.on_send(type_url, batch)
                subscription.on_sent(nonce, batch)
                # Concatenated protobuf encodings merge, so everything except the nonce is shared with other streams.
                body = batch.body + self.variant.response(nonce=nonce).SerializeToString()
                responses.append(Response(type_url, nonce, body, reason))
        return held
