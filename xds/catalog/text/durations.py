"""Durations as people write them: `1m30s`, `250ms`.

Pure functions over plain values, used as validators by the model's classes. A value that is refused raises a
ValueError whose message is a sentence for the operator.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mendable
from xds.wording import show

EXPECTED_DURATION = Expected("a duration in h, m, s and ms", "10s", "250ms", "1m30s")

MAX_DURATION = timedelta(days=365)
"""Far below Envoy's own limit, and far beyond any wait that is meant."""

NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
DURATION = re.compile(rf"(?:{NUMBER}h)?(?:{NUMBER}m(?!s))?(?:{NUMBER}s)?(?:{NUMBER}ms)?", re.ASCII)
UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds in each unit, in the order in which `DURATION` has them."""

UNIT_WORDS = {
    r"milliseconds?|millis|msecs?": "ms",
    r"seconds?|secs?": "s",
    r"minutes?|mins?": "m",
    r"hours?|hrs?": "h",
}


def parse_duration(value: object) -> object:
    """Turn "1m30s" or "250ms" into a timedelta of whole milliseconds; a number needs a unit."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):  # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(f"expected {EXPECTED_DURATION}, found {show(value)}")  # noqa: TRY004
    matched = DURATION.fullmatch(value)
    if matched is None or not value:
        raise _explain_duration(value)
    total = sum(float(number) * unit for number, unit in zip(matched.groups(), UNITS.values(), strict=True) if number)
    if total > MAX_DURATION / timedelta(milliseconds=1):
        raise ValueError(f"{value} is too long: a duration may be {MAX_DURATION.days * 24}h at most")
    if abs(total - round(total)) > 1e-6:
        raise ValueError(f"{value} is not a whole number of milliseconds")
    return timedelta(milliseconds=round(total))


def _explain_duration(value: str) -> ValueError:
    if value.lstrip().startswith("-"):
        return ValueError(f"a duration cannot be negative, found {show(value)}")
    if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", value, re.ASCII):
        return Mendable("a duration needs a unit", f"{value}s", f"{value}ms", quoted=False, tail=f", not {value}")
    near = re.sub(r"[\s_]+", "", value[:40].lower())
    for names, unit in UNIT_WORDS.items():
        near = re.sub(rf"(?<=\d)(?:{names})", unit, near)
        near = f"1{unit}" if re.fullmatch(names, near) else near
    near = re.sub(r"^(\d{1,3})d(?:ays?)?$", lambda days: f"{int(days[1]) * 24}h", near, flags=re.ASCII)
    hint = f": did you mean {near}?" if near and DURATION.fullmatch(near) else ""
    return ValueError(f"expected {EXPECTED_DURATION}, found {show(value)}{hint}")


def format_duration(value: timedelta) -> str:
    """Write a duration as an operator would: the opposite of `parse_duration`."""
    minutes, milliseconds = divmod(round(value / timedelta(milliseconds=1)), UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{milliseconds / 1000:g}s" if milliseconds >= 1000 else f"{milliseconds}ms"
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", seconds if milliseconds else ""]
    return "".join(parts) or "0s"


def check_wait(value: timedelta) -> timedelta:
    """Refuse a wait of less than 1 ms: Envoy needs a wait above zero, and reads whole milliseconds."""
    if value < timedelta(milliseconds=1):
        raise ValueError(f"must be 1ms or more, found {format_duration(value)}")
    return value


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The annotation of a duration that is not below a number of milliseconds."""

    milliseconds: int

    def check(self, value: timedelta) -> timedelta:
        """Refuse a shorter duration."""
        least = timedelta(milliseconds=self.milliseconds)
        if value < least:
            raise ValueError(f"must be {format_duration(least)} or more, found {format_duration(value)}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of a duration, without those whose last part alone shows that they are too short."""
        seconds, part = divmod(self.milliseconds, 1000)
        whole = rf"{_write_below(seconds)}(\.[0-9]+)?" if seconds else rf"0+(\.({_write_below(part, 3)}))?"
        milliseconds = rf"(0+(\.0+)?s)?({_write_below(self.milliseconds)})(\.[0-9]+)?ms"
        short = rf"^(0+(\.0+)?h)?(0+(\.0+)?m)?({milliseconds}|{whole}s)$"
        return {**handler(schema), "not": {"pattern": short}}


def _write_below(bound: int, decimals: int = 0) -> str:
    """Write the regular expression of the whole numbers below a bound, or of the decimals of a fraction."""
    digits = f"{bound:0{decimals or 1}d}"
    rest = ["[0-9]*" if decimals else f"[0-9]{{{len(digits) - place - 1}}}" for place in range(len(digits))]
    lower = [f"{digits[:place]}[0-{int(one) - 1}]{rest[place]}" for place, one in enumerate(digits) if one > "0"]
    shorter = [digits[:place] for place in range(1, len(digits)) if int(digits[place:])] if decimals else []
    longest = len(digits) - 1
    fewer = [f"[0-9]{{1,{longest}}}"] if longest and not decimals else []
    return ("" if decimals else "0*") + f"({'|'.join([*lower, *shorter, *fewer])})"


TOO_MANY_HOURS = r"0*(876[1-9]|87[7-9][0-9]|8[89][0-9]{2}|9[0-9]{3}|[1-9][0-9]{4,})(\.[0-9]+)?h"
DURATION_PATTERN = (
    rf"^(?=[0-9])(?!{TOO_MANY_HOURS})"
    r"([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?$"
)
PARTS_OF_SECONDS = r"^([0-9]+h)?([0-9]+m)?([0-9]+\.[0-9]*[1-9][0-9]*s|([0-9]+s)?(?![0-9]*000ms)(?!0+ms)[0-9]+ms)$"
"""Durations that are no whole number of seconds."""

WAIT_SHAPE = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN.replace("^", "^(?=.*[1-9])", 1)})
DURATION_SHAPE = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
