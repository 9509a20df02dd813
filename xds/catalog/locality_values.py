"""What people write for a service's `locality` and for percentages: validators used by `locality.py`."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from xds.catalog.nearest import suggest
from xds.catalog.places import Loc, show
from xds.catalog.values import Mistake

if TYPE_CHECKING:
    from xds.catalog.locality import Level, LocalityPolicy

SHORT = {"any": {}, "failover": {"failover": ["zone", "region"]}, "zone_aware": {"zone_aware": {}}}
"""The words that are short for a mapping."""

ORDER = ("sub_zone", "zone", "region")
PERCENT = re.compile(r"(\d{1,4}) ?%", re.ASCII)

MAX_WEIGHTS = 1_000_000
"""Far below Envoy's limit on a sum of weights, so that a weight can be split among a key's localities."""


def parse_locality(value: object) -> object:
    """Turn `any`, `failover` or `zone_aware` into the mapping that it is short for."""
    if not isinstance(value, str):
        return value
    if value not in SHORT:
        raise ValueError(f"expected {_ways()}, found {show(value)}{suggest(value, SHORT)}")
    return SHORT[value]


def _ways() -> str:
    return "any, failover, zone_aware, or a mapping such as {weights: {eu-1a: 70, eu-1b: 30}}"


def parse_percent(value: object) -> object:
    """Turn "140%" into 140."""
    if isinstance(value, str) and (matched := PERCENT.fullmatch(value)):
        return int(matched[1])
    return value


def check_levels(levels: "tuple[Level, ...]") -> "tuple[Level, ...]":
    """Refuse levels of which one is never asked: the wider ones hold the narrower."""
    if not levels:
        raise ValueError("names no level: write such as [zone, region]")
    right = tuple(sorted(set(levels), key=ORDER.index))
    if right != levels:
        raise ValueError(f"the nearest level comes first, each once: write [{', '.join(right)}]")
    return levels


def check_weights(weights: Mapping[str, int]) -> Mapping[str, int]:
    """Refuse weights by which nobody gets anything, or which are too large to be split."""
    if (total := sum(weights.values())) > MAX_WEIGHTS:
        raise ValueError(f"the weights sum up to {total}: {MAX_WEIGHTS} at most are taken")
    if not total:
        raise ValueError("no locality has a weight above 0: write such as {eu-1a: 70, eu-1b: 30}")
    return dict(weights)


def check_locality(locality: "LocalityPolicy") -> "LocalityPolicy":
    """Refuse two ways of sharing requests among localities."""
    wrong: list[tuple[Loc, str]] = []
    if locality.weights is not None and locality.zone_aware is not None:
        message = "requests are shared by `weights` or by `zone_aware`, not both"
        wrong.append((("zone_aware",), message))
    if wrong:
        raise Mistake(*wrong)
    return locality
