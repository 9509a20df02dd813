"""A short run of the benchmark of an edit's effect. The test checks that edits take effect, not how soon."""

import pytest

from tests.bench.effect import measure_effect


@pytest.mark.parametrize("services", [pytest.param(1, marks=pytest.mark.whole), 30])
def test_every_edit_takes_effect_and_no_request_fails(services: int) -> None:
    """Envoy balances by each edit under load. The times of an edit are in the correct order."""
    figures = measure_effect(services, edits=3)
    assert figures.edits == 3
    assert figures.failed == 0
    assert figures.requests > 3 * 50
    assert 0 < figures.read_p50_ms < figures.pushed_p50_ms < figures.p50_ms <= figures.worst_ms
