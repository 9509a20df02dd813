"""What a view was before the latest edits, for clients that were away meanwhile."""

from tests.snapshot.edited import EditedMesh
from xds.resources.view import NodeKind
from xds.snapshot.store import MAX_PAST
from xds.wire import CLUSTER, LISTENER

TEXT = """\
services:
  a: {endpoints: ['127.0.0.1:1'], timeouts: {request: 1s}}
  b: {endpoints: ['127.0.0.1:2']}
gateways: {edge: {port: 80, routes: [{to: a}]}}
"""
KIND = NodeKind("edge")


def past_of(mesh: EditedMesh) -> list[set[str]]:
    """Return the names of the clusters before each edit, newest first."""
    return [set(one.of(CLUSTER).resources) for one in mesh.store.build_past(KIND)]


def test_a_view_is_built_as_it_was_served_also_if_no_node_is_connected() -> None:
    """Its versions are those that clients were told. Endpoints alone make no edit: no cluster goes by them."""
    mesh = EditedMesh(TEXT)
    first = mesh.of(KIND)
    mesh.edit("127.0.0.1:1", "127.0.0.1:9")
    assert past_of(mesh) == []
    mesh.edit("to: a", "to: b")
    mesh.edit("port: 80", "port: 81")
    newest, oldest = mesh.store.build_past(KIND)
    assert [newest.of(CLUSTER).resources.keys(), oldest.of(CLUSTER).resources.keys()] == [{"b"}, {"a"}]
    for type_url in (CLUSTER, LISTENER):
        assert oldest.of(type_url).version == first.of(type_url).version


def test_few_inventories_are_kept() -> None:
    """The newest. What is built of one is not kept with it when it is replaced."""
    mesh = EditedMesh(TEXT, KIND)
    for seconds in range(1, MAX_PAST + 3):
        mesh.edit(f"request: {seconds}s", f"request: {seconds + 1}s")
    assert len(mesh.store.past) == MAX_PAST
    assert not any(inventory.shared for inventory in mesh.store.past)
    timeouts = [str(inventory.catalog.services["a"].timeouts.request) for inventory in mesh.store.past]
    assert timeouts == [f"0:00:{seconds:02}" for seconds in range(MAX_PAST + 2, 2, -1)]
