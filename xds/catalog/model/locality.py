"""The words for where callers look first: a service's `locality`.

What must hold among them and a service's endpoints is in `locality_rules.py`. The localities that are meant are those
that endpoints state (`region`, `zone`, `sub_zone`) and that an Envoy's bootstrap states for itself.
"""

import dataclasses
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema

from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import CONFIG, parse_list
from xds.catalog.text.percents import percent_shape
from xds.wording import show, suggest

MAX_PRIORITY = 127
"""Envoy takes 129 priorities, of which one is for what is drained."""


class Level(StrEnum):
    """How near a caller is to an endpoint: in one sub-zone, zone or region."""

    SUB_ZONE = "sub_zone"
    ZONE = "zone"
    REGION = "region"


LocalityKey = Annotated[str, StringConstraints(min_length=1, max_length=761, pattern=r"^[^\x00-\x1f\x7f]*$")]
LocalityWeight = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
Priority = Annotated[int, Strict(), Field(ge=0, le=MAX_PRIORITY)]


def parse_percent(value: object) -> object:
    """Turn "140%" into 140."""
    if isinstance(value, str) and (matched := PERCENT.fullmatch(value)):
        return int(matched[1])
    return value


Overprovisioning = Annotated[
    Annotated[int, Strict(), Field(ge=100, le=1000)], BeforeValidator(parse_percent), percent_shape(100, 1000)
]
PanicThreshold = Annotated[
    Annotated[int, Strict(), Field(ge=0, le=100)], BeforeValidator(parse_percent), percent_shape(0, 100)
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class ZoneAware:
    """How callers keep requests in their own locality while every endpoint gets the same share."""

    min_cluster_size: Annotated[
        int, Strict(), Field(ge=1, le=65536, description="with fewer healthy endpoints, requests go to all")
    ] = 6
    routing_enabled: Annotated[PanicThreshold, Field(description="percent of the requests for which it holds")] = 100


LEVEL_SHAPE: dict[str, Any] = {"enum": ["sub_zone", "zone", "region"]}
FAILOVER_SHAPE = WithJsonSchema({"anyOf": [LEVEL_SHAPE, {"type": "array", "items": LEVEL_SHAPE, "minItems": 1}]})


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


@dataclass(frozen=True, slots=True, config=CONFIG)
class LocalityPolicy:
    """Which endpoints a caller takes first, and how requests are shared among localities."""

    failover: Annotated[
        tuple[Level, ...],
        BeforeValidator(parse_list),
        AfterValidator(check_levels),
        FAILOVER_SHAPE,
        Field(description="the caller's own zone first, then its region, then the rest: the levels, nearest first"),
    ] = ()
    weights: Annotated[
        Annotated[Mapping[LocalityKey, LocalityWeight], Field(max_length=1000), AfterValidator(check_weights)] | None,
        Field(description="share of each zone; or of each region, region/zone or region/zone/sub_zone"),
    ] = None
    zone_aware: Annotated[
        ZoneAware | None, Field(description="as much to the caller's own locality as leaves all with the same load")
    ] = None


ANY: Final = LocalityPolicy()
"""All endpoints are one list, wherever they are. One for all services that say nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class LocalityShape:
    """A locality is a mapping, or a word that is short for one."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": ["any", "failover", "zone_aware"]}, handler(schema)]}


LOCALITY_SHAPE = LocalityShape()


def check_locality(locality: LocalityPolicy) -> LocalityPolicy:
    """Refuse two ways of sharing requests among localities."""
    wrong: list[tuple[Loc, str]] = []
    if locality.weights is not None and locality.zone_aware is not None:
        message = "requests are shared by `weights` or by `zone_aware`, not both"
        wrong.append((("zone_aware",), message))
    if wrong:
        raise Mistake(*wrong)
    return locality


def parse_locality(value: object) -> object:
    """Turn `any`, `failover` or `zone_aware` into the mapping that it is short for."""
    if not isinstance(value, str):
        return value
    if value not in SHORT:
        raise ValueError(f"expected {_ways()}, found {show(value)}{suggest(value, SHORT)}")
    return SHORT[value]


ShortLocality = Annotated[
    Annotated[LocalityPolicy, AfterValidator(check_locality)], BeforeValidator(parse_locality), LOCALITY_SHAPE
]

DEFAULT_PANIC_THRESHOLD = 50
"""Envoy's `healthy_panic_threshold`, in percent."""

SHORT = {"any": {}, "failover": {"failover": ["zone", "region"]}, "zone_aware": {"zone_aware": {}}}
"""The words that are short for a mapping."""

ORDER = ("sub_zone", "zone", "region")
PERCENT = re.compile(r"(\d{1,4}) ?%", re.ASCII)

MAX_WEIGHTS = 1_000_000
"""Far below Envoy's limit on a sum of weights, so that a weight can be split among a key's localities."""


def _ways() -> str:
    return "any, failover, zone_aware, or a mapping such as {weights: {eu-1a: 70, eu-1b: 30}}"


class Locality(NamedTuple):
    """A region, a zone in it and a sub-zone in that; each may be unknown."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""

    def cut(self, depth: int) -> "Locality":
        """Give the locality as it is told by its first `depth` words."""
        return Locality(*self[:depth])


NOWHERE = Locality()


def write_locality(region: str, zone: str, sub_zone: str) -> str:
    """Write a locality for people: `region/zone/sub_zone`, without what is not given."""
    return "/".join(filter(None, (region, zone, sub_zone)))
