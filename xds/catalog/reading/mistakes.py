"""From what pydantic refuses to a sentence for the operator: what was expected, what was found, the nearest word.

No sentence of pydantic's is passed on. What a place expects is said at its type (`fields.py`). An error of a kind that
is not named here says what is expected and what was found, which is right for every kind.
"""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from xds.catalog.fields import Field, find_field
from xds.catalog.reading.places import Place, Slip, find_place, format_path
from xds.catalog.reading.yaml import BROKEN
from xds.catalog.text.mistake import Loc, Mistake
from xds.wording import show, suggest

LIMITED = {"too_long": "items", "string_too_long": "characters"}
"""The kinds of errors about a length, and what is counted."""


def explain_errors(errors: ValidationError, base: Loc, place: Place) -> Iterator[Slip]:
    """Say one by one what is wrong with the service or gateway at `base`."""
    for error in errors.errors(include_url=False):
        kind, value, context = error["type"], error["input"], error.get("ctx", {})
        if value is BROKEN or (kind == "too_short" and value):
            continue  # told already: the YAML is broken there, or the list is short of the items that are wrong
        loc, cause = base + error["loc"], context.get("error")
        if isinstance(cause, Mistake):
            for below, message in cause.found:
                yield make_slip(place, loc + below, message, key=below in cause.keys)
        elif kind == "value_error":
            yield make_slip(place, loc, str(cause))
        elif kind == "missing":
            yield make_slip(place, loc, f"`{loc[-1]}` is missing: {find_field(loc).expected}")
        elif kind == "unexpected_keyword_argument":
            above = find_field(loc[:-1])
            yield make_slip(place, loc, explain_unknown_key(str(loc[-1]), [*above.fields], above.moved), key=True)
        else:
            yield make_slip(place, loc, explain_value(find_field(loc), kind, value, context.get("max_length")))


def make_slip(place: Place, loc: Loc, message: str, *, key: bool = False) -> Slip:
    """Place a sentence at `loc`, or at what of it stands in the file."""
    line, column, there = find_place(place, loc, key=key)
    return Slip(line, column, format_path(there), message)


def explain_unknown_key(key: str, known: list[str], moved: Mapping[str, str] | None = None) -> str:
    """Say that a key has no meaning, and which is nearest; of the `moved` ones, where they are."""
    if moved and key in moved:
        return f"unknown key {show(key)}: {moved[key]}"
    word, colon, value = key.partition(":")
    if colon and word in known:
        return f"unknown key {show(key)}: write `{word}: {value}`, with a space after the colon"
    near = suggest(key, known) or (f": known are {', '.join(known)}" if known else ": none has a meaning here")
    return f"unknown key {show(key)}{near}"


def explain_value(field: Field, kind: str, value: object, limit: int | None) -> str:
    """Say what a field expects in place of a value, or that the value is longer than `limit`."""
    if kind in LIMITED and isinstance(value, list | str):
        return f"has {len(value)} {LIMITED[kind]}, where {limit} at most are taken"
    near = suggest(value, field.choices) if isinstance(value, str) and field.choices else ""
    comma = ";" if field.is_choice else ","
    return f"expected {field.expected}{comma} found {show(value)}{near or field.explain_mend(value)}"
