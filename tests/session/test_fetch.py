"""Clients that poll keep what an edit removes until they have taken what it adds."""

from tests.session.client import Contents, change_contents, read_content
from xds.session.fetch import PolledView
from xds.snapshot.snapshot import Snapshot
from xds.wire import CLUSTER, LISTENER
from xds.wire.discovery_pb2 import DiscoveryRequest, Node

WORLD: Contents = {CLUSTER: {"a": "1"}, LISTENER: {"l": "1"}}


class Polling:
    """A client that polls a view for clusters and listeners, and takes what it does not refuse."""

    def __init__(self, view: PolledView, node: str = "edge-1") -> None:
        self.view = view
        self.node = node
        self.versions = {CLUSTER: "", LISTENER: ""}
        self.has: dict[str, list[str]] = {CLUSTER: [], LISTENER: []}

    def poll(self, *type_urls: str, refuses: bool = False) -> None:
        """Poll for these types once each."""
        for type_url in type_urls or (CLUSTER, LISTENER):
            request = DiscoveryRequest(node=Node(id=self.node), type_url=type_url, version_info=self.versions[type_url])
            answer = self.view.answer(request, type_url)
            if answer is not None and not refuses:
                self.versions[type_url] = answer.version_info
                self.has[type_url] = sorted(read_content(one) for one in answer.resources)


class World:
    """A view and its snapshot."""

    def __init__(self) -> None:
        self.snapshot = change_contents(Snapshot({}), WORLD).snapshot
        self.view = PolledView(self.snapshot)

    def edit(self, contents: Contents) -> None:
        """Change some resources."""
        change = change_contents(self.snapshot, contents)
        self.snapshot = change.snapshot
        self.view.on_change(change)


def test_14_a_removed_listener_goes_when_the_one_in_its_place_is_taken() -> None:
    """The poll after that, which states the version with both."""
    world = World()
    client = Polling(world.view)
    client.poll()
    world.edit({LISTENER: {"l": None, "m": "1"}})
    client.poll()
    assert client.has[LISTENER] == ["l=1", "m=1"]
    client.poll()
    assert client.has[LISTENER] == ["m=1"]


def test_14_a_refused_listener_leaves_the_old_one_in_place() -> None:
    """However often the client polls, and although another client has taken it."""
    world = World()
    refusing, good = Polling(world.view), Polling(world.view, "edge-2")
    refusing.poll()
    good.poll()
    world.edit({LISTENER: {"l": None, "m": "1"}})
    for _ in range(3):
        good.poll()
        refusing.poll(refuses=True)
    assert good.has[LISTENER] == ["m=1"]
    world.edit({LISTENER: {"m": None, "n": "1"}})
    refusing.poll()
    assert refusing.has[LISTENER] == ["l=1", "n=1"]
    refusing.poll()
    assert refusing.has[LISTENER] == ["n=1"]


def test_32_a_removed_cluster_goes_when_the_listeners_are_taken() -> None:
    """They may name it."""
    world = World()
    client = Polling(world.view)
    client.poll()
    world.edit({CLUSTER: {"a": None, "b": "1"}, LISTENER: {"l": "2"}})
    client.poll(CLUSTER)
    client.poll(CLUSTER)
    assert client.has[CLUSTER] == ["a=1", "b=1"]
    client.poll(LISTENER, CLUSTER, LISTENER, CLUSTER)
    assert client.has[CLUSTER] == ["b=1"]


def test_14_a_new_client_gets_only_what_there_is() -> None:
    """It has nothing that could go."""
    world = World()
    world.edit({LISTENER: {"l": None, "m": "1"}})
    client = Polling(world.view)
    client.poll()
    assert client.has[LISTENER] == ["m=1"]
