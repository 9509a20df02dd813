"""A mistake in a value, or a warning about it, before anyone knows where the value stands in a file.

Placed in a file it is a `Problem` (`xds/errors.py`).
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from xds.errors import Severity
from xds.wording import join_or, show

Loc = tuple[str | int, ...]
"""The way from a value to one inside it: keys and indexes, as in `("services", "api", "endpoints", 2)`."""


class Ground(Enum):
    """The ground of a mistake. Some mistakes may disappear when another file is corrected.

    A mistake on ALL_ENDPOINTS is none where the catalog is not the only source of endpoints.
    """

    ITSELF = auto()
    ALL_NAMES = auto()
    ALL_SERVICES = auto()
    ALL_ENDPOINTS = auto()


class Mistake(NamedTuple):
    """What is wrong at `loc`, in a sentence; `at_key` when it is the key there that is wrong, not its value.

    `see` leads to what the message names beside it, such as an earlier route: the line of that is told too.
    """

    loc: Loc
    message: str
    severity: Severity = Severity.ERROR
    at_key: bool = False
    ground: Ground = Ground.ITSELF
    see: Loc = ()

    def below(self, loc: Loc) -> "Mistake":
        """Return the mistake with a `loc` that starts above: `loc` leads to the value that has it."""
        return self._replace(loc=(*loc, *self.loc), see=(*loc, *self.see) if self.see else ())


def warning(loc: Loc, message: str) -> Mistake:
    """Return a mistake that does not keep a catalog from being served."""
    return Mistake(loc, message, Severity.WARNING)


class Mistakes(ValueError):  # noqa: N818 - what a validator raises is all that it found
    """The mistakes in parts of one value, each at its place below that value."""

    def __init__(self, *found: Mistake) -> None:
        super().__init__("; ".join(mistake.message for mistake in found))
        self.found = found


class Mendable(ValueError):  # noqa: N818 - it is no error of this program
    """What is wrong with a value, and what to write instead: a message names those `mends` that the field takes.

    `tail` follows the mends. They are `quoted` where YAML needs it. A message that is `complete` needs no mend; after
    any other stands what the field expects, when it takes none of them.
    """

    def __init__(self, message: str, *mends: str, quoted: bool = True, tail: str = "", complete: bool = False) -> None:
        self._message, self.mends, self.tail, self._complete = message, mends, tail, complete
        self._write: Callable[[str], str] = show if quoted else str
        super().__init__(self.explain(lambda mend: True))

    def explain(self, takes: Callable[[str], bool], expected: str = "") -> str:
        """Return the message, with the mends that a field takes; without any, with what it expects."""
        taken = [self._write(mend) for mend in self.mends if takes(mend)]
        if taken:
            return f"{self._message}: write {join_or(taken)}{self.tail}"
        return f"{self._message}: expected {expected}" if expected and not self._complete else self._message


class Unsaid(ValueError):  # noqa: N818
    """A mapping lacks a field that would give it a meaning. The message names a field without a value."""
