"""The catalog's JSON Schema, made from the model: editors use it to complete and to underline."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from xds.catalog.fields import get_root, list_fields
from xds.catalog.model.catalog_file import CatalogFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that only repeat a key, and defaults of null."""

    def encode_default(self, dft: Any) -> Any:
        """Leave defaults as they are: their fields know how an operator writes them."""
        return dft

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default of null: it means only that the key is optional."""
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
    _describe_fields(schema["$defs"])
    for kind in ("services", "gateways"):
        schema["properties"][kind]["additionalProperties"] = False  # names that are no names
    schema["patternProperties"] = {"^x-": {"description": "your own, as a place for anchors"}}
    schema["anyOf"] = [{"required": ["services"]}, {"required": ["gateways"]}, {"required": ["mesh"]}]
    return {"$schema": DIALECT, **schema}


def _describe_fields(classes: dict[str, Any]) -> None:
    """Write each field's default as an operator would, and what the absence of a field means."""
    for above in (field for _, field in list_fields(get_root()) if field.is_class):
        properties = classes[above.type.__name__]["properties"]
        if needs := above.if_wrong.needs:
            classes[above.type.__name__]["anyOf"] = [{"required": [str(name)]} for name in needs]
        for name, field in above.fields.items():
            properties[name]["description"] = field.summary
            if "default" in properties[name]:
                properties[name]["default"] = field.write(field.default)
