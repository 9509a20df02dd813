"""An edit that the client refuses takes nothing down: what it removes stays, and no route leads to what was refused."""

import pytest

from tests.session.client import Contents, DeltaClient, Reply, SotwClient
from tests.session.wire import ONE, Wire
from xds.session.session import RequestResult
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.envoy.config_core_v3_pb2 import Address, SocketAddress
from xds.wire.envoy.config_listener_v3_pb2 import Listener

Client = SotwClient | DeltaClient


def held(wire: Wire) -> list[tuple[str, bool, str]]:
    """Return what the server keeps for the client: the name, whether it is removed, and the reason."""
    assert wire.session is not None
    return held_of(wire)


def held_of(client: Client | Wire) -> list[tuple[str, bool, str]]:
    """Return what the server keeps for the client."""
    assert client.session is not None
    return [(one.name, one.is_removed, one.reason) for one in client.session.describe_held()]


def listener(port: int, word: str = "") -> bytes:
    """Return an encoded Listener at a port. Different words make different contents."""
    address = Address(socket_address=SocketAddress(address="127.0.0.1", port_value=port))
    return Listener(address=address, stat_prefix=word).SerializeToString()


def settle(client: Client, responses: list[Reply], *, names: dict[str, tuple[str, ...]] | None = None) -> list[Reply]:
    """Accept these responses and all that follow, and return them all."""
    seen = list(responses)
    for response in seen:
        asked = (names or {}).get(response.type_url, ()) if isinstance(client, SotwClient) else ()
        seen += client.ask(response.type_url, *asked, to=response)
    return seen


def known(client: Client, type_url: str) -> set[str]:
    """Return the names that the client has accepted."""
    return {*client.session.subscriptions[type_url].known}


def test_32_a_listener_stays_when_the_one_in_its_place_is_refused(wire: Wire) -> None:
    """A port is changed to one that is in use. The old port goes on, until the new one is mended."""
    wire.edit({**ONE, LISTENER: {"m": "bad refs:r"}})
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"l"}
    assert held(wire) == [("l", True, "refused")]
    assert wire.session is not None
    assert wire.session.waits == 0
    wire.edit({**ONE, LISTENER: {"m": "1 refs:r"}})
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"m"}
    assert held(wire) == []


def test_32_a_listener_goes_when_the_refused_one_in_its_place_is_removed(wire: Wire) -> None:
    """Then the operator has said that there is to be no listener."""
    wire.edit({**ONE, LISTENER: {"m": "bad refs:r"}})
    wire.settle()
    wire.edit({**ONE, LISTENER: {}})
    wire.settle()
    assert wire.twin.held[LISTENER] == {}


def test_32_after_a_refusal_an_edit_that_is_undone_leaves_nothing_held(wire: Wire) -> None:
    """The edit is undone: the client has all of it."""
    wire.edit({**ONE, LISTENER: {"m": "bad refs:r"}})
    wire.settle()
    wire.edit(ONE)
    wire.settle()
    assert held(wire) == []


def test_32_a_listener_is_removed_although_another_is_refused(wire: Wire) -> None:
    """An edit that only removes a listener says so in so many words."""
    two = {"l": "1 refs:r", "k": "1 refs:r"}
    wire.edit({**ONE, LISTENER: two})
    wire.settle()
    wire.edit({**ONE, LISTENER: {**two, "m": "bad refs:r"}})
    wire.settle()
    wire.edit({**ONE, LISTENER: {"l": "1 refs:r", "m": "bad refs:r"}})
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"l"}


def test_32_a_listener_goes_after_the_one_in_its_place_is_accepted(wire: Wire) -> None:
    """Both are served for a moment, and no response takes the old one before."""
    wire.edit({**ONE, LISTENER: {"m": "1 refs:r"}})
    while wire.deliver_response():
        pass
    assert wire.twin.held[LISTENER].keys() == {"l", "m"}
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"m"}


def test_32_a_listener_stays_until_the_one_in_its_place_has_routes(wire: Wire) -> None:
    """Envoy opens a listener's port when it has its routes. If these are refused, the old listener stays."""
    second: Contents = {LISTENER: {"m": "1 refs:s"}, ROUTE_CONFIGURATION: {"s": "bad refs:a"}}
    wire.edit({**ONE, **second})
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"l", "m"}
    wire.edit({**ONE, **second, ROUTE_CONFIGURATION: {"s": "1 refs:a"}})
    wire.settle()
    assert wire.twin.held[LISTENER].keys() == {"m"}


@pytest.mark.parametrize("refused", [CLUSTER, CLUSTER_LOAD_ASSIGNMENT])
@pytest.mark.parametrize("stays", [False, True], ids=["old removed", "old stays"])
def test_32_a_route_stays_when_its_new_cluster_is_refused(wire: Wire, refused: str, *, stays: bool) -> None:
    """A route moves to a new cluster. The client refuses that, or its endpoints: requests still go to the old one."""
    names = ["a", "b"] if stays else ["b"]
    good: Contents = {
        **ONE,
        CLUSTER: dict.fromkeys(names, "1"),
        CLUSTER_LOAD_ASSIGNMENT: dict.fromkeys(names, "1"),
        ROUTE_CONFIGURATION: {"r": "2 refs:b"},
    }
    wire.edit({**good, refused: {**good[refused], "b": "bad"}})
    wire.settle()
    assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "1 refs:a"
    assert "a" in wire.twin.active
    assert ("r", False, "refused") in held(wire)
    wire.edit(good)
    wire.settle()
    assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "2 refs:b"
    assert wire.twin.held[CLUSTER].keys() == {*names}
    assert held(wire) == []


def test_32_a_route_stays_when_only_the_endpoints_of_its_refused_cluster_change(wire: Wire) -> None:
    """That corrects nothing."""
    bad: Contents = {
        **ONE,
        CLUSTER: {"a": "1", "b": "bad"},
        CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"},
        ROUTE_CONFIGURATION: {"r": "2 refs:b"},
    }
    wire.edit(bad)
    wire.settle()
    wire.edit({**bad, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "2"}})
    wire.settle()
    assert wire.twin.held[ROUTE_CONFIGURATION]["r"].word == "1 refs:a"


def test_32_a_tcp_listener_stays_when_its_new_cluster_is_refused(wire: Wire) -> None:
    """It names the cluster itself."""
    wire.edit({**ONE, LISTENER: {"l": "1 refs:r", "t": "1 to a refs:"}})
    wire.settle()
    both: Contents = {CLUSTER: {"a": "1", "b": "bad"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1", "b": "1"}}
    wire.edit({**ONE, **both, LISTENER: {"l": "1 refs:r", "t": "1 to b refs:"}})
    wire.settle()
    assert wire.twin.held[LISTENER]["t"].word == "1 to a refs:"


def test_32_a_secret_stays_while_the_listener_that_no_longer_names_it_is_refused(make: type[Client]) -> None:
    """A certificate gets another name, and the listener is refused. The old listener needs the old certificate."""
    client = make({SECRET: {"old": "1"}, LISTENER: {"l": "1 with old"}})
    settle(client, [*client.ask(LISTENER), *client.ask(SECRET, "old")], names={SECRET: ("old",)})
    renamed: Contents = {SECRET: {"old": None, "new": "1"}, LISTENER: {"l": "1 with new"}}
    [listeners] = client.change(renamed)
    assert client.ask(LISTENER, to=listeners, error="no") == []
    assert "old" in client.session.snapshot.of(SECRET).resources
    [mended] = client.change({LISTENER: {"l": "2 with new"}})
    settle(client, [mended])
    for alarm in client.session.take_alarms():
        client.session.on_alarm(alarm)
    assert "old" not in client.session.snapshot.of(SECRET).resources


def test_32_a_listener_stays_while_the_certificate_of_the_one_in_its_place_is_refused(make: type[Client]) -> None:
    """Envoy accepts the listener, and waits for its certificate."""
    client = make({SECRET: {"old": "1"}, LISTENER: {"l": "1 with old"}})
    settle(client, [*client.ask(LISTENER), *client.ask(SECRET, "old")], names={SECRET: ("old",)})
    [listeners] = client.change({SECRET: {"old": None, "new": "1"}, LISTENER: {"l": None, "m": "1 with new"}})
    assert client.ask(LISTENER, to=listeners) == []
    stated = ("old", "new") if isinstance(client, SotwClient) else ("new",)
    [secrets] = client.ask(SECRET, *stated)
    client.ask(SECRET, *(stated if isinstance(client, SotwClient) else ()), to=secrets, error="no")
    assert known(client, LISTENER) == {"l", "m"}
    assert client.session.describe_held()[0].refused == ("Secret new",)


def test_32_a_listener_at_the_same_address_goes_with_its_successor(make: type[Client]) -> None:
    """Envoy refuses a second listener at an address. So the removal is in the same response."""
    client = make({LISTENER: {"l": listener(80)}})
    settle(client, list(client.ask(LISTENER)))
    [response] = client.change({LISTENER: {"l": None, "m": listener(80), "n": listener(81)}})
    names = client.session.subscriptions[LISTENER].in_flight
    assert names is not None
    assert names.batch.versions.keys() == {"m", "n"}
    settle(client, [response])
    assert known(client, LISTENER) == {"m", "n"}


def test_32_a_listener_that_was_lost_to_a_refused_successor_comes_back(make: type[Client]) -> None:
    """A listener gets another name at the same address, and is refused. The old one is sent again."""
    client = make({LISTENER: {"l": listener(80), "o": listener(90)}})
    settle(client, list(client.ask(LISTENER)))
    [refused] = client.change({LISTENER: {"l": None, "m": listener(80, "bad")}})
    [again] = client.ask(LISTENER, to=refused, error="m is bad")
    settle(client, [again])
    subscription = client.session.subscriptions[LISTENER]
    assert known(client, LISTENER) == {"l", "o"}
    assert subscription.nack is not None  # the ACK is for the old one, and corrects nothing
    assert [(one.name, one.is_removed) for one in client.session.describe_held()] == [("l", True), ("m", False)]
    [mended] = client.change({LISTENER: {"m": listener(80, "good")}})
    settle(client, [mended])
    assert known(client, LISTENER) == {"m", "o"}
    assert subscription.nack is None
    assert client.session.describe_held() == ()


def test_32_a_lost_listener_goes_when_its_refused_successor_is_removed(make: type[Client]) -> None:
    """Then the operator has said that there is to be none."""
    client = make({LISTENER: {"l": listener(80)}})
    settle(client, list(client.ask(LISTENER)))
    [refused] = client.change({LISTENER: {"l": None, "m": listener(80, "bad")}})
    settle(client, list(client.ask(LISTENER, to=refused, error="m is bad")))
    settle(client, list(client.change({LISTENER: {"m": None}})))
    assert known(client, LISTENER) == set()
    assert client.session.subscriptions[LISTENER].nack is None


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER])
def test_32_on_a_stream_of_one_type_a_removal_waits_for_what_takes_its_place(make: type[Client], type_url: str) -> None:
    """It waits for the ACK, and then for one wait more: what names it may be on its way on another stream."""
    client = make({type_url: {"old": "1"}}, type_url=type_url)
    settle(client, list(client.ask(type_url)))
    [response] = client.change({type_url: {"old": None, "new": "1"}})
    settle(client, [response])
    assert known(client, type_url) == {"old", "new"}
    assert client.session.is_settled
    settle(client, list(client.read(RequestResult(client.session.on_timeout()))))
    assert known(client, type_url) == {"new"}


def test_32_on_a_stream_of_one_type_a_refusal_keeps_what_was_to_go(make: type[Client]) -> None:
    """However long it lasts."""
    client = make({LISTENER: {"old": "1"}}, type_url=LISTENER)
    settle(client, list(client.ask(LISTENER)))
    [response] = client.change({LISTENER: {"old": None, "new": "1"}})
    client.ask(LISTENER, to=response, error="no")
    assert client.read(RequestResult(client.session.on_timeout())) == []
    assert known(client, LISTENER) == {"old"}


def test_7_one_refused_client_does_not_change_what_others_are_served(make: type[Client]) -> None:
    """Clients that accept everything share the snapshots of their view."""
    client = make({LISTENER: {"l": "1"}})
    settle(client, list(client.ask(LISTENER)))
    settle(client, list(client.change({LISTENER: {"l": None, "m": "1"}})))
    assert client.session.snapshot is client.world
