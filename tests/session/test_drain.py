"""Rule 32: a listener that changes or goes drains its connections. What these may use stays for the drain time."""

import pytest

from tests.session.client import Contents
from tests.session.wire import Wire
from xds.session.order import Alarm, Pause
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

TWO: Contents = {
    CLUSTER: {"a": "1", "b": "1"},
    CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"},
    LISTENER: {"l": "1 refs:r"},
    ROUTE_CONFIGURATION: {"r": "1 refs:a"},
}
RENAMED: Contents = {**TWO, LISTENER: {"m": "1 refs:s"}, ROUTE_CONFIGURATION: {"s": "1 refs:b"}}
ONLY_B: Contents = {CLUSTER: {"b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"b": "1"}}


@pytest.fixture(params=["sotw", "delta"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Return an Envoy of each variant that has `TWO`, and has nothing to drain."""
    return settle_two(request.param)


def settle_two(variant: str) -> Wire:
    """Return an Envoy that has `TWO`, and has nothing to drain."""
    made = Wire(variant, TWO)
    made.settle()
    take_drains(made)
    return made


def take_drains(wire: Wire) -> list[Alarm]:
    """Return the drains that began since the last call."""
    assert wire.session is not None
    return [alarm for alarm in wire.session.take_alarms() if alarm.pause is Pause.DRAIN]


def end(wire: Wire, drains: list[Alarm]) -> None:
    """Let drains end, and deliver what follows."""
    assert wire.session is not None
    for drain in drains:
        wire.emit(wire.session.on_alarm(drain))
    wire.settle(drained=False)


def edit(wire: Wire, contents: Contents) -> list[Alarm]:
    """Save another catalog, deliver all, and return the drains that began."""
    wire.edit(contents)
    wire.settle(drained=False)
    return take_drains(wire)


def held(wire: Wire) -> set[tuple[str, str]]:
    """Return the names that are kept, and the reasons."""
    assert wire.session is not None
    return {(one.name, one.reason) for one in wire.session.describe_held()}


def test_32_the_clusters_of_a_removed_listener_stay_until_its_drain_ends(wire: Wire) -> None:
    """The edit renames the listener, moves its routes and removes their old service."""
    drains = edit(wire, {**RENAMED, **ONLY_B})
    assert wire.twin.held[LISTENER].keys() == {"m"}
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    assert held(wire) == {("a", "draining"), ("r", "draining")}
    assert wire.session is not None
    assert wire.session.waits == 0
    assert wire.session.is_settled
    end(wire, drains)
    assert wire.twin.held[CLUSTER].keys() == {"b"}
    assert held(wire) == set()


def test_32_a_later_edit_removes_a_cluster_that_a_draining_listener_names(wire: Wire) -> None:
    """The listener has gone a while ago. Its routes are served to nobody, and still name the cluster."""
    drains = edit(wire, RENAMED)
    assert held(wire) == {("r", "draining")}
    assert edit(wire, {**RENAMED, **ONLY_B}) == []
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    end(wire, drains)
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_a_cluster_that_no_draining_listener_names_goes_at_once(wire: Wire) -> None:
    """A drain keeps only what it needs."""
    edit(wire, {**RENAMED, CLUSTER: {"a": "1", "b": "1", "c": "1"}})
    edit(wire, RENAMED)
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    assert held(wire) == {("r", "draining")}


def test_32_a_listener_that_changes_keeps_its_routes_up_to_date(wire: Wire) -> None:
    """Its connections drain, but use the same routes as the new version. So nothing is kept."""
    drains = edit(wire, {**TWO, LISTENER: {"l": "2 refs:r"}})
    assert len(drains) == 1
    edit(wire, {**TWO, **ONLY_B, LISTENER: {"l": "2 refs:r"}, ROUTE_CONFIGURATION: {"r": "1 refs:b"}})
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_the_cluster_of_a_tcp_listener_that_changes_stays_until_its_drain_ends(wire: Wire) -> None:
    """It names the cluster itself, and its connections go on to it."""
    edit(wire, {**TWO, LISTENER: {"l": "1 refs:r", "t": "1 to b refs:"}})
    drains = edit(
        wire,
        {
            **TWO,
            CLUSTER: {"a": "1"},
            CLUSTER_LOAD_ASSIGNMENT: {"a": "1"},
            LISTENER: {"l": "1 refs:r", "t": "1 to a refs:"},
        },
    )
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    end(wire, drains)
    assert wire.twin.held[CLUSTER].keys() == {"a"}


def test_32_each_drain_has_its_own_end(wire: Wire) -> None:
    """A second edit of listeners does not make the first drain longer."""
    first = edit(wire, {**RENAMED, **ONLY_B})
    second = edit(wire, {**RENAMED, **ONLY_B, LISTENER: {"m": "2 refs:s"}})
    assert len(second) == 1
    end(wire, first)
    assert wire.twin.held[CLUSTER].keys() == {"b"}


def test_32_what_comes_back_during_a_drain_is_not_removed_at_its_end(wire: Wire) -> None:
    """The service is added again."""
    drains = edit(wire, {**RENAMED, **ONLY_B})
    edit(wire, RENAMED)
    end(wire, drains)
    assert wire.twin.held[CLUSTER].keys() == {"a", "b"}
    assert held(wire) == set()


def test_32_edits_during_a_drain_arrive_as_usual(wire: Wire) -> None:
    """A drain delays nothing but removals."""
    edit(wire, {**RENAMED, **ONLY_B})
    third: Contents = {CLUSTER: {"b": "2", "c": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"b": "2", "c": "1"}}
    edit(wire, {**RENAMED, **third, ROUTE_CONFIGURATION: {"s": "2 refs:c"}})
    assert wire.twin.held[ROUTE_CONFIGURATION]["s"].word == "2 refs:c"
    assert wire.twin.held[CLUSTER].keys() == {"a", "b", "c"}
