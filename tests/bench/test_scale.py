"""A short run of the benchmark of scale. The test checks what it measures, not the times."""

from tests.bench.scale import measure_scale


def test_one_changed_endpoint_sends_the_same_bytes_however_many_services_there_are() -> None:
    """The figures of a start come from a real server."""
    few = measure_scale(1, 3, changes=2, least=0)
    many = measure_scale(50, 3, changes=2, least=few.memory_mb)
    assert (few.endpoints, many.endpoints) == (3, 150)
    assert 0 < few.change_bytes == many.change_bytes < 1000
    for figures in (few, many):
        assert 0 < figures.start_cpu_s < figures.start_wall_s * 2
        assert figures.memory_mb > 10
