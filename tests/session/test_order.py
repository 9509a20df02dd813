"""Rules 32 to 34: a change goes out in an order in which traffic always has somewhere to go."""

import pytest

from tests.session.client import Contents, DeltaClient, Reply, SotwClient, contents_of
from xds.session.session import RequestResult
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

WORLD: Contents = {
    CLUSTER: {"a": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1"},
    LISTENER: {"l": "1"},
    ROUTE_CONFIGURATION: {"r": "to a"},
}

MOVE: Contents = {
    CLUSTER: {"a": None, "b": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": None, "b": "1"},
    ROUTE_CONFIGURATION: {"r": "to b"},
}
"""A route moves from one cluster to a new one, and the old one goes, in one edit."""


class Envoy:
    """A client that subscribes as Envoy does, and answers what a test tells it to."""

    def __init__(self, client: SotwClient | DeltaClient) -> None:
        self.client = client
        self.wants = {CLUSTER: [], CLUSTER_LOAD_ASSIGNMENT: ["a"], LISTENER: [], ROUTE_CONFIGURATION: ["r"]}
        for type_url, names in self.wants.items():
            [response] = client.ask(type_url, *names)
            assert self.accept(response) == []

    def accept(self, response: Reply) -> list[Reply]:
        """Accept a response; give what comes then."""
        return list(self.client.ask(response.type_url, *self._stated(response.type_url), to=response))

    def refuse(self, response: Reply) -> list[Reply]:
        """Refuse a response; give what comes then."""
        return list(self.client.ask(response.type_url, *self._stated(response.type_url), to=response, error="no"))

    def want_endpoints(self, *names: str, nonce: str = "") -> list[Reply]:
        """Subscribe to more endpoints, as Envoy does when it was sent a new cluster."""
        self.wants[CLUSTER_LOAD_ASSIGNMENT] += names
        stated = self._stated(CLUSTER_LOAD_ASSIGNMENT) or names
        return list(self.client.ask(CLUSTER_LOAD_ASSIGNMENT, *stated, nonce=nonce))

    def _stated(self, type_url: str) -> list[str]:
        return self.wants[type_url] if isinstance(self.client, SotwClient) else []


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def envoy(request: pytest.FixtureRequest) -> Envoy:
    """Give an Envoy of each variant that has the whole world."""
    return Envoy(request.param(WORLD))


def removed(response: Reply, envoy: Envoy) -> bool:
    """Tell whether a response of clusters takes away `a`."""
    if isinstance(envoy.client, SotwClient):
        return not any(content.startswith("a=") for content in contents_of(response))
    return "a" in getattr(response, "removed_resources", ())


def test_32_routes_wait_for_the_new_cluster_and_its_endpoints(envoy: Envoy) -> None:
    """Rule 32: make before break, step by step, and each step waits for the ACK of the one before."""
    [clusters] = envoy.client.change(MOVE)
    assert clusters.type_url == CLUSTER
    assert "b=1" in contents_of(clusters)
    assert not removed(clusters, envoy)
    assert envoy.accept(clusters) == []  # the routes wait: the cluster has no endpoints yet
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


def test_32_it_makes_no_difference_whether_the_ack_or_the_subscription_comes_first(envoy: Envoy) -> None:
    """Rule 32: Envoy asks for the endpoints of a new cluster before it accepts the cluster."""
    [clusters] = envoy.client.change(MOVE)
    [assignments] = envoy.want_endpoints("b")
    assert envoy.accept(assignments) == []
    [routes] = envoy.accept(clusters)
    assert contents_of(routes) == ["r=to b"]


def test_32_listeners_come_before_routes(envoy: Envoy) -> None:
    """Rule 32: and both after what they name."""
    change: Contents = {
        ROUTE_CONFIGURATION: {"r": "2"},
        LISTENER: {"l": "2"},
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


def test_32_a_cluster_that_nothing_names_goes_at_once(envoy: Envoy) -> None:
    """Rule 32: nothing is waited for in vain."""
    clusters, *_ = envoy.client.change({CLUSTER: {"a": None}})
    assert removed(clusters, envoy)
    assert envoy.client.session.waits == 0


def test_32_waiting_is_bounded(envoy: Envoy) -> None:
    """Rule 32: a client that accepts nothing is sent the rest all the same, one stage after the other."""
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


def test_32_a_route_that_is_refused_keeps_the_cluster_that_it_named_before(envoy: Envoy) -> None:
    """Rules 7 and 32: Envoy goes on with the old route, so the old cluster stays until the route is mended."""
    [clusters] = envoy.client.change(MOVE)
    [assignments] = envoy.want_endpoints("b")
    envoy.accept(assignments)
    [routes] = envoy.accept(clusters)
    assert envoy.refuse(routes) == []
    [mended] = envoy.client.change({ROUTE_CONFIGURATION: {"r": "to b, mended"}})
    [gone, *_] = envoy.accept(mended)
    assert removed(gone, envoy)


def test_32_a_cluster_that_comes_back_meanwhile_stays(envoy: Envoy) -> None:
    """Rule 32: an edit that is taken back while it is on its way takes nothing away."""
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
    assert all(response.type_url != ROUTE_CONFIGURATION for response in sent)  # it never left
    assert envoy.client.session.waits == 0
    assert envoy.client.session.subscriptions[CLUSTER].known.keys() == {"a"}


def test_32_endpoints_never_wait_for_a_cluster(envoy: Envoy) -> None:
    """A weight that changes while a cluster is unanswered is the most urgent of all."""
    envoy.client.change({CLUSTER: {"c": "1"}})
    [assignments] = envoy.client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": "2"}})
    assert contents_of(assignments) == ["a=2"]


def test_33_only_what_is_new_or_changed_is_followed_by_its_endpoints(envoy: Envoy) -> None:
    """Rule 33: a State of the World response holds every cluster, but most did not change."""
    for response in envoy.want_endpoints("c", nonce="stale"):
        envoy.accept(response)
    for response in envoy.client.change({CLUSTER: {"c": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"c": "1"}}):
        for more in envoy.accept(response):
            envoy.accept(more)
    clusters, assignments = envoy.client.change({CLUSTER: {"c": "2"}})
    assert "c=2" in contents_of(clusters)
    assert contents_of(assignments) == ["c=1"]


def test_34_an_empty_assignment_is_sent_like_any_other(envoy: Envoy) -> None:
    """Rule 34: a cluster without endpoints has an explicit one, so that Envoy does not wait for it."""
    [assignments] = envoy.client.change({CLUSTER_LOAD_ASSIGNMENT: {"a": ""}})
    assert contents_of(assignments) == ["a="]
