"""A stream that ends while an edit is refused takes nothing down: the next one begins with what worked."""

import pytest

from tests.session.client import Contents, DeltaClient, SotwClient, contents_of
from tests.session.test_refused import held, held_of, listener
from tests.session.test_refused_secret import OLD, accept, begin, refuse_new, wants
from tests.session.wire import ONE, Wire
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET

Client = SotwClient | DeltaClient
REFUSED_LISTENER: Contents = {**ONE, LISTENER: {"m": "bad refs:r"}}
REFUSED_CLUSTER: Contents = {
    CLUSTER: {"b": "bad"},
    CLUSTER_LOAD_ASSIGNMENT: {"b": "1"},
    LISTENER: ONE[LISTENER],
    ROUTE_CONFIGURATION: {"r": "2 refs:b"},
}


@pytest.mark.parametrize("fresh", [False, True], ids=["same client", "fresh client"])
def test_32_a_listener_stays_when_the_stream_ends(wire: Wire, *, fresh: bool) -> None:
    """The one in its place is refused again, by a client that has started again too."""
    wire.edit(REFUSED_LISTENER)
    wire.settle()
    for _ in range(2):
        wire.resume(fresh=fresh)
        wire.settle()
        assert wire.twin.held[LISTENER].keys() == {"l"}
        assert held(wire) == [("l", True, "refused")]
    wire.edit({**ONE, LISTENER: {"m": "1 refs:r"}})
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"m"}
    assert held(wire) == []
    assert wire.session is not None
    assert wire.session.remember() is None


def test_32_a_listener_stays_when_the_stream_ends_before_the_answer(wire: Wire) -> None:
    """The NACK is lost."""
    wire.edit(REFUSED_LISTENER)
    wire.resume()
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"l"}


def test_32_a_refused_edit_that_is_corrected_while_the_client_is_away_is_taken(wire: Wire) -> None:
    """What was kept goes last, as after any edit."""
    wire.edit(REFUSED_LISTENER)
    wire.settle()
    wire.contents = {**wire.contents, LISTENER: {"m": "1 refs:r"}}
    wire.resume()
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"m"}
    assert held(wire) == []


def test_32_what_is_refused_again_while_the_client_is_away_takes_nothing_down(wire: Wire) -> None:
    """Another edit of the listener is as bad as the first."""
    wire.edit(REFUSED_LISTENER)
    wire.settle()
    wire.contents = {**wire.contents, LISTENER: {"m": "bad again refs:r"}}
    wire.resume()
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"l"}


def test_32_a_listener_goes_when_the_operator_removes_it_while_the_client_is_away(wire: Wire) -> None:
    """In so many words: the refused one is removed too."""
    wire.edit(REFUSED_LISTENER)
    wire.settle()
    wire.contents = {**wire.contents, LISTENER: {}}
    wire.resume()
    wire.settle()
    assert wire.twin.held[LISTENER] == {}


@pytest.mark.parametrize("fresh", [False, True], ids=["same client", "fresh client"])
def test_32_a_route_stays_when_the_stream_ends(wire: Wire, *, fresh: bool) -> None:
    """Its new cluster is refused, and the old one was removed."""
    wire.edit(REFUSED_CLUSTER)
    wire.settle()
    for _ in range(2):
        wire.resume(fresh=fresh)
        wire.settle()
        assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "1 refs:a"
        assert "a" in wire.twin.active
        assert ("r", False, "refused") in held(wire)
    wire.edit({**REFUSED_CLUSTER, CLUSTER: {"b": "1"}})
    wire.settle()
    assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "2 refs:b"
    assert held(wire) == []


def test_32_a_cluster_that_is_accepted_on_the_next_stream_is_used(wire: Wire) -> None:
    """The client finds its file, for example."""
    wire.edit(REFUSED_CLUSTER)
    wire.settle()
    wire.twin.is_mild = True
    wire.resume()
    wire.settle()
    assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "2 refs:b"
    assert wire.twin.held[CLUSTER].keys() == {"b"}


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, ROUTE_CONFIGURATION])
def test_32_a_client_that_starts_again_is_served_the_version_before_a_refused_one(wire: Wire, type_url: str) -> None:
    """It has nothing that it could keep. On its next stream it may try again."""
    [(name, word)] = ONE[type_url].items()
    wire.edit({**ONE, type_url: {name: f"bad {word}"}})
    wire.settle()
    wire.resume(fresh=True)
    wire.settle()
    assert wire.twin.held[type_url][name].word == word
    assert held(wire) == [(name, False, "refused")]
    assert wire.session is not None
    assert wire.session.subscriptions[type_url].nack is not None
    wire.resume()
    wire.settle()
    assert wire.twin.held[type_url][name].word == word
    wire.edit({**ONE, type_url: {name: f"3 {word}"}})
    wire.settle()
    assert wire.twin.held[type_url][name].word == f"3 {word}"
    assert held(wire) == []


def test_32_a_refused_listener_is_not_tried_again_at_the_address_of_another(make: type[Client]) -> None:
    """That would close the other's port."""
    client = make({LISTENER: {"l": listener(80)}})
    for response in client.ask(LISTENER):
        client.ask(LISTENER, to=response)
    [refused] = client.change({LISTENER: {"l": None, "m": listener(80, "bad")}})
    [again] = client.ask(LISTENER, to=refused, error="m is bad")
    accept(client, again)
    for _ in range(2):
        client.resume()
        [response] = client.ask(LISTENER)
        accept(client, response)
        assert client.session.subscriptions[LISTENER].known.keys() == {"l"}
        assert client.session.subscriptions[LISTENER].nack is not None
        assert held_of(client) == [("l", True, "refused"), ("m", False, "refused")]


def test_32_a_listener_stays_back_when_the_stream_ends_after_a_refused_secret(make: type[Client]) -> None:
    """Envoy still asks for the secret while a listener drains, and would accept it unread."""
    client = begin(make)
    [back] = refuse_new(client)
    accept(client, back)
    for _ in range(2):
        client.resume()
        [response] = client.ask(LISTENER)
        assert contents_of(response) == ["l=1 with old"]
        accept(client, response)
        [secret] = [one for one in wants(client, "new", "old") if contents_of(one)]
        assert contents_of(secret) == ["old=1"]
        wants(client, "new", "old", to=secret)
        assert client.session.subscriptions[SECRET].nack is not None
        assert ("l", False, "refused") in held_of(client)
    responses = [*client.change({SECRET: {"new": "2"}})]
    for response in responses:
        names = ("new", "old") if response.type_url == SECRET and isinstance(client, SotwClient) else ()
        responses += client.ask(response.type_url, *names, to=response)
    assert ["l=1 with new"] in [contents_of(one) for one in responses]


def test_32_a_secret_stays_when_the_stream_ends_after_a_refused_change(make: type[Client]) -> None:
    """A fresh client is served the content from before."""
    client = begin(make)
    [bad] = client.change({SECRET: {"old": "2"}})
    [back] = wants(client, "old", to=bad, error="no")
    wants(client, "old", to=back)
    client.resume()
    [secret] = wants(client, "old")
    assert contents_of(secret) == ["old=1"]


def test_32_a_client_that_has_nothing_to_lose_tries_again_on_each_stream(make: type[Client]) -> None:
    """There is nothing in the place of what it refused."""
    client = make(OLD)
    [bad] = client.ask(LISTENER)
    client.ask(LISTENER, to=bad, error="port in use")
    assert client.session.remember() is None
