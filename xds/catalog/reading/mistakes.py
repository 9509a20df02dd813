"""From what pydantic refuses to a sentence for the operator: what was expected, what was found, the nearest word.

No sentence of pydantic's is passed on. An error of a kind that is not named here says what the field wants and what
it got, which is right for every kind.
"""

from collections.abc import Iterator
from dataclasses import fields

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from xds.catalog.reading.expected import (
    CHOICES,
    CLASSES,
    EXPECTED,
    LIMITED,
    LISTS,
    MAPPINGS,
    MOVED,
    NUMBERS,
    OPAQUE,
    OPAQUE_OF_LISTENERS,
    PATHS,
    TEXTS,
    WHOLE,
)
from xds.catalog.reading.places import Place, Slip, find_place, format_path
from xds.catalog.reading.yaml import BROKEN
from xds.catalog.text.mistake import Loc, Mistake
from xds.wording import show, suggest


def explain_errors(errors: ValidationError, base: Loc, place: Place) -> Iterator[Slip]:
    """Say one by one what is wrong with the service or gateway at `base`."""
    for error in errors.errors(include_url=False):
        if error["input"] is BROKEN or _follows_from_another(error):
            continue
        loc = base + error["loc"]
        fault = error.get("ctx", {}).get("error")
        if isinstance(fault, Mistake):
            for below, message in fault.found:
                yield make_slip(place, loc + below, message, key=below in fault.keys)
        elif error["type"] == "value_error":
            yield make_slip(place, loc, str(fault))
        elif error["type"] == "missing":
            yield make_slip(place, loc, _explain_missing(loc))
        elif error["type"] == "unexpected_keyword_argument":
            yield make_slip(place, loc, explain_unknown_key(loc, find_fields(loc[:-1])), key=True)
        else:
            yield make_slip(
                place, loc, _explain_value(loc, error["type"], error["input"], error.get("ctx", {}).get("max_length"))
            )


def locate_faults(error: ErrorDetails) -> list[tuple[Loc, bool]]:
    """Name the places that an error is about, and tell of each whether it is wrong that something is there at all.

    Of labels that could not be read it is the whole label: pydantic's own way into one is not that of the file. Of
    a route's words that are `OPAQUE` it is the whole word.
    """
    loc, fault = error["loc"], error.get("ctx", {}).get("error")
    if isinstance(fault, Mistake):
        found = [(loc + below, _find_opaque(loc) is None) for below, _ in fault.found]
    else:
        found = [(loc[:4] if loc[2:3] == ("metadata",) else loc, False)]
    return [(cut_opaque(one), is_rule and one == cut_opaque(one)) for one, is_rule in found]


def cut_opaque(loc: Loc) -> Loc:
    """Name the whole word, or header or parameter, that a place is known by: in a route or listener, or `WHOLE`."""
    return loc[: _find_opaque(loc)]


def _find_opaque(loc: Loc) -> int | None:
    """Give the length of the way to the opaque word that a place is in or at; None if it is in none."""
    if loc[:1] and loc[0] in WHOLE:
        return 1
    start, words = (2 if loc[:1] == ("listeners",) else 0), OPAQUE_OF_LISTENERS
    if loc[start : start + 1] == ("routes",):
        start, words = start + 2, OPAQUE
        if loc[start : start + 1] in (("headers",), ("query",)) and len(loc) > start + 1:
            return start + 2
    return start + 1 if len(loc) > start and loc[start] in words else None


def _follows_from_another(error: ErrorDetails) -> bool:
    """Tell whether another error of the same place says it better: a list is short of the items that are wrong."""
    if error["type"] == "too_short":
        return bool(error["input"])
    return (
        error["type"] == "missing"
        and error["loc"][-1] == "port"
        and "endpoints" in error["loc"]
        and ("address" not in error["input"])
    )


def make_slip(place: Place, loc: Loc, message: str, *, key: bool = False) -> Slip:
    """Place a sentence at `loc`, or at what of it stands in the file."""
    line, column, there = find_place(place, loc, key=key)
    return Slip(line, column, format_path(there), message)


def explain_unknown_key(loc: Loc, known: list[str]) -> str:
    """Say that a key has no meaning, and which is nearest."""
    key = str(loc[-1])
    if hint := MOVED.get(".".join(map(str, loc[-2:]))):
        return f"unknown key {show(key)}: {hint}"
    word, colon, value = key.partition(":")
    if colon and word in known:
        return f"unknown key {show(key)}: write `{word}: {value}`, with a space after the colon"
    near = suggest(key, known) or (f": known are {_join(known)}" if known else ": none has a meaning here")
    return f"unknown key {show(key)}{near}"


def find_fields(loc: Loc) -> list[str]:
    """Name the keys that the mapping at `loc` may have: the last key on the way that has a class says it."""
    steps = reversed(loc[2:] if loc[0] != "mesh" else loc) if len(loc) > 2 or loc[0] == "mesh" else loc[:1]
    found = next(
        CLASSES[word]
        for step in steps
        if isinstance(step, str)
        for word in (f"{loc[0]}.{step}", step)
        if word in CLASSES
    )
    return [field.name for field in fields(found)]


def name_field(loc: Loc) -> str:
    """Name what is at `loc` as `EXPECTED` does."""
    if len(loc) == 2 and loc[0] != "mesh":
        return f"{loc[0]}[]"
    if "cors" in loc[2:] and "headers" in loc[-2:]:
        return "cors.headers" if loc[-1] == "headers" else "cors.headers[]"  # a list, not a route's mapping
    for depth, step in enumerate(loc[2:], 2):
        if step in MAPPINGS and depth < len(loc) - 1:
            return f"{step}[]"
    if not isinstance(loc[-1], str):
        return f"{loc[-2]}[]"
    return next((word for word in (f"{loc[-2]}.{loc[-1]}", f"{loc[0]}.{loc[-1]}") if word in EXPECTED), loc[-1])


def _explain_missing(loc: Loc) -> str:
    field = name_field(loc)
    if field == "port" and "endpoints" in loc:
        return '`port` is missing: write it here, or in the address as in "10.0.0.4:5000"'
    return f"`{field}` is missing: {EXPECTED.get(field, 'a value')}"


def _explain_value(loc: Loc, kind: str, value: object, limit: int | None) -> str:
    field = name_field(loc)
    if field == "weight" and value == 0 and not isinstance(value, bool):
        return "a weight of 0 would take no requests: remove the endpoint instead"
    if field == "routes" and kind == "too_short":
        return "a gateway needs one route at least, such as {prefix: /, to: web}"
    expected = EXPECTED.get(field, "another value")
    if field in CHOICES:
        words = [choice.value for choice in CHOICES[field]]
        expected = expected.format(_join(words))
        return f"expected {expected}; found {show(value)}{suggest(value, words) if isinstance(value, str) else ''}"
    if kind in LIMITED and isinstance(value, list | str):
        return f"has {len(value)} {LIMITED[kind]}, where {limit} at most are taken"
    return f"expected {expected}, found {show(value)}{_hint(field, value)}"


def _hint(field: str, value: object) -> str:
    """Say how to mend the commonest slips."""
    if field in NUMBERS and isinstance(value, str) and value.strip().isdecimal():
        return f": write {value.strip()[:20]} without quotes"
    if field in TEXTS and isinstance(value, bool | int | float):
        return f': write "{show(value)}" in quotes'
    if field in LISTS and isinstance(value, str):
        return f": write it as a list, [{show(value)}]"
    if field in LISTS and isinstance(value, dict):
        return ": begin each item with `- `"
    if field in PATHS and isinstance(value, str):
        return _hint_path(value)
    if field in ("to", "upstreams[]") and isinstance(value, str) and "/" in value:
        return f": a subset is named by a route's `to` alone, write {value.partition('/')[0]}"
    if field in ("to", "upstreams[]") and isinstance(value, str):
        return ": names have small letters, digits, `-`, `_` and `.`"
    if isinstance(value, list) and field in EXPECTED:
        return ": leave out the `- `" if "mapping" in EXPECTED[field] or "keys" in EXPECTED[field] else ""
    return ""


def _hint_path(value: str) -> str:
    if "://" in value:
        return ": leave out the scheme and host"
    if value and not value.startswith("/"):
        return f": write {show('/' + value)}"
    for sign in "#?":
        if sign in value:
            return f": leave out the {sign} and what follows"
    if not value.isascii() or " " in value:
        return ": write spaces and letters beyond ASCII percent-encoded, as in /caf%C3%A9"
    return ""


def _join(words: list[str]) -> str:
    return ", ".join(words)
