"""Finds out what happens to a request for a service: the routes of the catalog, and the endpoints that are served.

It computes which routes lead to the service, and each endpoint's expected share. The texts are in `descriptions.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xds.catalog.entrances import Entrance, PlacedRoute, find_entrances
from xds.catalog.model.locality import DEFAULT_OVERPROVISIONING, DEFAULT_PANIC_THRESHOLD, Locality, write_locality
from xds.catalog.model.route_action import split_target
from xds.catalog.model.subsets import is_labelled
from xds.cli.admin_client import Json
from xds.cli.explain.descriptions import describe_answer, describe_handling, describe_match, describe_service
from xds.cli.explain.known import Known
from xds.cli.explain.policies import LOAD_AWARE_LOCALITY, describe_policy, find_policy
from xds.resources.endpoints.shares import Condition, Host, Rules, compute_shares
from xds.wording import join_host_and_port

CONDITIONS = {
    "DEGRADED": Condition.DEGRADED,
    "UNHEALTHY": Condition.UNHEALTHY,
    "DRAINING": Condition.UNHEALTHY,
    "TIMEOUT": Condition.UNHEALTHY,
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a route names in `to`, and the percentage of its requests that goes there.

    `cluster` is the service, and `subset` the labels that its endpoints must have, if `name` names a subset.
    """

    name: str
    cluster: str
    subset: Mapping[str, Any]
    percent: float


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the catalog: the listener, the requests that it matches, how they are handled, and where they go.

    `position` is the route's place in its list of the catalog, from 1: the first route that matches is used. `field` is
    its path in the catalog, and `place` its file and line. `answer` describes a route that has no targets, such as a
    redirect.
    """

    listener: str
    address: str
    domains: tuple[str, ...]
    position: int
    field: str
    place: str
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
    """How a cluster, or a subset of it, chooses among its endpoints. `place` is the service's file and line."""

    name: str
    cluster: str
    subset: Mapping[str, Any]
    place: str
    policy: str
    notes: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All routes of a node for a service, and how their clusters choose among endpoints. `note` is about the node."""

    service: str
    node: Mapping[str, Any]
    ways: tuple[Route, ...]
    choices: tuple[ClusterExplanation, ...]
    note: str | None = None


def explain(service: str, known: Known) -> Explanation:
    """Return how requests for a service are handled; `ways` is empty if no route of the node leads to it."""
    entrances = find_entrances(known.catalog, known.node["cluster"], grpc=known.node["grpc"])
    routes = tuple(
        explain_route(entrance, placed, known)
        for entrance in entrances
        for placed in entrance.routes
        if entrance.host == service or _leads_to(placed, service)
    )
    return Explanation(service, known.node, routes, explain_targets(routes, known), known.explain_stranger())


def _leads_to(placed: PlacedRoute, service: str) -> bool:
    return any(split_target(target)[0] == service for target in placed.route.to or ())


def explain_route(entrance: Entrance, placed: PlacedRoute, known: Known) -> Route:
    """Return what one route does."""
    services, written = known.catalog.services, known.written
    found = written.find(placed.loc)
    hosts = placed.route.hosts if entrance.host is None else (entrance.host,)
    return Route(
        entrance.listener,
        entrance.where,
        () if entrance.is_tcp and entrance.tls is None else hosts,
        placed.number,
        "" if found is None else found.path,
        "" if found is None else found.place,
        "each connection" if entrance.is_tcp else describe_match(placed.route),
        () if entrance.is_tcp else tuple(describe_handling(placed, services, written)),
        tuple(_find_targets(placed, known)),
        describe_answer(placed, written),
    )


def _find_targets(placed: PlacedRoute, known: Known) -> Iterator[Target]:
    shares = placed.route.to or {}
    total = sum(shares.values())
    for target, weight in shares.items():
        cluster, subset = split_target(target)
        labels = known.catalog.services[cluster].subsets.get(subset, {})
        yield Target(target, cluster, dict(labels), 100 * weight / total)


def explain_targets(routes: Sequence[Route], known: Known) -> tuple[ClusterExplanation, ...]:
    """Return how the endpoints of each target of routes are chosen, each once, in the order of the routes."""
    served = _ServedResources(known.dump)
    targets = {target.name: target for route in routes for target in route.targets}
    return tuple(
        _explain_cluster(served.clusters[target.cluster], served.assignment(target.cluster), target, known)
        for target in targets.values()
        if target.cluster in served.clusters
    )


class _ServedResources:
    """A dump's resources by type and name."""

    def __init__(self, dump: Json) -> None:
        found: dict[str, dict[str, Json]] = {}
        for config in dump["configs"]:
            of_type = found.setdefault(config["type_url"].rpartition(".")[2], {})
            of_type.update({one["name"]: one["resource"] for one in config["resources"]})
        self.clusters = found.get("Cluster", {})
        self._assignments = found.get("ClusterLoadAssignment", {})

    def assignment(self, cluster: str) -> Json:
        """Return a cluster's ClusterLoadAssignment, from the cluster itself or from EDS; an empty one without both."""
        inside = self.clusters[cluster].get("load_assignment")
        return inside or self._assignments.get(cluster, {"cluster_name": cluster})


def _explain_cluster(cluster: Json, assignment: Json, target: Target, known: Known) -> ClusterExplanation:
    found = [
        (group, one)
        for group in assignment.get("endpoints", ())
        for one in group.get("lb_endpoints", ())
        if _has_labels(one, target.subset)
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
    described = describe_service(target.cluster, known.catalog.services[target.cluster], known.written)
    notes = [*_note_panic(shares.panicking, found), *_note_localities(cluster), *described]
    written = known.written.find(("services", target.cluster))
    return ClusterExplanation(
        target.name,
        target.cluster,
        target.subset,
        "" if written is None else written.place,
        describe_policy(cluster),
        tuple(notes),
        endpoints,
    )


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


def _has_labels(endpoint: Json, subset: Mapping[str, Any]) -> bool:
    labels = endpoint.get("metadata", {}).get("filter_metadata", {}).get("envoy.lb", {})
    return is_labelled(labels, subset)


def _locality(group: Json) -> str:
    place = group.get("locality", {})
    return write_locality(*(place.get(field, "") for field in Locality._fields))


def _address(endpoint: Json) -> str:
    address = endpoint["endpoint"]["address"]["socket_address"]
    return join_host_and_port(address["address"], address["port_value"])


def _number(value: Any) -> int:
    """Return a number from protobuf's JSON, in which it may be a mapping with `value`, or a string."""
    return int(value.get("value", 0) if isinstance(value, dict) else value)
