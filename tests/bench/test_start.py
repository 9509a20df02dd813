"""A short run of the benchmark of a start. It measures real processes. The tests do not judge the times."""

import pytest

from tests.bench.start import measure_start


@pytest.mark.parametrize("gateway", [pytest.param(False, marks=pytest.mark.whole), True], ids=["plain", "gateway"])
def test_a_start_is_measured(*, gateway: bool) -> None:
    """A client gets everything that it asks for. Otherwise the measurement fails."""
    figures = measure_start(3, 1, gateway=gateway, warm=False)
    assert 0 < figures.help_cpu_s < figures.check_cpu_s < figures.serve_cpu_s
    assert figures.serve_cpu_s == figures.serve_most_cpu_s
