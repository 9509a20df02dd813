"""How the JSON Schema tells of what people may write in more than one way: annotations used by `model.py`."""

from dataclasses import dataclass
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
    """A route has a prefix or a path, not both."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        exclusive: dict[str, Any] = {"not": {"required": ["prefix", "path"]}}
        handler.resolve_ref_schema(mapping).update(exclusive)
        return mapping


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


OUTLIER_SHAPE = OutlierShape()
ENDPOINT_SHAPE = EndpointShape()
ROUTE_SHAPE = RouteShape()
