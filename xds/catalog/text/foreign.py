"""What a key of another program is here: our fields, with the value that was written translated into them.

A hint repeats what was written. A value that has no translation is not replaced by an example: the hint names the field
alone, as in `circuit_breakers: {connections: …}`. How values are translated is in `meanings.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from xds.catalog.text.mistake import Loc
from xds.wording import show_line, write_flow

VALUE: Final = object()
"""In a form, the place of the value that was written."""

LONGEST = 160
"""A hint with more characters names the fields alone."""


class Fields(dict[Any, Any]):
    """What a value is here as a whole, in place of the form. Without any field nothing is to be written."""


class Said(str):
    """What is to be said of a value, in place of a hint."""

    __slots__ = ()


def as_written(value: object) -> object:
    """Return the value itself."""
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Here:
    """What a key of another program is here.

    `form` has the fields, with `VALUE` where the value goes and `...` where something is left open. `read` translates a
    written value: into the one for `VALUE`, into `Fields`, into something `Said`, or into None if it cannot. `belongs`
    says to what the fields belong, as in "it belongs to a route"; `at` is the way to the mapping that has them, if it
    is another one; `tail` ends the hint.
    """

    form: Mapping[Any, Any]
    read: Callable[[Any], object] = as_written
    belongs: str = ""
    at: Loc | None = None
    tail: str = ""

    def fill(self, value: object = ...) -> dict[Any, Any]:
        """Return the form with a value in it, or with the place of the value left open."""
        return {name: _fill(one, value) for name, one in self.form.items()}

    def explain(self, fields: Mapping[Any, Any] | None) -> str:
        """Return the hint with the fields that a value is, or with the form alone."""
        if fields is not None and not fields:
            return "leave it out, it says what is the default here"
        written = write_fields(fields) if fields is not None else ""
        if not written or len(written) > LONGEST:
            fields, written = None, write_fields(self.fill())
        if self.belongs:
            return f"{self.belongs}: write {written}{self.tail}"
        return f"it is {written} here{self.tail}" if fields is None else f"write it as {written}{self.tail}"


def write_fields(fields: Mapping[Any, Any]) -> str:
    """Write fields as an operator does, each as a piece of YAML: "`balance: maglev` and `affinity: {cookie: sid}`"."""
    pieces = [show_line(write_flow({name: one})[1:-1], LONGEST + 1) for name, one in fields.items()]
    return f"{', '.join(pieces[:-1])} and {pieces[-1]}" if len(pieces) > 1 else pieces[0]


def has_hole(value: object) -> bool:
    """Whether something in a value is left open."""
    if isinstance(value, Mapping):
        return any(key is ... or has_hole(one) for key, one in value.items())
    return any(map(has_hole, value)) if isinstance(value, list) else value is ...


def merge(one: object, other: object) -> object:
    """Return two values as one; None if both say something of the same place."""
    if other is ... or one == other:
        return one
    if one is ...:
        return other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        merged = {key: merge(one[key], other[key]) if key in one and key in other else ... for key in (*one, *other)}
        merged |= {key: value for each in (one, other) for key, value in each.items() if (key in one) != (key in other)}
        return None if any(value is None for value in merged.values()) else merged
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other) == 1 and has_hole([*one, *other]):
        item = merge(*({"address": each} if isinstance(each, str) else each for each in (one[0], other[0])))
        return None if item is None else [item]
    return None


def find_leaves(value: object) -> Iterator[object]:
    """Return everything in a value that is neither a mapping nor a list: keys too."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield key
            yield from find_leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from find_leaves(one)
    else:
        yield value


def _fill(form: object, value: object) -> Any:
    if form is VALUE:
        return value
    if isinstance(form, Mapping):
        return {key: _fill(one, value) for key, one in form.items()}
    return [_fill(one, value) for one in form] if isinstance(form, list) else form
