"""Percentages and shares as people write them: `10%`, or a bare number."""

import re

from pydantic.json_schema import WithJsonSchema

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
