"""What an Envoy has and the catalog does not explain: pure, from Envoy's own documents and the catalog's texts."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from tests.inventories import build_inventory
from xds.catalog.assembly.workspace import Workspace
from xds.cli.demo.envoy_admin import socket_address
from xds.resources.decode import decode
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind, build_view
from xds.snapshot.building import build_snapshot
from xds.sources.document import Document
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, short_type

Json = Any
Resources = dict[tuple[str, str], Json]
"""Resources by the short name of their type and by name. An assignment is its hosts, in no order."""

TYPES: Final = (CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION)

XDS_CLUSTER: Final = "xds_cluster"


def read_inventory(texts: Mapping[str, str]) -> Inventory:
    """Return what a server that starts with these files serves. Raises CatalogError."""
    documents = {name: Document(name, text.encode(errors="surrogateescape")) for name, text in texts.items()}
    return build_inventory(Workspace().update(documents))


def list_expected(inventory: Inventory, kind: NodeKind) -> Resources:
    """Return what a node of this kind should have."""
    snapshot = build_snapshot(build_view(inventory, kind), inventory)
    found = {
        (short_type(one), name): decode(resource)
        for one in TYPES
        for name, resource in snapshot.of(one).resources.items()
    }
    return {
        key: _list_hosts(one) if key[0] == short_type(CLUSTER_LOAD_ASSIGNMENT) else one for key, one in found.items()
    }


def list_actual(dump: Json, clusters: Json) -> Resources:
    """Return what an Envoy has, from its `/config_dump?include_eds` and its `/clusters?format=json`.

    What is warming is of the type "warming": an Envoy that has settled has none. What draining listeners alone name is
    left out: Envoy asks for it as long as they drain.
    """
    kinds = {one["@type"].rpartition(".")[2]: one for one in dump["configs"]}
    found: Resources = {}
    of_clusters = kinds["ClustersConfigDump"]
    for one in of_clusters.get("dynamic_active_clusters", []):
        found["Cluster", one["cluster"]["name"]] = one["cluster"]
    for one in of_clusters.get("dynamic_warming_clusters", []):
        found["warming", f"Cluster {one['cluster']['name']}"] = {}
    for one in kinds["ListenersConfigDump"].get("dynamic_listeners", []):
        if "active_state" in one:
            found["Listener", one["name"]] = one["active_state"]["listener"]
        if one.keys() & {"warming_state", "error_state"}:
            found["warming", f"Listener {one['name']}"] = {}
    gone = _find_drained_routes(kinds["ListenersConfigDump"])
    for one in kinds["RoutesConfigDump"].get("dynamic_route_configs", []):
        if one["route_config"]["name"] in gone:
            continue
        found["RouteConfiguration", one["route_config"]["name"]] = one["route_config"]
    health = {
        (status["name"], socket_address(host["address"])): host["health_status"]["eds_health_status"]
        for status in clusters.get("cluster_statuses", [])
        for host in status.get("host_statuses", [])
    }
    for one in kinds["EndpointsConfigDump"].get("dynamic_endpoint_configs", []):
        name = one["endpoint_config"]["cluster_name"]
        if found["Cluster", name].get("type") != "EDS":  # its endpoints are a part of it
            continue
        of_name = {address: state for (cluster, address), state in health.items() if cluster == name}
        found["ClusterLoadAssignment", name] = _list_hosts(one["endpoint_config"], of_name)
    return {key: _without_type(one) for key, one in found.items()}


def list_draining(dump: Json) -> list[str]:
    """Return the listeners of a `/config_dump` that drain."""
    of_listeners = next(one for one in dump["configs"] if one["@type"].endswith(".ListenersConfigDump"))
    return [one["name"] for one in of_listeners.get("dynamic_listeners", []) if "draining_state" in one]


def _find_drained_routes(listeners: Json) -> set[str]:
    """Return the RouteConfigurations that draining listeners name, and no other."""
    named: dict[str, set[str]] = {"active_state": set(), "draining_state": set()}
    for one in listeners.get("dynamic_listeners", []):
        for state, names in named.items():
            names.update(_find_routes(one.get(state, {})))
    return named["draining_state"] - named["active_state"]


def _find_routes(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        if "route_config_name" in value:
            yield value["route_config_name"]
        for one in value.values():
            yield from _find_routes(one)
    elif isinstance(value, list):
        for one in value:
            yield from _find_routes(one)


def _without_type(resource: Json) -> Json:
    return {key: one for key, one in resource.items() if key != "@type"} if isinstance(resource, dict) else resource


def _list_hosts(assignment: Json, health: Mapping[str, str] | None = None) -> Json:
    """Return the hosts of an assignment. Envoy's own has their health by checks, so `health` has what it was sent."""
    hosts = []
    for locality in assignment.get("endpoints", []):
        place = {key: locality[key] for key in ("locality", "priority") if locality.get(key)}
        for one in locality.get("lb_endpoints", []):
            address = socket_address(one["endpoint"]["address"])
            sent = one.get("health_status", "HEALTHY") if health is None else health.get(address, "gone")
            metadata = one.get("metadata", {})
            hosts.append(
                {
                    **place,
                    "address": address,
                    "weight": one.get("load_balancing_weight", 1),
                    "health": sent,
                    "metadata": metadata,
                }
            )
    return sorted(hosts, key=lambda one: one["address"])


def compare(expected: Resources, actual: Resources, kept: Collection[tuple[str, str]]) -> Iterator[str]:
    """Yield each difference in words. `kept` are the resources that the server says it keeps against the catalog."""
    for key in sorted(expected.keys() | actual.keys()):
        name = " ".join(key)
        if key not in actual:
            yield f"{name} is missing"
        elif key not in expected:
            if key not in kept:
                yield f"{name} is too much"
        elif expected[key] != actual[key] and key not in kept:
            yield f"{name} differs: {_describe(expected[key], actual[key])}"


def _describe(expected: Json, actual: Json, path: str = "") -> str:
    """Return the first place where two documents differ, and both values there."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            if expected.get(key) != actual.get(key):
                return _describe(expected.get(key), actual.get(key), f"{path}.{key}")
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for place, (one, other) in enumerate(zip(expected, actual, strict=True)):
            if one != other:
                return _describe(one, other, f"{path}[{place}]")
    return f"{path or 'all'} should be {str(expected)[:300]}, and is {str(actual)[:300]}"
