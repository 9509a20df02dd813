"""The catalog's JSON Schema, made from the model: what completes and underlines in an editor."""

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from xds.catalog.model.balance import Balancing
from xds.catalog.model.catalog_file import CatalogFile
from xds.catalog.model.resilience import USUAL_RETRIES
from xds.catalog.text.addresses import Listen
from xds.catalog.text.durations import format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Writes defaults as an operator would, and leaves out the titles that only repeat a key."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, Listen):
            return f"{dft.address}:{dft.port}"
        if isinstance(dft, Balancing):
            return dft.policy.value
        if dft is USUAL_RETRIES:
            return dft.attempts
        return super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default of null: it says no more than that the key is optional."""
        found = super().default_schema(schema)
        if found.get("default", ...) is None:
            del found["default"]
        return found

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """Keep the model's order, the most used keys first."""
        return value


def build_schema() -> dict[str, Any]:
    """Build the JSON Schema (2020-12) of one catalog file.

    Keys at the top that begin with `x-` are the operator's own, for anchors.
    """
    schema = TypeAdapter(CatalogFile).json_schema(schema_generator=_Generator)
    for kind in ("services", "gateways"):
        schema["properties"][kind]["additionalProperties"] = False  # names that are no names
    schema["patternProperties"] = {"^x-": {"description": "your own, as a place for anchors"}}
    schema["anyOf"] = [{"required": ["services"]}, {"required": ["gateways"]}, {"required": ["mesh"]}]
    return {"$schema": DIALECT, **schema}
