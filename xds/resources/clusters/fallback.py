"""Fallback clusters: one for each target of a route and the `fallback` that takes its requests while it is down.

It is an aggregate cluster: Envoy sends requests to the first of its clusters while that is healthy enough, and the rest
to the second. The endpoints, connections, limits and health checks are those of the two services' own clusters.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from xds.catalog.model.connections import CircuitBreakers
from xds.catalog.model.retries import Budget
from xds.catalog.model.route import Route
from xds.catalog.model.service import Service
from xds.resources.clusters.connections import build_circuit_breakers
from xds.resources.resource import Resource, encode_resource
from xds.resources.stats import write_stat_name
from xds.wire import CLUSTER
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.extensions_clusters_aggregate_v3_pb2 import ClusterConfig
from xds.wire.messages import encode, pack


def name_cluster(target: str, fallback: str | None) -> str:
    """Return the cluster for a target of a route with this `fallback`; no service's name has a slash."""
    return target if fallback in (None, target) else f"fallback/{target}/{fallback}"


def find_pairs(routes: Iterable[Route]) -> frozenset[tuple[str, str]]:
    """Return each target of these routes that has a fallback, with that fallback."""
    return frozenset(
        (target, route.fallback)
        for route in routes
        if route.fallback is not None
        for target in route.to or ()
        if target != route.fallback
    )


def build_fallbacks(pairs: Iterable[tuple[str, str]], services: Mapping[str, Service]) -> dict[str, Resource]:
    """Build the clusters of these pairs, by name."""
    built = (
        _build(target, fallback, services[target].circuit_breakers, services[target].retries.budget)
        for target, fallback in pairs
    )
    return {cluster.name: cluster for cluster in built}


@lru_cache(maxsize=1024)
def _build(target: str, fallback: str, limits: CircuitBreakers | None, budget: Budget | None) -> Resource:
    """Build one cluster. Envoy counts retries by its limits, and all else by those of the endpoint's own cluster."""
    name = name_cluster(target, fallback)
    cluster = Cluster(
        name=name,
        lb_policy=Cluster.LbPolicy.CLUSTER_PROVIDED,
        cluster_type=Cluster.CustomClusterType(
            name="envoy.clusters.aggregate", typed_config=pack(ClusterConfig(clusters=[target, fallback]))
        ),
        circuit_breakers=build_circuit_breakers(limits, budget),
    )
    if (stat_name := write_stat_name(name)) != name:
        cluster.alt_stat_name = stat_name
    return encode_resource(CLUSTER, name, encode(cluster))
