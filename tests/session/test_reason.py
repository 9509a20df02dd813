"""Why a response is sent, as the metrics count it; and when a client has answered all."""

from typing import Any

import pytest

from tests.session.client import Contents, DeltaClient, SotwClient, change_contents
from tests.session.test_ttl import SECONDS, TTL, Client
from xds.session.session import DELTA, SOTW, Variant
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT

WORLD: Contents = {CLUSTER: {"a": "1", "b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"}}


def reasons(client: DeltaClient | SotwClient) -> list[str]:
    """Give why the last request was answered."""
    return [response.reason for response in client.result.responses]


def test_the_first_of_a_type_and_names_that_are_added() -> None:
    """They are told apart: a restart shows in the one, an Envoy's new clusters in the other."""
    client = DeltaClient(WORLD)
    [clusters] = client.ask(CLUSTER)
    assert reasons(client) == ["initial"]
    client.ask(CLUSTER, to=clusters)
    [assignments] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert reasons(client) == ["initial"]
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=assignments)
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "b")
    assert reasons(client) == ["subscribe"]


def test_a_change_while_a_response_is_in_flight_is_a_change() -> None:
    """It is sent when the client has answered, and yet it is not for that answer."""
    client = SotwClient(WORLD)
    [first] = client.ask(CLUSTER)
    assert client.change({CLUSTER: {"a": "2"}}) == []
    assert not client.session.is_settled
    [second] = client.ask(CLUSTER, to=first)
    assert reasons(client) == ["change"]
    assert not client.session.is_settled
    assert client.ask(CLUSTER, to=second) == []
    assert client.session.is_settled


def test_endpoints_follow_their_cluster() -> None:
    """Though they did not change (rule 33)."""
    client = DeltaClient(WORLD)
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [assignments] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=assignments)
    responses = client.session.on_change(change_contents(client.world, {CLUSTER: {"a": "2"}})) or []
    assert [response.reason for response in responses] == ["change", "follow"]


@pytest.mark.parametrize("variant", [SOTW, DELTA], ids=["sotw", "delta"])
@pytest.mark.parametrize("features", [(), (TTL,)], ids=["whole", "without a body"])
def test_what_lives_for_a_while_is_prolonged_by_heartbeats(variant: Variant[Any], features: tuple[str, ...]) -> None:
    """Whether the client is sent the whole resource or only that it lives on."""
    client = Client(variant, *features)
    client.ask(client.first.nonce)
    assert [one.reason for one in client.session.on_heartbeat(SECONDS / 3)] == ["heartbeat"]


def test_a_refusal_is_an_answer() -> None:
    """Nobody waits for a client that has said no."""
    client = DeltaClient(WORLD)
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters, error="no")
    assert client.session.is_settled
