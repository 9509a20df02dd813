"""How far a count may be from what is expected: computed, so that a test fails by a fault and not by chance.

Each function returns the counts that are in order, as a range: `assert counts["api-2"] in by_chance(600, 1 / 4)`.
Where Envoy draws lots, the range is exact for the binomial distribution, and chance alone leaves it with the
probability `FALSE_ALARM` at most. Where it goes by turns, nothing is left to chance, and the range follows from how
turns are taken. What a range still notices, `noticed` computes; `test_chance.py` holds the ranges of this suite to it.
"""

from collections.abc import Callable
from functools import partial
from math import ceil, exp, floor, lgamma, log

SUITE = 1e-6
"""How often chance alone may fail a run of all tests."""

USES = 1000
"""More counts than a run of all tests holds against chance: `test_chance.py` compares them."""

FALSE_ALARM = SUITE / 2 / USES
"""How often chance alone may fail one count: some six standard deviations. Half of all is left to `xds demo`."""


def by_chance(requests: int, share: float) -> range:
    """Return how many of the requests may be so when each is with the probability `share`, whatever the others are."""
    return _bound(partial(_binomial, requests, share), requests)


def by_hash(users: int, share: float, places: int) -> range:
    """Return how many users may be one endpoint's, which has that share of a ring's places.

    Two things are left to chance: where the places are (the ports of a test differ each time), and where the users
    are. Of a ring that `places` random points divide, some of the arcs together have the beta distribution; so the
    count has the beta-binomial one.
    """
    return _bound(partial(_beta_binomial, users, share * places, (1 - share) * places), users)


def in_turn(requests: int, share: float, endpoints: int, *, rounds: int = 1, astray: int = 0) -> range:
    """Return how many of the requests may be one endpoint's when each of `endpoints` gets its share by turns.

    Envoy's scheduler picks an endpoint of weight w at the moments k / w of a clock of its own, whose start each
    worker draws by lot. So in any stretch of the clock a count is less than 1 from what is due, e, and of a stretch of
    n picks it differs from n * share by e * (1 - share) - share * (the others' e): less than 1 + share * (endpoints
    - 2). Equal weights are a round, and closer still. Each of `rounds` adds as much: there is one for each worker, and
    one more for each change of the endpoints, which begins anew. `astray` requests are of the picks and not of the
    count, or the other way round: those that were in flight when it began.
    """
    error = rounds * (1 + share * (endpoints - 2)) + astray
    return range(max(0, ceil(requests * share - error)), min(requests, floor(requests * share + error)) + 1)


def longest_wait(base: float, waits: int) -> float:
    """Return what the longest of so many waits exceeds, each by chance between 0 and `base`."""
    return float(base * FALSE_ALARM ** (1 / waits))


def noticed(bounds: range, requests: int, share: float) -> float:
    """Return the probability with which a count is out of the bounds, when the share is another than they are for."""
    return 1 - sum(exp(_binomial(requests, share, count)) for count in bounds)


def _bound(log_probability: Callable[[int], float], most: int) -> range:
    """Leave out the counts at both ends that are together less probable than half of a false alarm."""
    counts = range(most + 1)
    return range(_skip(log_probability, counts), most + 1 - _skip(log_probability, counts[::-1]))


def _skip(log_probability: Callable[[int], float], counts: range) -> int:
    left = FALSE_ALARM / 2
    for skipped, count in enumerate(counts):
        left -= exp(log_probability(count))
        if left < 0:
            return skipped
    raise AssertionError("probabilities that are not 1 together")


def _binomial(trials: int, share: float, count: int) -> float:
    if share in (0, 1):
        return 0.0 if count == trials * share else -float("inf")
    return _choose(trials, count) + count * log(share) + (trials - count) * log(1 - share)


def _beta_binomial(trials: int, first: float, second: float, count: int) -> float:
    return _choose(trials, count) + _beta(first + count, second + trials - count) - _beta(first, second)


def _choose(trials: int, count: int) -> float:
    return lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)


def _beta(first: float, second: float) -> float:
    return lgamma(first) + lgamma(second) - lgamma(first + second)
