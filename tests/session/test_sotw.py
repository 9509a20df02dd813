"""Rules of State of the World, one script each."""

from tests.session.client import Contents, SotwClient, contents_of
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

WORLD: Contents = {
    CLUSTER: {"a": "1", "b": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"},
    ROUTE_CONFIGURATION: {"r": "1"},
}


def test_11_unsubscribing_and_subscribing_again_sends_again() -> None:
    """Rule 11: it sends even an unchanged resource."""
    client = SotwClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", to=response)
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", nonce=response.nonce) == []
    [again] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", nonce=response.nonce)
    assert contents_of(again) == ["b=1"]


def test_12_16_a_name_that_is_left_out_is_unsubscribed() -> None:
    """Rules 12 and 16: changes of this name are not sent."""
    client = SotwClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", to=response)
    assert client.change({CLUSTER_LOAD_ASSIGNMENT: {"b": "2"}}) == []
    assert len(client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})) == 1


def test_13_the_version_depends_only_on_the_content() -> None:
    """Rule 13: another server with the same resources has the same version. When a change is undone, the old version
    returns.
    """
    client, replica = SotwClient(WORLD, "s1"), SotwClient(WORLD, "s2")
    [ours], [theirs] = client.ask(CLUSTER), replica.ask(CLUSTER)
    assert ours.version_info == theirs.version_info
    client.ask(CLUSTER, to=ours)
    [changed] = client.change({CLUSTER: {"a": "2"}})
    assert changed.version_info != ours.version_info
    client.ask(CLUSTER, to=changed)
    [back] = client.change({CLUSTER: {"a": "1"}})
    assert back.version_info == ours.version_info


def test_14_clusters_are_sent_as_a_full_set() -> None:
    """Rule 14: a cluster that is left out is deleted. An empty set deletes all."""
    client = SotwClient(WORLD)
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=response)
    [changed] = client.change({CLUSTER: {"a": "2"}})
    assert contents_of(changed) == ["a=2", "b=1"]
    client.ask(CLUSTER, to=changed)
    [smaller] = client.change({CLUSTER: {"b": None}})
    assert contents_of(smaller) == ["a=2"]
    client.ask(CLUSTER, to=smaller)
    [empty] = client.change({CLUSTER: {"a": None}})
    assert contents_of(empty) == []


def test_15_only_changed_assignments_are_sent() -> None:
    """Rule 15: an assignment that is left out is not deleted."""
    client = SotwClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", to=response)
    [changed] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"b": "2"}})
    assert contents_of(changed) == ["b=2"]
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", to=changed)
    assert client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": None}}) == []


def test_an_assignment_that_is_deleted_and_created_again_is_sent() -> None:
    """It is sent even if no response reported the deletion to the client."""
    client = SotwClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", to=response)
    client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": None}})
    [back] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "1"}})
    assert contents_of(back) == ["a=1"]


def test_17_a_new_name_is_sent_although_its_version_did_not_change() -> None:
    """Rule 17: the version of the type is the same, but the client does not have this resource."""
    client = SotwClient(WORLD)
    [response] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    [more] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", to=response)
    assert contents_of(more) == ["b=1"]
    assert more.version_info == response.version_info


def test_18_a_stale_request_keeps_its_subscription() -> None:
    """Rule 18: it gets no response of its own. The next response includes the names that it asks for."""
    client = SotwClient(WORLD)
    [first] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", to=first)
    [second] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", nonce=first.nonce) == []
    [third] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", to=second)
    assert contents_of(third) == ["b=1"]


def test_19_a_client_that_reconnects_with_the_current_version_is_not_sent_clusters_again() -> None:
    """Rule 19: resources that it names are sent, and so are later changes."""
    before = SotwClient(WORLD, "s1")
    [response] = before.ask(CLUSTER)
    client = SotwClient(WORLD, "s2")
    assert client.ask(CLUSTER, version=response.version_info) == []
    assert len(client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", version=response.version_info)) == 1
    [changed] = client.change({CLUSTER: {"a": "2"}})
    assert contents_of(changed) == ["a=2", "b=1"]


def test_20_a_request_without_names_means_all_clusters_but_no_assignments() -> None:
    """Rule 20."""
    client = SotwClient(WORLD)
    assert contents_of(client.ask(CLUSTER)[0]) == ["a=1", "b=1"]
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT) == []
    assert client.ask(ROUTE_CONFIGURATION) == []


def test_21_a_request_with_names_ends_the_wildcard() -> None:
    """Rule 21: `[*, A]` keeps it and `[A]` ends it. `[]` then unsubscribes from everything."""
    client = SotwClient(WORLD)
    [first] = client.ask(CLUSTER, "*", "a")
    assert contents_of(first) == ["a=1", "b=1"]
    client.ask(CLUSTER, "a", to=first)
    assert client.change({CLUSTER: {"b": "2"}}) == []
    [second] = client.change({CLUSTER: {"a": "2"}})
    assert contents_of(second) == ["a=2"]
    client.ask(CLUSTER, to=second)
    assert client.change({CLUSTER: {"a": "3"}}) == []


def test_24_a_wildcard_is_answered_even_if_there_are_no_resources() -> None:
    """Rule 24: the first answer is sent, although it is empty."""
    client = SotwClient({})
    [response] = client.ask(LISTENER)
    assert contents_of(response) == []
    assert client.ask(LISTENER, to=response) == []


def test_18_a_stale_request_is_answered_when_no_answer_of_the_client_is_due() -> None:
    """Rule 18, as adr 11 has it: nothing else would make the server send the name that the request adds."""
    client = SotwClient(WORLD)
    [first] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a")
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", to=first)
    [second] = client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", to=second)
    [third] = client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", nonce=first.nonce)
    assert contents_of(third) == ["b=1"]
    assert client.ask(CLUSTER_LOAD_ASSIGNMENT, "a", "b", nonce=first.nonce) == []  # it repeats, and adds nothing
