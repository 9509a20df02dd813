"""Rules of the incremental variant, one script each."""

from tests.session.client import Contents, DeltaClient, contents_of
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER

WORLD: Contents = {CLUSTER: {"a": "1", "b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"}}


def versions(client: DeltaClient, type_url: str) -> dict[str, str]:
    """Return the version of each resource, as a client states them when it reconnects."""
    return {name: resource.version for name, resource in client.world.of(type_url).resources.items()}


def test_11_unsubscribing_and_subscribing_again_sends_again() -> None:
    """Rule 11: it sends even an unchanged resource."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=response)
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",)) == []
    [again] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert contents_of(again) == ["a=1"]


def test_11_subscribing_again_before_the_answer_sends_again() -> None:
    """Rule 11: the ACK of the older response does not count for the new subscription."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",)) == []
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, "a") == []
    [again] = client.ask(CLUSTER_LOAD_ASSIGNMENT, to=response)
    assert contents_of(again) == ["a=1"]


def test_12_a_change_to_an_unsubscribed_name_sends_nothing() -> None:
    """Rule 12: the client no longer wants this resource."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("a",), to=response)
    assert client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}}) == []


def test_20_22_a_request_without_names_means_all_clusters_but_no_assignments() -> None:
    """Rules 20 and 22."""
    client = DeltaClient(WORLD)
    assert contents_of(client.ask(CLUSTER)[0]) == ["a=1", "b=1"]
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT) == []


def test_22_the_wildcard_stays_until_it_is_unsubscribed() -> None:
    """Rule 22: adding A keeps the wildcard; unsubscribing from `*` leaves A. An empty set is then no wildcard."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER)
    [answer] = client.ask(CLUSTER, "a", to=response)
    assert contents_of(answer) == ["a=1"]
    client.ask(CLUSTER, to=answer)
    [pushed] = client.change({CLUSTER: {"b": "2"}})
    client.ask(CLUSTER, drop=("*",), to=pushed)
    assert client.change({CLUSTER: {"b": "3"}}) == []
    [pushed] = client.change({CLUSTER: {"a": "2"}})
    client.ask(CLUSTER, drop=("a",), to=pushed)
    assert client.change({CLUSTER: {"a": "3", "b": "4"}}) == []


def test_22_a_first_request_with_names_is_not_a_wildcard() -> None:
    """Rule 22: only a first request without names is one."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER, "a")
    assert contents_of(response) == ["a=1"]
    client.ask(CLUSTER, to=response)
    assert client.change({CLUSTER: {"b": "2"}}) == []


def test_23_with_the_wildcard_an_unsubscribed_name_is_sent_again_or_removed() -> None:
    """Rule 23: the client may have dropped it. It is sent again if it exists, or else reported as removed."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER, "*", "a", "gone")
    client.ask(CLUSTER, to=response)
    [answer] = client.ask(CLUSTER, drop=("a", "gone"))
    assert contents_of(answer) == ["a=1"]
    assert list(answer.removed_resources) == ["gone"]


def test_24_a_wildcard_is_answered_even_if_there_are_no_resources() -> None:
    """Rule 24: the first answer is sent, although it is empty."""
    client = DeltaClient({})
    [response] = client.ask(LISTENER)
    assert contents_of(response) == []
    assert list(response.removed_resources) == []


def test_25_every_subscribed_name_is_answered() -> None:
    """Rule 25: this includes a name that the client has already."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    [again] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", to=response)
    assert contents_of(again) == ["a=1"]


def test_26_a_name_that_does_not_exist_is_reported_as_removed_and_stays_subscribed() -> None:
    """Rule 26: when the resource is created, it is sent."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "late")
    assert list(response.removed_resources) == ["late"]
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=response)
    [made] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"late": "1"}})
    assert contents_of(made) == ["late=1"]


def test_27_only_changes_are_sent_and_each_deletion_once() -> None:
    """Rule 27."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=response)
    [changed] = client.change({CLUSTER: {"a": "2", "b": None}})
    assert contents_of(changed) == ["a=2"]
    [gone] = client.ask(CLUSTER, to=changed)
    assert contents_of(gone) == []
    assert list(gone.removed_resources) == ["b"]
    client.ask(CLUSTER, to=gone)
    [later] = client.change({CLUSTER: {"a": "3"}})
    assert list(later.removed_resources) == []


def test_28_unsubscribing_from_a_name_without_a_subscription_is_ignored() -> None:
    """Rule 28."""
    client = DeltaClient(WORLD)
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, drop=("zebra",)) == []


def test_28_with_the_wildcard_unsubscribing_from_an_unknown_name_is_ignored() -> None:
    """Rule 28: the name was never subscribed to and never sent."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=response)
    assert client.ask(CLUSTER, drop=("zebra",)) == []
    [again] = client.ask(CLUSTER, drop=("a",))
    assert contents_of(again) == ["a=1"]  # the client may have dropped this one (rule 23)


def test_28_a_request_without_a_nonce_is_not_an_ack() -> None:
    """Rule 28: the response before it is still unanswered."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, "b") == []
    [more] = client.ask(CLUSTER_LOAD_ASSIGNMENT, to=response)
    assert contents_of(more) == ["b=1"]


def test_29_a_request_with_a_stale_nonce_still_subscribes() -> None:
    """Rule 29."""
    client = DeltaClient(WORLD)
    [first] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=first)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "b", nonce="of another stream")
    assert contents_of(response) == ["b=1"]


def test_30_a_client_that_reconnects_is_not_sent_what_it_has() -> None:
    """Rule 30: it states versions for its wildcard subscription."""
    client = DeltaClient(WORLD)
    assert client.ask(CLUSTER, has=versions(client, CLUSTER)) == []
    [changed] = client.change({CLUSTER: {"a": "2"}})
    assert contents_of(changed) == ["a=2"]


def test_30_after_a_reconnect_changed_names_are_sent_and_deleted_ones_removed() -> None:
    """Rule 30, for names. A stream of one type has no other type to wait for."""
    client = DeltaClient(WORLD, type_url=CLUSTER_LOAD_ASSIGNMENT)
    has = {**versions(client, CLUSTER_LOAD_ASSIGNMENT), "b": "old", "gone": "old"}
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", "gone", has=has)
    assert contents_of(response) == ["b=1"]
    assert list(response.removed_resources) == ["gone"]


def test_30_after_a_reconnect_the_wildcard_sends_changes_and_deletions() -> None:
    """Rule 30, for the wildcard."""
    client = DeltaClient(WORLD, type_url=CLUSTER)
    [response] = client.ask(CLUSTER, has={**versions(client, CLUSTER), "b": "old", "gone": "old"})
    assert contents_of(response) == ["b=1"]
    [gone] = client.ask(CLUSTER, to=response)
    assert list(gone.removed_resources) == ["gone"]


def test_30_initial_versions_count_only_on_the_first_request_of_a_type() -> None:
    """Rule 30: in later requests they are ignored."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    has = versions(client, CLUSTER_LOAD_ASSIGNMENT)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "b", to=response, has=has)
    assert contents_of(response) == ["b=1"]


def test_31_only_an_accepted_resource_counts_as_the_clients() -> None:
    """Rule 31: after a NACK, the client has the version that it accepted before. A change back to it is sent, too."""
    client = DeltaClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=response)
    [pushed] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    client.ask(CLUSTER_LOAD_ASSIGNMENT, to=pushed, error="no")
    subscription = client.session.subscriptions[CLUSTER_LOAD_ASSIGNMENT]
    assert subscription.known["a"] == contents_version(client, "a=1")
    [back] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "1"}})
    assert contents_of(back) == ["a=1"]
    assert subscription.known["a"] == contents_version(client, "a=1")


def contents_version(client: DeltaClient, content: str) -> str:
    """Return the version of a content."""
    name = content.partition("=")[0]
    other = DeltaClient({CLUSTER_LOAD_ASSIGNMENT: {name: content.partition("=")[2]}})
    return versions(other, CLUSTER_LOAD_ASSIGNMENT)[name]
