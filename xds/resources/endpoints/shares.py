"""Shares: the part of a cluster's requests that each of its endpoints gets, by Envoy's documented rules.

Envoy first divides requests among priorities, in whole percents, by how many of their endpoints are healthy. It then
divides each priority's part among its localities, if these have weights, and then among endpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

from xds.catalog.model.locality import DEFAULT_OVERPROVISIONING, DEFAULT_PANIC_THRESHOLD

NO_ENDPOINTS = 0.0


class Condition(Enum):
    """The health of an endpoint, as Envoy's load balancer distinguishes it."""

    HEALTHY = auto()
    DEGRADED = auto()
    UNHEALTHY = auto()


@dataclass(frozen=True, slots=True)
class Host:
    """An endpoint as Envoy's load balancer sees it; `locality` is any text that identifies its locality."""

    priority: int
    locality: str
    weight: int
    condition: Condition


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a cluster that shares depend on.

    `overprovisioning` is Envoy's overprovisioning factor in percent. `panic_threshold` is the percentage
    of healthy endpoints below which health is ignored. `localities` has the weight of each locality by priority and
    name; None if localities have no weights. Without `weighted` the endpoints' weights are ignored.
    """

    overprovisioning: int = DEFAULT_OVERPROVISIONING
    panic_threshold: float = DEFAULT_PANIC_THRESHOLD
    localities: dict[tuple[int, str], int] | None = None
    weighted: bool = True


@dataclass(frozen=True, slots=True)
class Shares:
    """A share for each host, in their order, and the priorities that are in panic mode, which ignores health."""

    of_hosts: tuple[float, ...]
    panicking: frozenset[int]


def compute_shares(hosts: Sequence[Host], rules: Rules) -> Shares:
    """Return the share of each host; the shares add up to one, or to zero if no host can get requests."""
    levels = sorted({host.priority for host in hosts})
    groups = {level: [host for host in hosts if host.priority == level] for level in levels}
    loads, panicking = _share_levels(groups, rules)
    shares = [NO_ENDPOINTS] * len(hosts)
    for (level, condition), load in loads.items():
        chosen = [
            index
            for index, host in enumerate(hosts)
            if host.priority == level and (level in panicking or host.condition is condition)
        ]
        for index, share in _share_hosts(hosts, chosen, groups[level], rules).items():
            shares[index] += load * share
    return Shares(tuple(shares), frozenset(panicking))


def _share_levels(
    groups: dict[int, list[Host]], rules: Rules
) -> tuple[dict[tuple[int, Condition], float], frozenset[int]]:
    """Return the load of each priority's healthy and degraded hosts, and the priorities that are in panic mode.

    Envoy uses the healthy hosts of all priorities before any degraded ones.
    """
    kinds = (Condition.HEALTHY, Condition.DEGRADED)
    able = {
        (level, kind): min(100, rules.overprovisioning * _count(group, kind) // len(group))
        for kind in kinds
        for level, group in groups.items()
    }
    total = min(100, sum(able.values()))
    panicking = frozenset(
        level
        for level, group in groups.items()
        if total < 100 and sum(100 * _count(group, kind) for kind in kinds) < rules.panic_threshold * len(group)
    )
    if panicking and len(panicking) == len(groups):  # if all are in panic mode, load follows the number of hosts
        count = sum(map(len, groups.values()))
        return {(level, Condition.HEALTHY): len(group) / count for level, group in groups.items()}, panicking
    if not total:
        return {}, panicking
    loads: dict[tuple[int, Condition], int] = {}
    for key, ability in able.items():
        loads[key] = min(100 - sum(loads.values()), 100 * ability // total)
    first = next(key for key, ability in able.items() if ability)
    loads[first] += 100 - sum(loads.values())  # the first one gets what rounding to whole percents leaves
    return {key: load / 100 for key, load in loads.items()}, panicking


def _count(group: Sequence[Host], condition: Condition) -> int:
    return sum(host.condition is condition for host in group)


def _share_hosts(hosts: Sequence[Host], chosen: Sequence[int], level: Sequence[Host], rules: Rules) -> dict[int, float]:
    """Return the shares of the chosen hosts of a priority: by locality if these have weights, and then by weight."""
    if rules.localities is None:
        return _share_by_weight(hosts, chosen, rules)
    found: dict[int, float] = {}
    by_place = {
        place: list(indices)
        for place, indices in groupby(
            sorted(chosen, key=lambda index: hosts[index].locality), key=lambda index: hosts[index].locality
        )
    }
    parts: dict[str, float] = {}
    for place, indices in by_place.items():
        count = sum(host.locality == place for host in level)
        weight = rules.localities.get((hosts[indices[0]].priority, place), 0)
        parts[place] = weight * min(1.0, rules.overprovisioning / 100 * len(indices) / count)
    total = sum(parts.values())
    for place, indices in by_place.items():
        for index, share in _share_by_weight(hosts, indices, rules).items():
            found[index] = share * parts[place] / total if total else NO_ENDPOINTS
    return found


def _share_by_weight(hosts: Sequence[Host], chosen: Sequence[int], rules: Rules) -> dict[int, float]:
    weights = {index: hosts[index].weight if rules.weighted else 1 for index in chosen}
    total = sum(weights.values())
    return {index: weight / total for index, weight in weights.items()}
