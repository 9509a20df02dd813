"""Rule 32: an edit takes nothing from a client that is away meanwhile, and a drain goes on over the end of a stream."""

import pytest

from tests.session.client import Contents, SotwClient, change_contents, contents_of, read_content
from tests.session.test_drain import ONLY_B, RENAMED, TWO, edit, end, held, settle_two, take_drains
from tests.session.wire import Wire
from xds.session.memory import Memory
from xds.session.order import Pause
from xds.session.session import RequestResult
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET

MOVED: Contents = {**TWO, **ONLY_B, ROUTE_CONFIGURATION: {"r": "2 refs:b"}}


@pytest.fixture(params=["sotw", "delta"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Return an Envoy of each variant that has `TWO`, and has nothing to drain."""
    return settle_two(request.param)


def come_back(wire: Wire, *worlds: Contents) -> None:
    """Lose the stream, save catalogs while the client is away, and let it come back until all is delivered."""
    wire.drop()
    for world in worlds:
        wire.edit(world)
    wire.resume()
    wire.settle(drained=False)


@pytest.mark.parametrize("worlds", [[MOVED], [{**TWO, CLUSTER: {"a": "2", "b": "1"}}, MOVED], [MOVED, MOVED]])
def test_32_a_cluster_that_is_removed_while_the_client_is_away_goes_after_its_routes(
    wire: Wire, worlds: list[Contents]
) -> None:
    """The twin notes a route that leads nowhere. In the end, the cluster is gone."""
    come_back(wire, *worlds)
    assert wire.twin.held[CLUSTER].keys() == {"b"}
    assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "2 refs:b"
    assert held(wire) == set()


def test_32_what_was_served_last_counts_if_the_version_is_unknown() -> None:
    """The client was cut off during an edit, or comes from a server that has other edits."""
    wire = Wire("sotw", TWO)
    wire.settle()
    wire.drop()
    wire.edit(MOVED)
    wire.twin.version_info[CLUSTER] = "other"
    wire.resume()
    wire.deliver_request()
    [clusters] = wire.to_client
    assert set(wire._versions(clusters)) == {"a", "b"}
    wire.settle(drained=False)
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_19_a_client_that_comes_back_with_the_current_version_is_not_sent_what_went_before() -> None:
    """It had taken the edit."""
    wire = Wire("sotw", TWO)
    wire.settle()
    wire.edit(MOVED)
    wire.settle()
    wire.resume()
    wire.deliver_request()
    assert wire.to_client == []


def test_32_a_client_that_has_started_again_is_not_sent_what_went_before(wire: Wire) -> None:
    """It has no routes to it, and drains nothing."""
    edit(wire, RENAMED)
    wire.edit({**RENAMED, **ONLY_B})
    wire.resume(fresh=True)
    wire.settle(drained=False)
    assert wire.twin.held[CLUSTER].keys() == {"b"}
    assert held(wire) == set()
    assert take_drains(wire) == []


def test_32_what_waits_for_an_answer_is_not_told_to_a_client_that_has_started_again() -> None:
    """It would have a listener for a moment."""
    memory = Memory({}, {}, {}, {})
    assert memory.for_new_client() is None


def test_32_a_drain_goes_on_after_the_stream_that_it_began_on(wire: Wire) -> None:
    """Over several streams. It has the same number, by which the caller knows when it ends."""
    drains = edit(wire, {**RENAMED, **ONLY_B})
    for _ in range(2):
        wire.resume()
        wire.settle(drained=False)
        assert take_drains(wire) == drains
        assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
        assert held(wire) == {("a", "draining"), ("r", "draining")}
    end(wire, drains)
    assert wire.twin.held[CLUSTER].keys() == {"b"}
    assert held(wire) == set()
    assert wire.session is not None
    assert wire.session.remember() is None


def test_32_a_cluster_that_is_removed_while_the_client_is_away_waits_for_the_drain(wire: Wire) -> None:
    """The listener was renamed before that."""
    drains = edit(wire, RENAMED)
    come_back(wire, {**RENAMED, **ONLY_B})
    assert take_drains(wire) == drains
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    end(wire, drains)
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_listener_that_is_renamed_while_the_client_is_away_drains(wire: Wire) -> None:
    """The drain begins when the client has accepted the new listener."""
    come_back(wire, {**RENAMED, **ONLY_B})
    [drain] = take_drains(wire)
    assert wire.twin.held[LISTENER].keys() == {"m"}
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    assert held(wire) == {("a", "draining"), ("r", "draining")}
    end(wire, [drain])
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_drain_that_has_ended_meanwhile_keeps_nothing(wire: Wire) -> None:
    """The caller leaves it out of the memory."""
    edit(wire, {**RENAMED, **ONLY_B})
    wire.drop()
    assert wire.memory is not None
    wire.connect(Memory({}, {}, {}, wire.memory.removed))
    wire.settle(drained=False)
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_new_drain_has_another_number_than_one_that_goes_on(wire: Wire) -> None:
    """Each has its own end."""
    [first] = edit(wire, {**RENAMED, **ONLY_B})
    wire.resume()
    wire.settle(drained=False)
    assert take_drains(wire) == [first]
    [second] = edit(wire, {**RENAMED, **ONLY_B, LISTENER: {"m": "2 refs:s"}})
    assert second.number > first.number
    end(wire, [second])
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    end(wire, [first])
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_endpoints_of_what_goes_are_those_that_were_served_last(wire: Wire) -> None:
    """They changed before the cluster was removed."""
    wire.drop()
    wire.edit({**TWO, CLUSTER: {"a": "1", "b": "2"}})
    wire.edit({**TWO, CLUSTER: {"a": "1", "b": "2"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "2", "b": "1"}})
    wire.edit(MOVED)
    wire.resume()
    assert wire.session is not None
    while CLUSTER not in wire.session.subscriptions:
        wire.deliver_request()
    assert contents_of_assignment(wire) == "a=2"


def contents_of_assignment(wire: Wire) -> str:
    """Return the assignment of the cluster `a` that is served."""
    assert wire.session is not None
    return read_content(wire.session.snapshot.of(CLUSTER_LOAD_ASSIGNMENT).resources["a"].body)


def test_32_a_stream_of_one_type_keeps_a_removed_cluster_for_one_wait() -> None:
    """Its routes may be on another stream. Until then the client has what is served, and nothing is sent."""
    client = SotwClient(TWO, type_url=CLUSTER)
    [response] = client.ask(CLUSTER)
    client.ask(CLUSTER, to=response)
    before = client.world
    client.world = change_contents(before, {CLUSTER: {"a": None}}).snapshot
    client.resume(before)
    assert client.ask(CLUSTER, version=response.version_info) == []
    assert client.session.waits
    [gone] = client.read(RequestResult(client.session.on_timeout()))
    assert contents_of(gone) == ["b=1"]


def test_32_what_a_client_has_for_a_drain_does_not_hide_what_else_it_has() -> None:
    """Its version is that of an earlier snapshot and of what was kept."""
    more: Contents = {CLUSTER: {"b": "1", "c": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"b": "1", "c": "1"}}
    routes: Contents = {ROUTE_CONFIGURATION: {"s": "1 refs:c"}}
    wire = Wire("sotw", {**TWO, **{type_url: {"a": "1", **of} for type_url, of in more.items()}})
    wire.settle()
    edit(wire, {**RENAMED, **more, **routes, CLUSTER: {"b": "2", "c": "1"}})
    last: Contents = {**RENAMED, **ONLY_B}
    wire.drop()
    wire.edit(last)
    wire.edit({**last, CLUSTER: {"b": "3"}})
    wire.resume()
    wire.twin.is_known = True
    wire.settle(drained=False)
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}


def test_32_a_listener_drains_although_a_secret_is_accepted_before_it() -> None:
    """The client answers the secret first, of which it had the name."""
    client = SotwClient({SECRET: {"x": "1"}, LISTENER: {"l": "1 with x"}})
    [listeners] = client.ask(LISTENER)
    client.ask(LISTENER, to=listeners)
    before = client.world
    client.world = change_contents(before, {LISTENER: {"l": "2 with x"}}).snapshot
    client.resume(before)
    [changed] = client.ask(LISTENER, version=listeners.version_info)
    [secret] = client.ask(SECRET, "x")
    client.ask(SECRET, "x", to=secret)
    client.ask(LISTENER, to=changed)
    assert [alarm.pause for alarm in client.session.take_alarms()] == [Pause.DRAIN]
