"""Rules 32 to 34: updates are sent in an order in which every route always has a cluster with endpoints."""

import pytest

from tests.session.client import Contents, DeltaClient, Reply, SotwClient, contents_of
from xds.session.session import RequestResult
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

WORLD: Contents = {
    CLUSTER: {"a": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1"},
    LISTENER: {"l": "1 refs:r,a"},
    ROUTE_CONFIGURATION: {"r": "to a"},
}

MOVE: Contents = {
    CLUSTER: {"a": None, "b": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": None, "b": "1"},
    ROUTE_CONFIGURATION: {"r": "to b"},
}
"""One edit moves a route from one cluster to a new one, and deletes the old cluster."""


class Envoy:
    """A client that subscribes as Envoy does, and whose answers a test chooses."""

    def __init__(self, client: SotwClient | DeltaClient) -> None:
        self.client = client
        self.wants = {CLUSTER: [], CLUSTER_LOAD_ASSIGNMENT: ["a"], LISTENER: [], ROUTE_CONFIGURATION: ["r"]}
        for type_url, names in self.wants.items():
            [response] = client.ask(type_url, *names)
            assert self.accept(response) == []

    def accept(self, response: Reply) -> list[Reply]:
        """Accept a response. Return the next responses."""
        return list(self.client.ask(response.type_url, *self._stated(response.type_url), to=response))

    def refuse(self, response: Reply) -> list[Reply]:
        """Refuse a response. Return the next responses."""
        return list(self.client.ask(response.type_url, *self._stated(response.type_url), to=response, error="no"))

    def want_endpoints(self, *names: str, nonce: str = "") -> list[Reply]:
        """Subscribe to more endpoints, as Envoy does when it receives a new cluster."""
        self.wants[CLUSTER_LOAD_ASSIGNMENT] += names
        stated = self._stated(CLUSTER_LOAD_ASSIGNMENT) or names
        return list(self.client.ask(CLUSTER_LOAD_ASSIGNMENT, *stated, nonce=nonce))

    def _stated(self, type_url: str) -> list[str]:
        return self.wants[type_url] if isinstance(self.client, SotwClient) else []


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def envoy(request: pytest.FixtureRequest) -> Envoy:
    """Return an Envoy of each variant that has all resources."""
    return Envoy(request.param(WORLD))


def removed(response: Reply, envoy: Envoy) -> bool:
    """Whether a response of clusters removes `a`."""
    if isinstance(envoy.client, SotwClient):
        return not any(content.startswith("a=") for content in contents_of(response))
    return "a" in getattr(response, "removed_resources", ())


def test_32_routes_wait_for_the_new_cluster_and_its_endpoints(envoy: Envoy) -> None:
    """Rule 32: make before break. Each step waits for the ACK of the step before."""
    [clusters] = envoy.client.change(MOVE)
    assert clusters.type_url == CLUSTER
    assert "b=1" in contents_of(clusters)
    assert not removed(clusters, envoy)
    assert envoy.accept(clusters) == []  # the routes wait, because the cluster has no endpoints yet
    [assignments] = envoy.want_endpoints("b")
    assert contents_of(assignments) == ["b=1"]
    [routes] = envoy.accept(assignments)
    assert contents_of(routes) == ["r=to b"]
    last = envoy.accept(routes)
    assert last[0].type_url == CLUSTER
    assert removed(last[0], envoy)
    for response in last:
        envoy.accept(response)
    assert envoy.client.session.waits == 0


def test_32_the_ack_of_a_cluster_and_the_subscription_to_its_endpoints_may_come_in_any_order(envoy: Envoy) -> None:
    """Rule 32: Envoy asks for the endpoints of a new cluster before it accepts the cluster."""
    [clusters] = envoy.client.change(MOVE)
    [assignments] = envoy.want_endpoints("b")
    assert envoy.accept(assignments) == []
    [routes] = envoy.accept(clusters)
    assert contents_of(routes) == ["r=to b"]


def test_32_listeners_come_before_routes(envoy: Envoy) -> None:
    """Rule 32: both come after the resources that they refer to."""
    change: Contents = {
        ROUTE_CONFIGURATION: {"r": "2 refs:a"},
        LISTENER: {"l": "2 refs:r,a"},
        CLUSTER_LOAD_ASSIGNMENT: {"a": "2"},
        CLUSTER: {"a": "2"},
    }
    clusters, assignments = envoy.client.change(change)
    assert [clusters.type_url, assignments.type_url] == [CLUSTER, CLUSTER_LOAD_ASSIGNMENT]
    assert envoy.accept(clusters) == []
    [listeners] = envoy.accept(assignments)
    assert listeners.type_url == LISTENER
    [routes] = envoy.accept(listeners)
    assert routes.type_url == ROUTE_CONFIGURATION


def test_32_a_cluster_that_no_route_refers_to_is_removed_at_once(envoy: Envoy) -> None:
    """Rule 32: there is nothing to wait for."""
    clusters, *_ = envoy.client.change({CLUSTER: {"a": None}})
    assert removed(clusters, envoy)
    assert envoy.client.session.waits == 0


def test_32_waiting_ends_after_a_timeout(envoy: Envoy) -> None:
    """Rule 32: a client that does not answer is sent the rest after the timeout, one stage after the other."""
    [clusters] = envoy.client.change(MOVE)
    first_wait = envoy.client.session.waits
    assert first_wait
    [routes] = envoy.client.read(RequestResult(envoy.client.session.on_timeout()))
    assert contents_of(routes) == ["r=to b"]
    assert envoy.client.session.waits > first_wait
    assert all(
        response.type_url != CLUSTER for response in envoy.client.read(RequestResult(envoy.client.session.on_timeout()))
    )
    [gone, *_] = envoy.accept(clusters)
    assert removed(gone, envoy)


def test_32_a_refused_route_keeps_its_old_cluster(envoy: Envoy) -> None:
    """Rules 7 and 32: Envoy keeps the old route. So the old cluster stays until the route is mended."""
    [clusters] = envoy.client.change(MOVE)
    [assignments] = envoy.want_endpoints("b")
    envoy.accept(assignments)
    [routes] = envoy.accept(clusters)
    assert envoy.refuse(routes) == []
    [mended] = envoy.client.change({ROUTE_CONFIGURATION: {"r": "to b, mended"}})
    [gone, *_] = envoy.accept(mended)
    assert removed(gone, envoy)


def test_32_a_removal_that_is_undone_in_time_removes_nothing(envoy: Envoy) -> None:
    """Rule 32: an edit is undone while its changes are being sent. The cluster stays."""
    [clusters] = envoy.client.change(MOVE)
    back: Contents = {
        CLUSTER: {"a": "1", "b": None},
        CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": None},
        ROUTE_CONFIGURATION: {"r": "to a"},
    }
    assert envoy.client.change(back) == []
    sent: list[Reply] = list(envoy.accept(clusters))
    for response in sent:
        assert not removed(response, envoy) or response.type_url != CLUSTER
        sent += envoy.accept(response)
    assert all(response.type_url != ROUTE_CONFIGURATION for response in sent)  # the routes were never sent
    assert envoy.client.session.waits == 0
    assert envoy.client.session.subscriptions[CLUSTER].known.keys() == {"a"}


def test_32_endpoints_never_wait_for_a_cluster(envoy: Envoy) -> None:
    """Rule 32: the new weight is sent at once, although a response of clusters is unanswered."""
    envoy.client.change({CLUSTER: {"c": "1"}})
    [assignments] = envoy.client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    assert contents_of(assignments) == ["a=2"]


def test_33_only_new_or_changed_clusters_are_followed_by_their_endpoints(envoy: Envoy) -> None:
    """Rule 33: a State of the World response has every cluster, but most did not change."""
    for response in envoy.want_endpoints("c", nonce="stale"):
        envoy.accept(response)
    for response in envoy.client.change({CLUSTER: {"c": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"c": "1"}}):
        for more in envoy.accept(response):
            envoy.accept(more)
    clusters, assignments = envoy.client.change({CLUSTER: {"c": "2"}})
    assert "c=2" in contents_of(clusters)
    assert contents_of(assignments) == ["c=1"]


def test_34_an_empty_assignment_is_sent_like_any_other(envoy: Envoy) -> None:
    """Rule 34: a cluster without endpoints has an empty assignment, so that Envoy does not wait for one."""
    [assignments] = envoy.client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": ""}})
    assert contents_of(assignments) == ["a="]


def without_endpoints(make: type[SotwClient | DeltaClient]) -> SotwClient | DeltaClient:
    """Return a client with clusters, listeners and routes that never asks for endpoints."""
    client = make(WORLD)
    for type_url, names in ((CLUSTER, ()), (LISTENER, ()), (ROUTE_CONFIGURATION, ("r",))):
        [response] = client.ask(type_url, *names)
        client.ask(type_url, *(names if make is SotwClient else ()), to=response)
    return client


@pytest.mark.parametrize("make", [SotwClient, DeltaClient], ids=["sotw", "delta"])
def test_32_the_wait_for_endpoints_counts_from_the_response_with_the_cluster(
    make: type[SotwClient | DeltaClient],
) -> None:
    """A client does not ask for endpoints. After the wait, which nothing else began, no listener waits for them."""
    client = without_endpoints(make)
    [alarm] = client.session.take_alarms()
    assert client.session.is_settled
    assert client.change({LISTENER: {"l": "2 refs:r,a"}}) == []
    [listeners] = client.read(RequestResult(client.session.on_alarm(alarm)))
    client.ask(LISTENER, to=listeners)
    [listeners] = client.change({LISTENER: {"l": "3 refs:r,a"}})
    assert contents_of(listeners) == ["l=3 refs:r,a"]


@pytest.mark.parametrize("make", [SotwClient, DeltaClient], ids=["sotw", "delta"])
def test_32_a_listener_does_not_wait_for_endpoints_of_clusters_that_it_does_not_name(
    make: type[SotwClient | DeltaClient],
) -> None:
    """The client does not have the endpoints of `a`."""
    client = without_endpoints(make)
    [listeners] = client.change({LISTENER: {"l": "2 refs:r"}})
    assert listeners.type_url == LISTENER


def test_32_routes_do_not_wait_for_what_they_do_not_name(envoy: Envoy) -> None:
    """Responses of another cluster, of its endpoints and of another listener are unanswered."""
    for response in envoy.want_endpoints("c", nonce="stale"):
        envoy.accept(response)
    others: Contents = {
        CLUSTER: {"c": "1"},
        CLUSTER_LOAD_ASSIGNMENT: {"c": "1"},
        LISTENER: {"k": "1 refs:other"},
    }
    unanswered = envoy.client.change(others)
    assert [response.type_url for response in unanswered][:2] == [CLUSTER, CLUSTER_LOAD_ASSIGNMENT]
    routes = envoy.client.change({ROUTE_CONFIGURATION: {"r": "2 refs:a"}})
    assert [response.type_url for response in routes] == [ROUTE_CONFIGURATION]


def test_32_routes_wait_for_a_cluster_that_itself_waits_to_be_sent(envoy: Envoy) -> None:
    """Another response of clusters is unanswered, so the new cluster is not sent yet."""
    [first] = envoy.client.change({CLUSTER: {"c": "1"}})
    assert envoy.client.change(MOVE) == []
    [clusters] = envoy.accept(first)
    assert "b=1" in contents_of(clusters)


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
def test_32_routes_wait_for_a_cluster_that_comes_back_while_it_is_being_removed(envoy: Envoy, *, late: bool) -> None:
    """The response that removes it is unanswered, so it cannot be sent again yet, however long that takes."""
    [clusters] = envoy.client.change({CLUSTER: {"b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"b": "1"}})
    assert envoy.accept(clusters) == []
    [assignments] = envoy.want_endpoints("b")
    envoy.accept(assignments)
    [gone, *_] = envoy.client.change({CLUSTER: {"b": None}, CLUSTER_LOAD_ASSIGNMENT: {"b": None}})
    assert gone.type_url == CLUSTER
    back: Contents = {CLUSTER: {"b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"b": "1"}, ROUTE_CONFIGURATION: {"r": "to b"}}
    sent: list[Reply] = [*envoy.client.change(back)]
    if late:
        sent += envoy.client.read(RequestResult(envoy.client.session.on_timeout()))
    assert ROUTE_CONFIGURATION not in {response.type_url for response in sent}
    [clusters, *_] = envoy.accept(gone)
    assert clusters.type_url == CLUSTER
    assert "b=1" in contents_of(clusters)


def test_32_a_wait_that_has_ended_does_not_begin_again_with_the_next_change(envoy: Envoy) -> None:
    """Routes have waited for an unanswered response once. Later changes of these routes go at once."""
    envoy.client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    assert envoy.client.change({ROUTE_CONFIGURATION: {"r": "2 refs:a"}}) == []
    [routes] = envoy.client.read(RequestResult(envoy.client.session.on_timeout()))
    envoy.accept(routes)
    for version in ("3", "4"):
        [routes] = envoy.client.change({ROUTE_CONFIGURATION: {"r": f"{version} refs:a"}})
        assert envoy.accept(routes) == []
