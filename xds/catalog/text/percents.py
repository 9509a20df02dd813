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
        """Turn "10%" or 10 into 10, and refuse a fraction of a percent."""
        number = self.parse(value)
        if isinstance(number, float) and not number.is_integer():
            raise ValueError(f"expected whole percents, such as {self.example}, found {show(value)}")
        return int(number)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        parse = self.parse_whole if source is int else self._parse_float
        return core_schema.no_info_before_validator_function(parse, handler(source))

    def _parse_float(self, value: object) -> float:
        return float(self.parse(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": self.describe(handler(schema)["type"])}

    def describe(self, kind: str = "number") -> list[JsonSchemaValue]:
        """Return the JSON Schemas of a percentage: as text, and as a bare `number` or `integer`."""
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        text = {"type": "string", "pattern": self._write_pattern(whole=kind == "integer"), "examples": [self.example]}
        return [text, {"type": kind, **bounds}]

    def _write_pattern(self, *, whole: bool) -> str:
        """Write the regular expression of a percentage in text, with its bounds."""
        part = r"(\.0{1,9})?" if whole else r"(\.[0-9]{1,9})?"
        digits = len(f"{self.maximum:g}")
        most = rf"{self.maximum:g}(\.0+)?|[0-9]{{1,{digits - 1}}}{part}"
        if self.maximum != 10 ** (digits - 1):  # as 99 is
            most = rf"{self.maximum:g}(\.0+)?|(?!{self.maximum:g})[0-9]{{1,{digits}}}{part}"
        least = r"(?!0*(\.0*)? ?%)" if self.minimum > 0 else ""
        if self.minimum >= 10:
            least = rf"(?!0*[0-9]{{1,{len(f'{self.minimum:g}') - 1}}}(\.| ?%))"
        return rf"^(?=[0-9]{{1,4}}(\.| ?%)){least}0*({most}) ?%$"


Percent = Annotated[float, Percentage(0.0001, 100)]
"""A share of the requests, as finely as Envoy counts."""
