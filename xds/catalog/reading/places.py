"""Positions in a file: the tree of positions that is built beside a YAML value, and how they are written."""

import re

from xds.catalog.text.mistake import Loc, Mistake
from xds.errors import Problem
from xds.wording import show

Place = tuple[int, int, "dict[str, tuple[int, int, Place]] | list[Place] | None"]
"""Line and column of a value (from 1), and below it each key's line, column and value, or each item.

Plain tuples, since a large catalog has a hundred thousand of them.
"""

PLAIN_KEY = re.compile(r"[\w.*/:-]{1,253}")


def find_place(place: Place, loc: Loc, *, key: bool = False) -> tuple[int, int, Loc]:
    """Find the line and column of `loc`, and how much of it is there in the file: the rest is missing.

    With `key` it is the position of the last key of `loc`, if that is there, instead of its value's.
    """
    line, column, children = place
    for depth, step in enumerate(loc):
        if isinstance(children, dict) and step in children:
            key_line, key_column, (line, column, children) = children[str(step)]
            if key and depth == len(loc) - 1:
                return key_line, key_column, loc
        elif isinstance(children, list) and isinstance(step, int) and step < len(children):
            line, column, children = children[step]
        else:
            return line, column, loc[:depth]
    return line, column, loc


def format_path(loc: Loc) -> str:
    """Return a path as operators read it: `services.api.endpoints[2].weight`."""
    parts = []
    for step in loc:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append(f".{step}" if PLAIN_KEY.fullmatch(step) else f"[{show(step)}]")
    return "".join(parts).removeprefix(".")


def place_mistake(mistake: Mistake, source: str, place: Place) -> Problem:
    """Return a mistake as the problem of a file, at its place or at what of it stands there."""
    line, column, there = find_place(place, mistake.loc, key=mistake.at_key)
    message = mistake.message
    if mistake.see:
        name, other = format_path(mistake.see[-2:]), find_place(place, mistake.see)[0]
        message = message.replace(name, f"{name} (line {other})", 1) if other != line else message
    return Problem(source, line, column, format_path(there), message, mistake.severity)
