"""What a route requires of a header or parameter: one text, any text, a part, a pattern, or its absence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import PlainValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected, IfWrong
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.regex import PATTERN_SHAPE, check_pattern
from xds.wording import show

ANY = "*"
"""The text that stands for any value; a `*` itself is written `{exact: "*"}`."""


class How(StrEnum):
    """The ways in which a value is compared, by Envoy's names."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A comparison other than with one whole text; `text` is empty for `absent`."""

    how: How
    text: str = ""


Wanted = str | TextMatch
"""One whole text, `ANY`, or anything else."""


EXPECTED_WANTED: Final = Expected('text, such as {prefix: a}, or "*" for any value')


def parse_wanted(value: object) -> Wanted:
    """Read a text, or a mapping of one of `How`."""
    if isinstance(value, str | TextMatch):
        return value
    if not isinstance(value, Mapping):
        hint = f': write "{show(value)}" in quotes' if isinstance(value, bool | int | float) else ""
        raise ValueError(f"expected {EXPECTED_WANTED}, found {show(value)}{hint}")  # noqa: TRY004
    unknown = [key for key in value if key not in set(How)]
    if unknown:
        known = ", ".join(How)
        raise Mistakes(*(Mistake((key,), f"unknown key {show(key)}: known are {known}") for key in unknown))
    if len(value) != 1:
        raise ValueError(f"a value is compared in one way: write one of {', '.join(How)}, found {len(value)}")
    [(how, text)] = value.items()
    try:
        return _read_one(How(how), text)
    except ValueError as error:
        raise Mistakes(Mistake((how,), str(error))) from None


def _read_one(how: How, text: object) -> Wanted:
    if how is How.ABSENT:
        if text is not True:
            raise ValueError(f'expected true, found {show(text)}: for any value write "*"')
        return TextMatch(How.ABSENT)
    if not isinstance(text, str):
        hint = f': write "{show(text)}" in quotes' if isinstance(text, bool | int | float) else ""
        raise ValueError(f"expected text, found {show(text)}{hint}")  # noqa: TRY004
    if not text:
        raise ValueError('an empty text matches nothing: write "*" for any value')
    if how is How.REGEX:
        check_pattern(text)
    return text if how is How.EXACT and text != ANY else TextMatch(how, text)


def covers(earlier: Wanted, later: Wanted) -> bool:
    """Whether `earlier` matches every value that `later` matches; False if that is not certain."""
    if earlier == later:
        return True
    one, other = _normalize(earlier), _normalize(later)
    if How.ABSENT in (one.how, other.how):
        return False
    if earlier == ANY:
        return True
    if later == ANY or How.REGEX in (one.how, other.how):
        return False  # what a pattern takes is not looked into: Python's engine may take for ever
    known, holds = PARTS[one.how]
    return other.how in known and holds(other.text, one.text)


PARTS: dict[How, tuple[frozenset[How], Callable[[str, str], bool]]] = {
    How.EXACT: (frozenset({How.EXACT}), str.__eq__),
    How.PREFIX: (frozenset({How.EXACT, How.PREFIX}), str.startswith),
    How.SUFFIX: (frozenset({How.EXACT, How.SUFFIX}), str.endswith),
    How.CONTAINS: (frozenset({How.EXACT, How.PREFIX, How.SUFFIX, How.CONTAINS}), str.__contains__),
}
"""The kinds of texts that are known to contain a part, and how to find that out."""


def _normalize(wanted: Wanted) -> TextMatch:
    return wanted if isinstance(wanted, TextMatch) else TextMatch(How.EXACT, wanted)


def make_wanted_shape(whole: str, part: str) -> dict[str, Any]:
    """Return the JSON Schema of what is wanted, given the patterns of a whole text and of a part of one."""
    text, of_part = ({"type": "string", "pattern": pattern} for pattern in (whole, part))
    ways = {
        How.EXACT: {**text, "minLength": 1},
        **dict.fromkeys((How.PREFIX, How.SUFFIX, How.CONTAINS), of_part),
        How.REGEX: PATTERN_SHAPE,
        How.ABSENT: {"enum": [True]},
    }
    return {
        "anyOf": [
            text,
            *(
                {"type": "object", "properties": {how.value: shape}, "required": [how.value]}
                | {"additionalProperties": False}
                for how, shape in ways.items()
            ),
        ]
    }


WANTED_SHAPE = WithJsonSchema(make_wanted_shape("", "."))

WantedTexts = Mapping[
    str,
    Annotated[Wanted, PlainValidator(parse_wanted), WANTED_SHAPE, EXPECTED_WANTED, IfWrong(stand_in=ANY, whole=True)],
]
"""What is wanted of headers, or of a query's parameters, by their names."""
