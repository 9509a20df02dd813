"""Bounds of counts: they hold what chance and turns can do, and little more."""

import ast
import random
from bisect import bisect
from collections import Counter
from fractions import Fraction
from math import comb
from pathlib import Path

import pytest

from tests.chance import FALSE_ALARM, SUITE, USES, by_chance, by_hash, in_turn, longest_wait, noticed
from xds.cli.demo.phases import SIGNIFICANCE

BOUNDS = {"by_chance", "by_hash", "longest_wait"}
OFTEN = 10
"""How often a place in the tests that asks for a bound does so in one run: as a mean, and more than it is."""

DEMOS = 3
"""Whole runs of `xds demo --exit` in the tests: each judges chance by itself."""


@pytest.mark.parametrize(("requests", "share"), [(60, 0.2), (200, 0.25), (600, 0.05)])
def test_chance_leaves_the_range_no_more_often_than_said_and_is_given_no_more_room(requests: int, share: float) -> None:
    """Exactly: both tails by fractions, each below half of a false alarm; one count less would be above it."""
    of, bounds = Fraction(share).limit_denominator(100), by_chance(requests, share)
    exact = [comb(requests, n) * of**n * (1 - of) ** (requests - n) for n in range(requests + 1)]
    low, high = bounds.start, bounds.stop
    for tail, next_count in ((sum(exact[:low]), exact[low]), (sum(exact[high:]), exact[high - 1])):
        assert tail <= FALSE_ALARM / 2 * (1 + 1e-6)
        assert tail + next_count > FALSE_ALARM / 2 * (1 - 1e-6)


def test_all_or_nothing_is_exact() -> None:
    """A share of 0 or 1 leaves nothing to chance."""
    assert by_chance(100, 0) == range(1)
    assert by_chance(100, 1) == range(100, 101)


def test_a_ring_has_more_room_than_chance_and_a_fine_ring_has_not() -> None:
    """The places are by chance as well."""
    coarse, fine, chance = by_hash(200, 0.8, 1024), by_hash(200, 0.8, 10**7), by_chance(200, 0.8)
    assert coarse.start < chance.start
    assert chance.stop < coarse.stop
    assert fine == chance


def test_rings_are_within_their_range_and_not_within_that_of_chance() -> None:
    """Rings as Envoy makes them, of random places."""
    chance, counts = random.Random(1), list[int]()
    for _ in range(2000):
        places = sorted((chance.random(), number < 16) for number in range(64))
        users = (bisect(places, (chance.random(),)) % 64 for _ in range(300))
        counts.append(sum(places[place][1] for place in users))
    assert all(count in by_hash(300, 1 / 4, 64) for count in counts)
    assert not all(count in by_chance(300, 1 / 4) for count in counts)


def schedule(weights: tuple[int, ...], picks: int, chance: random.Random) -> list[int]:
    """Pick as Envoy's scheduler does: whose next moment is the earliest; the start is drawn by lot."""
    due = [Fraction(1, weight) for weight in weights]
    made = []
    for _ in range(chance.randrange(50) + picks):
        first = min(range(len(weights)), key=lambda one: (due[one], one))
        made.append(first)
        due[first] += Fraction(1, weights[first])
    return made[-picks:]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (3, 2, 1), (5, 3, 1), (8, 1, 1), (7, 5, 3, 2)])
def test_turns_stay_within_their_range(weights: tuple[int, ...]) -> None:
    """Wherever they begin, and with as many workers as there are rounds, however requests are spread over these."""
    chance = random.Random(3)
    for _ in range(100):
        rounds = chance.randint(1, 4)
        made = [pick for _ in range(rounds) for pick in schedule(weights, chance.randint(1, 60), chance)]
        counts = Counter(made)
        for one, weight in enumerate(weights):
            assert counts[one] in in_turn(len(made), weight / sum(weights), len(weights), rounds=rounds)


def test_turns_have_little_room() -> None:
    """One worker, and weights 3:2:1: one more or less. With what is in flight, that much more."""
    assert [in_turn(120, weight / 6, 3) for weight in (3, 2, 1)] == [range(59, 62), range(39, 42), range(19, 22)]
    assert in_turn(100, 3 / 4, 2) == range(74, 77)
    assert in_turn(100, 3 / 4, 2, astray=2) == range(72, 79)
    assert in_turn(100, 3 / 4, 2, rounds=3) == range(72, 79)
    assert in_turn(2, 3 / 4, 2, astray=5) == range(3)


def test_a_wait_by_chance_is_longer_than_its_bound() -> None:
    """But for a false alarm: all of them would have to be shorter."""
    assert (longest_wait(3.0, 16) / 3.0) ** 16 == pytest.approx(FALSE_ALARM)


@pytest.mark.parametrize(
    ("bounds", "requests", "fault"),
    [
        (by_chance(600, 1 / 4), 600, 1 / 2),  # weights of a route that are not looked at
        (by_chance(600, 1 / 4), 600, 1 / 10),
        (by_chance(600, 1 / 20), 600, 1 / 2),  # a canary
        (by_chance(600, 1 / 20), 600, 0),
        (by_chance(800, 1 / 5), 800, 1 / 3),  # traces and lines of a log that are sampled
        (by_chance(800, 1 / 4), 800, 1),
        (by_chance(400, 1 / 10), 400, 1),  # a mirror, and faults
        (by_chance(400, 1 / 10), 400, 0),
        (by_chance(200, 1 / 4), 200, 1),
        (by_chance(1000, 1 / 20), 1000, 1 / 5),
        (by_chance(1000, 1 / 3), 1000, 1 / 2),  # zones and priorities
        (by_chance(1000, 0.7), 1000, 1 / 2),
        (by_chance(899, 1 / 3), 899, 0),  # a round, where chance is asked for
        (by_chance(200, 1 / 128), 200, 1 / 4),  # another try at the same instance
        (by_chance(200, 1 / 4), 200, 1 / 128),
        (by_hash(300, 1 / 12, 1024), 300, 1 / 3),  # users who move
        (by_hash(200, 0.8, 1024), 200, 1 / 3),  # weights of a ring that are not looked at
        (in_turn(120, 1 / 2, 3), 120, 1 / 3),
        (in_turn(200, 5 / 9, 3, astray=8), 200, 1 / 3),  # weights of the mesh in containers
    ],
)
def test_what_a_bound_is_for_is_noticed(bounds: range, requests: int, fault: float) -> None:
    """Each fault that a test of this suite looks for is out of its bounds, but for one run in 50 at most."""
    assert noticed(bounds, requests, fault) > 0.98


def test_turns_are_told_from_chance() -> None:
    """One of three that is well has 46 % when the others are degraded, and a third by turns when they are not."""
    assert not {*by_chance(800, 0.46)} & {*in_turn(800, 1 / 3, 3)}


def test_the_suite_has_no_more_bounds_than_it_is_given() -> None:
    """As many as are written down, each as often as tests are repeated; and the demo's own."""
    places = 0
    for file in Path(__file__).parent.rglob("*.py"):
        if file != Path(__file__):
            calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
            places += sum(isinstance(func, ast.Name) and func.id in BOUNDS for func in calls)
    assert places > 20
    assert places * OFTEN <= USES
    assert DEMOS * SIGNIFICANCE <= SUITE / 2
    assert USES * FALSE_ALARM <= SUITE / 2
