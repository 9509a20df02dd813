"""The reason for each response, as the metrics count it; and whether a client has answered everything."""

from typing import Any

import pytest

from tests.session.client import Contents, DeltaClient, SotwClient, change_contents
from tests.session.test_ttl import SECONDS, TTL, Client
from xds.session.session import DELTA, SOTW, Variant
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT

WORLD: Contents = {CLUSTER: {"a": "1", "b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"}}


def reasons(client: DeltaClient | SotwClient) -> list[str]:
    """Return the reasons of the responses to the last request."""
    return [response.reason for response in client.result.responses]


def test_the_first_request_of_a_type_and_added_names_have_different_reasons() -> None:
    """A restart shows as `initial`. An Envoy's new clusters show as `subscribe`."""
    client = DeltaClient(WORLD)
    [clusters] = client.ask(CLUSTER)
    assert reasons(client) == ["initial"]
    client.ask(CLUSTER, to=clusters)
    [assignments] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert reasons(client) == ["initial"]
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=assignments)
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "b")
    assert reasons(client) == ["subscribe"]


def test_a_change_that_waits_for_an_answer_has_the_reason_change() -> None:
    """It is sent when the client answers, but the answer is not its reason."""
    client = SotwClient(WORLD)
    [first] = client.ask(CLUSTER)
    assert client.change({CLUSTER: {"a": "2"}}) == []
    assert not client.session.is_settled
    [second] = client.ask(CLUSTER, to=first)
    assert reasons(client) == ["change"]
    assert not client.session.is_settled
    assert client.ask(CLUSTER, to=second) == []
    assert client.session.is_settled


def test_endpoints_that_follow_their_cluster_have_the_reason_follow() -> None:
    """The endpoints did not change (rule 33)."""
    client = DeltaClient(WORLD)
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters)
    [assignments] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=assignments)
    change = change_contents(client.world, {CLUSTER: {"a": "2"}})
    client.world = change.snapshot
    responses = client.session.on_change(change) or []
    assert [response.reason for response in responses] == ["change", "follow"]


@pytest.mark.parametrize("variant", [SOTW, DELTA], ids=["sotw", "delta"])
@pytest.mark.parametrize("features", [(), (TTL,)], ids=["whole", "without a body"])
def test_a_resource_with_a_ttl_is_renewed_with_the_reason_heartbeat(
    variant: Variant[Any], features: tuple[str, ...]
) -> None:
    """This holds whether the client receives the whole resource or only its name."""
    client = Client(variant, *features)
    client.ask(client.first.nonce)
    assert [one.reason for one in client.session.on_heartbeat(SECONDS / 3)] == ["heartbeat"]


def test_a_nack_counts_as_an_answer() -> None:
    """After a NACK, the session does not wait for the client."""
    client = DeltaClient(WORLD)
    [clusters] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=clusters, error="no")
    assert client.session.is_settled
