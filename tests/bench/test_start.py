"""The benchmark of a start in its short form. It measures real processes; the tests do not judge how long they take."""

from tests.bench.start import measure_start


def test_a_start_is_measured_with_a_gateway_and_without() -> None:
    """The client of each gets all that it asks for; else the measurement fails."""
    for gateway in (False, True):
        figures = measure_start(3, 1, gateway=gateway)
        assert 0 < figures.help_cpu_s < figures.check_cpu_s < figures.serve_cpu_s
        assert figures.serve_cpu_s == figures.serve_most_cpu_s
