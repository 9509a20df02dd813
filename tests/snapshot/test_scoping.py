"""Scoping: a node is sent what its `upstreams`, or its gateway's routes, reach, and no others."""

from collections.abc import Mapping
from itertools import count

import pytest

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from xds.resources.view import NodeKind, kind_of
from xds.session.batch import Batch
from xds.session.session import SOTW, Session
from xds.snapshot.snapshot import Snapshot, SnapshotChange
from xds.snapshot.store import SnapshotStore
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, TYPE_URLS, short_type
from xds.wire.discovery_pb2 import DiscoveryRequest, Node

SHOP = """
    services:
      web: {endpoints: ["10.0.0.1:80"], upstreams: [users, database]}
      jobs: {endpoints: ["10.0.0.2:80"], upstreams: [users]}
      users: {endpoints: ["10.0.0.3:80"], upstreams: []}
      images: {endpoints: ["images.internal:80"]}
      database: {protocol: tcp, local_port: 5432, endpoints: ["10.0.0.4:5432"]}
    gateways:
      edge: {port: 8080, routes: [{host: img.example.com, to: images}, {to: web}]}
    """
WEB, JOBS, EDGE, ANYONE = NodeKind("web"), NodeKind("jobs"), NodeKind("edge"), NodeKind("anyone")
GRPC_WEB = NodeKind("web", grpc=True)


class Shop:
    """A store on a catalog that an operator edits."""

    def __init__(self, *kinds: NodeKind) -> None:
        self.text = SHOP
        self.store = SnapshotStore(build_inventory(build(SHOP)))
        for kind in kinds:
            self.store.acquire(kind)

    def edit(self, old: str, new: str) -> Mapping[NodeKind, SnapshotChange]:
        """Replace some of the catalog's text, and give what that changed for the nodes in use."""
        assert old in self.text
        self.text = self.text.replace(old, new)
        return self.store.update(build_inventory(build(self.text), self.store.inventory))

    def of(self, kind: NodeKind) -> Snapshot:
        """Give what nodes of a kind are served now."""
        snapshot = self.store.acquire(kind)
        self.store.release(kind)
        return snapshot


def names_of(snapshot: Snapshot) -> dict[str, list[str]]:
    """Name all resources by their type's short name; types without any are left out."""
    names = {short_type(type_url): sorted(snapshot.of(type_url).resources) for type_url in TYPE_URLS}
    return {name: of_type for name, of_type in names.items() if of_type}


def names_in(change: SnapshotChange) -> dict[str, list[str]]:
    """Name what a change names."""
    return {short_type(type_url): sorted(names) for type_url, names in change.names.items()}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            WEB,
            {
                "Cluster": ["database", "users"],
                "ClusterLoadAssignment": ["database", "users"],
                "Listener": ["sidecar", "tcp/database"],
                "RouteConfiguration": ["sidecar"],
            },
        ),
        (
            EDGE,
            {
                "Cluster": ["images", "web"],
                "ClusterLoadAssignment": ["web"],
                "Listener": ["edge"],
                "RouteConfiguration": ["edge"],
            },
        ),
        (NodeKind("users"), {"Listener": ["sidecar"], "RouteConfiguration": ["sidecar"]}),
        (
            NodeKind("images"),
            {
                "Cluster": ["database", "images", "jobs", "users", "web"],
                "ClusterLoadAssignment": ["database", "jobs", "users", "web"],
                "Listener": ["sidecar", "tcp/database"],
                "RouteConfiguration": ["sidecar"],
            },
        ),
        (
            GRPC_WEB,
            {
                "Cluster": ["users"],
                "ClusterLoadAssignment": ["users"],
                "Listener": ["users"],
                "RouteConfiguration": ["users"],
            },
        ),
        (
            NodeKind("edge", grpc=True),
            {
                "Cluster": ["images", "web"],
                "ClusterLoadAssignment": ["web"],
                "Listener": ["images", "web"],
                "RouteConfiguration": ["images", "web"],
            },
        ),
        (NodeKind("users", grpc=True), {}),
    ],
    ids=str,
)
def test_a_node_is_sent_what_it_may_call_and_no_others(kind: NodeKind, expected: dict[str, list[str]]) -> None:
    """By its `upstreams`, or by the gateway's routes; a service that names none may call all."""
    assert names_of(Shop().of(kind)) == expected


def test_a_sidecars_routes_and_a_gateways_name_no_other_service() -> None:
    """The routes are one resource, so what stands in it is scoped too."""
    shop = Shop()
    for kind, unseen in ((WEB, b"images"), (EDGE, b"users")):
        [routes] = shop.of(kind).of(ROUTE_CONFIGURATION).resources.values()
        assert unseen not in routes.body


@pytest.mark.parametrize(
    ("old", "new", "concerned"),
    [
        ("10.0.0.3:80", "10.0.0.9:80", {WEB, JOBS, GRPC_WEB, ANYONE}),
        ("10.0.0.1:80", "10.0.0.9:80", {EDGE, ANYONE}),
        ("images.internal", "images.example.com", {EDGE, ANYONE}),
        ("10.0.0.4:5432", "10.0.0.9:5432", {WEB, ANYONE}),
        ("10.0.0.2:80", "10.0.0.9:80", {ANYONE}),
        ("port: 8080", "port: 8081", {EDGE}),
        ("upstreams: [users]", "upstreams: []", {JOBS}),
        ("upstreams: [users, database]", "upstreams: [database, users]", set()),
    ],
)
def test_a_change_outside_a_nodes_scope_is_none_for_it(old: str, new: str, concerned: set[NodeKind]) -> None:
    """Those whom an edit does not concern keep the very snapshot that they have."""
    everybody = {WEB, JOBS, EDGE, GRPC_WEB, ANYONE}
    shop = Shop(*everybody)
    before = {kind: shop.of(kind) for kind in everybody}
    assert shop.edit(old, new).keys() == concerned
    assert {kind for kind in everybody if shop.of(kind) is not before[kind]} == concerned


def test_a_change_of_endpoints_names_one_assignment() -> None:
    """Neither the cluster nor the routes, whatever kind of node it is."""
    for change in Shop(WEB, GRPC_WEB, ANYONE).edit("10.0.0.3:80", "10.0.0.9:80").values():
        assert names_in(change) == {"ClusterLoadAssignment": ["users"]}


def test_nodes_with_the_same_view_share_one_snapshot() -> None:
    """Whatever their names: a service that may call all sees what a stranger sees; and so after an edit."""
    shop = Shop(ANYONE, NodeKind("images"), NodeKind("stranger"))
    for _ in range(2):
        assert shop.of(ANYONE) is shop.of(NodeKind("images")) is shop.of(NodeKind("stranger"))
        changes = shop.edit("10.0.0.3:80", "10.0.0.9:80") if "10.0.0.3" in shop.text else {}
        assert len({id(change) for change in changes.values()}) <= 1


def test_nodes_with_the_same_view_share_the_encoded_bytes() -> None:
    """A response is made once, and all that ask for the same are sent it; only its nonce is their own."""
    shop = Shop()
    bodies = set()
    for node_cluster, number in zip(("anyone", "images", "anyone"), count(1), strict=False):
        node = Node(id=f"node-{number}", cluster=node_cluster)
        session = Session(SOTW, lambda node: shop.store.acquire(kind_of(node)), "same")
        [response] = session.on_request(DiscoveryRequest(node=node, type_url=CLUSTER).SerializeToString()).responses
        bodies.add(response.body)
    assert len(bodies) == 1
    assert sum(isinstance(one, Batch) for one in shop.of(ANYONE).of(CLUSTER).shared.values()) == 1


def test_a_service_is_the_same_object_in_every_view_of_envoys() -> None:
    """And in every view of gRPC clients: what a service contributes is made once for all who see it."""
    shop = Shop()
    for kinds in ((WEB, JOBS, ANYONE), (GRPC_WEB, NodeKind("jobs", grpc=True), NodeKind("anyone", grpc=True))):
        for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT):
            assert len({id(shop.of(kind).of(type_url).resources["users"]) for kind in kinds}) == 1


def test_what_only_grpc_clients_are_sent_is_made_when_there_is_one() -> None:
    """A mesh of Envoys pays nothing for it; and once made, what did not change is not made again."""
    shop = Shop(WEB)
    assert shop.store.inventory.made == {}
    users = shop.of(NodeKind("jobs", grpc=True)).of(CLUSTER).resources["users"]
    assert shop.store.inventory.made.keys() == {"users"}
    shop.edit("10.0.0.1:80", "10.0.0.9:80")
    assert shop.of(NodeKind("jobs", grpc=True)).of(CLUSTER).resources["users"] is users


def test_changed_upstreams_move_a_node_by_exactly_the_difference() -> None:
    """What both views hold is not named again."""
    shop = Shop(WEB, GRPC_WEB)
    changes = shop.edit("upstreams: [users, database]", "upstreams: [users, images]")
    assert names_in(changes[WEB]) == {
        "Cluster": ["database", "images"],
        "ClusterLoadAssignment": ["database"],
        "Listener": ["tcp/database"],
        "RouteConfiguration": ["sidecar"],
    }
    assert names_in(changes[GRPC_WEB]) == {
        "Cluster": ["images"],
        "Listener": ["images"],
        "RouteConfiguration": ["images"],
    }
    assert changes[WEB].snapshot is shop.of(WEB)


def test_a_node_that_comes_to_another_view_shares_its_snapshot() -> None:
    """Whether that view was in use before or not, and although the same edit changes what it holds."""
    shop = Shop(WEB, JOBS, ANYONE)
    shop.edit("upstreams: [users, database]", "upstreams: [users]")
    assert shop.of(WEB) is shop.of(JOBS)
    shop.text = shop.text.replace("10.0.0.3:80", "10.0.0.9:80")
    changes = shop.edit(", upstreams: [users]", "")
    assert shop.of(WEB) is shop.of(JOBS) is shop.of(ANYONE)
    assert {id(change.snapshot) for change in changes.values()} == {id(shop.of(ANYONE))}
    assert "users" in changes[WEB].names[CLUSTER_LOAD_ASSIGNMENT]


def test_nodes_that_change_places_share_what_those_who_come_are_served() -> None:
    """What one leaves and another enters in the same edit is not forgotten between."""
    shop = Shop(WEB, JOBS)
    shop.text = shop.text.replace("upstreams: [users]", "upstreams: [database, users]")
    changes = shop.edit("upstreams: [users, database]", "upstreams: [users]")
    assert changes.keys() == {WEB, JOBS}
    for kind, change in changes.items():
        assert change.snapshot is shop.of(kind)
    assert names_in(changes[JOBS])["Cluster"] == names_in(changes[WEB])["Cluster"] == ["database"]


def test_a_service_comes_and_goes() -> None:
    """For those who may call it, with all that belongs to it."""
    shop = Shop(WEB, ANYONE, NodeKind("anyone", grpc=True))
    added = shop.edit("    gateways:", '      fresh: {endpoints: ["10.0.0.7:80"]}\n    gateways:')
    assert WEB not in added
    assert names_in(added[ANYONE]) == {
        "Cluster": ["fresh"],
        "ClusterLoadAssignment": ["fresh"],
        "RouteConfiguration": ["sidecar"],
    }
    removed = shop.edit('      fresh: {endpoints: ["10.0.0.7:80"]}\n', "")
    for kind, change in added.items():
        assert names_in(removed[kind]) == names_in(change)
        assert {*removed[kind].retained} == {CLUSTER, CLUSTER_LOAD_ASSIGNMENT}
        assert "fresh" not in shop.of(kind).of(CLUSTER).resources


def test_a_gateway_goes_from_http_to_tcp_and_back() -> None:
    """Its listener changes, and its routes go and come."""
    shop = Shop(EDGE)
    http = names_of(shop.of(EDGE))
    routes = "[{host: img.example.com, to: images}, {to: web}]"
    shop.edit(routes, "[{to: database}]")
    assert names_of(shop.of(EDGE)) == {
        "Cluster": ["database"],
        "ClusterLoadAssignment": ["database"],
        "Listener": ["edge"],
    }
    change = shop.edit("[{to: database}]", routes)[EDGE]
    assert names_of(shop.of(EDGE)) == http
    assert names_in(change)["RouteConfiguration"] == ["edge"]
    assert names_in(change)["Listener"] == ["edge"]


def test_a_gateway_whose_service_turns_to_tcp_follows() -> None:
    """The gateway itself is as it was: the service decides."""
    shop = Shop(EDGE)
    shop.edit("{host: img.example.com, to: images}, {to: web}", "{to: web}")
    [(kind, change)] = shop.edit("      web: {", "      web: {protocol: tcp, ").items()
    assert kind == EDGE
    assert names_in(change) == {"Listener": ["edge"], "RouteConfiguration": ["edge"]}
    assert "RouteConfiguration" not in names_of(shop.of(EDGE))


def test_a_tcp_services_own_sidecar_does_not_take_its_port() -> None:
    """The `local_port` on its machine is the service's own to bind; the others' sidecars offer it there."""
    shop = Shop(NodeKind("database"), ANYONE)
    assert names_of(shop.of(NodeKind("database")))["Listener"] == ["sidecar"]
    assert names_of(shop.of(ANYONE))["Listener"] == ["sidecar", "tcp/database"]
    changes = shop.edit("local_port: 5432", "local_port: 5433")
    assert changes.keys() == {ANYONE}
    assert names_in(changes[ANYONE]) == {"Listener": ["tcp/database"]}
    changes = shop.edit("protocol: tcp, local_port: 5433, ", "")
    assert changes[ANYONE].names[LISTENER] == {"tcp/database"}
    assert LISTENER not in changes[NodeKind("database")].names


def test_a_view_that_no_stream_uses_is_forgotten() -> None:
    """The last of its nodes takes it along; and who comes next is served what is current."""
    shop = Shop(WEB, WEB)
    shop.store.release(WEB)
    assert shop.edit("10.0.0.3:80", "10.0.0.9:80").keys() == {WEB}
    shop.store.release(WEB)
    assert shop.edit("10.0.0.9:80", "10.0.0.8:80") == {}
    assert b"10.0.0.8" in shop.of(WEB).of(CLUSTER_LOAD_ASSIGNMENT).resources["users"].body


@pytest.mark.parametrize(
    ("user_agent_name", "grpc"),
    [
        ("gRPC C-core linux Python", True),
        ("gRPC Go", True),
        ("gRPC Java", True),
        ("envoy", False),
        ("", False),
    ],
)
def test_grpcs_own_clients_are_told_by_their_user_agent(user_agent_name: str, *, grpc: bool) -> None:
    """Each begins with the same word; whatever else asks is taken for an Envoy."""
    assert kind_of(Node(id="1", cluster="web", user_agent_name=user_agent_name)) == NodeKind("web", grpc)


def test_views_that_differ_in_their_listeners_share_the_rest() -> None:
    """As the sidecars of a traced mesh: a thousand of them need their clusters, endpoints and routes once."""
    shop = Shop()
    shop.edit("services:\n", "mesh: {tracing: {otlp: 'collector:4317'}}\n    services:\n")
    kinds = [ANYONE, NodeKind("images"), NodeKind("database")]
    for kind in kinds:
        shop.store.acquire(kind)

    def held() -> dict[str, int]:
        """Count, by type, how many different things the views hold."""
        return {short_type(of): len({id(shop.of(kind).of(of)) for kind in kinds}) for of in TYPE_URLS}

    shared = {"Cluster": 1, "ClusterLoadAssignment": 1, "Secret": 1, "RouteConfiguration": 1}
    assert held() == {**shared, "Listener": 3}
    assert shop.edit("10.0.0.3", "10.0.0.33").keys() == {*kinds}
    assert held() == {**shared, "Listener": 3}
    shop.edit("mesh: {tracing: {otlp: 'collector:4317'}}\n", "mesh: {}\n")
    assert held() == {**shared, "Listener": 2}  # that of the service beside it is not offered to a sidecar
