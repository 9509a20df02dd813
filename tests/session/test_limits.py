"""Limits on what one client may make a session store, and the errors that the client gets."""

from typing import Any

import pytest

from tests.session.client import Contents, DeltaClient, SotwClient, contents_of
from xds.errors import PeerError
from xds.session.limits import Limits
from xds.session.session import Session
from xds.session.subscription import MAX_ERROR_LENGTH, MAX_NAME_LENGTH
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import Node

WORLD: Contents = {CLUSTER: {"a": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1"}}
Client = SotwClient | DeltaClient


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def client(request: pytest.FixtureRequest) -> Client:
    """Return a client of each variant. It may subscribe to two names."""
    made: Client = request.param(WORLD)
    session: Session[Any] = Session(made.session.variant, lambda _node: lambda: made.world, "s", limits=Limits(names=2))
    made.session = session
    return made


def test_the_limit_of_names_itself_is_allowed(client: Client) -> None:
    """A client may subscribe to exactly as many names as the limit."""
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    assert contents_of(response) == ["a=1"]


def test_more_names_of_one_type_than_the_limit_are_refused(client: Client) -> None:
    """This also holds when they are added one by one."""
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    with pytest.raises(PeerError, match="more than 2 names") as caught:
        client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", "c")
    assert caught.value.status == "RESOURCE_EXHAUSTED"


def test_a_name_that_is_too_long_is_refused(client: Client) -> None:
    """A stream may have many names, so the length of each is limited."""
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "x" * MAX_NAME_LENGTH)
    with pytest.raises(PeerError, match="longer than") as caught:
        client.ask(CLUSTER_LOAD_ASSIGNMENT, "x" * (MAX_NAME_LENGTH + 1))
    assert caught.value.status == "INVALID_ARGUMENT"


def test_unknown_types_are_not_stored(client: Client) -> None:
    """A client may invent any number of types (rule 4)."""
    for number in range(10):
        client.ask(f"type.googleapis.com/invented.{number}", "x")
    assert client.session.subscriptions == {}


def test_a_long_error_is_truncated(client: Client) -> None:
    """The text of a NACK is for people; a part of it is enough."""
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=response, error="no" * MAX_ERROR_LENGTH)
    assert client.result.nack is not None
    assert len(client.result.nack.message) == MAX_ERROR_LENGTH


def test_2_another_node_on_the_same_stream_is_refused(client: Client) -> None:
    """Rule 2: the first node counts. A stream belongs to one node."""
    client.ask(CLUSTER)
    request = client.session.variant.request(node=Node(id="web-2", cluster="web"), type_url=CLUSTER)
    with pytest.raises(PeerError, match="'web-1', not 'web-2'") as caught:
        client.session.on_request(request.SerializeToString())
    assert caught.value.status == "INVALID_ARGUMENT"


def test_unneeded_fields_of_a_node_are_not_stored(client: Client) -> None:
    """An Envoy lists about 500 extensions. These 60 KB would stay in memory as long as the stream."""
    extensions = b"\x4a\x04\x0a\x02ab" * 500  # field 9
    node = Node.FromString(Node(id="web-1", cluster="web").SerializeToString() + extensions)
    request = client.session.variant.request(node=node, type_url=CLUSTER)
    client.session.on_request(request.SerializeToString())
    assert client.session.node == Node(id="web-1", cluster="web")
    assert client.session.node.ByteSize() < 20
