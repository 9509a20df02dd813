"""What the state machine found, shrunk: each a short story between a server and a twin of Envoy."""

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
    """Give each variant."""
    name: str = request.param
    return name


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def client(request: pytest.FixtureRequest) -> Client:
    """Give a client of each variant, in a world of two clusters."""
    world: Contents = {CLUSTER: {"a": "1", "b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"}}
    made: Client = request.param(world)
    return made


def names(client: Client, *asked: str) -> tuple[str, ...]:
    """A State of the World ACK repeats the subscription; a delta one does not."""
    return asked if isinstance(client, SotwClient) else ()


@pytest.mark.parametrize("make", [SotwClient, DeltaClient], ids=["sotw", "delta"])
def test_5_empty_answers_are_of_the_types_that_were_asked_for(make: type[Client]) -> None:
    """Rule 5: types without resources share nothing that says which type it is."""
    client = make({})
    for type_url in (CLUSTER, LISTENER):
        assert [response.type_url for response in client.ask(type_url)] == [type_url]


def test_7_what_was_refused_does_not_follow_its_cluster(client: Client) -> None:
    """Rules 7 and 33: a changed cluster is followed by its endpoints, but not by those that the client refused."""
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert [response.type_url for response in client.change({CLUSTER: {"a": "2"}})] == [CLUSTER]
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=bad, error="no") == []


def test_7_what_is_accepted_in_the_end_is_refused_no_more(client: Client) -> None:
    """Rule 7: even the same version, asked for again."""
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=bad, error="no")
    if isinstance(client, SotwClient):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, nonce=bad.nonce)
    [again] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", nonce=bad.nonce)
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=again)
    subscription = client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT]
    assert subscription.rejected == {}
    assert subscription.nack is None


def test_7_what_was_refused_together_is_sent_again_even_if_it_changes_back(client: Client) -> None:
    """A client may have taken some of what it refused, so that what it has is not known."""
    [first] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=first)
    [bad, *_] = client.change({CLUSTER: {"a": "2", "b": "2"}})
    client.ask(CLUSTER, to=bad, error="a is bad")
    back = client.change({CLUSTER: {"a": "1", "b": "1"}})
    assert contents_of(back[0]) == ["a=1", "b=1"]


def test_7_a_refusal_of_what_is_not_wanted_any_more_counts_for_nothing(client: Client) -> None:
    """Or the routes would wait for it for ever."""
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    if isinstance(client, SotwClient):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, "b", nonce=bad.nonce)
    else:
        client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",))
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "b"), to=bad, error="no")
    assert client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT].rejected == {}


def test_32_a_refused_route_is_no_wait_that_time_ends(variant: str) -> None:
    """The old cluster stays until the route is mended, and nobody looks at a clock meanwhile."""
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


def test_32_a_client_that_comes_back_is_told_of_a_removal_after_its_routes_changed() -> None:
    """Delta, after a restart of the server: it states the cluster that is gone, and still has a route to it."""
    wire = Wire("delta", ONE)
    wire.settle()
    wire.drop()
    wire.edit(MOVED)
    wire.settle()
    assert wire.twin.violations == []
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_removal_waits_for_a_client_that_has_only_begun_to_come_back(variant: str) -> None:
    """It asked for clusters so far, and so for nothing that names one; but it has routes of before."""
    wire = Wire(variant, ONE)
    wire.settle()
    wire.connect()
    wire.deliver_request()
    wire.edit(NONE)
    wire.settle()
    assert wire.twin.held[CLUSTER] == {}


def test_33_a_cluster_that_changed_meanwhile_is_followed_by_its_endpoints() -> None:
    """Delta: although the client states that it has them; it states them after the cluster was sent."""
    wire = Wire("delta", ONE)
    wire.settle()
    wire.drop()
    wire.edit({**ONE, CLUSTER: {"a": "2"}})
    wire.settle()
    assert wire.twin.warming == set()


def test_32_a_late_answer_ends_the_impatience(client: Client) -> None:
    """Rule 32: who was too slow once is waited for again, with the next change."""
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


def test_14_a_refused_first_answer_is_mended_by_an_empty_one() -> None:
    """Rule 14: what a State of the World client that came back has is not known, so nothing is left unsaid."""
    wire = Wire("sotw", ONE)
    wire.settle()
    wire.connect()
    wire.edit({**ONE, LISTENER: {"l": "bad refs:r"}})
    wire.settle()
    wire.edit(NONE)
    wire.settle()
    assert wire.twin.held[LISTENER] == {}


def test_6_a_refusal_is_forgotten_when_the_edit_is_taken_back(client: Client) -> None:
    """Rules 6 and 7: nothing is sent then, so that no ACK tells of it; the operator is not to be told for ever."""
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [bad] = client.change({CLUSTER: {"a": "bad"}})
    client.ask(CLUSTER, to=bad, error="no")
    subscription = client.session.subscriptions[CLUSTER]
    assert subscription.nack is not None
    for response in client.change({CLUSTER: {"a": "1"}}):
        client.ask(CLUSTER, to=response)
    assert subscription.nack is None


def test_6_a_refusal_of_what_is_no_longer_wanted_is_forgotten(client: Client) -> None:
    """Rules 6 and 12: who unsubscribes from what it refused has nothing left to refuse."""
    [bad] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, *names(client, "a"), to=bad, error="no")
    subscription = client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT]
    assert subscription.nack is not None
    if isinstance(client, SotwClient):
        client.ask(CLUSTER_LOAD_ASSIGNMENT, "b", nonce=bad.nonce)
    else:
        client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",))
    assert subscription.nack is None
