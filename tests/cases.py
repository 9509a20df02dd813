"""Runs one test for many cases, each of which is reported by itself when it fails."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def each(cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[[pytest.Subtests], None]]:
    """Call a test once for each case. A case that is a tuple is passed as several arguments.

    This is for hundreds of small cases: pytest takes several milliseconds for each test of its own.
    """
    known = list(cases)

    def decorate(test: Callable[..., None]) -> Callable[[pytest.Subtests], None]:
        def run(subtests: pytest.Subtests) -> None:
            assert known
            for case in known:
                with subtests.test(case=case):
                    test(*case) if isinstance(case, tuple) else test(case)

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate
