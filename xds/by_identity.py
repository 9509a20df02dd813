"""Remembers what a function makes of an object that never changes and cannot be hashed: by the object's identity."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def by_identity(most: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """Return a decorator for a function of one argument; it holds `most` arguments, and then begins again."""

    def decorate(function: Callable[[T], R]) -> Callable[[T], R]:
        known: dict[int, tuple[T, R]] = {}

        @wraps(function)
        def find(one: T) -> R:
            found = known.get(id(one))
            if found is None:
                if len(known) >= most:
                    known.clear()
                found = known[id(one)] = one, function(one)
            return found[1]

        return find

    return decorate
