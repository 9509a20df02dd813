"""Mistakes in a value, and warnings about it, before anyone knows where the value stands in a file."""

from collections.abc import Collection

Loc = tuple[str | int, ...]
"""The way from a value to one inside it: keys and indexes, as in `("services", "api", "endpoints", 2)`."""


class Mistake(ValueError):  # noqa: N818 - one class, whatever is mistaken
    """Mistakes in parts of one value: for each, where it is below that value, and a sentence.

    Of those in `keys`, it is the key that is wrong.
    """

    def __init__(self, *found: tuple[Loc, str], keys: Collection[Loc] = ()) -> None:
        super().__init__("; ".join(message for _, message in found))
        self.found = found
        self.keys = keys


Advice = tuple[Loc, str]
"""Where, below the service or gateway, and a sentence."""
