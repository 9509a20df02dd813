"""Scoping: a node receives only the services that its `upstreams`, or its gateway's routes, refer to."""

from itertools import count

import pytest

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from tests.snapshot.edited import EditedMesh, names_in, names_of
from xds.resources.view import NodeKind, kind_of
from xds.session.batch import Batch
from xds.session.session import SOTW, Session
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
    mesh: {strangers: serve}
    """
WEB, JOBS, EDGE, ANYONE = NodeKind("web"), NodeKind("jobs"), NodeKind("edge"), NodeKind("anyone")
GRPC_WEB = NodeKind("web", grpc=True)


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
def test_a_node_receives_only_the_services_that_it_may_call(kind: NodeKind, expected: dict[str, list[str]]) -> None:
    """These follow from its `upstreams`, or from the gateway's routes. A service without `upstreams` may call all
    others.
    """
    assert names_of(EditedMesh(SHOP).of(kind)) == expected


def test_the_routes_of_a_node_name_only_services_that_it_may_call() -> None:
    """A sidecar's or a gateway's routes are one resource, so its content is scoped too."""
    shop = EditedMesh(SHOP)
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
def test_a_change_outside_a_nodes_scope_does_not_change_its_snapshot(
    old: str, new: str, concerned: set[NodeKind]
) -> None:
    """Nodes that an edit does not concern keep the identical snapshot."""
    everybody = {WEB, JOBS, EDGE, GRPC_WEB, ANYONE}
    shop = EditedMesh(SHOP, *everybody)
    before = {kind: shop.of(kind) for kind in everybody}
    assert shop.edit(old, new).keys() == concerned
    assert {kind for kind in everybody if shop.of(kind) is not before[kind]} == concerned


def test_a_change_of_endpoints_changes_only_one_assignment() -> None:
    """For every kind of node, neither the cluster nor the routes change."""
    for change in EditedMesh(SHOP, WEB, GRPC_WEB, ANYONE).edit("10.0.0.3:80", "10.0.0.9:80").values():
        assert names_in(change) == {"ClusterLoadAssignment": ["users"]}


def test_nodes_with_the_same_view_share_one_snapshot() -> None:
    """The nodes' names make no difference. A service that may call all sees what an unknown node sees, after an edit
    too.
    """
    shop = EditedMesh(SHOP, ANYONE, NodeKind("images"), NodeKind("stranger"))
    for _ in range(2):
        assert shop.of(ANYONE) is shop.of(NodeKind("images")) is shop.of(NodeKind("stranger"))
        changes = shop.edit("10.0.0.3:80", "10.0.0.9:80") if "10.0.0.3" in shop.text else {}
        assert len({id(change) for change in changes.values()}) <= 1


def test_nodes_with_the_same_view_share_the_encoded_bytes() -> None:
    """A response is encoded once and sent to all nodes that ask for the same. Only the nonce differs."""
    shop = EditedMesh(SHOP)
    bodies = set()
    for node_cluster, number in zip(("anyone", "images", "anyone"), count(1), strict=False):
        node = Node(id=f"node-{number}", cluster=node_cluster)
        session = Session(SOTW, lambda node: shop.store.acquire(kind_of(node)).read, "same")
        [response] = session.on_request(DiscoveryRequest(node=node, type_url=CLUSTER).SerializeToString()).responses
        bodies.add(response.body)
    assert len(bodies) == 1
    assert sum(isinstance(one, Batch) for one in shop.of(ANYONE).of(CLUSTER).shared.values()) == 1


def test_a_service_has_identical_resources_in_every_view() -> None:
    """The resources of a service are built once for all Envoys that see it, and once for all gRPC clients."""
    shop = EditedMesh(SHOP)
    for kinds in ((WEB, JOBS, ANYONE), (GRPC_WEB, NodeKind("jobs", grpc=True), NodeKind("anyone", grpc=True))):
        for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT):
            assert len({id(shop.of(kind).of(type_url).resources["users"]) for kind in kinds}) == 1


def test_resources_for_grpc_clients_are_built_only_when_one_connects() -> None:
    """A mesh without gRPC clients does not pay for them. What did not change is not built again."""
    shop = EditedMesh(SHOP, WEB)
    assert shop.store.inventory.made == {}
    users = shop.of(NodeKind("jobs", grpc=True)).of(CLUSTER).resources["users"]
    assert shop.store.inventory.made.keys() == {"users"}
    shop.edit("10.0.0.1:80", "10.0.0.9:80")
    assert shop.of(NodeKind("jobs", grpc=True)).of(CLUSTER).resources["users"] is users


def test_changed_upstreams_send_a_node_only_the_difference() -> None:
    """The change does not name what both views have."""
    shop = EditedMesh(SHOP, WEB, GRPC_WEB)
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


def test_a_cluster_that_raw_fields_begin_to_name_is_sent_to_those_who_get_the_fields() -> None:
    """An edit of a service's routes or cluster concerns its callers, and one of a gateway only the gateway."""
    shop = EditedMesh(SHOP, WEB, JOBS, EDGE)
    mirror = "envoy: {route: {route: {request_mirror_policies: [{cluster: images}]}}}"
    shop.edit("users: {", f"users: {{routes: [{{{mirror}}}], ")
    assert "images" in names_of(shop.of(WEB))["Cluster"]
    assert "images" in names_of(shop.of(JOBS))["Cluster"]
    shop.edit(f"users: {{routes: [{{{mirror}}}], ", "users: {")
    assert "images" not in names_of(shop.of(WEB))["Cluster"]
    changes = shop.edit("{to: web}", "{to: web, " + mirror.replace("images", "users") + "}")
    assert names_in(changes[EDGE])["Cluster"] == ["users"]
    assert changes.keys() == {EDGE}


def test_a_node_that_moves_to_a_view_shares_the_views_snapshot() -> None:
    """This holds whether other nodes use the view already or not, and also if the same edit changes the view's
    resources.
    """
    shop = EditedMesh(SHOP, WEB, JOBS, ANYONE)
    shop.edit("upstreams: [users, database]", "upstreams: [users]")
    assert shop.of(WEB) is shop.of(JOBS)
    shop.text = shop.text.replace("10.0.0.3:80", "10.0.0.9:80")
    changes = shop.edit(", upstreams: [users]", "")
    assert shop.of(WEB) is shop.of(JOBS) is shop.of(ANYONE)
    assert {id(change.snapshot) for change in changes.values()} == {id(shop.of(ANYONE))}
    assert "users" in changes[WEB].names[CLUSTER_LOAD_ASSIGNMENT]


def test_two_nodes_that_swap_views_share_the_snapshots_of_these_views() -> None:
    """A view that one node leaves and another enters in the same edit is kept."""
    shop = EditedMesh(SHOP, WEB, JOBS)
    shop.text = shop.text.replace("upstreams: [users]", "upstreams: [database, users]")
    changes = shop.edit("upstreams: [users, database]", "upstreams: [users]")
    assert changes.keys() == {WEB, JOBS}
    for kind, change in changes.items():
        assert change.snapshot is shop.of(kind)
    assert names_in(changes[JOBS])["Cluster"] == names_in(changes[WEB])["Cluster"] == ["database"]


def test_an_added_or_deleted_service_changes_only_those_who_may_call_it() -> None:
    """All of its resources are added and removed with it."""
    shop = EditedMesh(SHOP, WEB, ANYONE, NodeKind("anyone", grpc=True))
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
        assert {CLUSTER, CLUSTER_LOAD_ASSIGNMENT} <= {*removed[kind].retained}
        assert "fresh" not in shop.of(kind).of(CLUSTER).resources


def test_a_gateway_can_change_from_http_to_tcp_and_back() -> None:
    """Its listener changes. Its routes are removed and added again."""
    shop = EditedMesh(SHOP, EDGE)
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


def test_a_gateway_changes_to_tcp_when_its_service_does() -> None:
    """The gateway itself is not edited: the service's protocol decides."""
    shop = EditedMesh(SHOP, EDGE)
    shop.edit("{host: img.example.com, to: images}, {to: web}", "{to: web}")
    [(kind, change)] = shop.edit("      web: {", "      web: {protocol: tcp, ").items()
    assert kind == EDGE
    assert names_in(change) == {"Listener": ["edge"], "RouteConfiguration": ["edge"]}
    assert "RouteConfiguration" not in names_of(shop.of(EDGE))


def test_the_sidecar_of_a_tcp_service_does_not_listen_on_the_services_local_port() -> None:
    """On its own machine, the service itself binds `local_port`. The sidecars of other services listen there."""
    shop = EditedMesh(SHOP, NodeKind("database"), ANYONE)
    assert names_of(shop.of(NodeKind("database")))["Listener"] == ["sidecar"]
    assert names_of(shop.of(ANYONE))["Listener"] == ["sidecar", "tcp/database"]
    changes = shop.edit("local_port: 5432", "local_port: 5433")
    assert changes.keys() == {ANYONE}
    assert names_in(changes[ANYONE]) == {"Listener": ["tcp/database"]}
    changes = shop.edit("protocol: tcp, local_port: 5433, ", "")
    assert changes[ANYONE].names[LISTENER] == {"tcp/database"}
    assert LISTENER not in changes[NodeKind("database")].names


def test_a_view_is_forgotten_when_its_last_node_leaves() -> None:
    """The next node that needs it receives current resources."""
    shop = EditedMesh(SHOP, WEB, WEB)
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
def test_grpc_clients_are_recognized_by_their_user_agent(user_agent_name: str, *, grpc: bool) -> None:
    """The name of each begins with `gRPC`. Every other client is treated as an Envoy."""
    assert kind_of(Node(id="1", cluster="web", user_agent_name=user_agent_name)) == NodeKind("web", grpc)


def test_views_that_differ_only_in_their_listeners_share_the_other_resources() -> None:
    """An example is a traced mesh: a thousand sidecars keep their clusters, endpoints and routes once."""
    shop = EditedMesh(SHOP)
    shop.edit("strangers: serve", "strangers: serve, tracing: {otlp: 'collector:4317'}")
    kinds = [ANYONE, NodeKind("images"), NodeKind("database")]
    for kind in kinds:
        shop.store.acquire(kind)

    def held() -> dict[str, int]:
        """Return, by type, how many different objects the views have."""
        return {short_type(of): len({id(shop.of(kind).of(of)) for kind in kinds}) for of in TYPE_URLS}

    shared = {"Cluster": 1, "ClusterLoadAssignment": 1, "Secret": 1, "RouteConfiguration": 1}
    assert held() == {**shared, "Listener": 3}
    assert shop.edit("10.0.0.3", "10.0.0.33").keys() == {*kinds}
    assert held() == {**shared, "Listener": 3}
    shop.edit(", tracing: {otlp: 'collector:4317'}", "")
    assert held() == {**shared, "Listener": 2}  # a sidecar does not listen for its own TCP service


def test_a_listener_of_a_grpc_client_is_found_by_a_target_with_a_port() -> None:
    """The port does not matter. What is no service is not found, and the targets are not among the names."""
    store = SnapshotStore(build_inventory(build("services: {a: {endpoints: ['10.0.0.1:1']}}")))
    listeners = store.acquire(NodeKind("a", grpc=True)).read().of(LISTENER)
    assert [*listeners.resources] == ["a"]
    assert listeners.resources["a:50051"].name == "a:50051"
    assert listeners.resources["a:50051"].body != listeners.resources["a"].body
    assert listeners.versions["a:50051"] == listeners.versions["a"]
    for name in ("b:1", "a:", "a:x", ":1", "a:70000"):
        assert name not in listeners.resources
        assert listeners.versions.get(name) is None
    assert "a:50051" not in store.acquire(NodeKind("a")).read().of(LISTENER).resources
