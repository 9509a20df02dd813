"""A wire between a session and a twin of Envoy. Messages are delivered one by one, late, or not at all."""

from collections.abc import Sequence
from typing import Any

from tests.session.client import Contents, change_contents
from tests.session.twin import FULL, TYPES, Twin
from xds.session.memory import Memory
from xds.session.session import DELTA, SOTW, Response, Session, Variant
from xds.snapshot.snapshot import Snapshot
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, short_type
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

VARIANTS: dict[str, Variant[Any]] = {"sotw": SOTW, "delta": DELTA}
MAX_MESSAGES = 200

ONE: Contents = {
    CLUSTER: {"a": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1"},
    LISTENER: {"l": "1 refs:r"},
    ROUTE_CONFIGURATION: {"r": "1 refs:a"},
}
"""One of each."""


class Wire:
    """A server with one session, a twin, and the messages in flight between them. It checks the responses that the
    server sends.
    """

    def __init__(self, variant: str, contents: Contents) -> None:
        self.variant = VARIANTS[variant]
        self.contents: Contents = {type_url: dict(contents.get(type_url, {})) for type_url in TYPES}
        self.world = change_contents(Snapshot({}), self.contents).snapshot
        self.twin = Twin(variant)
        self.past: list[Snapshot] = []  # newest first
        self.memory: Memory | None = None  # of the last stream
        self.session: Session[Any] | None = None
        self.to_client: list[Response] = []
        self._unanswered: dict[str, str] = {}
        self._refused: dict[str, dict[str, str | None]] = {}
        self._sent: dict[str, dict[str, str | None]] = {}
        self._names: dict[str, set[str]] = {}
        self._asked: dict[str, set[str]] = {}  # since the last response
        self._streams = 0
        self.connect()

    def connect(self, memory: Memory | None = None, past: Sequence[Snapshot] = ()) -> None:
        """Open a stream to a server that knows nothing of earlier streams but this memory, and these snapshots."""
        self.drop()
        self.is_resumed = memory is not None
        self._streams += 1
        self.world = change_contents(Snapshot({}), self.contents).snapshot
        self.session = Session(
            self.variant,
            lambda _node: lambda: self.world,
            f"s{self._streams}",
            recall=lambda _node: memory,
            find_past=lambda _node: past,
        )
        self.twin.connect(
            is_known=any(one.of(CLUSTER).version == self.twin.version_info[CLUSTER] for one in [self.world, *past])
        )

    def resume(self, *, fresh: bool = False) -> None:
        """Lose the stream, and open one to a server that remembers it. A `fresh` client has started again, too."""
        self.drop()
        if fresh:
            self.twin = Twin(self.variant.name)
        self.connect(self.memory, self.past[:])

    def drop(self) -> None:
        """Lose the stream and all messages in flight."""
        if self.session is not None and self.session.node is not None:
            self.memory = self.session.remember()
        self.session = None
        self.to_client = []
        self.twin.outbox = []
        self._unanswered = {}
        self._refused = {type_url: {} for type_url in TYPES}
        self._names = {type_url: set() for type_url in TYPES}
        self._asked = {type_url: set() for type_url in TYPES}

    def edit(self, contents: Contents) -> None:
        """Replace all resources with these contents."""
        updates: Contents = {
            type_url: {
                name: contents.get(type_url, {}).get(name)
                for name in {**self.contents[type_url], **contents.get(type_url, {})}
                if contents.get(type_url, {}).get(name) != self.contents[type_url].get(name)
            }
            for type_url in TYPES
        }
        change = change_contents(self.world, updates)
        self.contents = {type_url: dict(contents.get(type_url, {})) for type_url in TYPES}
        self.past.insert(0, self.world)
        self.world = change.snapshot
        if self.session is not None and self.session.node is not None and any(change.names.values()):
            self.emit(self.session.on_change(change) or [])

    def deliver_request(self) -> bool:
        """Deliver one request to the server. Return False if there is none."""
        if self.session is None or not self.twin.outbox:
            return False
        data = self.twin.outbox.pop(0)
        request = self.variant.request.FromString(data)
        if self._unanswered.get(request.type_url) == request.response_nonce:
            del self._unanswered[request.type_url]
            if request.HasField("error_detail"):
                sent, asked = self._sent[request.type_url], self._asked[request.type_url]
                self._refused[request.type_url].update({n: version for n, version in sent.items() if n not in asked})
        self._note_asked(request)
        self.emit(self.session.on_request(data).responses)
        return True

    def _note_asked(self, request: Any) -> None:
        """Note the names that the client asks for again. They may be sent again, although it refused them."""
        type_url = request.type_url
        changed: set[str] = set()
        if isinstance(request, DeltaDiscoveryRequest):
            changed = {*request.resource_names_subscribe, *request.resource_names_unsubscribe}
        elif type_url not in FULL:
            changed = self._names[type_url] ^ set(request.resource_names)
            self._names[type_url] = set(request.resource_names)
        self._asked[type_url] |= changed
        for name in changed:
            self._refused[type_url].pop(name, None)

    def deliver_response(self) -> bool:
        """Deliver one response to the client. Return False if there is none."""
        if not self.to_client:
            return False
        self.twin.receive(self.to_client.pop(0))
        return True

    def hurry(self) -> None:
        """End the server's waiting time."""
        if self.session is not None and self.session.waits:
            self.twin.was_hurried = True
            self.emit(self.session.on_timeout())

    def end_pauses(self) -> bool:
        """End the drains, and the waits for endpoints. Return False if there are none."""
        assert self.session is not None
        alarms = self.session.take_alarms()
        for alarm in alarms:
            self.emit(self.session.on_alarm(alarm))
        return bool(alarms)

    def settle(self, *, drained: bool = True) -> None:
        """Deliver all messages, and check that the client has the resources that it should have.

        If not `drained`, the drains go on, and what the client has is not checked.
        """
        if self.session is None:
            self.connect()
        messages = 0
        timeouts = 0
        while True:
            while self.deliver_request() or self.deliver_response():
                messages += 1
                assert messages < MAX_MESSAGES, "they never come to rest"
            assert self.session is not None
            if not self.session.waits:
                if drained and self.end_pauses():
                    continue
                break
            # The server waits only for a reconnected client that has not asked for routes yet, and not forever.
            assert self.twin.came_back or self.is_resumed
            assert ROUTE_CONFIGURATION not in self.session.subscriptions or LISTENER not in self.session.subscriptions
            timeouts += 1
            assert timeouts <= 2
            self.emit(self.session.on_timeout())
        assert not self._unanswered
        assert self.twin.violations == []
        if drained:
            self._check_view()
        self.twin.was_hurried = False

    def _check_view(self) -> None:
        """Compare the client's resources with the current ones, except for those that it refused."""
        refused, held = self.twin.refused, self.twin.held
        names = {
            CLUSTER: self.contents[CLUSTER].keys(),
            CLUSTER_LOAD_ASSIGNMENT: held[CLUSTER].keys() & self.contents[CLUSTER_LOAD_ASSIGNMENT].keys(),
            LISTENER: self.contents[LISTENER].keys(),
            ROUTE_CONFIGURATION: self.twin.wanted[ROUTE_CONFIGURATION] & self.contents[ROUTE_CONFIGURATION].keys(),
        }
        assert self.session is not None
        kept = self.session.describe_held()
        for type_url in TYPES:
            back = {one.name for one in kept if one.type_url == type_url and not one.is_removed}
            is_told = any(one.nack is not None for one in self.session.subscriptions.values())  # of an earlier stream
            assert not back or any(refused.values()) or self.twin.nacked or is_told, "held back without a refusal"
            has = {name: one.word for name, one in held[type_url].items() if name not in refused[type_url]}
            has = {name: word for name, word in has.items() if name not in back}
            should = {
                n: self.contents[type_url][n] for n in names[type_url] if n not in refused[type_url] and n not in back
            }
            if (
                self.variant is DELTA
            ):  # Envoy applied some of what it refused, and did not state that when it reconnected
                has = {n: word for n, word in has.items() if n in should or n in self.twin.acked[type_url]}
            if any(refused.values()) or self.twin.nacked:  # then the client may still have what is deleted
                has = {name: word for name, word in has.items() if name in should}
            if not (type_url in self.twin.nacked and self.variant is SOTW and type_url in FULL):
                assert has == should, short_type(type_url)
        cold = self.twin.warming - self.twin.stuck - refused[CLUSTER_LOAD_ASSIGNMENT].keys() - refused[CLUSTER].keys()
        assert not cold & self.contents[CLUSTER_LOAD_ASSIGNMENT].keys()

    def emit(self, responses: list[Response]) -> None:
        """Send responses, and check them."""
        for response in responses:
            assert response.type_url not in self._unanswered, "two responses of one type in flight"
            self._unanswered[response.type_url] = response.nonce
            versions = self._versions(response)
            refused = self._refused[response.type_url]
            if refused and self._is_vain(response.type_url, versions, refused):
                self.twin.violations.append(f"{short_type(response.type_url)}: what was refused is sent again")
            if self._is_mended(response.type_url):
                refused.clear()
            for name in versions:
                refused.pop(name, None)
            self._sent[response.type_url] = versions
            self._asked[response.type_url].clear()
        self.to_client += responses
        for type_url, refused in self._refused.items():
            if type_url not in self._unanswered and self._is_mended(type_url):
                refused.clear()  # what was refused changed; it may change back before the next response

    def _is_vain(self, type_url: str, versions: dict[str, str | None], refused: dict[str, str | None]) -> bool:
        """Whether a response repeats what was refused, although nothing of it has changed (rule 7)."""
        if self._is_mended(type_url):
            return False
        if self.variant is SOTW and type_url in FULL:
            return versions == {name: version for name, version in refused.items() if version is not None}
        return any(name in refused and refused[name] == version for name, version in versions.items())

    def _is_mended(self, type_url: str) -> bool:
        assert self.session is not None
        served = self.session.snapshot.of(type_url).resources
        refused = self._refused[type_url]
        return any((served[name].version if name in served else None) != version for name, version in refused.items())

    def _versions(self, response: Response) -> dict[str, str | None]:
        if self.variant is SOTW:
            assert self.session is not None
            batch = self.session.subscriptions[response.type_url].in_flight
            assert batch is not None
            return dict(batch.batch.versions)
        delta = DeltaDiscoveryResponse.FromString(response.body)
        return {**{one.name: one.version for one in delta.resources}, **dict.fromkeys(delta.removed_resources)}
