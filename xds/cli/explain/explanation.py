"""Finds out what happens to a request for a service, from the resources that a node is served.

It computes which routes lead to the service, and each endpoint's expected share. The texts about Envoy's fields are in
`descriptions.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xds.catalog.model.locality import DEFAULT_OVERPROVISIONING, DEFAULT_PANIC_THRESHOLD, Locality, write_locality
from xds.cli.admin_client import Json
from xds.cli.explain.descriptions import (
    LOAD_AWARE_LOCALITY,
    describe_answer,
    describe_cluster,
    describe_handling,
    describe_match,
    describe_policy,
    find_policy,
)
from xds.resources.endpoints.shares import Condition, Host, Rules, compute_shares
from xds.wording import join_host_and_port

CONDITIONS = {
    "DEGRADED": Condition.DEGRADED,
    "UNHEALTHY": Condition.UNHEALTHY,
    "DRAINING": Condition.UNHEALTHY,
    "TIMEOUT": Condition.UNHEALTHY,
}
Subset = tuple[tuple[str, Any], ...]
"""The labels that an endpoint must have, as key and value."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster, or a subset of its endpoints, and the percentage of a route's requests that goes there."""

    cluster: str
    subset: Mapping[str, Any]
    percent: float


@dataclass(frozen=True, slots=True)
class Route:
    """One route: the listener, the requests that it matches, how they are handled, and where they go.

    `position` is the route's place in its virtual host, from 1: Envoy uses the first route that matches. `answer`
    describes a route that has no targets, such as a redirect.
    """

    listener: str
    address: str
    domains: tuple[str, ...]
    position: int
    match: str
    handling: tuple[str, ...]
    targets: tuple[Target, ...]
    answer: str | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, and the percentage of its cluster's requests that it is expected to receive."""

    address: str
    weight: int
    health: str
    priority: int
    locality: str
    percent: float


@dataclass(frozen=True, slots=True)
class ClusterExplanation:
    """How a cluster, or a subset of it, chooses among its endpoints."""

    cluster: str
    subset: Mapping[str, Any]
    policy: str
    notes: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All routes of a node for a service, and how their clusters choose among endpoints."""

    service: str
    node: Mapping[str, Any]
    ways: tuple[Route, ...]
    choices: tuple[ClusterExplanation, ...]


def explain(service: str, dump: Json) -> Explanation:
    """Return how requests for a service are handled, from a node's dump in the shape of the admin's `/dump`.

    `ways` is empty if no route leads to the service.
    """
    served = _ServedResources(dump)
    routes = tuple(route for route in _find_routes(served) if _leads_to(route, service))
    targets = dict.fromkeys(
        (target.cluster, tuple(sorted(target.subset.items()))) for route in routes for target in route.targets
    )
    choices = tuple(
        _explain_cluster(served.clusters[cluster], served.assignment(cluster), subset)
        for cluster, subset in targets
        if cluster in served.clusters
    )
    return Explanation(service, dump["node"], routes, choices)


class _ServedResources:
    """A dump's resources by type and name."""

    def __init__(self, dump: Json) -> None:
        found: dict[str, dict[str, Json]] = {}
        for config in dump["configs"]:
            of_type = found.setdefault(config["type_url"].rpartition(".")[2], {})
            of_type.update({one["name"]: one["resource"] for one in config["resources"]})
        self.clusters = found.get("Cluster", {})
        self.listeners = found.get("Listener", {})
        self.routes = found.get("RouteConfiguration", {})
        self._assignments = found.get("ClusterLoadAssignment", {})

    def assignment(self, cluster: str) -> Json:
        """Return a cluster's ClusterLoadAssignment, from the cluster itself or from EDS; an empty one without both."""
        inside = self.clusters[cluster].get("load_assignment")
        return inside or self._assignments.get(cluster, {"cluster_name": cluster})


def _find_routes(served: _ServedResources) -> Iterator[Route]:
    for listener in served.listeners.values():
        seen: set[str] = set()  # a listener has one filter chain per certificate, all with the same routes
        for names, filters in _find_filters(listener):
            if "cluster" in filters or "weighted_clusters" in filters:  # a TcpProxy
                yield _explain_route(listener, names, 1, "each connection", {"route": filters})
            elif (name := filters.get("rds", {}).get("route_config_name")) and name not in seen:
                seen.add(name)
                for host in served.routes.get(name, {}).get("virtual_hosts", ()):
                    for position, route in enumerate(host.get("routes", ()), 1):
                        domains = tuple(host.get("domains", ()))
                        yield _explain_route(listener, domains, position, describe_match(route["match"]), route)


def _find_filters(listener: Json) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Yield the filters of a listener, each with the server names (SNI) of its filter chain."""
    if api := listener.get("api_listener", {}).get("api_listener"):
        yield (), api
    chains = [*listener.get("filter_chains", ()), *filter(None, [listener.get("default_filter_chain")])]
    for chain in chains:
        names = tuple(chain.get("filter_chain_match", {}).get("server_names", ()))
        for one in chain.get("filters", ()):
            yield names, one.get("typed_config", {})


def _explain_route(listener: Json, domains: tuple[str, ...], position: int, match: str, route: Json) -> Route:
    address = listener.get("address", {}).get("socket_address", {})
    where = f"{address['address']}:{address['port_value']}" if address else "the client itself"
    targets = tuple(_find_targets(route.get("route", {})))
    handling = tuple(describe_handling(route)) if match != "each connection" else ()
    return Route(listener["name"], where, domains, position, match, handling, targets, describe_answer(route))


def _find_targets(action: Json) -> Iterator[Target]:
    if "cluster" in action:
        yield Target(action["cluster"], _labels(action), 100.0)
    weighted = action.get("weighted_clusters", {}).get("clusters", [])
    total = sum(_number(one.get("weight", 0)) for one in weighted)
    for one in weighted:
        yield Target(one["name"], _labels(one), 100 * _number(one.get("weight", 0)) / total if total else 0.0)


def _labels(action: Json) -> Mapping[str, Any]:
    found: Mapping[str, Any] = action.get("metadata_match", {}).get("filter_metadata", {}).get("envoy.lb", {})
    return found


def _leads_to(route: Route, service: str) -> bool:
    """Whether a route is in the service's own virtual host, or leads to the service."""
    return service in route.domains or any(target.cluster == service for target in route.targets)


def _explain_cluster(cluster: Json, assignment: Json, subset: Subset) -> ClusterExplanation:
    found = [
        (group, one)
        for group in assignment.get("endpoints", ())
        for one in group.get("lb_endpoints", ())
        if _has_labels(one, subset)
    ]
    hosts = [
        Host(
            group.get("priority", 0),
            _locality(group),
            _number(one.get("load_balancing_weight", 1)),
            CONDITIONS.get(one.get("health_status", ""), Condition.HEALTHY),
        )
        for group, one in found
    ]
    shares = compute_shares(hosts, _rules(cluster, assignment))
    endpoints = tuple(
        Endpoint(
            _address(one),
            host.weight,
            one.get("health_status", "HEALTHY").lower(),
            host.priority,
            host.locality,
            100 * share,
        )
        for (_, one), host, share in zip(found, hosts, shares.of_hosts, strict=True)
    )
    notes = [*_note_panic(shares.panicking, found), *_note_localities(cluster), *describe_cluster(cluster)]
    return ClusterExplanation(cluster["name"], dict(subset), describe_policy(cluster), tuple(notes), endpoints)


def _rules(cluster: Json, assignment: Json) -> Rules:
    common = cluster.get("common_lb_config", {})
    weighted = "locality_weighted_lb_config" in common
    localities = {
        (group.get("priority", 0), _locality(group)): _number(group.get("load_balancing_weight", 0))
        for group in assignment.get("endpoints", ())
    }
    return Rules(
        overprovisioning=_number(assignment.get("policy", {}).get("overprovisioning_factor", DEFAULT_OVERPROVISIONING)),
        panic_threshold=common.get("healthy_panic_threshold", {"value": DEFAULT_PANIC_THRESHOLD}).get("value", 0.0),
        localities=localities if weighted else None,
        weighted=cluster.get("lb_policy") != "RANDOM",
    )


def _note_panic(panicking: frozenset[int], found: Sequence[Any]) -> Iterator[str]:
    if panicking and found:
        yield "panic: too few endpoints are healthy, so Envoy sends requests to all of them"


def _note_localities(cluster: Json) -> Iterator[str]:
    config = cluster.get("common_lb_config", {}).get("zone_aware_lb_config")
    if config is not None and config.get("routing_enabled", {"value": 100}).get("value"):
        yield "zone aware: Envoy prefers its own zone, as far as all zones stay evenly loaded, so real shares differ"
    if find_policy(cluster) == LOAD_AWARE_LOCALITY:
        yield "load-aware: Envoy keeps requests in its own locality while load permits, so real shares differ"


def _has_labels(endpoint: Json, subset: Subset) -> bool:
    labels = endpoint.get("metadata", {}).get("filter_metadata", {}).get("envoy.lb", {})
    return all(labels.get(key) == value or value in _items(labels.get(key)) for key, value in subset)


def _items(label: Any) -> Sequence[Any]:
    """Return the items of a label that is a list, of which one must match; no items for another label."""
    return label if isinstance(label, list) else ()


def _locality(group: Json) -> str:
    place = group.get("locality", {})
    return write_locality(*(place.get(field, "") for field in Locality._fields))


def _address(endpoint: Json) -> str:
    address = endpoint["endpoint"]["address"]["socket_address"]
    return join_host_and_port(address["address"], address["port_value"])


def _number(value: Any) -> int:
    """Return a number from protobuf's JSON, in which it may be a mapping with `value`, or a string."""
    return int(value.get("value", 0) if isinstance(value, dict) else value)
