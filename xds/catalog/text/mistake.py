"""A mistake in a value, or a warning about it, before anyone knows where the value stands in a file.

Placed in a file it is a `Problem` (`xds/errors.py`).
"""

from enum import Enum, auto
from typing import NamedTuple

from xds.errors import Severity

Loc = tuple[str | int, ...]
"""The way from a value to one inside it: keys and indexes, as in `("services", "api", "endpoints", 2)`."""


class Ground(Enum):
    """What a mistake rests on: on some grounds it may be none while another file has mistakes."""

    ITSELF = auto()
    ALL_NAMES = auto()
    ALL_SERVICES = auto()


class Mistake(NamedTuple):
    """What is wrong at `loc`, in a sentence; `at_key` when it is the key there that is wrong, not its value."""

    loc: Loc
    message: str
    severity: Severity = Severity.ERROR
    at_key: bool = False
    ground: Ground = Ground.ITSELF

    def below(self, loc: Loc) -> "Mistake":
        """Return the mistake as it stands below a value that `loc` leads to."""
        return self._replace(loc=(*loc, *self.loc))


def warning(loc: Loc, message: str) -> Mistake:
    """Return a mistake that does not keep a catalog from being served."""
    return Mistake(loc, message, Severity.WARNING)


class Mistakes(ValueError):  # noqa: N818 - what a validator raises is all that it found
    """The mistakes in parts of one value, each at its place below that value."""

    def __init__(self, *found: Mistake) -> None:
        super().__init__("; ".join(mistake.message for mistake in found))
        self.found = found
