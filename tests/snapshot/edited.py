"""A store for a catalog that an operator edits, and the names of what nodes receive from it."""

from collections.abc import Mapping

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from xds.resources.view import NodeKind
from xds.snapshot.snapshot import Snapshot, SnapshotChange
from xds.snapshot.store import SnapshotStore
from xds.wire import TYPE_URLS, short_type


class EditedMesh:
    """A store for the catalog `text`. Nodes of these kinds are connected."""

    def __init__(self, text: str, *kinds: NodeKind) -> None:
        self.text = text
        self.store = SnapshotStore(build_inventory(build(text)))
        for kind in kinds:
            self.store.acquire(kind)

    def edit(self, old: str, new: str) -> Mapping[NodeKind, SnapshotChange]:
        """Replace a text everywhere in the catalog. Return the changes for the nodes in use."""
        assert old in self.text
        self.text = self.text.replace(old, new)
        return self.store.update(build_inventory(build(self.text), self.store.inventory))

    def of(self, kind: NodeKind) -> Snapshot:
        """Return the snapshot that nodes of a kind receive now."""
        snapshot = self.store.acquire(kind).read()
        self.store.release(kind)
        return snapshot


def names_of(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the names of all resources by their type's short name. Leave out types without resources."""
    names = {short_type(type_url): sorted(snapshot.of(type_url).resources) for type_url in TYPE_URLS}
    return {name: of_type for name, of_type in names.items() if of_type}


def names_in(change: SnapshotChange) -> dict[str, list[str]]:
    """Return the names in a change, by type."""
    return {short_type(type_url): sorted(names) for type_url, names in change.names.items()}
