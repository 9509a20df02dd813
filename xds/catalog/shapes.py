"""How the JSON Schema tells of what people may write in more than one way: annotations used by `model.py`."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema

DURATION_PATTERN = r"^(?=[0-9])([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?$"
ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$"

DURATION_SHAPE = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["10s", "250ms", "1m30s"]})
LISTEN_SHAPE = WithJsonSchema(
    {
        "description": "where a sidecar takes its application's requests: address and port, or a port of 127.0.0.1",
        "anyOf": [
            {"type": "string", "pattern": ADDRESS_PATTERN, "examples": ["127.0.0.1:15001"]},
            {"type": "integer", "minimum": 1, "maximum": 65535},
        ],
    }
)


@dataclass(frozen=True, slots=True)
class EndpointShape:
    """An endpoint is a mapping, in which the port may stand in `address`, or `"host:port"` alone."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        handler.resolve_ref_schema(mapping)["required"] = ["address"]
        short = {"type": "string", "pattern": ADDRESS_PATTERN, "examples": ["10.0.0.4:5000", "[::1]:5000"]}
        return {"anyOf": [short, mapping]}


@dataclass(frozen=True, slots=True)
class CookieShape:
    """A cookie is a mapping, or its name alone."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        name = handler.resolve_ref_schema(mapping)["properties"]["name"]
        return {"anyOf": [name, mapping]}


@dataclass(frozen=True, slots=True)
class RouteShape:
    """A route has one end, and one of prefix, path, regex and template at most.

    A service's `own` needs no end, and has no host.
    """

    own: bool = False

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        ends = ("to", "redirect", "respond")
        pairs = [*combinations(ends, 2), *combinations(("prefix", "path", "regex", "template"), 2)]
        handler.resolve_ref_schema(mapping)["not"] = {"anyOf": [{"required": [*pair]} for pair in pairs]}
        if self.own:
            return {**mapping, "not": {"required": ["host"]}}
        return {**mapping, "anyOf": [{"required": [end]} for end in ends]}


COOKIE_SHAPE = CookieShape()
STATUSES_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^[1-5][0-9]{2}( ?- ?[1-5][0-9]{2})?$", "examples": ["200-299"]},
        ]
    }
)


@dataclass(frozen=True, slots=True)
class OutlierShape:
    """Outlier detection is a mapping, or `off`."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": ["off"]}, handler(schema)]}


@dataclass(frozen=True, slots=True, eq=False)
class ShortOrFull:
    """A mapping, or what is short for it: a value of that schema."""

    short: dict[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [self.short, handler(schema)]}


OUTLIER_SHAPE = OutlierShape()


@dataclass(frozen=True, slots=True)
class LocalityShape:
    """A locality is a mapping, or a word that is short for one."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": ["any", "failover", "zone_aware"]}, handler(schema)]}


LOCALITY_SHAPE = LocalityShape()
LEVEL_SHAPE: dict[str, Any] = {"enum": ["sub_zone", "zone", "region"]}
FAILOVER_SHAPE = WithJsonSchema({"anyOf": [LEVEL_SHAPE, {"type": "array", "items": LEVEL_SHAPE, "minItems": 1}]})


def percent_shape(minimum: int, maximum: int) -> WithJsonSchema:
    """Describe a whole number of percent, with or without the sign."""
    number = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": "^[0-9]{1,4} ?%$"}]})


BALANCES = ("round_robin", "random", "weighted", "least_request", "ring_hash", "maglev", "client_side_weighted")
BALANCE_SHAPE = ShortOrFull({"enum": [*BALANCES]})
SLOW_START_SHAPE = ShortOrFull({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s"]})
RETRIES_SHAPE = ShortOrFull({"type": "integer", "minimum": 0, "maximum": 10})
FILE_SHAPE = WithJsonSchema({"type": "string", "pattern": "^/", "examples": ["/etc/ssl/shop.pem"]})
TLS_TO_SHAPE = ShortOrFull({"type": "boolean"})
HTTP_CONDITIONS = (
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "envoy-ratelimited",
)
GRPC_CONDITIONS = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")
CONDITION_SHAPE: dict[str, Any] = {
    "anyOf": [{"enum": [*HTTP_CONDITIONS, *GRPC_CONDITIONS]}, {"type": "integer", "minimum": 100, "maximum": 599}]
}
CONDITIONS_SHAPE = WithJsonSchema({"anyOf": [CONDITION_SHAPE, {"type": "array", "items": CONDITION_SHAPE}]})
NAME_PATTERN = "^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$"
TARGET_PATTERN = f"{NAME_PATTERN[:-1]}(/{NAME_PATTERN[1:-1]})?$"
TARGETS_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": TARGET_PATTERN},
            {
                "type": "object",
                "patternProperties": {TARGET_PATTERN: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}},
                "additionalProperties": False,
            },
        ]
    }
)
WANTED_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
WANTED_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string"},
            *(
                {"type": "object", "properties": {how: shape}, "required": [how], "additionalProperties": False}
                for how, shape in {
                    **dict.fromkeys(("exact", "prefix", "suffix", "contains", "regex"), WANTED_TEXT),
                    "absent": {"enum": [True]},
                }.items()
            ),
        ]
    }
)
SUBSETS_SHAPE = WithJsonSchema(
    {
        "type": "object",
        "patternProperties": {
            NAME_PATTERN: {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"anyOf": [{"type": one} for one in ("string", "number", "boolean")]},
            }
        },
        "additionalProperties": False,
        "examples": [{"v1": {"version": "1.0"}, "v2": {"version": "2.0"}}],
    }
)
PERCENT_SHAPE = WithJsonSchema({"type": "number", "minimum": 0.0001, "maximum": 100})


def make_raw_shape(*words: str) -> WithJsonSchema:
    """Make the shape of `envoy`: its messages' own fields are too many for a schema."""
    properties = {word: {"type": "object", "description": f"Envoy's own fields of it ({word}, v3)"} for word in words}
    return WithJsonSchema(
        {"type": "object", "minProperties": 1, "properties": properties, "additionalProperties": False}
    )


METHOD_SHAPE: dict[str, Any] = {"type": "string", "pattern": "^[A-Z][A-Z_-]*$", "not": {"enum": ["CONNECT"]}}
METHODS_SHAPE = WithJsonSchema({"anyOf": [METHOD_SHAPE, {"type": "array", "items": METHOD_SHAPE}]})
ENDPOINT_SHAPE = EndpointShape()
ROUTE_SHAPE = RouteShape()
OWN_ROUTE_SHAPE = RouteShape(own=True)


@dataclass(frozen=True, slots=True)
class ShortShape:
    """A mapping, or one of the words that are short for one."""

    words: tuple[str, ...]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [*self.words]}, handler(schema)]}


ACCESS_LOG_SHAPE = ShortShape(("off", "on", "errors"))
TLS_SHAPE = ShortShape(("passthrough",))
SHARE_SHAPE = WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?%$", "examples": ["1%"]})
COLLECTOR: dict[str, Any] = {"type": "string", "pattern": ADDRESS_PATTERN, "examples": ["collector:4317"]}
COLLECTOR_SHAPE = WithJsonSchema(COLLECTOR)
TRACING_SHAPE = ShortOrFull(COLLECTOR)
HTTP3_SHAPE = WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": 65535}]})


@dataclass(frozen=True, slots=True)
class GatewayShape:
    """A gateway listens at a `port`, or has `listeners`."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        short = {"required": ["port", "routes"], "not": {"required": ["listeners"]}}
        alone = ("port", "address", "tls", "http3", "proxy_protocol")
        full = {"required": ["listeners"], "not": {"anyOf": [{"required": [word]} for word in alone]}}
        handler.resolve_ref_schema(mapping)["anyOf"] = [short, full]
        return mapping


GATEWAY_SHAPE = GatewayShape()
