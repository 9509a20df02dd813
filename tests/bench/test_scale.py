"""The benchmark of scale in its short form: what it measures happens; how long it takes is not judged here."""

from tests.bench.scale import measure_scale


def test_one_changed_endpoint_sends_the_same_bytes_however_many_services_there_are() -> None:
    """And the figures of a start are those of a server that really ran."""
    few, many = measure_scale(5, 3, changes=3), measure_scale(50, 3, changes=3)
    assert (few.endpoints, many.endpoints) == (15, 150)
    assert 0 < few.change_bytes == many.change_bytes < 1000
    for figures in (few, many):
        assert 0 < figures.start_cpu_s < figures.start_wall_s * 2
        assert figures.memory_mb > 10
