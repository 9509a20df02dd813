"""The clusters of fallbacks follow edits, and are kept until no route names them."""

import pytest

from tests.inventories import build_inventory
from xds.catalog.assembly.assembly import build_catalog
from xds.catalog.catalog import Catalog
from xds.catalog.reading.fragment import parse_fragment
from xds.resources.view import NodeKind
from xds.snapshot.snapshot import SnapshotChange
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.wire import CLUSTER, ROUTE_CONFIGURATION

TEXT = """
services:
  v1: {endpoints: ["10.0.0.1:80"]}
  v2: {endpoints: ["10.0.0.2:80"], circuit_breakers: {retries: RETRIES}}
  web: {endpoints: ["10.0.0.3:80"], routes: [{to: {v2: 5, v1: 95}FALLBACK}]}
  caller: {upstreams: [web]}
gateways:
  edge: {port: 8080, routes: [{to: {v2: 5, v1: 95}FALLBACK}]}
"""
KINDS = {kind: NodeKind(kind) for kind in ("edge", "caller")}


def make_catalog(fallback: str = "", retries: int = 3) -> Catalog:
    """Return a catalog of a gateway and a caller, whose routes have this fallback."""
    text = TEXT.replace("FALLBACK", f", fallback: {fallback}" if fallback else "").replace("RETRIES", str(retries))
    return build_catalog({"a.yaml": parse_fragment(Document("a.yaml", text.encode()))})


def edit(kind: NodeKind, before: Catalog, after: Catalog) -> SnapshotChange:
    """Return the change of an edit for one kind of node, which ends at what a new server has."""
    store = SnapshotStore(build_inventory(before))
    store.acquire(kind)
    inventory = build_inventory(after, store.inventory)
    change = store.update(inventory)[kind]
    fresh = SnapshotStore(build_inventory(after)).build_snapshot(kind)
    assert change.snapshot.of(CLUSTER).resources == fresh.of(CLUSTER).resources
    return change


@pytest.mark.parametrize("node", KINDS)
def test_a_fallback_that_goes_is_kept_until_the_routes_have_changed(node: str) -> None:
    """Its cluster comes with the edit that adds it, and is retained by the edit that removes it."""
    change = edit(KINDS[node], make_catalog(), make_catalog("v1"))
    assert change.names[CLUSTER] == {"fallback/v2/v1"}
    assert change.names[ROUTE_CONFIGURATION]
    change = edit(KINDS[node], make_catalog("v1"), make_catalog())
    assert change.names[CLUSTER] == {"fallback/v2/v1"}
    assert [*change.retained[CLUSTER]] == ["fallback/v2/v1"]
    assert "fallback/v2/v1" in change.transitional.of(CLUSTER).resources


@pytest.mark.parametrize("node", KINDS)
def test_a_fallback_has_the_limits_of_its_target(node: str) -> None:
    """An edit of the target's limit of retries changes both clusters."""
    change = edit(KINDS[node], make_catalog("v1"), make_catalog("v1", retries=5))
    assert change.names[CLUSTER] == {"v2", "fallback/v2/v1"}
