"""A node's locality changes only the resources that depend on it, so that nodes still share views."""

import pytest
from google.protobuf.any_pb2 import Any

from tests.snapshot.edited import EditedMesh, names_in, names_of
from xds.catalog.model.locality import NOWHERE, Locality
from xds.resources.view import NodeKind, build_view
from xds.snapshot.snapshot import Snapshot
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2

MESH = """
    services:
      web: {endpoints: [{address: "10.0.0.1:80", zone: a}], upstreams: [api, users]}
      api:
        endpoints:
          - {address: "10.0.1.1:80", region: eu, zone: a}
          - {address: "10.0.1.2:80", region: eu, zone: b}
          - {address: "10.0.1.3:80", region: us, zone: c}
          - {address: "10.0.1.4:80", region: eu, zone: a, drain: true}
      users: {endpoints: ["10.0.2.1:80"], upstreams: []}
      named: {endpoints: [{address: "a.internal:80", zone: a}, {address: "b.internal:80", zone: b}]}
    mesh: {strangers: serve}
    """
EU_A, EU_B, EU_X, US = Locality("eu", "a", "rack-1"), Locality("eu", "b"), Locality("eu", "x"), Locality("us", "c")
ON = ("      api:\n", "      api:\n        locality: failover\n")
OFF = ON[::-1]


def web(locality: Locality, *, grpc: bool = False) -> NodeKind:
    """Return the kind of web's sidecar, or of a gRPC client in web."""
    return NodeKind("web", grpc, locality)


def priorities(snapshot: Snapshot, name: str = "api") -> dict[str, int]:
    """Return each endpoint's priority, by its address."""
    packed = Any.FromString(snapshot.of(CLUSTER_LOAD_ASSIGNMENT).resources[name].body)
    message = endpoint_pb2.ClusterLoadAssignment.FromString(packed.value)
    return {
        one.endpoint.address.socket_address.address.rpartition(".")[2]: group.priority
        for group in message.endpoints
        for one in group.lb_endpoints
    }


def test_without_failover_nodes_in_all_localities_share_one_snapshot() -> None:
    """No resource depends on the locality."""
    kinds = [web(where) for where in (NOWHERE, EU_A, EU_B, US)]
    mesh = EditedMesh(MESH, *kinds)
    assert len({id(mesh.of(kind)) for kind in kinds}) == 1


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (EU_A, {"1": 0, "2": 1, "3": 2, "4": 3}),
        (EU_B, {"1": 1, "2": 0, "3": 2, "4": 3}),
        (EU_X, {"1": 0, "2": 0, "3": 1, "4": 2}),
        (US, {"1": 1, "2": 1, "3": 0, "4": 2}),
        (Locality("", "a"), {"1": 0, "2": 1, "3": 1, "4": 2}),
        (Locality("us", "a"), {"1": 1, "2": 1, "3": 0, "4": 2}),
        (Locality("cn", "z"), {"1": 0, "2": 0, "3": 0, "4": 1}),
        (NOWHERE, {"1": 0, "2": 0, "3": 0, "4": 1}),
    ],
)
def test_failover_prefers_the_own_zone_then_the_region_then_the_rest(where: Locality, expected: dict[str, int]) -> None:
    """Priorities have no gaps. Drained endpoints are last. A zone's name is enough, unless the regions differ."""
    mesh = EditedMesh(MESH)
    mesh.edit(*ON)
    assert priorities(mesh.of(web(where))) == expected
    grpc = {address: priority for address, priority in expected.items() if address != "4"}
    assert priorities(mesh.of(web(where, grpc=True))) == grpc


def test_nodes_with_equal_resources_share_them() -> None:
    """The rack makes no difference. Services that do not depend on the locality have identical resources everywhere."""
    mesh = EditedMesh(MESH)
    mesh.edit(*ON)
    rack_1, rack_2 = (mesh.store.acquire(web(Locality("eu", "a", rack))).read() for rack in ("rack-1", "rack-2"))
    assert rack_1 is rack_2
    other, nowhere = mesh.of(web(EU_B)), mesh.of(web(NOWHERE))
    for type_url, name in ((CLUSTER_LOAD_ASSIGNMENT, "users"), (CLUSTER, "api")):
        assert other.of(type_url).resources[name] is nowhere.of(type_url).resources[name]
    strangers = [mesh.store.acquire(NodeKind(name, locality=EU_X)).read() for name in ("anyone", "nobody")]
    assert strangers[0] is strangers[1]
    users = [NodeKind("users", locality=where) for where in (NOWHERE, EU_A, US)]
    assert len({build_view(mesh.store.inventory, kind) for kind in users}) == 1


def test_turning_failover_on_or_off_changes_only_one_assignment_of_connected_nodes() -> None:
    """Only nodes that see the service and state their locality receive a change. It is one ClusterLoadAssignment."""
    here, there, nowhere = web(EU_A), web(US), web(NOWHERE)
    others = [NodeKind("users", locality=EU_A), NodeKind("users")]
    mesh = EditedMesh(MESH, here, there, nowhere, NodeKind("anyone", locality=EU_A), *others)
    for edit in (ON, OFF, ON):
        changes = mesh.edit(*edit)
        assert changes.keys() == {here, there, NodeKind("anyone", locality=EU_A)}
        assert all(names_in(change) == {"ClusterLoadAssignment": ["api"]} for change in changes.values())
    assert priorities(changes[here].snapshot) == {"1": 0, "2": 1, "3": 2, "4": 3}
    moved = mesh.edit("10.0.1.2", "10.0.1.9")
    assert {*moved} == {here, there, nowhere, NodeKind("anyone", locality=EU_A)}
    assert priorities(moved[there].snapshot) == {"1": 1, "9": 1, "3": 0, "4": 2}


def test_resources_for_one_locality_are_built_once_for_all_views() -> None:
    """They are kept until the service changes."""
    mesh = EditedMesh(MESH)
    mesh.edit(*ON)
    one, other = mesh.of(NodeKind("anyone", locality=EU_A)), mesh.of(web(EU_A))
    assert one.of(CLUSTER_LOAD_ASSIGNMENT).resources["api"] is other.of(CLUSTER_LOAD_ASSIGNMENT).resources["api"]
    assert len(mesh.store.inventory.made["api"]) == 1
    mesh.edit("10.0.2.1", "10.0.2.9")
    assert len(mesh.store.inventory.made["api"]) == 1
    mesh.edit("10.0.1.2", "10.0.1.9")
    assert "api" not in mesh.store.inventory.made


def test_host_names_get_their_priorities_in_the_cluster() -> None:
    """EDS does not serve host names, so the cluster differs for each locality."""
    mesh = EditedMesh(MESH)
    mesh.edit("named: {", "named: {locality: failover, ")
    kinds = [NodeKind("anyone", locality=where) for where in (EU_A, EU_B, NOWHERE)]
    assert len({mesh.of(kind).of(CLUSTER).resources["named"].version for kind in kinds}) == 3


def test_zone_aware_sidecars_receive_the_endpoints_of_their_own_service() -> None:
    """Only a sidecar that states its locality and has a zone-aware upstream receives them. They are a separate
    resource, which changes when the sidecar's own service changes.
    """
    here, nowhere, stranger = web(EU_A), web(NOWHERE), NodeKind("anyone", locality=EU_A)
    mesh = EditedMesh(MESH, here, nowhere, stranger)
    changes = mesh.edit("      api:\n", "      api:\n        locality: zone_aware\n")
    assert names_in(changes[here]) == {"Cluster": ["api"], "ClusterLoadAssignment": ["local/web"]}
    assert names_in(changes[nowhere]) == {"Cluster": ["api"]}
    assert names_of(mesh.of(here))["ClusterLoadAssignment"] == ["api", "local/web", "users"]
    assert names_in(mesh.edit("10.0.0.1:80", "10.0.0.9:80")[here]) == {"ClusterLoadAssignment": ["local/web"]}
    assert "local/web" not in names_of(mesh.of(web(EU_A, grpc=True)))["ClusterLoadAssignment"]
    assert "local/anyone" not in names_of(mesh.of(stranger))["ClusterLoadAssignment"]
    changes = mesh.edit("        locality: zone_aware\n", "")
    assert names_in(changes[here]) == {"Cluster": ["api"], "ClusterLoadAssignment": ["local/web"]}
    assert names_of(mesh.of(here))["ClusterLoadAssignment"] == ["api", "users"]
