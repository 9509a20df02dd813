"""A short run of the benchmark of a start. It measures real processes. The tests do not judge the times."""

from tests.bench.start import measure_start


def test_a_start_is_measured_with_a_gateway_and_without() -> None:
    """Each client gets everything that it asks for. Otherwise the measurement fails."""
    for gateway in (False, True):
        figures = measure_start(3, 1, gateway=gateway)
        assert 0 < figures.help_cpu_s < figures.check_cpu_s < figures.serve_cpu_s
        assert figures.serve_cpu_s == figures.serve_most_cpu_s
