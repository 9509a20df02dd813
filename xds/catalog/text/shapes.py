"""JSON Schema for a field that people may write in more than one way."""

import dataclasses
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ShortOrFull:
    """A mapping, or what is short for it: a value of that schema."""

    short: dict[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [self.short, handler(schema)]}


@dataclasses.dataclass(frozen=True, slots=True)
class ShortShape:
    """A mapping, or one of the words that are short for one."""

    words: tuple[str, ...]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [*self.words]}, handler(schema)]}
