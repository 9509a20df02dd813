"""Percentages and shares as people write them: `10%`, or a bare number."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from xds.catalog.text.field import Expected
from xds.wording import show


def check_percent(value: object) -> object:
    """Refuse what is no number, or is finer than Envoy counts."""
    if isinstance(value, str) and value.endswith("%"):
        raise ValueError(f"expected a number above 0, 100 at most, found {show(value)}: write {value[:-1]}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number above 0, 100 at most, found {show(value)}")  # noqa: TRY004
    if not 0.0001 <= value <= 100:
        raise ValueError(f"expected a number from 0.0001 to 100, found {show(value)}")
    return value


def percent_shape(minimum: int, maximum: int) -> WithJsonSchema:
    """Describe a whole number of percent, with or without the sign."""
    number = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": "^[0-9]{1,4} ?%$"}]})


PERCENT_SHAPE = WithJsonSchema({"type": "number", "minimum": 0.0001, "maximum": 100})

SHARE_SHAPE = WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?%$", "examples": ["1%"]})

SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)%", re.ASCII)


def parse_share(value: object) -> object:
    """Turn "1%" into 1.0; a number needs its sign."""
    if isinstance(value, str) and (matched := SHARE.fullmatch(value)) and 0 < (share := float(matched[1])) <= 100:
        return share
    hint = f": write {value}%" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    raise ValueError(f"expected a share from 0.0001% to 100%, such as 1%, found {show(value)}{hint}")


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
            raise ValueError(f"expected {self.expected}, found {show(value)}")  # noqa: TRY004 - pydantic tells these alone
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
