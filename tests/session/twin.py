"""A twin of Envoy, without a socket. It subscribes, accepts, refuses, warms and reconnects as Envoy does.

A resource's content is a string. `1 refs:a,b` refers to the resources a and b of the next type. The twin refuses a
content with `bad` in it. It notes in `violations` what a server must never do.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.session.client import NODE, read_content
from xds.session.session import SOTW, Response
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, short_type
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Status,
)

TYPES = (CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION)
FULL = (CLUSTER, LISTENER)
CONFIGURED_BY = {CLUSTER_LOAD_ASSIGNMENT: CLUSTER, ROUTE_CONFIGURATION: LISTENER}


@dataclass(frozen=True)
class Held:
    """One resource that the twin has: its version and its content."""

    version: str
    word: str

    @property
    def refs(self) -> list[str]:
        """Return the names that it refers to."""
        return [name for name in self.word.partition("refs:")[2].split(",") if name]


@dataclass(frozen=True)
class Message:
    """A response of either variant, decoded."""

    type_url: str
    nonce: str
    version_info: str
    resources: dict[str, Held]
    removed: list[str]
    is_full: bool


class Twin:
    """One Envoy. `outbox` has the requests that it sends; `receive` takes a response."""

    def __init__(self, variant: str) -> None:
        self.is_sotw = variant == SOTW.name
        self.held: dict[str, dict[str, Held]] = {type_url: {} for type_url in TYPES}
        self.acked: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
        self.version_info = dict.fromkeys(TYPES, "")
        self.wanted: dict[str, set[str]] = {CLUSTER_LOAD_ASSIGNMENT: set(), ROUTE_CONFIGURATION: set()}
        self.active: set[str] = set()
        self.warming: set[str] = set()
        self.refuses_next = False
        self.is_mild = False  # whether it accepts what is bad, too
        self.accepts_first = False  # whether the ACK is sent before the requests that follow from the response
        self.violations: list[str] = []
        self.was_hurried = False  # the server's waiting time was ended early, so what it does next may break traffic
        self.outbox: list[bytes] = []
        self.known_types: set[str] = set()  # requested on this stream or an earlier one
        self.has_clusters = False  # received a response of clusters, on this stream or an earlier one
        self.is_known = False
        self._dead: set[tuple[str, str]] = set()
        self._begin()

    def _begin(self) -> None:
        self.refused: dict[str, dict[str, str | None]] = {type_url: {} for type_url in TYPES}
        self.owed: dict[str, Counter[str]] = {type_url: Counter() for type_url in TYPES}
        self.nacked: set[str] = set()  # the types whose last response was refused
        self.asked: set[str] = set()
        self.answered: set[str] = set()
        self.nonces: dict[str, str] = dict.fromkeys(TYPES, "")
        self.on_stream: dict[str, str] = {}  # the clusters that were accepted on this stream
        self.outbox = []

    def connect(self, *, is_known: bool = False) -> None:
        """Open a stream. State the subscriptions, and the resources that the twin already has.

        `is_known` is whether the server knows by the version of clusters which those are.
        """
        self._begin()
        self.is_known = is_known
        self.came_back = {one for one in TYPES if (self.version_info[one] if self.is_sotw else self.acked[one])}
        # A delta Envoy that lost an assignment for an accepted cluster states the version of the older assignment.
        self.stuck = set() if self.is_sotw else self.warming & self.acked[CLUSTER_LOAD_ASSIGNMENT].keys()
        for type_url in TYPES:
            if type_url in self.known_types or type_url == CLUSTER:
                self._introduce(type_url)

    def _introduce(self, type_url: str) -> None:
        """Send the first request of a type on this stream."""
        names = self.wanted.get(type_url, set())
        if type_url in self.asked or not (names or type_url in FULL):
            return
        self.asked.add(type_url)
        self.known_types.add(type_url)
        if self.is_sotw:
            self.owed[type_url].update(names)
            self._say(DiscoveryRequest(type_url=type_url, resource_names=names, version_info=self._version(type_url)))
        else:
            self.owed[type_url].update(names - self.acked[type_url].keys())
            self._say(
                DeltaDiscoveryRequest(
                    type_url=type_url,
                    resource_names_subscribe=names,
                    initial_resource_versions=self.acked[type_url],
                )
            )

    def forget_and_ask_again(self, type_url: str, name: str) -> None:
        """Unsubscribe from a name, and subscribe again (rule 11)."""
        if name in self.wanted[type_url]:
            self._want(type_url, self.wanted[type_url] - {name})
            self._want(type_url, self.wanted[type_url] | {name})

    def receive(self, response: Response) -> None:
        """Receive a response: apply it, and accept or refuse it."""
        message = self._decode(response)
        bad = sorted(name for name, held in message.resources.items() if "bad" in held.word and not self.is_mild)
        refuses, self.refuses_next = bool(bad) or self.refuses_next, False
        self._check_need(message)
        self.nonces[message.type_url] = message.nonce
        if refuses:
            self._refuse(message, bad)
        else:
            self._apply(message)
            self._note_accepted(message)
            if self.accepts_first:
                self._reply(message)
        self._follow(message.type_url)
        if not refuses and not self.accepts_first:
            self._reply(message)
        is_first = message.type_url not in self.answered
        self.answered.add(message.type_url)
        self.has_clusters = self.has_clusters or message.type_url == CLUSTER
        if self.has_clusters and not self.warming - self.refused[CLUSTER_LOAD_ASSIGNMENT].keys():
            self._introduce(LISTENER)  # as when Envoy starts: clusters come first
        self._check_traffic(message.type_url, is_first=is_first)

    def _check_need(self, message: Message) -> None:
        """Note resources that the twin already has, if there was no reason to send them (rules 8, 27, 30)."""
        type_url = message.type_url
        owed, held = self.owed[type_url], self.held[type_url]
        if message.is_full:
            same = {n: h.version for n, h in message.resources.items()} == {n: h.version for n, h in held.items()}
            if same and type_url in self.answered and not owed["*"]:
                self._note(f"{short_type(type_url)}: the same state again")
            owed["*"] -= owed["*"] > 0
            return
        for name, resource in message.resources.items():
            if self.acked[type_url].get(name) == resource.version:
                if not owed[name]:
                    self._note(f"{short_type(type_url)} {name}: sent in vain")
                owed[name] -= owed[name] > 0
        for name in message.removed:
            if name not in held and not owed[name] and self._wants(type_url, name):
                self._note(f"{short_type(type_url)} {name}: removed in vain")
            owed[name] -= owed[name] > 0 and name not in held

    def _apply(self, message: Message, good_only: bool = False) -> None:
        held = self.held[message.type_url]
        gone = held.keys() - message.resources.keys() if message.is_full else message.removed
        for name in list(gone):
            held.pop(name, None)
            if message.type_url == CLUSTER:
                self.active.discard(name)
                self.warming.discard(name)
        for name, resource in message.resources.items():
            if (good_only and "bad" in resource.word) or not self._wants(message.type_url, name):
                continue
            changed = name not in held or held[name].version != resource.version
            held[name] = resource
            if message.type_url == CLUSTER and changed:
                self.warming.add(name)
            if message.type_url == CLUSTER_LOAD_ASSIGNMENT and name in self.held[CLUSTER]:
                self.warming.discard(name)
                self.active.add(name)

    def _note_accepted(self, message: Message) -> None:
        acked, refused = self.acked[message.type_url], self.refused[message.type_url]
        if message.type_url == CLUSTER:
            changed = self._find_changed(message)
            self.owed[CLUSTER_LOAD_ASSIGNMENT].update(changed)
            self.on_stream = {name: held.version for name, held in message.resources.items()}
        if message.is_full:
            acked.clear()
            refused.clear()
        for name, resource in message.resources.items():
            refused.pop(name, None)
            if self._wants(message.type_url, name):
                acked[name] = resource.version
        for name in message.removed:
            acked.pop(name, None)
            refused.pop(name, None)
        self.version_info[message.type_url] = message.version_info
        self.nacked.discard(message.type_url)

    def _find_changed(self, message: Message) -> list[str]:
        """Return the clusters that a server must treat as new or changed. In State of the World a new stream knows
        none.
        """
        known = self.on_stream if self.is_sotw else self.acked[CLUSTER]
        return [name for name, held in message.resources.items() if known.get(name) != held.version]

    def _refuse(self, message: Message, bad: list[str]) -> None:
        """Refuse a response. Of clusters and listeners, Envoy has already applied the good ones."""
        type_url = message.type_url
        acked, refused = self.acked[type_url], self.refused[type_url]
        group: dict[str, str | None] = dict.fromkeys(message.removed)
        if message.is_full:
            group = dict.fromkeys(acked)
        group |= {name: held.version for name, held in message.resources.items()}
        refused.update(group)
        self.owed[type_url].update(["*", *refused])
        if type_url == CLUSTER:
            changed = self._find_changed(message)
            self.owed[CLUSTER_LOAD_ASSIGNMENT].update([*changed, *refused])  # a mended cluster counts as changed
        if bad and type_url in FULL:
            self._apply(message, good_only=True)
            if len(group) > 1:
                for name in group:
                    acked.pop(name, None)
                self.version_info[type_url] = ""
        self.nacked.add(type_url)
        self._reply(message, "bad: " + ", ".join(bad))

    def _reply(self, message: Message, error: str = "") -> None:
        request: DiscoveryRequest | DeltaDiscoveryRequest
        if self.is_sotw:
            request = DiscoveryRequest(
                type_url=message.type_url,
                resource_names=self.wanted.get(message.type_url, ()),
                response_nonce=message.nonce,
                version_info=self._version(message.type_url),
            )
        else:
            request = DeltaDiscoveryRequest(type_url=message.type_url, response_nonce=message.nonce)
        if error:
            request.error_detail.CopyFrom(Status(code=13, message=error))
        self._say(request)

    def _follow(self, type_url: str) -> None:
        """Subscribe to the resources that the clusters or listeners now refer to."""
        if type_url == CLUSTER:
            self._want(CLUSTER_LOAD_ASSIGNMENT, set(self.held[CLUSTER]))
        if type_url == LISTENER:
            self._want(ROUTE_CONFIGURATION, {ref for held in self.held[LISTENER].values() for ref in held.refs})

    def _want(self, type_url: str, names: set[str]) -> None:
        before = self.wanted[type_url]
        if names == before:
            return
        self.wanted[type_url] = names
        self.owed[type_url].update(before - names)  # it may have been in flight when it was unsubscribed
        for name in before - names:
            self.held[type_url].pop(name, None)
            self.acked[type_url].pop(name, None)
            self.refused[type_url].pop(name, None)
        if type_url not in self.asked:
            self._introduce(type_url)
            return
        added = names - before
        self.owed[type_url].update(added)
        if self.is_sotw:
            self._say(
                DiscoveryRequest(
                    type_url=type_url,
                    resource_names=names,
                    response_nonce=self.nonces[type_url],
                    version_info=self._version(type_url),
                )
            )
        else:
            self._say(
                DeltaDiscoveryRequest(
                    type_url=type_url, resource_names_subscribe=added, resource_names_unsubscribe=before - names
                )
            )

    def _check_traffic(self, type_url: str, *, is_first: bool) -> None:
        """Note a route in use whose cluster does not exist or has no endpoints yet (rule 32)."""
        dead = set(self._dead_ends())
        is_untold = self.is_sotw and type_url == CLUSTER and not self.is_known
        is_blind = is_first and (type_url not in self.came_back or is_untold)
        is_mute = bool(self.came_back) and CLUSTER not in self.came_back  # it has clusters, but did not state them
        excused = self.was_hurried or is_blind or is_mute
        for route, cluster in dead - self._dead:
            is_refused = cluster in self.refused[CLUSTER] or cluster in self.refused[CLUSTER_LOAD_ASSIGNMENT]
            if not (excused or is_refused):
                self._note(f"route {route} leads to {cluster}, which is not there, after a {short_type(type_url)}")
        self._dead = dead

    def _dead_ends(self) -> Iterator[tuple[str, str]]:
        routes = self.held[ROUTE_CONFIGURATION]
        for listener in self.held[LISTENER].values():
            for route in listener.refs:
                for cluster in routes[route].refs if route in routes else ():
                    if cluster not in self.active:
                        yield route, cluster

    def _wants(self, type_url: str, name: str) -> bool:
        return type_url in FULL or name in self.wanted[type_url]

    def _version(self, type_url: str) -> str:
        return self.version_info[type_url]

    def _say(self, request: DiscoveryRequest | DeltaDiscoveryRequest) -> None:
        request.node.CopyFrom(NODE)
        self.outbox.append(request.SerializeToString())

    def _note(self, violation: str) -> None:
        self.violations.append(violation)

    def _decode(self, response: Response) -> Message:
        if self.is_sotw:
            sotw = DiscoveryResponse.FromString(response.body)
            pairs = [_read(body) for body in sotw.resources]
            resources = {name: Held(word, word) for name, word in pairs}
            message = Message(sotw.type_url, sotw.nonce, sotw.version_info, resources, [], sotw.type_url in FULL)
        else:
            delta = DeltaDiscoveryResponse.FromString(response.body)
            pairs = [(one.name, one.version) for one in delta.resources]
            resources = {one.name: Held(one.version, _read(one.resource)[1]) for one in delta.resources}
            message = Message(delta.type_url, delta.nonce, "", resources, list(delta.removed_resources), False)
        if len(resources) != len(pairs) or resources.keys() & set(message.removed):
            self._note(f"{short_type(message.type_url)}: a name twice in one response")
        return message


def _read(body: bytes) -> tuple[str, str]:
    name, _, word = read_content(body).partition("=")
    return name, word
