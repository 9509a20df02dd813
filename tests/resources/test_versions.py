"""What a node is sent that its version of Envoy does not take."""

import pytest

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from xds.resources.versions import find_unsupported, list_needs, read_envoy_version
from xds.resources.view import NodeKind, build_view
from xds.wire.discovery_pb2 import BuildVersion, Node, SemanticVersion

CATALOG = """
    mesh: {tracing: "collector:4317"}
    services:
      web: {endpoints: ["10.0.0.1:1"], upstreams: [api]}
      api: {balance: load_aware_locality, endpoints: ["10.0.0.2:1"], upstreams: [], routes: [{template: "/v{n}"}]}
      lone: {endpoints: ["10.0.0.3:1"], upstreams: []}
    gateways:
      edge: {port: 80, routes: [{template: "/v{n}", to: web}]}
      inner: {port: 81, routes: [{to: api}]}
"""
TRACING, POLICY = "mesh.tracing", "services.api.balance.load_aware_locality"


@pytest.mark.parametrize(
    ("cluster", "version", "expected"),
    [
        ("web", (1, 36, 2), {TRACING, POLICY, "services.api.routes.0.template"}),
        ("web", (1, 37, 0), {POLICY, "services.api.routes.0.template"}),
        ("web", (1, 39, 3), {POLICY}),
        ("web", (1, 40, 0), set()),
        ("lone", (1, 36, 2), {TRACING}),
        ("lone", (1, 38, 0), set()),
        ("edge", (1, 38, 3), {"gateways.edge.routes.0.template"}),
        ("inner", (1, 38, 3), {POLICY}),
    ],
)
def test_a_node_is_sent_what_its_view_has(cluster: str, version: tuple[int, ...], expected: set[str]) -> None:
    """A gateway does not use the routes of services, and a sidecar gets those of its upstreams alone."""
    inventory = build_inventory(build(CATALOG))
    view = build_view(inventory, NodeKind(cluster))
    found = find_unsupported(list_needs(inventory.catalog), view, cluster, version)
    assert {".".join(map(str, one.loc)) for one in found} == expected


@pytest.mark.parametrize("cluster", ["web", "edge"])
def test_grpc_clients_and_strangers_have_no_version_of_envoy(cluster: str) -> None:
    """What gRPC's own clients take is not Envoy's to say."""
    inventory = build_inventory(build(CATALOG))
    views = [build_view(inventory, NodeKind(cluster, grpc=True)), build_view(inventory, NodeKind("nobody"))]
    needs = list_needs(inventory.catalog)
    assert [list(find_unsupported(needs, view, cluster, (1, 0))) for view in views] == [[], []]


def test_a_version_is_that_of_the_build_or_a_text() -> None:
    """Envoy states numbers, which count; others may state a text."""
    build_version = BuildVersion(version=SemanticVersion(major_number=1, minor_number=36, patch=2))
    assert read_envoy_version(Node(user_agent_name="envoy", user_agent_build_version=build_version)) == (1, 36, 2)
    assert read_envoy_version(Node(user_agent_name="envoy", user_agent_version="1.37.0-dev")) == (1, 37, 0)
    assert read_envoy_version(Node(user_agent_name="envoy")) is None
    assert read_envoy_version(Node(user_agent_name="gRPC Go", user_agent_version="1.36.0")) is None
