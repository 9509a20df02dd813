"""An endpoint: one instance of a service, with its address, weight, locality and health.

The class is both the validator and the immutable model; the JSON Schema is made from it too.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, JsonValue, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xds.catalog.model.locality import Locality, Priority
from xds.catalog.text.addresses import ADDRESS_PATTERN, check_address, parse_endpoint
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import CONFIG, Port, share
from xds.wording import show

MAX_WEIGHT = 2**32 - 1
"""Envoy's limit on an endpoint's weight, and on the sum over a locality (endpoint_components.proto)."""

Weight = Annotated[int, Strict(), Field(ge=1, le=MAX_WEIGHT)]

Label = Annotated[str, StringConstraints(max_length=253, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(share)]

NO_METADATA: Final[Mapping[str, JsonValue]] = MappingProxyType({})
"""One for all endpoints without labels: there may be a hundred thousand."""


class Health(StrEnum):
    """What the operator knows of an endpoint, whatever health checks find."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


def check_metadata(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """Refuse labels that Envoy's metadata could not hold: too deep, or numbers that a double has not."""
    wrong: list[tuple[Loc, str]] = []
    found: list[tuple[Loc, object]] = [((), metadata)]
    while found:
        loc, value = found.pop()
        if len(loc) > METADATA_DEPTH:
            wrong.append((loc, f"metadata may be {METADATA_DEPTH} levels deep at most"))
        elif isinstance(value, Mapping):
            found += [((*loc, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            found += [((*loc, index), item) for index, item in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            wrong.append((loc, f"expected a finite number, found {value}"))
        elif isinstance(value, int) and abs(value) > EXACT_INTEGER:
            wrong.append((loc, f"metadata cannot hold so large a number exactly: write {show(str(value))} in quotes"))
    if wrong:
        raise Mistake(*wrong)
    return metadata


@dataclass(frozen=True, slots=True, config=CONFIG)
class Endpoint:
    """One instance of a service; in short form, `"host:port"`."""

    address: Annotated[str, AfterValidator(check_address), Field(description="IP address or host name")]
    port: Annotated[Port, Field(description="may be written in `address` instead, as in `10.0.0.4:5000`")]
    weight: Annotated[Weight | None, Field(description="share of the requests, relative to the others'")] = None
    region: Annotated[Label, Field(description="where it runs, as a cloud names it")] = ""
    zone: Annotated[Label, Field(description="part of the region that fails as one")] = ""
    sub_zone: Annotated[Label, Field(description="part of the zone, such as a rack")] = ""
    priority: Annotated[
        Priority | None, Field(description="0 is asked first, the next only as far as those before are unwell")
    ] = None
    drain: Annotated[bool, Strict(), Field(description="no new requests, while those that it has are answered")] = False
    health: Annotated[
        Health, Field(description="degraded: only when the others are too few; unhealthy: no requests")
    ] = Health.HEALTHY
    metadata: Annotated[
        Mapping[str, JsonValue],
        AfterValidator(check_metadata),
        Field(description="labels, as Envoy's `envoy.lb` metadata"),
    ] = field(default_factory=lambda: NO_METADATA)


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointShape:
    """An endpoint is a mapping, in which the port may stand in `address`, or `"host:port"` alone."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        handler.resolve_ref_schema(mapping)["required"] = ["address"]
        short = {"type": "string", "pattern": ADDRESS_PATTERN, "examples": ["10.0.0.4:5000", "[::1]:5000"]}
        return {"anyOf": [short, mapping]}


ENDPOINT_SHAPE = EndpointShape()

ShortEndpoint = Annotated[Endpoint, BeforeValidator(parse_endpoint), ENDPOINT_SHAPE]

METADATA_DEPTH = 8
"""Each level takes three of the hundred levels of messages that protobuf reads."""

EXACT_INTEGER = 2**53
"""Envoy's metadata holds numbers as doubles, which are exact up to here."""


def name_keys(endpoint: Endpoint) -> tuple[str, ...]:
    """Give the keys by which `locality.weights` may name an endpoint's locality, the nearest first."""
    region, zone, sub_zone = endpoint.region, endpoint.zone, endpoint.sub_zone
    keys = (f"{region}/{zone}/{sub_zone}" if sub_zone else "", f"{region}/{zone}" if zone else "", zone, region)
    return tuple(key for key in keys if key)


def check_endpoints(endpoints: "tuple[Endpoint, ...]") -> "tuple[Endpoint, ...]":
    """Refuse an address and port given twice, and weights whose sum Envoy cannot hold."""
    wrong: list[tuple[Loc, str]] = []
    first: dict[tuple[str, int], int] = {}
    weight = 0
    for index, endpoint in enumerate(endpoints):
        weight += endpoint.weight or 1
        earlier = first.setdefault((endpoint.address, endpoint.port), index)
        if earlier != index:
            host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
            wrong.append(((index,), f"{host}:{endpoint.port} is given twice: first as endpoints[{earlier}]"))
    if weight > MAX_WEIGHT:
        wrong.append(((), f"the endpoints' weights sum up to {weight}: Envoy takes {MAX_WEIGHT} at most"))
    if wrong:
        raise Mistake(*wrong)
    return endpoints


def is_out(endpoint: Endpoint) -> bool:
    """Tell whether the operator wants no new requests to go to an endpoint."""
    return endpoint.drain or endpoint.health is Health.UNHEALTHY


def locality_of(endpoint: Endpoint) -> Locality:
    """Say where an endpoint is."""
    return Locality(endpoint.region, endpoint.zone, endpoint.sub_zone)
