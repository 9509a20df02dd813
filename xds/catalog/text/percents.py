"""Percentages as people write them: `10%`, or the bare number."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from xds.catalog.text.field import Expected
from xds.wording import show

PERCENTAGE = re.compile(r"(\d{1,4}(?:\.\d{1,9})?) ?%", re.ASCII)
PATTERN = r"^[0-9]{1,4}(\.[0-9]+)? ?%$"
WHOLE_PATTERN = r"^[0-9]{1,4} ?%$"


@dataclass(frozen=True, slots=True)
class Percentage:
    """The annotation of a percentage between two bounds; of an `int` it is a whole one."""

    minimum: float
    maximum: float
    example: str = "10%"

    @property
    def expected(self) -> Expected:
        """What is expected, with the example."""
        return Expected(f"a percentage from {self.minimum:g}% to {self.maximum:g}%", self.example)

    def parse(self, value: object) -> float:
        """Turn "10%" or 10 into 10."""
        number = value
        if isinstance(value, str) and (matched := PERCENTAGE.fullmatch(value)):
            number = float(matched[1]) if "." in matched[1] else int(matched[1])
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"expected {self.expected}, found {show(value)}")  # noqa: TRY004 - pydantic reports only these
        if not self.minimum <= number <= self.maximum:
            raise ValueError(f"expected {self.expected}, found {show(value)}")
        return number

    def parse_whole(self, value: object) -> int:
        """Turn "10%" or 10 into 10, and refuse a part of a percent."""
        if isinstance(number := self.parse(value), float):
            raise ValueError(f"expected whole percents, such as {self.example}, found {show(value)}")  # noqa: TRY004
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        parse = self.parse_whole if source is int else self._parse_float
        return core_schema.no_info_before_validator_function(parse, handler(source))

    def _parse_float(self, value: object) -> float:
        return float(self.parse(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        kind = handler(schema)["type"]
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        pattern = WHOLE_PATTERN if kind == "integer" else PATTERN
        text = {"type": "string", "pattern": pattern, "examples": [self.example]}
        return {"anyOf": [text, {"type": kind, **bounds}]}


Percent = Annotated[float, Percentage(0.0001, 100)]
"""A share of the requests, as finely as Envoy counts."""
