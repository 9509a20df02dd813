"""Turns pydantic's errors into sentences for the operator: what is expected, what was found, the nearest word.

No text of pydantic is passed on. A field's type states what it expects (`fields.py`). The message for an error of
a kind that is not named here has what is expected and what was found, which is right for every kind.
"""

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from xds.catalog.fields import SEPARATORS, UNSPACED, Field, find_field
from xds.catalog.reading.foreign import explain_keys, group_foreign
from xds.catalog.reading.foreign_lines import explain_lines
from xds.catalog.reading.yaml import BROKEN
from xds.catalog.text.mistake import Loc, Mendable, Mistake, Mistakes, Unsaid
from xds.catalog.text.odd_signs import explain_odd, find_odd
from xds.wording import show, show_line, suggest, write_flow

UNKNOWN = "unexpected_keyword_argument"
MAX_UNKNOWN = 100
"""How many unknown keys are looked up, at most, to see what they stand for."""

LIMITED = {"too_long": "items", "string_too_long": "characters"}
"""The kinds of errors about a length, and what is counted."""


def explain_errors(errors: ValidationError, base: Loc) -> Iterator[Mistake]:
    """Return one by one what is wrong with the service, gateway or field of the mesh at `base`.

    One mistake has one message: a field that is missing because its key is another, and the words that follow a text
    in place of a list, are told with what they belong to.
    """
    found = [error for error in errors.errors(include_url=False) if not _is_told(error)]
    unknown = [error for error in found if error["type"] == UNKNOWN][:MAX_UNKNOWN]
    meant = {base + way for way in _find_meant(unknown, base)}
    loose = _find_loose(unknown)
    alike = _group_alike(unknown, base)
    told: set[Loc] = set()
    for error in found:
        kind, loc = error["type"], base + error["loc"]
        if loc in told or (kind == "missing" and loc in meant):
            continue
        items = loose.get(error["loc"][:-1], []) if isinstance(error["input"], str) else []
        if items and (whole := _read_items(loc, error["input"], items)):
            told |= {(*loc[:-1], item) for item in items}
            hint = f"write it as a list, {write_flow(whole)}"
            yield Mistake(loc, f"expected {find_field(loc).expected}, found {show(error['input'])}: {hint}")
        elif len(keys := alike.get(loc, [])) > 1 and (message := explain_keys(find_field(loc[:-1]), keys)):
            told |= {(*loc[:-1], key) for key, _ in keys}
            yield Mistake(loc, message, at_key=True)
        else:
            for mistake in _explain_error(error, loc):
                sign = _find_sign(error) if mistake.loc == loc else None
                yield mistake._replace(message=sign) if sign else mistake


def _is_told(error: ErrorDetails) -> bool:
    """Whether an error was reported before: the YAML is broken there, or the list lacks its wrong items."""
    return error["input"] is BROKEN or bool(error["type"] == "too_short" and error["input"])


def _find_meant(unknown: list[ErrorDetails], base: Loc) -> Iterator[Loc]:
    """Return the fields that unknown keys stand for."""
    for error in unknown:
        if name := find_field(base + error["loc"][:-1]).find_meant(str(error["loc"][-1])):
            yield (*error["loc"][:-1], name)


def _find_loose(unknown: list[ErrorDetails]) -> dict[Loc, list[str]]:
    """Return of each mapping the unknown keys without a value: `{endpoints: a:1, b:1}` has `b:1`."""
    loose: dict[Loc, list[str]] = {}
    for error in unknown:
        if error["input"] is None:
            loose.setdefault(error["loc"][:-1], []).append(str(error["loc"][-1]))
    return loose


def _read_items(loc: Loc, text: str, items: list[str]) -> list[str] | None:
    """Return the list that a text and the keys after it are meant for, if one belongs there."""
    field, whole = find_field(loc), [*SEPARATORS.split(text.strip()), *items]
    return whole if field.is_list and field.takes(whole) else None


def _group_alike(unknown: list[ErrorDetails], base: Loc) -> dict[Loc, list[tuple[str, object]]]:
    """Return the unknown keys that together stand for one value, as `cert` and `key`, by the place of the first."""
    mappings: dict[Loc, list[tuple[str, object]]] = {}
    for error in unknown:
        mappings.setdefault(base + error["loc"][:-1], []).append((str(error["loc"][-1]), error["input"]))
    groups = ((loc, group) for loc, keys in mappings.items() for group in group_foreign(find_field(loc), keys))
    return {(*loc, group[0][0]): group for loc, group in groups}


def _find_sign(error: ErrorDetails) -> str | None:
    """Return which character of a wrong value or key looks like another."""
    text = error["loc"][-1] if error["type"] == UNKNOWN else error["input"]
    found = find_odd(text) if isinstance(text, str) else None
    return f"{show(text)} is misspelt: {explain_odd(found[0])}" if found else None


def _explain_error(error: ErrorDetails, loc: Loc) -> Iterator[Mistake]:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    cause = context.get("error")
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
    elif kind == UNKNOWN:
        above = find_field(loc[:-1])
        key = str(loc[-1])
        lines = explain_lines(key) if value is None else None
        known = f"unknown key {show(key)}: {lines}" if lines else explain_keys(above, [(key, value)])
        message = known or explain_unknown_key(key, [*above.fields])
        yield Mistake(loc, message, at_key=True)
    else:
        yield Mistake(loc, explain_value(find_field(loc), kind, value, context.get("max_length")))


def _explain_blank(value: object) -> str:
    """Return which keys of a mapping have nothing after them."""
    blank = [f"`{key}`" for key, one in value.items() if one is None] if isinstance(value, dict) else []
    return f"; nothing stands after {' and '.join(blank)}" if blank else ""


def explain_unknown_key(key: str, known: list[str]) -> str:
    """Return that a key of a mapping has no meaning, and which of those that are known is nearest."""
    unspaced = UNSPACED.match(key)
    if unspaced and unspaced[1] in known:
        rest = key[unspaced.end() :].lstrip()
        return f"unknown key {show(key)}: write {show_line(f'{unspaced[1]}: {rest}')}, with a space after the colon"
    near = suggest(key, known) or (f": known are {', '.join(known)}" if known else ": none has a meaning here")
    return f"unknown key {show(key)}{near}"


def explain_value(field: Field, kind: str, value: object, limit: int | None) -> str:
    """Return what a field expects in place of a value, or that the value is longer than `limit`."""
    if kind in LIMITED and isinstance(value, list | str | dict):
        counted = "keys" if isinstance(value, dict) else LIMITED[kind]
        return f"has {len(value)} {counted}, where {limit} at most are taken"
    if isinstance(value, str) and field.is_class and (lines := explain_lines(value)):
        return lines
    near = suggest(value, field.choices) if isinstance(value, str) and field.choices else ""
    comma = ";" if field.is_choice else ","
    mend = field.explain_meant(value) or field.explain_mend(value) or near
    return f"expected {field.expected}{comma} found {show(value)}{mend}"
