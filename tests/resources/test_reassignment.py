"""A change of endpoints alone builds the same result as a build from nothing, and rebuilds nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import Translator
from tests.resources import golden
from tests.sampling import examples
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.locality import Locality
from xds.resources.decode import decode
from xds.resources.endpoints import load_assignment
from xds.resources.inventory import Inventory, build_inventory
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, build_view
from xds.snapshot.building import build_snapshot
from xds.snapshot.snapshot import Snapshot, TypeSnapshot
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, TYPE_URLS

SERVICES: dict[str, Any] = {
    "plain": {},
    "weighted": {"balance": "weighted", "ttl": "30s", "overprovisioning": 120},
    "near": {"locality": "failover"},
    "shares": {"locality": {"weights": {"a": 70, "b": 30}}},
    "zones": {"locality": "zone_aware", "upstreams": ["zones", "near"]},
    "tls": {"tls": True, "protocol": "grpc"},
    "routing": {"routes": [{"prefix": "/v2", "to": "tls"}]},
    "tcp": {"protocol": "tcp", "local_port": 7000},
}
CATALOG = json.dumps(
    {
        "services": SERVICES,
        "gateways": {"edge": {"port": 80, "routes": [{"prefix": "/", "to": "plain"}, {"prefix": "/n", "to": "near"}]}},
        "mesh": {"strangers": "serve"},
    }
)
KINDS = [
    NodeKind(cluster, grpc, locality)
    for cluster in ("anyone", "edge", "zones", "routing")
    for grpc in (False, True)
    for locality in (Locality(), Locality("eu", "a"), Locality("us", "b"))
]
ENDPOINT = st.builds(
    Endpoint,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "one.example.com", "two.example.com"]),
    st.integers(1, 3),
    weight=st.sampled_from([None, 1, 5]),
    region=st.sampled_from(["", "eu"]),
    zone=st.sampled_from(["", "a", "b"]),
    drain=st.booleans(),
)
CHANGES = st.dictionaries(
    st.tuples(st.sampled_from([*SERVICES]), st.sampled_from("123")), st.none() | ENDPOINT, min_size=1, max_size=4
)


def translate(translator: Translator, text: str = CATALOG, before: Inventory | None = None) -> Inventory:
    """Build the inventory of a catalog and of the endpoints in the translator's registry."""
    catalog = Workspace().update({"c.yaml": Document("c.yaml", text.encode())})
    return translator.build(catalog, before)


def move(translator: Translator, before: Inventory) -> Inventory:
    """Build the inventory after changes of endpoints in the registry."""
    return build_inventory(before.catalog, translator.registry.publish(), before)


@examples(100)
@given(st.lists(CHANGES, min_size=1, max_size=6))
def test_after_any_changes_of_endpoints_resources_equal_those_built_from_nothing(
    changes: list[dict[tuple[str, str], Endpoint | None]],
) -> None:
    """Resources have equal bytes for every kind of node. The store reports exactly the changes between snapshots."""
    translator = Translator()
    store = SnapshotStore(translate(translator))
    for kind in KINDS:
        store.acquire(kind)
    for change in changes:
        before = {kind: build_snapshot(build_view(store.inventory, kind), store.inventory) for kind in KINDS}
        translator.registry.put("registry", change)
        updates = store.update(move(translator, store.inventory))
        fresh = build_inventory(store.inventory.catalog, store.inventory.endpoints)
        assert {name: parts.resources for name, parts in store.inventory.parts.items()} == {
            name: parts.resources for name, parts in fresh.parts.items()
        }
        for kind in KINDS:
            expected = by_type(build_snapshot(build_view(fresh, kind), fresh))
            assert by_type(store.acquire(kind).read()) == expected
            store.release(kind)
            assert by_type(updates[kind].snapshot if kind in updates else before[kind]) == expected


def by_type(snapshot: Snapshot) -> dict[str, TypeSnapshot]:
    """Return what a node receives of each type; a type without resources is empty."""
    return {type_url: snapshot.of(type_url) for type_url in TYPE_URLS}


def assignment(inventory: Inventory, name: str = "plain") -> Resource:
    """Return a service's ClusterLoadAssignment."""
    return inventory.parts[name].resources[CLUSTER_LOAD_ASSIGNMENT]


def test_a_changed_endpoint_encodes_that_endpoint_and_builds_only_its_assignment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a thousand endpoints one is encoded; the others' bytes are reused. Cluster and routes are the identical
    objects.
    """
    translator = Translator()
    instances = {("weighted", str(port)): Endpoint("10.0.0.1", port, weight=1) for port in range(1, 1001)}
    translator.registry.put("registry", instances, full=True)
    before = translate(translator)
    encoded: list[Endpoint] = []
    encode = load_assignment._encode_one

    def count(endpoint: Endpoint, check_port: int, *, weighted: bool) -> bytes:
        encoded.append(endpoint)
        return encode(endpoint, check_port, weighted=weighted)

    monkeypatch.setattr(load_assignment, "_encode_one", count)
    changed = Endpoint("10.0.0.1", 500, weight=9)
    translator.registry.put("registry", {("weighted", "500"): changed})
    after = move(translator, before)
    assert encoded == [changed]
    assert after.changed == after.reassigned == {"weighted"}
    assert after.is_reassignment
    assert after.parts["weighted"].resources[CLUSTER] is before.parts["weighted"].resources[CLUSTER]
    assert after.parts["weighted"].virtual_host is before.parts["weighted"].virtual_host
    assert assignment(after, "weighted") != assignment(before, "weighted")


@pytest.mark.parametrize(
    ("endpoint", "rebuilt"),
    [
        (Endpoint("10.0.0.2", 2), False),
        (Endpoint("10.0.0.2", 2, zone="a"), True),
        (Endpoint("two.example.com", 2), True),
    ],
    ids=["another address", "the first that has a locality", "the first host name"],
)
def test_new_endpoints_rebuild_the_cluster_only_when_a_fact_about_all_endpoints_changes(
    endpoint: Endpoint, *, rebuilt: bool
) -> None:
    """The facts are whether EDS can hold the endpoints, and whether any endpoint has a locality."""
    translator = Translator()
    translator.registry.put("registry", {("plain", "1"): Endpoint("10.0.0.1", 1)})
    before = translate(translator)
    translator.registry.put("registry", {("plain", "2"): endpoint})
    after = move(translator, before)
    assert (after.parts["plain"].resources[CLUSTER] != before.parts["plain"].resources[CLUSTER]) is rebuilt
    assert (after.reassigned == {"plain"}) is not rebuilt


def test_an_edit_of_an_endpoint_in_yaml_rebuilds_only_its_assignment() -> None:
    """A changed weight in a file is handled as a changed endpoint of any other source."""
    translator = Translator()
    text = json.dumps({"services": {"plain": {"balance": "weighted", "endpoints": ["10.0.0.1:1", "10.0.0.1:2"]}}})
    before = translate(translator, text)
    after = translate(translator, text.replace('"10.0.0.1:2"', '{"address": "10.0.0.1:2", "weight": 3}'), before)
    assert after.is_reassignment
    assert after.parts["plain"].resources[CLUSTER] is before.parts["plain"].resources[CLUSTER]


def test_logical_dns_of_several_host_names_becomes_strict() -> None:
    """Envoy refuses a cluster of logical DNS with several host names, and an instance may come at any moment."""
    translator = Translator()
    inventory = translate(translator, '{"services": {"far": {"dns": "logical", "endpoints": ["one.example.com:1"]}}}')
    alone = inventory.parts["far"].resources[CLUSTER]
    translator.registry.put("registry", {("far", "1"): Endpoint("two.example.com", 1)})
    both = move(translator, inventory).parts["far"].resources[CLUSTER]
    assert "all_addresses_in_single_endpoint" in str(decode(alone))
    assert "all_addresses_in_single_endpoint" not in str(decode(both))


def test_routes_are_rebuilt_when_their_target_and_an_endpoint_change_at_once() -> None:
    """A gRPC client can no longer receive the service's target. Also, an endpoint of the service changes."""
    translator = Translator()
    store = SnapshotStore(translate(translator))
    kind = NodeKind("anyone", grpc=True)
    store.acquire(kind)
    translator.registry.put(
        "registry",
        {
            ("tls", "1"): Endpoint("one.example.com", 1),
            ("tls", "2"): Endpoint("10.0.0.1", 1),
            ("routing", "1"): Endpoint("10.0.0.1", 1),
        },
    )
    store.update(move(translator, store.inventory))
    fresh = build_inventory(store.inventory.catalog, store.inventory.endpoints)
    assert by_type(store.acquire(kind).read()) == by_type(build_snapshot(build_view(fresh, kind), fresh))


@pytest.mark.parametrize("path", golden.CATALOGS, ids=lambda path: path.parent.name)
def test_a_providers_endpoints_are_served_as_the_catalogs_are(path: Any) -> None:
    """For every golden catalog the bytes are equal if a provider has the same endpoints in the same order."""
    catalog = golden.read_catalog(path)
    translator = Translator()
    expected = translator.build(catalog)
    registry = Translator().registry
    registry.put(
        "registry",
        {
            (name, f"{index:06}"): endpoint
            for name, service in catalog.services.items()
            for index, endpoint in enumerate(service.endpoints)
        },
        full=True,
    )
    found = build_inventory(catalog, registry.publish())
    assert found.parts == expected.parts
