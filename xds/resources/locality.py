"""Where an endpoint and a node are, and what follows for the node: priorities, and shares of localities.

A node's own locality counts only for services with `failover`, and only as deep as their levels go: whoever is sent
the same stays one view.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from envoy_data_plane.envoy.config.cluster.v3 import (
    ClusterCommonLbConfig,
    ClusterCommonLbConfigLocalityWeightedLbConfig,
    ClusterCommonLbConfigZoneAwareLbConfig,
)
from envoy_data_plane.envoy.type.v3 import Percent

from xds.catalog.locality import Level, ZoneAware
from xds.catalog.locality_rules import find_key
from xds.catalog.model import Endpoint, Service
from xds.catalog.policies import WEIGHING, Balance

WEIGHT_SCALE = 1000
"""What weights are multiplied by where one is split among the localities of its key."""


class Locality(NamedTuple):
    """A region, a zone in it and a sub-zone in that; each may be unknown."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""

    def cut(self, depth: int) -> "Locality":
        """Give the locality as it is told by its first `depth` words."""
        return Locality(*self[:depth])


NOWHERE = Locality()

DEPTHS = {Level.REGION: 1, Level.ZONE: 2, Level.SUB_ZONE: 3}
"""How many words of a locality tell whether it is near."""


class Reliance(NamedTuple):
    """What of its callers' localities a service's resources rely on.

    `depth` is how much of a caller's own locality decides over priorities; `zone_aware` is whether its callers' Envoys
    need to know where all of their kind are.
    """

    depth: int = 0
    zone_aware: bool = False


def find_reliance(service: Service) -> Reliance | None:
    """Say what of a caller's locality counts; None when it makes no difference, as for most services."""
    locality = service.locality
    if not locality.failover and locality.zone_aware is None:
        return None
    depth = max((DEPTHS[level] for level in locality.failover), default=0)
    return Reliance(depth, locality.zone_aware is not None)


def write_locality(region: str, zone: str, sub_zone: str) -> str:
    """Write a locality for people: `region/zone/sub_zone`, without what is not given."""
    return "/".join(filter(None, (region, zone, sub_zone)))


def locality_of(endpoint: Endpoint) -> Locality:
    """Say where an endpoint is."""
    return Locality(endpoint.region, endpoint.zone, endpoint.sub_zone)


def prioritize(localities: Sequence[Locality], levels: Sequence[Level], caller: Locality) -> tuple[int, ...]:
    """Give the priority of each locality for a caller: the first level on which they meet decides.

    Priorities leave no hole, which Envoy and gRPC would refuse; without a locality that is near, all are 0.
    """
    ranks = [
        next((rank for rank, level in enumerate(levels) if _is_near(level, caller, one)), len(levels))
        for one in localities
    ]
    return compact(ranks)


def compact(ranks: Sequence[int]) -> tuple[int, ...]:
    """Number ranks from 0 without a hole, in their order."""
    place = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return tuple(place[rank] for rank in ranks)


def _is_near(level: Level, one: Locality, other: Locality) -> bool:
    """Tell whether two are in the same sub-zone, zone or region; a wider word that one does not give is no matter."""
    depth = DEPTHS[level]
    if not one[depth - 1] or one[depth - 1] != other[depth - 1]:
        return False
    return all(a == b or not (a and b) for a, b in zip(one[: depth - 1], other[: depth - 1], strict=True))


def weigh(service: Service, localities: Mapping[Locality, Sequence[Endpoint]]) -> dict[Locality, int]:
    """Give the weight of each locality of one priority, 0 for those that are to get no requests.

    A key of `locality.weights` may name several localities: they share its weight by how much their endpoints take.
    When no weight is left for any of them, all endpoints are as one list again, as Envoy has it by itself.
    """
    weights = service.locality.weights or {}
    heeds = service.balance.policy in WEIGHING
    sizes = {one: sum((e.weight or 1) if heeds else 1 for e in endpoints) for one, endpoints in localities.items()}
    keys = {one: key for one, endpoints in localities.items() if (key := find_key(service, endpoints[0]))}
    totals: dict[str, int] = {}
    for one, key in keys.items():
        totals[key] = totals.get(key, 0) + sizes[one]
    scale = 1 if len(totals) == len(keys) else WEIGHT_SCALE
    shares = {
        one: max(1, weights[key] * scale * sizes[one] // totals[key]) for one, key in keys.items() if weights[key]
    }
    return {one: shares.get(one, 0) for one in localities} if shares else sizes


Spread = ZoneAware | bool | None
"""How a cluster shares requests among localities: zone-aware, by weights (True), not at all (False); or never asked."""


def find_spread(service: Service) -> Spread:
    """Say how a service's callers share requests among its localities; `client_side_weighted` shares among none.

    An Envoy that knows where its own kind are would be zone-aware for every cluster that does not say otherwise. Who
    has no locality anywhere need not say so.
    """
    locality = service.locality
    if service.balance.policy is Balance.CLIENT_SIDE_WEIGHTED:
        return None  # Envoy refuses the word, even with nothing in it
    if locality.weights is not None:
        return True
    if locality.zone_aware is not None:
        return locality.zone_aware
    is_somewhere = any(one.region or one.zone or one.sub_zone for one in service.endpoints)
    return False if is_somewhere else None


def complete_lb_config(config: ClusterCommonLbConfig, spread: Spread, panic_threshold: int | None) -> None:
    """Write into a cluster's common part how requests are shared among localities, and when all endpoints get some."""
    if panic_threshold is not None:
        config.healthy_panic_threshold = Percent(value=panic_threshold)
    if spread is True:
        config.locality_weighted_lb_config = ClusterCommonLbConfigLocalityWeightedLbConfig()
    elif spread is False:
        config.zone_aware_lb_config = ClusterCommonLbConfigZoneAwareLbConfig(routing_enabled=Percent(value=0))
    elif spread is not None:
        config.zone_aware_lb_config = ClusterCommonLbConfigZoneAwareLbConfig(
            routing_enabled=Percent(value=spread.routing_enabled), min_cluster_size=spread.min_cluster_size
        )


def find_localities(endpoints: Iterable[Endpoint]) -> tuple[Locality, ...]:
    """Give the localities of endpoints, each once, in the order in which they come."""
    return tuple(dict.fromkeys(map(locality_of, endpoints)))
