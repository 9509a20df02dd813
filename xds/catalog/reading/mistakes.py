"""Turns pydantic's errors into sentences for the operator: what is expected, what was found, the nearest word.

No text of pydantic is passed on. A field's type states what it expects (`fields.py`). The message for an error of
a kind that is not named here has what is expected and what was found, which is right for every kind.
"""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from xds.catalog.fields import Field, find_field
from xds.catalog.reading.yaml import BROKEN
from xds.catalog.text.mistake import Loc, Mendable, Mistake, Mistakes, Unsaid
from xds.wording import show, suggest

LIMITED = {"too_long": "items", "string_too_long": "characters"}
"""The kinds of errors about a length, and what is counted."""


def explain_errors(errors: ValidationError, base: Loc) -> Iterator[Mistake]:
    """Yield the mistakes of the service, gateway or field of the mesh at `base`."""
    for error in errors.errors(include_url=False):
        kind, value, context = error["type"], error["input"], error.get("ctx", {})
        if value is BROKEN or (kind == "too_short" and value):
            continue  # reported before: the YAML is broken there, or the list lacks its wrong items
        loc, cause = base + error["loc"], context.get("error")
        if isinstance(cause, Mistakes):
            yield from (found.below(loc) for found in cause.found)
        elif isinstance(cause, Mendable):
            field = find_field(loc)
            yield Mistake(loc, cause.explain(field.takes, field.expected))
        elif isinstance(cause, Unsaid):
            yield Mistake(loc, f"{cause}{_explain_blank(value)}")
        elif kind == "value_error":
            yield Mistake(loc, str(cause))
        elif kind == "missing":
            yield Mistake(loc, f"`{loc[-1]}` is missing: {find_field(loc).expected}")
        elif kind == "unexpected_keyword_argument":
            above = find_field(loc[:-1])
            yield Mistake(loc, explain_unknown_key(str(loc[-1]), [*above.fields], above.moved), at_key=True)
        else:
            yield Mistake(loc, explain_value(find_field(loc), kind, value, context.get("max_length")))


def _explain_blank(value: object) -> str:
    """Return which keys of a mapping have nothing after them."""
    blank = [f"`{key}`" for key, one in value.items() if one is None] if isinstance(value, dict) else []
    return f"; nothing stands after {' and '.join(blank)}" if blank else ""


def explain_unknown_key(key: str, known: list[str], moved: Mapping[str, str] | None = None) -> str:
    """Return the message about an unknown key: the nearest key, or where a `moved` one belongs."""
    if moved and key in moved:
        return f"unknown key {show(key)}: {moved[key]}"
    name, colon, value = key.partition(":")
    if colon and name in known:
        return f"unknown key {show(key)}: write `{name}: {value}`, with a space after the colon"
    near = suggest(key, known) or (f": known are {', '.join(known)}" if known else ": none has a meaning here")
    return f"unknown key {show(key)}{near}"


def explain_value(field: Field, kind: str, value: object, limit: int | None) -> str:
    """Return what a field expects in place of a value, or that the value is longer than `limit`."""
    if kind in LIMITED and isinstance(value, list | str):
        return f"has {len(value)} {LIMITED[kind]}, where {limit} at most are taken"
    near = suggest(value, field.choices) if isinstance(value, str) and field.choices else ""
    comma = ";" if field.is_choice else ","
    return f"expected {field.expected}{comma} found {show(value)}{field.explain_mend(value) or near}"
