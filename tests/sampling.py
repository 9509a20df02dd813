"""How many examples the tests try: by default a sample, which is always the same, and all of them with `--whole`.

A test that differs little from another has the mark `@pytest.mark.whole`. `conftest.py` leaves it out of the sample.
"""

from hypothesis import HealthCheck, settings

SAMPLE = "sample"
WHOLE = "whole"

PART = 5
"""A sample tries one in this many examples."""


def choose(profile: str) -> None:
    """Set how many examples are tried, before tests are imported."""
    for name in (SAMPLE, WHOLE):
        # The sample is the same in each run, so a failure repeats. `--whole` tries new examples, to find new faults.
        settings.register_profile(name, deadline=None, derandomize=name == SAMPLE, suppress_health_check=_SLOW)
    settings.load_profile(profile)


def examples(whole: int) -> settings:
    """Return Hypothesis's settings for a test of this many examples, or of a sample of them."""
    return settings(max_examples=whole if settings.get_current_profile_name() == WHOLE else whole // PART)


def is_whole() -> bool:
    """Whether all examples are tried, and new ones."""
    return settings.get_current_profile_name() == WHOLE


_SLOW = (HealthCheck.too_slow,)
