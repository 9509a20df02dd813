"""The ranges of counts allow what random choices and turns can do, and little more."""

import ast
import random
from bisect import bisect
from collections import Counter
from fractions import Fraction
from math import comb
from pathlib import Path

import pytest

from tests.chance import FALSE_ALARM, SUITE, USES, by_chance, by_hash, in_turn, longest_wait, noticed, to_reach_all
from xds.cli.demo.phases import SIGNIFICANCE

BOUNDS = {"by_chance", "by_hash", "longest_wait", "to_reach_all"}
OFTEN = 10
"""A limit for how often each call of a bound in the tests runs, on average, in one run of all tests."""

DEMOS = 3
"""How often the tests run the whole of `xds demo --exit`, which does statistical tests of its own."""


@pytest.mark.parametrize(("requests", "share"), [(60, 0.2), (200, 0.25), (600, 0.05)])
def test_by_chance_is_exact_to_one_count(requests: int, share: float) -> None:
    """Exact fractions show that each tail is below half of a false alarm, and that one count more in the tail is too
    many.
    """
    of, bounds = Fraction(share).limit_denominator(100), by_chance(requests, share)
    exact = [comb(requests, n) * of**n * (1 - of) ** (requests - n) for n in range(requests + 1)]
    low, high = bounds.start, bounds.stop
    for tail, next_count in ((sum(exact[:low]), exact[low]), (sum(exact[high:]), exact[high - 1])):
        assert tail <= FALSE_ALARM / 2 * (1 + 1e-6)
        assert tail + next_count > FALSE_ALARM / 2 * (1 - 1e-6)


def test_a_share_of_0_or_1_allows_exactly_one_count() -> None:
    """Nothing is random with these shares."""
    assert by_chance(100, 0) == range(1)
    assert by_chance(100, 1) == range(100, 101)


def test_the_range_for_a_ring_is_wider_than_by_chance_unless_the_ring_is_fine() -> None:
    """The places on the ring are random too. With many places, this makes no difference."""
    coarse, fine, chance = by_hash(200, 0.8, 1024), by_hash(200, 0.8, 10**7), by_chance(200, 0.8)
    assert coarse.start < chance.start
    assert chance.stop < coarse.stop
    assert fine == chance


def test_counts_on_a_ring_need_the_range_by_hash() -> None:
    """Rings with random places, as Envoy makes them, stay in this range, but not in the range of `by_chance`."""
    chance, counts = random.Random(1), list[int]()
    for _ in range(2000):
        places = sorted((chance.random(), number < 16) for number in range(64))
        users = (bisect(places, (chance.random(),)) % 64 for _ in range(300))
        counts.append(sum(places[place][1] for place in users))
    assert all(count in by_hash(300, 1 / 4, 64) for count in counts)
    assert not all(count in by_chance(300, 1 / 4) for count in counts)


def test_all_endpoints_are_reached_unless_one_is_left_out_by_a_false_alarm() -> None:
    """For random choice, the chance that one of three is left out is 3 * (2 / 3) ** users. A coarse ring needs more."""
    users = to_reach_all(3, 10**7)
    assert 3 * (2 / 3) ** users <= FALSE_ALARM < 3 * (2 / 3) ** (users - 1)
    assert users < to_reach_all(3, 1024) < to_reach_all(3, 64)


def schedule(weights: tuple[int, ...], picks: int, chance: random.Random) -> list[int]:
    """Pick as Envoy's scheduler does: the endpoint whose next moment is the earliest. The start is random."""
    due = [Fraction(1, weight) for weight in weights]
    made = []
    for _ in range(chance.randrange(50) + picks):
        first = min(range(len(weights)), key=lambda one: (due[one], one))
        made.append(first)
        due[first] += Fraction(1, weights[first])
    return made[-picks:]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (3, 2, 1), (5, 3, 1), (8, 1, 1), (7, 5, 3, 2)])
def test_turns_stay_in_their_range(weights: tuple[int, ...]) -> None:
    """This holds wherever they start, with one worker for each round, and however requests are divided among the
    workers.
    """
    chance = random.Random(3)
    for _ in range(100):
        rounds = chance.randint(1, 4)
        made = [pick for _ in range(rounds) for pick in schedule(weights, chance.randint(1, 60), chance)]
        counts = Counter(made)
        for one, weight in enumerate(weights):
            assert counts[one] in in_turn(len(made), weight / sum(weights), len(weights), rounds=rounds)


def test_the_range_for_turns_is_narrow() -> None:
    """One worker with the weights 3:2:1 may differ by one. Requests in flight and more rounds widen the range."""
    assert [in_turn(120, weight / 6, 3) for weight in (3, 2, 1)] == [range(59, 62), range(39, 42), range(19, 22)]
    assert in_turn(100, 3 / 4, 2) == range(74, 77)
    assert in_turn(100, 3 / 4, 2, astray=2) == range(72, 79)
    assert in_turn(100, 3 / 4, 2, rounds=3) == range(72, 79)
    assert in_turn(2, 3 / 4, 2, astray=5) == range(3)


def test_the_longest_of_several_random_waits_exceeds_its_bound() -> None:
    """The only exception is a false alarm: all of the waits are shorter."""
    assert (longest_wait(3.0, 16) / 3.0) ** 16 == pytest.approx(FALSE_ALARM)


@pytest.mark.parametrize(
    ("bounds", "requests", "fault"),
    [
        (by_chance(600, 1 / 4), 600, 1 / 2),  # a route's weights are ignored
        (by_chance(600, 1 / 4), 600, 1 / 10),
        (by_chance(600, 1 / 20), 600, 1 / 2),  # a canary
        (by_chance(600, 1 / 20), 600, 0),
        (by_chance(800, 1 / 5), 800, 1 / 3),  # traces and lines of a log are sampled
        (by_chance(800, 1 / 4), 800, 1),
        (by_chance(400, 1 / 10), 400, 1),  # a mirror, and injected faults
        (by_chance(400, 1 / 10), 400, 0),
        (by_chance(200, 1 / 4), 200, 1),
        (by_chance(1000, 1 / 20), 1000, 1 / 5),
        (by_chance(1000, 1 / 3), 1000, 1 / 2),  # zones and priorities
        (by_chance(1000, 0.7), 1000, 1 / 2),
        (by_chance(899, 1 / 3), 899, 0),  # endpoints take turns, although they should be random
        (by_chance(200, 1 / 128), 200, 1 / 4),  # a retry at the same instance
        (by_chance(200, 1 / 4), 200, 1 / 128),
        (by_hash(300, 1 / 12, 512), 300, 1 / 3),  # users who move to another endpoint
        (by_hash(200, 0.8, 1024), 200, 1 / 3),  # a ring ignores the weights
        (in_turn(120, 1 / 2, 3), 120, 1 / 3),
        (in_turn(200, 5 / 9, 3, astray=8), 200, 1 / 3),  # weights in the mesh of containers
    ],
)
def test_each_fault_that_a_bound_is_for_is_noticed(bounds: range, requests: int, fault: float) -> None:
    """The fault's count is outside of the bounds in at least 98 of 100 runs."""
    assert noticed(bounds, requests, fault) > 0.98


def test_bounds_distinguish_random_choice_from_turns() -> None:
    """The healthy one of three endpoints gets 46 % when the others are degraded. By turns each of three healthy ones
    gets a third.
    """
    assert not {*by_chance(800, 0.46)} & {*in_turn(800, 1 / 3, 3)}


def test_the_suite_has_no_more_bounds_than_false_alarms_are_computed_for() -> None:
    """The number is the places in the tests times the runs of each, and the bounds of the demo."""
    places = 0
    for file in Path(__file__).parent.rglob("*.py"):
        if file != Path(__file__):
            calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
            places += sum(isinstance(func, ast.Name) and func.id in BOUNDS for func in calls)
    assert places > 20
    assert places * OFTEN <= USES
    assert DEMOS * SIGNIFICANCE <= SUITE / 2
    assert USES * FALSE_ALARM <= SUITE / 2
