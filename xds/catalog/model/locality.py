"""Where callers look first: a service's `locality`.

What must hold among its fields and a service's endpoints is in `service_rules.py`. The localities that are meant are
those that endpoints state (`region`, `zone`, `sub_zone`) and that an Envoy's bootstrap states for itself.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import About, Example, Expected, IfWrong, Narrowed, Words
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, parse_list
from xds.catalog.text.percents import Percentage

MAX_PRIORITY = 127
"""Envoy allows 129 priorities; one of them is for drained endpoints."""


class Level(StrEnum):
    """How near a caller is to an endpoint: in one sub-zone, zone or region."""

    SUB_ZONE = "sub_zone"
    ZONE = "zone"
    REGION = "region"


LocalityKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=761, pattern=r"^[^\x00-\x1f\x7f]*$"),
    Expected("a zone, region, region/zone or region/zone/sub_zone", "eu-1a"),
]
LocalityWeight = Annotated[int, Strict(), Field(ge=0, le=1_000_000), IfWrong(stand_in=1)]
Priority = Annotated[int, Strict(), Field(ge=0, le=MAX_PRIORITY)]


Overprovisioning = Annotated[int, Percentage(100, 1000, "140%")]
PanicThreshold = Annotated[int, Percentage(0, 100)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class ZoneAware:
    """How callers keep requests in their own locality while every endpoint gets the same share."""

    min_cluster_size: Annotated[
        int,
        Strict(),
        Field(ge=1, le=65536, description="With fewer healthy endpoints, requests go to all"),
        About(envoy="ZoneAwareLbConfig.min_cluster_size"),
    ] = 6
    routing_enabled: Annotated[
        Annotated[int, Percentage(0, 100)],
        Field(description="The share of requests to which it applies"),
        About(envoy="ZoneAwareLbConfig.routing_enabled"),
    ] = 100


LEVEL_SHAPE: dict[str, Any] = {"enum": ["sub_zone", "zone", "region"]}
FAILOVER_SHAPE = WithJsonSchema({"anyOf": [LEVEL_SHAPE, {"type": "array", "items": LEVEL_SHAPE, "minItems": 1}]})


def check_levels(levels: "tuple[Level, ...]") -> "tuple[Level, ...]":
    """Refuse a level after a wider one, where it has no effect."""
    if not levels:
        raise ValueError("has no level: write, for example, [zone, region]")
    right = tuple(sorted(set(levels), key=ORDER.index))
    if right != levels:
        raise ValueError(f"the nearest level comes first, each once: write [{', '.join(right)}]")
    return levels


def check_weights(weights: Mapping[str, int]) -> Mapping[str, int]:
    """Refuse weights that are all 0, or too large to be split."""
    if (total := sum(weights.values())) > MAX_WEIGHTS:
        raise ValueError(f"the weights sum up to {total}: {MAX_WEIGHTS} at most are taken")
    if not total:
        raise ValueError("no locality has a weight above 0: write such as {eu-1a: 70, eu-1b: 30}")
    return dict(weights)


AT_LEAST_ONE = Narrowed({"not": {"additionalProperties": {"const": 0}}})


@dataclass(frozen=True, slots=True, config=CONFIG)
class LocalityPolicy:
    """Which endpoints a caller uses first, and how requests are shared among localities."""

    failover: Annotated[
        tuple[Level, ...],
        BeforeValidator(parse_list),
        AfterValidator(check_levels),
        FAILOVER_SHAPE,
        Field(description="The levels that come first, nearest first"),
        Expected("a list of levels", ["zone", "region"]),
        About(default="none; `[zone, region]` with `locality: failover`", envoy="LocalityLbEndpoints.priority"),
        IfWrong(whole=True),
    ] = ()
    weights: Annotated[
        Annotated[
            Mapping[LocalityKey, LocalityWeight], Field(max_length=1000), AfterValidator(check_weights), AT_LEAST_ONE
        ]
        | None,
        Field(
            description="The share of each zone; 0 means none. A key can also be a region, "
            "`region/zone` or `region/zone/sub_zone`. The most exact key counts, and "
            "endpoints without a key get no requests"
        ),
        Expected("a mapping of localities and their weights", {"eu-1a": 70, "eu-1b": 30}),
        About(default="none", envoy="CommonLbConfig.locality_weighted_lb_config"),
    ] = None
    zone_aware: Annotated[
        ZoneAware | None,
        Field(description="As many requests to the caller's own locality as keep all endpoints equally loaded"),
        Example({"min_cluster_size": 6}),
        About(envoy="CommonLbConfig.zone_aware_lb_config"),
    ] = None


ANY: Final = LocalityPolicy()
"""All endpoints are one list, wherever they are. All services without `locality` share this object."""


def check_locality(locality: LocalityPolicy) -> LocalityPolicy:
    """Refuse two ways of sharing requests among localities."""
    mistakes: list[Mistake] = []
    if locality.weights is not None and locality.zone_aware is not None:
        message = "requests are shared by `weights` or by `zone_aware`, not both"
        mistakes.append(Mistake(("zone_aware",), message))
    if mistakes:
        raise Mistakes(*mistakes)
    return locality


SHORT: Final[dict[str | bool, object]] = {
    "any": {},
    "failover": {"failover": ["zone", "region"]},
    "zone_aware": {"zone_aware": {}},
}
"""The meaning of each word."""


def mend_locality(value: object) -> str:
    """Return the word for a service without localities."""
    return "write any" if value in ("off", "none", "no", False) else ""


ShortLocality = Annotated[
    Annotated[LocalityPolicy, AfterValidator(check_locality)],
    Words(SHORT),
    Expected("", {"weights": {"eu-1a": 70, "eu-1b": 30}}, mend=mend_locality),
]

DEFAULT_OVERPROVISIONING = 140
"""Envoy's `overprovisioning_factor`, in percent."""

DEFAULT_PANIC_THRESHOLD = 50
"""Envoy's `healthy_panic_threshold`, in percent."""

ORDER = ("sub_zone", "zone", "region")

MAX_WEIGHTS = 1_000_000
"""Far below Envoy's limit on a sum of weights, so that a weight can be split among a key's localities."""


class Locality(NamedTuple):
    """A region, a zone in it and a sub-zone in that; each may be unknown."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""

    def cut(self, depth: int) -> "Locality":
        """Return the locality with only its first `depth` parts."""
        return Locality(*self[:depth])


NOWHERE = Locality()


def write_locality(region: str, zone: str, sub_zone: str) -> str:
    """Write a locality for people: `region/zone/sub_zone`, without the parts that are empty."""
    return "/".join(filter(None, (region, zone, sub_zone)))
