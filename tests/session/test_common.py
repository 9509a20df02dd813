"""Rules of both variants: each holds for State of the World and for delta."""

from typing import Any

import pytest

from tests.session.client import NODE, Contents, DeltaClient, Reply, SotwClient, contents_of
from xds.errors import PeerError
from xds.session.batch import Batch
from xds.session.session import DELTA, SOTW, Response, Session, Variant
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

WORLD: Contents = {
    CLUSTER: {"a": "1", "b": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"},
    LISTENER: {"l": "1"},
    ROUTE_CONFIGURATION: {"r": "1"},
}
Client = SotwClient | DeltaClient


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def client(request: pytest.FixtureRequest) -> Client:
    """Return a client of each variant, with the same resources."""
    made: Client = request.param(WORLD)
    return made


def test_1_a_request_without_type_url_is_refused(client: Client) -> None:
    """Rule 1: the answer is INVALID_ARGUMENT."""
    with pytest.raises(PeerError, match="needs a type_url") as caught:
        client.ask("")
    assert caught.value.status == "INVALID_ARGUMENT"


@pytest.mark.parametrize("variant", [SOTW, DELTA], ids=["sotw", "delta"])
def test_1_a_stream_of_one_type_needs_no_type_url_and_refuses_another(variant: Variant[Any]) -> None:
    """Rule 1: a stream of, for example, CDS assumes its own type."""
    world = SotwClient(WORLD).world
    session: Session[Any] = Session(variant, lambda _node: lambda: world, "s", CLUSTER)
    [response] = session.on_request(variant.request(node=NODE).SerializeToString()).responses
    assert response.type_url == CLUSTER
    with pytest.raises(PeerError, match=r"serves .*Cluster, not .*Listener") as caught:
        session.on_request(variant.request(type_url=LISTENER).SerializeToString())
    assert caught.value.status == "INVALID_ARGUMENT"


def test_3_a_nonce_of_an_earlier_stream_is_no_ack(client: Client) -> None:
    """Rule 3: the response on this stream is still unanswered."""
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, nonce=f"earlier-{response.nonce}")
    assert client.session.subscriptions[CLUSTER].known == {}


def test_4_versions_nonces_and_subscriptions_belong_to_one_type(client: Client) -> None:
    """Rule 4: the nonce of another type's response accepts nothing."""
    [clusters] = client.ask(CLUSTER)
    [assignments] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER, nonce=assignments.nonce)
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a"), nonce=clusters.nonce)
    assert not any(subscription.known for subscription in client.session.subscriptions.values())


def test_2_a_first_request_without_node_id_is_refused(client: Client) -> None:
    """Rule 2: the answer is INVALID_ARGUMENT."""
    request = client.session.variant.request(type_url=CLUSTER)
    with pytest.raises(PeerError, match="needs a node with an id") as caught:
        client.session.on_request(request.SerializeToString())
    assert caught.value.status == "INVALID_ARGUMENT"


def test_2_later_requests_need_no_node(client: Client) -> None:
    """Rule 2: the node of the first request counts."""
    client.ask(CLUSTER)
    request = client.session.variant.request(type_url=LISTENER)
    assert client.session.on_request(request.SerializeToString()).responses
    assert client.session.node is not None
    assert client.session.node.id == "web-1"


def test_bytes_that_are_not_a_request_are_refused(client: Client) -> None:
    """The session answers such bytes with INVALID_ARGUMENT."""
    with pytest.raises(PeerError, match="DiscoveryRequest") as caught:
        client.session.on_request(b"\xff\xff\xff")
    assert caught.value.status == "INVALID_ARGUMENT"


def test_3_nonces_differ_within_a_stream_and_between_streams() -> None:
    """Rule 3: the server never uses a nonce twice."""
    first, second = SotwClient(WORLD, "s1"), SotwClient(WORLD, "s2")
    nonces = [r.nonce for c in (first, second) for t in (CLUSTER, LISTENER) for r in c.ask(t)]
    assert len(set(nonces)) == 4


def test_4_an_unknown_type_does_not_stop_the_others(client: Client) -> None:
    """Rule 4: the operator sees the unknown type, and the other types are still served."""
    assert client.ask("type.googleapis.com/envoy.Unknown", "x") == []
    assert client.result.unknown_type == "type.googleapis.com/envoy.Unknown"
    [response] = client.ask(CLUSTER)
    assert contents_of(response) == ["a=1", "b=1"]


def test_5_a_response_has_one_type_and_each_name_once(client: Client) -> None:
    """Rule 5."""
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", "a")
    assert response.type_url == CLUSTER_LOAD_ASSIGNMENT
    assert contents_of(response) == ["a=1", "b=1"]


def test_6_7_a_refused_response_is_not_sent_again_until_it_changes(client: Client) -> None:
    """Rules 6 and 7: a NACK accepts nothing. The session sends a new response only when something in the refused one
    changes.
    """
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a", "b"), to=bad, error="no such thing") == []
    assert client.result.nack is not None
    assert client.result.nack.message == "no such thing"
    assert set(client.result.nack.resource_names) == {"a", "b"}
    assert client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT].known == {}
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a", "b"), nonce=bad.nonce) == []
    assert client.change({CLUSTER: {"a": "2"}}) == []
    [fixed] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    assert contents_of(fixed) == ["a=2", "b=1"]  # b was refused together with a, so the client has neither


@pytest.mark.parametrize("type_url", [CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION])
def test_7_a_refused_change_that_is_undone_is_sent(client: Client, type_url: str) -> None:
    """Rule 7: Envoy may have applied a part of what it refused, so it is sent what it accepted before."""
    name = next(iter(WORLD[type_url]))
    names = () if type_url in (CLUSTER, LISTENER) else (name,)
    [first] = client.ask(type_url, *names)
    client.ask(type_url, *_names(client, *names), to=first)
    [bad] = client.change({type_url: {name: "2"}})
    client.ask(type_url, *_names(client, *names), to=bad, error="no")
    [back] = client.change({type_url: {name: "1"}})
    assert f"{name}=1" in contents_of(back)
    assert client.ask(type_url, *_names(client, *names), to=back) == []
    assert client.session.subscriptions[type_url].nack is None


def test_6_error_detail_makes_a_nack_whatever_the_version_says(client: Client) -> None:
    """Rule 6: a NACK may have the version that it refuses."""
    [bad] = client.ask(CLUSTER)
    if isinstance(client, SotwClient):
        assert bad is not None
        client.ask(CLUSTER, nonce=bad.nonce, version="whatever", error="no")
    else:
        client.ask(CLUSTER, nonce=bad.nonce, error="no")
    assert client.result.nack is not None
    assert client.session.subscriptions[CLUSTER].known == {}


def test_8_an_ack_gets_no_response(client: Client) -> None:
    """Rule 8."""
    [response] = client.ask(CLUSTER)
    assert client.ask(CLUSTER, to=response) == []
    assert client.result.nack is None


def test_8_a_change_to_the_same_content_sends_nothing(client: Client) -> None:
    """Rule 8: if nothing differs, nothing is sent."""
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=response)
    assert client.change({CLUSTER: {"a": "1"}}) == []


def test_9_a_missing_name_does_not_hold_back_the_others(client: Client) -> None:
    """Rule 9: the resources that exist are sent."""
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "missing")
    assert contents_of(response) == ["a=1"]


def test_10_a_name_that_does_not_exist_yet_is_sent_once_it_does(client: Client) -> None:
    """Rule 10: the client subscribes before the resource exists."""
    for response in client.ask(CLUSTER_LOAD_ASSIGNMENT, "late"):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "late"), to=response)
    [response] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"late": "1"}})
    assert contents_of(response) == ["late=1"]


def test_38_changes_while_a_response_is_unanswered_are_merged(client: Client) -> None:
    """Rule 38: each type has at most one unanswered response. The next one has only the newest state."""
    [first] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    assert client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}}) == []
    assert client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "3", "b": "3"}}) == []
    [second] = client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a", "b"), to=first)
    assert contents_of(second) == ["a=3", "b=3"]
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a", "b"), to=second) == []


def test_a_change_that_is_undone_before_the_answer_sends_nothing(client: Client) -> None:
    """Rule 8: the client already has this content."""
    [first] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "1"}})
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a"), to=first) == []


def test_33_a_changed_cluster_is_followed_by_its_assignment(client: Client) -> None:
    """Rule 33: the assignment is sent again although it did not change and nobody asked for it. Other assignments are
    not sent.
    """
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [assignments] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *_names(client, "a", "b"), to=assignments)
    cluster, assignment = client.change({CLUSTER: {"a": "2"}})
    assert cluster.type_url == CLUSTER
    assert assignment.type_url == CLUSTER_LOAD_ASSIGNMENT
    assert "a=1" in contents_of(assignment)


def test_streams_that_ask_for_the_same_share_the_encoded_bytes() -> None:
    """Everything but the nonce is encoded once for all streams of a view."""
    world = SotwClient(WORLD).world
    bodies: list[Response] = []
    for stream in ("s1", "s2"):
        other = SotwClient({}, stream)
        other.world = world
        other.ask(CLUSTER)
        bodies += other.result.responses
    assert sum(isinstance(one, Batch) for one in world.of(CLUSTER).shared.values()) == 1
    assert bodies[0].body != bodies[1].body


def reply(client: Client, response: Reply, *names: str, error: str = "") -> list[Reply]:
    """Accept a response, or refuse it. Return the next responses."""
    return list(client.ask(response.type_url, *_names(client, *names), to=response, error=error))


def _names(client: Client, *names: str) -> tuple[str, ...]:
    """Return the names that an ACK repeats: all in State of the World, none in delta."""
    return names if isinstance(client, SotwClient) else ()
