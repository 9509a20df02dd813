"""The changes that the leader sends to its workers. A worker that applies them has the leader's inventory."""

from itertools import pairwise

from tests.inventories import build_inventory
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.model.locality import NOWHERE, Locality
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind, build_open_view
from xds.server.workers.inventory_change import (
    apply_change,
    decode_change,
    describe_all,
    describe_change,
    encode_change,
)
from xds.snapshot.building import build_snapshot
from xds.sources.document import Document

ROUTING = (
    "services: {a: {endpoints: ['127.0.0.1:1'], routes: [{prefix: /v1, to: b/v1}, {to: c}],\n"
    "    envoy: {cluster: {alt_stat_name: x}}},\n"
)
EDITS = (
    "services: {a: {endpoints: ['127.0.0.1:1']}, b: {endpoints: ['h:2'], upstreams: [a]}}",
    "services: {a: {endpoints: ['127.0.0.1:1', '127.0.0.1:2']}, b: {endpoints: ['h:2'], upstreams: [a]}}\n"
    "gateways: {edge: {port: 80, routes: [{to: a, headers: {x-user: '*'}}]}}",
    "services: {a: {endpoints: [{address: '127.0.0.1:1', metadata: {stage: {is: canary}}}]}}\n"
    "gateways: {edge: {port: 81, routes: [{to: a}]}}",
    "services: {a: {locality: failover, endpoints: [{address: '127.0.0.1:1', zone: z}, "
    "{address: '127.0.0.1:2', zone: y}]}, b: {}}",
    "services: {a: {endpoints: [{address: '127.0.0.1:1', zone: z}, '127.0.0.1:2']}, b: {locality: zone_aware}}",
    "services: {c: {protocol: tcp, local_port: 5432, endpoints: ['127.0.0.1:3']}}",
    "services: {c: {protocol: tcp, local_port: 5432, endpoints: ['127.0.0.1:3']}}\n"
    "mesh: {access_log: errors, tracing: 'collector:4317'}",
    "services: {a: {locality: failover, endpoints: [{address: 'a:1', zone: z}, {address: 'b:2', zone: y}]}, b: {}}\n"
    "mesh: {endpoint_stats: true}",
    "services: {a: {locality: failover, endpoints: [{address: 'a:1', zone: z}, {address: 'b:2', zone: y}]}, b: {}}",
    f"{ROUTING}  b: {{endpoints: [{{address: '127.0.0.1:2', metadata: {{v: 1}}}}], subsets: {{v1: {{v: 1}}}}}},\n"
    "  c: {endpoints: ['127.0.0.1:3']}}",
    f"{ROUTING}  b: {{endpoints: [{{address: '127.0.0.1:2', metadata: {{v: 2}}}}], subsets: {{v1: {{v: 2}}}}}},\n"
    "  c: {endpoints: ['h:3', 'h:4']}}",
)


def build_all() -> list[Inventory]:
    """Return the leader's inventory after each edit."""
    workspace, made = Workspace(), [build_inventory(Catalog({}, {}))]
    for text in EDITS:
        made.append(build_inventory(workspace.update({"c.yaml": Document("c.yaml", text.encode())}), made[-1]))
    return made


def same(one: Inventory, other: Inventory) -> bool:
    """Whether both inventories serve the same to everyone."""
    for cluster in ("", "a", "b", "c", "edge"):
        for grpc in (False, True):
            for locality in (NOWHERE, Locality("eu", "z")):
                kind = NodeKind(cluster, grpc, locality)
                views = build_open_view(one, kind), build_open_view(other, kind)
                if views[0] != views[1] or build_snapshot(views[0], one) != build_snapshot(views[1], other):
                    return False
    return one.catalog == other.catalog


def test_a_new_worker_gets_the_whole_inventory() -> None:
    """This holds for whatever the catalog contains."""
    empty, *all_made = build_all()
    for made in all_made:
        assert same(apply_change(decode_change(encode_change(describe_all(made))), empty), made)


def test_a_worker_that_applies_each_change_has_the_leaders_inventory() -> None:
    """Services and gateways come, change and go. The worker knows which ones changed."""
    made = build_all()
    fed = made[0]
    for before, now in pairwise(made):
        fed.grpc_resources("a")  # what was made on demand must not outlive the service
        fed.resources("a", Locality("eu", "z"))
        fed = apply_change(decode_change(encode_change(describe_change(now, before))), fed)
        assert same(fed, now)
        changed = now.changed | now.dependents
        assert (fed.changed, fed.changed_gateways, fed.reliant) == (changed, now.changed_gateways, now.reliant)
        assert fed.mesh_changed == now.mesh_changed


def test_applying_a_change_twice_is_the_same_as_once() -> None:
    """A worker that starts while the catalog changes may get a change that it already has."""
    for before, now in pairwise(build_all()):
        change = describe_change(now, before)
        assert same(apply_change(change, apply_change(change, before)), now)


def test_a_change_contains_only_what_changed() -> None:
    """This holds however many services there are."""
    workspace = Workspace()
    text = "services:\n" + "".join(f"  s{n}: {{endpoints: ['127.0.0.1:{n + 1}']}}\n" for n in range(500))
    before = build_inventory(workspace.update({"c.yaml": Document("c.yaml", text.encode())}))
    edited = text.replace("127.0.0.1:7'", "127.0.0.2:7'").encode()
    now = build_inventory(workspace.update({"c.yaml": Document("c.yaml", edited)}), before)
    assert set(describe_change(now, before).services) == {"s6"}
    assert len(encode_change(describe_change(now, before))) < 2500
