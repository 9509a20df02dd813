"""The words for where callers look first: a service's `locality`.

What must hold among them and a service's endpoints is in `locality_rules.py`. The localities that are meant are those
that endpoints state (`region`, `zone`, `sub_zone`) and that an Envoy's bootstrap states for itself.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.locality_values import check_levels, check_locality, check_weights, parse_locality, parse_percent
from xds.catalog.route_values import parse_list
from xds.catalog.shapes import FAILOVER_SHAPE, LOCALITY_SHAPE, percent_shape
from xds.catalog.words import CONFIG

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

ShortLocality = Annotated[
    Annotated[LocalityPolicy, AfterValidator(check_locality)], BeforeValidator(parse_locality), LOCALITY_SHAPE
]
