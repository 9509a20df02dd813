"""Faults that the state machine found, reduced to short examples with a server and a twin of Envoy."""

import pytest

from tests.session.client import Contents, DeltaClient, Reply, SotwClient, contents_of
from tests.session.wire import Wire
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

ONE: Contents = {
    CLUSTER: {"a": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1"},
    LISTENER: {"l": "1 refs:r"},
    ROUTE_CONFIGURATION: {"r": "1 refs:a"},
}
MOVED: Contents = {
    CLUSTER: {"b": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"b": "1"},
    LISTENER: {"l": "1 refs:r"},
    ROUTE_CONFIGURATION: {"r": "1 refs:b"},
}
NONE: Contents = {}

Client = SotwClient | DeltaClient


@pytest.fixture(params=["sotw", "delta"])
def variant(request: pytest.FixtureRequest) -> str:
    """Return each variant."""
    name: str = request.param
    return name


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def client(request: pytest.FixtureRequest) -> Client:
    """Return a client of each variant, with two clusters."""
    world: Contents = {CLUSTER: {"a": "1", "b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"}}
    made: Client = request.param(world)
    return made


def names(client: Client, *asked: str) -> tuple[str, ...]:
    """Return the names that an ACK repeats: all in State of the World, none in delta."""
    return asked if isinstance(client, SotwClient) else ()


@pytest.mark.parametrize("make", [SotwClient, DeltaClient], ids=["sotw", "delta"])
def test_5_an_empty_answer_has_the_type_that_was_asked_for(make: type[Client]) -> None:
    """Rule 5: types without resources do not share an encoded response."""
    client = make({})
    for type_url in (CLUSTER, LISTENER):
        assert [response.type_url for response in client.ask(type_url)] == [type_url]


def test_7_refused_endpoints_are_not_sent_again_when_their_cluster_changes(client: Client) -> None:
    """Rules 7 and 33: endpoints follow a changed cluster, but not if the client refused them."""
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert [response.type_url for response in client.change({CLUSTER: {"a": "2"}})] == [CLUSTER]
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=bad, error="no") == []


def test_7_a_refused_response_that_is_accepted_later_is_no_longer_refused(client: Client) -> None:
    """Rule 7: this also holds for the same version, if the client asks for it again."""
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=bad, error="no")
    if isinstance(client, SotwClient):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, nonce=bad.nonce)
    [again] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", nonce=bad.nonce)
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=again)
    subscription = client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT]
    assert subscription.rejected == {}
    assert subscription.nack is None


def test_7_resources_that_were_refused_together_are_sent_again_even_if_they_change_back(client: Client) -> None:
    """The client may have applied some of the refused resources, so the server does not know what it has."""
    [first] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=first)
    [bad, *_] = client.change({CLUSTER: {"a": "2", "b": "2"}})
    client.ask(CLUSTER, to=bad, error="a is bad")
    back = client.change({CLUSTER: {"a": "1", "b": "1"}})
    assert contents_of(back[0]) == ["a=1", "b=1"]


def test_7_refusing_a_resource_after_unsubscribing_from_it_has_no_effect(client: Client) -> None:
    """Otherwise the routes would wait for it forever."""
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    if isinstance(client, SotwClient):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, "b", nonce=bad.nonce)
    else:
        client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",))
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "b"), to=bad, error="no")
    assert client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT].rejected == {}


def test_32_a_removal_waits_for_a_refused_route_without_a_timeout(variant: str) -> None:
    """The old cluster stays until the route is mended. Meanwhile no timer runs."""
    wire = Wire(variant, ONE)
    wire.settle()
    bad: Contents = {**MOVED, ROUTE_CONFIGURATION: {"r": "bad refs:b"}}
    wire.edit(bad)
    wire.settle()
    assert wire.session is not None
    assert wire.session.waits == 0
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    wire.edit(MOVED)
    wire.settle()
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_client_that_reconnects_gets_a_removal_only_after_its_routes_change() -> None:
    """Delta: the server restarts. The client states a cluster that no longer exists, and still has a route to it."""
    wire = Wire("delta", ONE)
    wire.settle()
    wire.drop()
    wire.edit(MOVED)
    wire.settle()
    assert wire.twin.violations == []
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_removal_waits_until_a_reconnecting_client_has_asked_for_its_routes(variant: str) -> None:
    """The client has asked only for clusters, so the server knows no routes. But the client has some from before."""
    wire = Wire(variant, ONE)
    wire.settle()
    wire.connect()
    wire.deliver_request()
    wire.edit(NONE)
    wire.settle()
    assert wire.twin.held[CLUSTER] == {}


def test_33_a_cluster_that_changed_while_disconnected_is_followed_by_its_endpoints() -> None:
    """Delta: they are sent although the client states that it has them, because the cluster was sent before that
    statement.
    """
    wire = Wire("delta", ONE)
    wire.settle()
    wire.drop()
    wire.edit({**ONE, CLUSTER: {"a": "2"}})
    wire.settle()
    assert wire.twin.warming == set()


def test_32_a_client_that_answers_late_is_waited_for_again(client: Client) -> None:
    """Rule 32: after a timeout and a late answer, the next change waits for the client again."""
    client.change({LISTENER: {"l": "1"}, ROUTE_CONFIGURATION: {"r": "1"}})
    last: dict[str, Reply] = {}
    for type_url, asked in ((CLUSTER, ()), (CLUSTER_LOAD_ASSIGNMENT, ("a", "b")), (ROUTE_CONFIGURATION, ("r",))):
        [last[type_url]] = client.ask(type_url, *asked)
        client.ask(type_url, *names(client, *asked), to=last[type_url])
    slow, *_ = client.change({CLUSTER: {"a": "2"}, ROUTE_CONFIGURATION: {"r": "2"}})
    client.session.on_timeout()
    client.ask(CLUSTER, to=slow)
    sent = client.change({CLUSTER: {"a": "3"}, ROUTE_CONFIGURATION: {"r": "3"}})
    assert ROUTE_CONFIGURATION not in [response.type_url for response in sent]


def test_14_after_a_refused_first_answer_a_deletion_is_sent() -> None:
    """Rule 14: the server does not know what a reconnecting State of the World client has. So it sends the empty set
    too.
    """
    wire = Wire("sotw", ONE)
    wire.settle()
    wire.connect()
    wire.edit({**ONE, LISTENER: {"l": "bad refs:r"}})
    wire.settle()
    wire.edit(NONE)
    wire.settle()
    assert wire.twin.held[LISTENER] == {}


def test_6_a_refusal_is_forgotten_when_the_edit_is_undone(client: Client) -> None:
    """Rules 6 and 7: nothing is sent, so no ACK can end the refusal. The operator must not see it forever."""
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [bad] = client.change({CLUSTER: {"a": "bad"}})
    client.ask(CLUSTER, to=bad, error="no")
    subscription = client.session.subscriptions[CLUSTER]
    assert subscription.nack is not None
    for response in client.change({CLUSTER: {"a": "1"}}):
        client.ask(CLUSTER, to=response)
    assert subscription.nack is None


def test_6_a_refusal_is_forgotten_when_the_client_unsubscribes(client: Client) -> None:
    """Rules 6 and 12: the client no longer wants the resource that it refused."""
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=bad, error="no")
    subscription = client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT]
    assert subscription.nack is not None
    if isinstance(client, SotwClient):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, "b", nonce=bad.nonce)
    else:
        client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",))
    assert subscription.nack is None
