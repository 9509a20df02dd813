"""Numbers that know how they were written: `1.10` is the number 1.1, and as a label it is the text `1.10`."""

from collections.abc import Mapping
from typing import Any, Self

from xds.catalog.text.mistake import Loc, Mistake


class WrittenInt(int):
    """A whole number that YAML allows to be written otherwise than in decimal digits alone, such as `0x1F` and `+1`."""

    written: str

    def __new__(cls, value: int, written: str) -> Self:
        """Make a number that is shown as it was written."""
        number = super().__new__(cls, value)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written


class WrittenFloat(float):
    """A number with a point or an exponent that is not written the shortest way: `1.10`, `2.0`, `.5`, `1e3`."""

    written: str

    def __new__(cls, value: float, written: str) -> Self:
        """Make a number that is shown as it was written."""
        number = super().__new__(cls, value)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written


def find_rounded(value: object, depth: int) -> list[Mistake]:
    """Refuse the numbers in a value that would not compare as they are written: `1.10` would be the same as `1.1`.

    What is more than `depth` levels down is not looked at: a value from a source may contain itself.
    """
    found: list[Mistake] = []
    rest: list[tuple[Loc, Any]] = [((), value)]
    while rest:
        where, one = rest.pop()
        if len(where) > depth:
            continue
        if isinstance(one, Mapping):
            rest += [((*where, key), item) for key, item in one.items()]
        elif isinstance(one, list):
            rest += [((*where, index), item) for index, item in enumerate(one)]
        elif message := refuse_rounded(one):
            found.append(Mistake(where, message))
    return found


def refuse_rounded(value: object) -> str | None:
    """Return why a number cannot be a label as it is written, and what to write; None for any other value."""
    if not isinstance(value, WrittenInt | WrittenFloat) or value - value != 0:
        return None
    number = int(value) if value == int(value) and abs(value) < 1e16 else float(value)
    return f'as a number, {value} is {number}: write "{value}" in quotes, or {number}'
