"""How much of what is tested by many examples the test command tries: a sample, always the same; `--whole` all of it.

What has a variant that differs in little marks it `@pytest.mark.whole`: `conftest.py` leaves it out of the sample.
"""

from hypothesis import HealthCheck, settings

SAMPLE = "sample"
WHOLE = "whole"

PART = 5
"""One of so many examples is tried in a sample."""


def choose(profile: str) -> None:
    """Set how much is tried, before tests are imported."""
    for name in (SAMPLE, WHOLE):
        # A sample that fails once fails always; other examples are for those who look for faults.
        settings.register_profile(name, deadline=None, derandomize=name == SAMPLE, suppress_health_check=_SLOW)
    settings.load_profile(profile)


def examples(whole: int) -> settings:
    """Return Hypothesis's settings for a test of so many examples, or of a sample of them."""
    return settings(max_examples=whole if settings.get_current_profile_name() == WHOLE else whole // PART)


_SLOW = (HealthCheck.too_slow,)
