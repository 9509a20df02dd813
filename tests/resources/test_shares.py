"""Shares, compared with the tables in Envoy's documentation, and with rules that hold for all shares."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.resources.endpoints.shares import Condition, Host, Rules, compute_shares

HEALTHY, DEGRADED, UNHEALTHY = Condition.HEALTHY, Condition.DEGRADED, Condition.UNHEALTHY


def level(priority: int, well: int, degraded: int = 0, size: int = 100) -> list[Host]:
    """Make a priority with this many endpoints: some healthy, some degraded, the others unhealthy."""
    conditions = [HEALTHY] * well + [DEGRADED] * degraded + [UNHEALTHY] * (size - well - degraded)
    return [Host(priority, "", 1, condition) for condition in conditions]


def by_level(hosts: Sequence[Host], rules: Rules | None = None) -> list[float]:
    """Return the percentage of each priority."""
    shares = compute_shares(hosts, rules or Rules()).of_hosts
    loads = dict.fromkeys(sorted({host.priority for host in hosts}), 0.0)
    for host, share in zip(hosts, shares, strict=True):
        loads[host.priority] += 100 * share
    return [round(load, 1) for load in loads.values()]


@pytest.mark.parametrize(
    ("well", "loads"),
    [
        ([100], [100]),
        ([72, 100], [100, 0]),
        ([71, 100], [99, 1]),
        ([50, 100], [70, 30]),
        ([25, 100], [35, 65]),
        ([0, 100], [0, 100]),
        ([25, 25, 100], [35, 35, 30]),
        ([72, 72, 0], [100, 0, 0]),
    ],
)
def test_a_priority_gets_1_4_times_its_healthy_share(well: list[int], loads: list[float]) -> None:
    """A priority receives 1.4 times its healthy part, and the next ones the rest (Envoy's table of priority levels)."""
    assert by_level([host for priority, count in enumerate(well) for host in level(priority, count)]) == loads


def test_when_all_priorities_together_have_too_little_health_each_gets_its_proportion() -> None:
    """With 28 and 28 percent, each gets half. Below the panic threshold both priorities ignore health."""
    hosts = [*level(0, 20), *level(1, 20)]
    assert by_level(hosts, Rules(panic_threshold=0)) == [50, 50]
    assert compute_shares(hosts, Rules(panic_threshold=0)).panicking == frozenset()
    assert compute_shares(hosts, Rules()).panicking == {0, 1}
    assert {*compute_shares(hosts, Rules()).of_hosts} == {1 / 200}


def test_degraded_endpoints_get_what_the_healthy_ones_cannot_take() -> None:
    """One of two endpoints is healthy and gets 70 percent."""
    assert compute_shares(level(0, 1, 1, 2), Rules()).of_hosts == pytest.approx((0.7, 0.3))


def test_no_endpoint_gets_requests_when_all_are_unhealthy_and_panic_is_off() -> None:
    """Envoy then answers 503."""
    assert by_level(level(0, 0, 0, 4), Rules(panic_threshold=0)) == [0]


def test_endpoint_weights_count_within_a_locality_and_locality_weights_between_them() -> None:
    """Weights are 3 to 1 in a. Both localities weigh the same. Half of b is unhealthy, so b gets 0.7 of its part."""
    hosts = [Host(0, "a", 3, HEALTHY), Host(0, "a", 1, HEALTHY), Host(0, "b", 1, HEALTHY), Host(0, "b", 1, UNHEALTHY)]
    rules = Rules(localities={(0, "a"): 1, (0, "b"): 1})
    assert compute_shares(hosts, rules).of_hosts == pytest.approx((0.75 / 1.7, 0.25 / 1.7, 0.7 / 1.7, 0))
    assert compute_shares(hosts, Rules()).of_hosts == pytest.approx((0.6, 0.2, 0.2, 0))
    assert compute_shares(hosts, Rules(weighted=False)).of_hosts == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0))


hosts = st.lists(
    st.builds(Host, st.integers(0, 3), st.sampled_from("abc"), st.integers(1, 9), st.sampled_from(Condition)),
    min_size=1,
    max_size=12,
)


@given(hosts, st.sampled_from([0, 50, 100]), st.booleans())
def test_shares_add_up_to_all_or_to_nothing(found: list[Host], threshold: float, zones: bool) -> None:
    """This holds for any endpoints. Unhealthy endpoints get a share only in panic."""
    localities = {(host.priority, host.locality): 1 for host in found} if zones else None
    shares = compute_shares(found, Rules(panic_threshold=threshold, localities=localities))
    assert sum(shares.of_hosts) == pytest.approx(1) or sum(shares.of_hosts) == 0
    for host, share in zip(found, shares.of_hosts, strict=True):
        assert share >= 0
        assert not share or host.condition is not UNHEALTHY or host.priority in shares.panicking
    assert (sum(shares.of_hosts) == 0) <= all(host.condition is UNHEALTHY for host in found)
