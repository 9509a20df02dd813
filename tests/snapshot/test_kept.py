"""Nodes whose cluster the catalog does not name: they keep what they had, or get nothing."""

import pytest

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from tests.snapshot.edited import names_of
from xds.catalog.model.locality import Locality
from xds.resources.view import NodeKind, Standing
from xds.session.fetch import PolledView
from xds.snapshot.kept import MAX_UNUSED
from xds.snapshot.snapshot import Snapshot
from xds.snapshot.store import SnapshotStore
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, TYPE_URLS
from xds.wire.discovery_pb2 import DiscoveryRequest, Node

SHOP = """
    services:
      web: {endpoints: ["10.0.0.1:80"], upstreams: [users]}
      users: {endpoints: ["10.0.0.3:80"], upstreams: []}
      database: {protocol: tcp, local_port: 5432, endpoints: ["10.0.0.4:5432"]}
    gateways:
      edge: {port: 8080, routes: [{to: web}]}
    """
RENAMED = SHOP.replace("edge:", "edge-public:")
EDGE, WEB = NodeKind("edge"), NodeKind("web")
OWN = (LISTENER, ROUTE_CONFIGURATION)


class Shop:
    """A store of a catalog that an operator edits."""

    def __init__(self, text: str = SHOP) -> None:
        self.store = SnapshotStore(build_inventory(build(text)))

    def edit(self, text: str) -> dict[NodeKind, Snapshot]:
        """Replace the catalog; return the new snapshot of each kind of node in use for which it changed."""
        changes = self.store.update(build_inventory(build(text), self.store.inventory))
        return {kind: change.snapshot for kind, change in changes.items()}

    def of(self, kind: NodeKind) -> Snapshot:
        """Return what a node of a kind is served that connects and leaves."""
        snapshot = self.store.acquire(kind).read()
        self.store.release(kind)
        return snapshot


@pytest.mark.parametrize("grpc", [False, True])
@pytest.mark.parametrize("cluster", ["edeg", ""])
def test_a_node_of_an_unknown_cluster_is_served_nothing(cluster: str, *, grpc: bool) -> None:
    """This holds for a misspelt name and for none, for Envoys and for gRPC's own clients."""
    shop = Shop()
    snapshot = shop.of(NodeKind(cluster, grpc))
    assert (names_of(snapshot), snapshot.is_unknown) == ({}, True)
    assert shop.store.find_standing(cluster) is Standing.UNKNOWN


def test_the_catalog_may_serve_strangers() -> None:
    """Then a node of an unknown cluster may call every service. An edit that ends this takes nothing from it."""
    shop = Shop(f"{SHOP}mesh: {{strangers: serve}}")
    before = shop.store.acquire(NodeKind("job")).read()
    assert names_of(before)["Cluster"] == ["database", "users", "web"]
    assert shop.store.find_standing("job") is Standing.STRANGER
    assert shop.edit(SHOP) == {}
    assert shop.store.find_standing("job") is Standing.KEPT
    assert names_of(shop.of(NodeKind("other-job"))) == {}


@pytest.mark.parametrize("strangers", ["serve", "refuse"])
@pytest.mark.parametrize("edited", [RENAMED, SHOP.replace("edge: {port: 8080, routes: [{to: web}]}", "{}")])
def test_a_renamed_or_removed_gateway_keeps_what_it_had(edited: str, strangers: str) -> None:
    """It never becomes a sidecar, even where strangers are served. One that reconnects gets the same."""
    shop = Shop(f"{SHOP}mesh: {{strangers: {strangers}}}")
    before = shop.store.acquire(EDGE).read()
    assert EDGE not in shop.edit(f"{edited}mesh: {{strangers: {strangers}}}")
    assert shop.store.find_standing("edge") is Standing.KEPT
    shop.store.release(EDGE)
    for kind in (EDGE, NodeKind("edge", locality=Locality("eu", "a"))):
        after = shop.of(kind)
        assert [after.of(type_url).version for type_url in TYPE_URLS] == [
            before.of(type_url).version for type_url in TYPE_URLS
        ]


def test_the_endpoints_of_a_kept_node_stay_up_to_date() -> None:
    """Instances come and go while nobody has started the Envoy again. Its listeners and routes stay."""
    shop = Shop()
    before = shop.store.acquire(EDGE).read()
    shop.edit(RENAMED)
    after = shop.edit(RENAMED.replace("10.0.0.1", "10.0.0.9").replace("8080", "8081"))[EDGE]
    assert before.of(CLUSTER_LOAD_ASSIGNMENT) != after.of(CLUSTER_LOAD_ASSIGNMENT)
    assert b"10.0.0.9" in after.of(CLUSTER_LOAD_ASSIGNMENT).resources["web"].body
    assert all(before.of(type_url) == after.of(type_url) for type_url in OWN)


def test_a_kept_node_keeps_the_services_that_are_gone() -> None:
    """All of its routes lead somewhere. A service that comes later is not sent to it."""
    shop = Shop()
    before = shop.store.acquire(WEB).read()
    shop.edit('services: {other: {endpoints: ["10.0.0.8:80"]}}')
    assert names_of(shop.of(WEB)) == names_of(before)
    assert shop.of(WEB).of(CLUSTER) == before.of(CLUSTER)


def test_a_cluster_that_is_named_again_is_served_by_the_catalog() -> None:
    """The connected node gets what the catalog has for it now."""
    shop = Shop()
    shop.store.acquire(EDGE)
    shop.edit(RENAMED)
    after = shop.edit(SHOP.replace("8080", "8082"))[EDGE]
    assert shop.store.find_standing("edge") is Standing.NAMED
    assert b"10.0.0.1" in after.of(CLUSTER_LOAD_ASSIGNMENT).resources["web"].body
    assert after.of(LISTENER) != Shop().of(EDGE).of(LISTENER)


def test_what_was_kept_is_forgotten() -> None:
    """It stays while a node is connected, whatever time passes; then until the second sweep, and for few clusters."""
    shop = Shop()
    shop.store.acquire(EDGE)
    shop.edit(RENAMED)
    for _ in range(3):
        shop.store.sweep()
    assert shop.store.find_standing("edge") is Standing.KEPT
    shop.store.release(EDGE)
    shop.store.sweep()
    assert shop.store.find_standing("edge") is Standing.KEPT
    shop.store.sweep()
    assert shop.store.find_standing("edge") is Standing.UNKNOWN
    names = [f"s{number}" for number in range(MAX_UNUSED + 20)]
    shop.edit(f"services: {{{', '.join(f'{name}: {{}}' for name in names)}}}")
    shop.store.acquire(NodeKind("s0"))
    shop.edit("services: {x: {}}")
    kept = [name for name in names if shop.store.find_standing(name) is Standing.KEPT]
    assert len(kept) == MAX_UNUSED + 1
    assert "s0" in kept


@pytest.mark.parametrize(
    ("edited", "cluster", "hint"),
    [
        (RENAMED, "edge", "edge-public"),
        (SHOP.replace("edge:", "front-door:"), "edge", "front-door"),  # the same gateway
        (SHOP.replace("edge: {port: 8080,", "edge-eu: {port: 8443,"), "edge", "edge-eu"),
        (SHOP.replace("users", "accounts"), "users", "accounts"),
        (SHOP, "edeg", "edge"),
        (SHOP, "data", "database"),
        (SHOP, "zzz", None),
        (SHOP, "", None),
    ],
)
def test_the_name_that_is_meant_is_told(edited: str, cluster: str, hint: str | None) -> None:
    """It is the name that an edit gave to the same service or gateway, or else the nearest one."""
    shop = Shop()
    shop.edit(edited)
    assert shop.store.find_hint(cluster) == hint


def test_a_poll_of_an_unknown_cluster_takes_nothing_away() -> None:
    """A client without resources is answered that there are none, so that it can start."""
    unknown = PolledView(Shop().of(NodeKind("edeg")))
    first = unknown.answer(DiscoveryRequest(node=Node(id="1")), LISTENER)
    assert first is not None
    assert not first.resources
    assert unknown.answer(DiscoveryRequest(node=Node(id="1"), version_info="0a"), LISTENER) is None
