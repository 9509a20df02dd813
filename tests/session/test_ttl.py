"""Rule 36: resources with a TTL, and the heartbeats that renew them."""

from datetime import timedelta
from typing import Any as Anything

import pytest
from google.protobuf.any_pb2 import Any

from xds.resources.resource import Resource, encode_resource
from xds.session.session import DELTA, SOTW, Response, Session, Variant
from xds.session.sotw import RESOURCE
from xds.snapshot.snapshot import Snapshot, SnapshotChange, make_change
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, discovery_pb2
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
)

TTL = "xds.config.supports-resource-ttl"
SECONDS = 3000


class Client:
    """A client that subscribes to the assignments a, with a TTL of 3 s, and b, without one."""

    def __init__(self, variant: Variant[Anything], *features: str, user_agent: str = "") -> None:
        self.world = Snapshot({})
        self.change(make_assignment("a", "1", SECONDS), make_assignment("b", "1"))
        self.node = Node(id="web-1", client_features=features, user_agent_name=user_agent)
        self.session: Session[Anything] = Session(variant, lambda _node: lambda: self.world, "s")
        [self.first] = self.ask()

    def ask(self, nonce: str = "", error: str = "") -> "list[Answer]":
        """Subscribe or reply. Return the answers."""
        request: DiscoveryRequest | DeltaDiscoveryRequest
        if self.session.variant is SOTW:
            request = DiscoveryRequest(resource_names=["a", "b"])
        else:
            request = DeltaDiscoveryRequest(resource_names_subscribe=[] if nonce else ["a", "b"])
        request.node.CopyFrom(self.node)
        request.type_url, request.response_nonce = CLUSTER_LOAD_ASSIGNMENT, nonce
        if error:
            request.error_detail.message = error
        return self.read(self.session.on_request(request.SerializeToString()).responses)

    def change(self, *resources: Resource) -> SnapshotChange:
        """Change the resources. Return the change."""
        change = make_change(self.world, {CLUSTER_LOAD_ASSIGNMENT: {one.name: one for one in resources}})
        assert change is not None
        self.world = change.snapshot
        return change

    def read(self, responses: list[Response]) -> "list[Answer]":
        """Decode responses."""
        return [Answer(self.session.variant, response.body) for response in responses]

    def beat(self, elapsed_ms: float = 1000) -> "list[Answer]":
        """Let the time for a heartbeat pass."""
        return self.read(self.session.on_heartbeat(elapsed_ms))


class Answer:
    """A response of either variant: each resource's TTL in seconds and its body, by name."""

    def __init__(self, variant: Variant[Anything], body: bytes) -> None:
        self.ttl: dict[str, float] = {}
        self.body: dict[str, str] = {}
        self.versions: set[str] = set()
        if variant is SOTW:
            sotw = DiscoveryResponse.FromString(body)
            self.nonce, self.version_info = sotw.nonce, sotw.version_info
            for wrapped in map(Any.FromString, sotw.resources):
                if wrapped.type_url == RESOURCE:
                    self._take(discovery_pb2.Resource.FromString(wrapped.value))
                else:
                    name, _, word = wrapped.value.decode().partition("=")
                    self.body[name] = word
        else:
            delta = DeltaDiscoveryResponse.FromString(body)
            self.nonce, self.version_info = delta.nonce, ""
            for resource in delta.resources:
                self._take(resource)

    def _take(self, resource: discovery_pb2.Resource) -> None:
        self.versions.add(resource.version)
        self.body[resource.name] = Any.FromString(resource.resource).value.decode().partition("=")[2]
        if resource.HasField("ttl"):
            self.ttl[resource.name] = resource.ttl.ToTimedelta() / timedelta(seconds=1)


def make_assignment(name: str, word: str, ttl_ms: int = 0) -> Resource:
    """Make a resource with this content."""
    return encode_resource(CLUSTER_LOAD_ASSIGNMENT, name, f"{name}={word}".encode(), ttl_ms)


@pytest.fixture(params=[SOTW, DELTA], ids=["sotw", "delta"])
def variant(request: pytest.FixtureRequest) -> Variant[Anything]:
    """Return each variant."""
    made: Variant[Anything] = request.param
    return made


def test_36_a_client_that_supports_ttls_receives_them(variant: Variant[Anything]) -> None:
    """Rule 36: only a resource that has a TTL is sent with one."""
    client = Client(variant, TTL)
    assert client.first.ttl == {"a": 3.0}
    assert client.first.body == {"a": "1", "b": "1"}
    assert client.session.heartbeat_ms == SECONDS / 3


def test_36_other_clients_and_envoy_receive_no_ttl(variant: Variant[Anything]) -> None:
    """Rule 36: they are clients that do not state support for TTLs, and Envoy, which crashes at the end of an
    assignment's TTL.
    """
    for client in (Client(variant), Client(variant, TTL, user_agent="envoy")):
        assert client.first.ttl == {}
        client.ask(client.first.nonce)
        [refresh] = client.beat()
        assert refresh.body == {"a": "1"}  # the whole resource: it renews its own `endpoint_stale_after`
        assert refresh.ttl == {}


def test_36_a_heartbeat_has_no_body_and_the_same_version(variant: Variant[Anything]) -> None:
    """Rule 36: a heartbeat changes nothing that the client has."""
    client = Client(variant, TTL)
    client.ask(client.first.nonce)
    [beat] = client.beat()
    assert beat.body == {"a": ""}
    assert beat.ttl == {"a": 3.0}
    assert beat.versions <= client.first.versions
    assert beat.version_info == client.first.version_info
    assert client.ask(beat.nonce) == []


def test_36_a_heartbeat_waits_until_the_response_before_it_is_answered(variant: Variant[Anything]) -> None:
    """Rule 38: each type has at most one unanswered response. Then one heartbeat is sent."""
    client = Client(variant, TTL)
    assert client.beat() == []
    assert client.beat() == []
    [beat] = client.ask(client.first.nonce)
    assert beat.ttl == {"a": 3.0}
    assert client.ask(beat.nonce) == []


def test_36_a_late_heartbeat_is_the_whole_resource(variant: Variant[Anything]) -> None:
    """The client may have dropped the resource: our process was stopped for longer than the TTL."""
    client = Client(variant, TTL)
    client.ask(client.first.nonce)
    [beat] = client.beat(elapsed_ms=SECONDS)
    assert beat.body == {"a": "1"}
    assert beat.ttl == {"a": 3.0}


def test_36_a_refused_heartbeat_is_followed_by_the_whole_resource(variant: Variant[Anything]) -> None:
    """The client no longer has the resource that the heartbeat renews."""
    client = Client(variant, TTL)
    client.ask(client.first.nonce)
    [beat] = client.beat()
    [whole] = client.ask(beat.nonce, error="no such resource")
    assert whole.body == {"a": "1"}


def test_36_a_resource_without_a_ttl_ends_the_old_ttl(variant: Variant[Anything]) -> None:
    """Rule 36: the same content with another TTL, or without one, is sent again. Without a TTL there are no more
    heartbeats.
    """
    client = Client(variant, TTL)
    client.ask(client.first.nonce)
    [longer] = client.read(client.session.on_change(client.change(make_assignment("a", "1", 2 * SECONDS))) or [])
    assert longer.ttl == {"a": 6.0}
    client.ask(longer.nonce)
    [cleared] = client.read(client.session.on_change(client.change(make_assignment("a", "1"))) or [])
    assert cleared.body == {"a": "1"}
    assert cleared.ttl == {}
    client.ask(cleared.nonce)
    assert client.session.heartbeat_ms == 0
    assert client.beat() == []
