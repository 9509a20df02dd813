"""Where things stand in a file: the tree of positions that is built beside a YAML value, and how places are told."""

import re
from typing import NamedTuple

from xds.catalog.text.mistake import Loc
from xds.wording import show

Place = tuple[int, int, "dict[str, tuple[int, int, Place]] | list[Place] | None"]
"""Line and column of a value (from 1), and below it each key's line, column and value, or each item.

Plain tuples, since a large catalog has a hundred thousand of them.
"""

PLAIN_KEY = re.compile(r"[\w.*/:-]{1,253}")


class Slip(NamedTuple):
    """A mistake in one file: where it is, the path to it, and a sentence."""

    line: int
    column: int
    path: str
    message: str


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
    """Write a way as operators read it: `services.api.endpoints[2].weight`."""
    words = []
    for step in loc:
        if isinstance(step, int):
            words.append(f"[{step}]")
        else:
            words.append(f".{step}" if PLAIN_KEY.fullmatch(step) else f"[{show(step)}]")
    return "".join(words).removeprefix(".")
