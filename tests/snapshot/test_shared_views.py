"""What several views have in common is built once, counted in the resources of services that are collected."""

from collections import Counter

import pytest

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from xds.catalog.model.locality import Locality
from xds.resources.inventory import Inventory
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, SidecarView
from xds.snapshot.building import SLICE
from xds.snapshot.store import SnapshotStore
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

SERVICES = 30
TRACED = "mesh: {strangers: serve, tracing: {otlp: 'collector:4317'}}\n"
FAILOVER = "locality: {failover: [zone, region]}, "


def write(*, traced: bool = True, failover: bool = False) -> str:
    """Return a catalog of services that have an endpoint in each of two zones of a region."""
    locality = FAILOVER if failover else ""
    endpoints = "[{address: '10.0.0.1:80', region: eu, zone: a}, {address: '10.0.0.2:80', region: eu, zone: b}]"
    services = "".join(f"  s{number}: {{{locality}endpoints: {endpoints}}}\n" for number in range(SERVICES))
    return (TRACED if traced else "mesh: {strangers: serve}\n") + f"services:\n{services}"


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the resources of each service were collected for a sidecar's view."""
    counts: Counter[str] = Counter()
    real = SidecarView.parts

    def parts(self: SidecarView, inventory: Inventory, name: str) -> object:
        counts[name] += 1
        return real(self, inventory, name)

    monkeypatch.setattr(SidecarView, "parts", parts)
    return counts


def test_the_views_of_traced_clusters_are_built_from_one(collected: Counter[str]) -> None:
    """They differ in their listeners alone, since spans have the cluster's name."""
    store = SnapshotStore(build_inventory(build(write())))
    snapshots = [store.acquire(NodeKind(f"cluster-{number}")).read() for number in range(5)]
    assert {*collected.values()} == {1}
    for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION):
        assert len({id(one.of(type_url)) for one in snapshots}) == 1
    assert len({one.of(LISTENER).version for one in snapshots}) == 5


def test_the_views_of_localities_with_equal_priorities_are_built_from_one(collected: Counter[str]) -> None:
    """All places far from the endpoints are the same, whatever they are called; near ones are others."""
    store = SnapshotStore(build_inventory(build(write(traced=False, failover=True))))
    far = [store.acquire(NodeKind("x", locality=Locality(f"r{n}", "a"))).read() for n in range(5)]
    assert {*collected.values()} == {1}
    near = [store.acquire(NodeKind("x", locality=Locality("eu", zone))).read() for zone in "ab"]
    assert {*collected.values()} == {3}
    versions = [one.of(CLUSTER_LOAD_ASSIGNMENT).version for one in (far[0], *near)]
    assert len({*versions}) == 3


def test_an_edit_of_the_mesh_collects_each_service_once_for_all_traced_views(collected: Counter[str]) -> None:
    """Not once for each view."""
    store = SnapshotStore(build_inventory(build(write())))
    kinds = [NodeKind(f"cluster-{number}") for number in range(5)]
    for kind in kinds:
        store.acquire(kind)
    collected.clear()
    after = build_inventory(build(write().replace("4317", "4318")), store.inventory)
    assert store.update(after).keys() == {*kinds}
    assert {*collected.values()} == {1}


@pytest.mark.parametrize("failover", [False, True])
def test_a_view_is_prepared_in_slices(collected: Counter[str], *, failover: bool) -> None:
    """No slice has more than SLICE services. Afterwards, to connect collects none."""
    store = SnapshotStore(build_inventory(build(write(failover=failover))))
    kind = NodeKind("x", locality=Locality("eu", "a"))
    before = 0
    for _ in store.prepare(kind):
        assert not store.is_prepared(kind)
        assert collected.total() - before <= SLICE
        before = collected.total()
    assert store.is_prepared(kind)
    collected.clear()
    resources: dict[str, Resource] = store.acquire(kind).read().of(CLUSTER).resources
    assert len(resources) == SERVICES + 1  # the collector's too
    assert not collected
