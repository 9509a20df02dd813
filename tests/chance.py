"""How far a count may be from what is expected. It is computed, so that a test fails because of a fault and not by
chance.

Each function returns the counts that are allowed, as a range: `assert counts["api-2"] in by_chance(600, 1 / 4)`. Where
Envoy chooses at random, the range is exact for the binomial distribution. A correct Envoy leaves it with the
probability `FALSE_ALARM` at most. Where Envoy takes turns, nothing is random, and the range follows from how turns are
taken. `noticed` computes which faults a range still notices; `test_chance.py` tests that for the ranges of this suite.
"""

from collections.abc import Callable
from functools import partial
from itertools import count as count_from
from math import ceil, exp, floor, lgamma, log

SUITE = 1e-6
"""How often a run of all tests may fail by chance alone."""

USES = 1000
"""A limit for the number of counts that a run of all tests compares with a range. `test_chance.py` checks it."""

FALSE_ALARM = SUITE / 2 / USES
"""How often one count may fail by chance alone: about six standard deviations. `xds demo` uses the other half of
`SUITE`.
"""


def by_chance(requests: int, share: float) -> range:
    """Return the possible counts of requests that have a property, when each request has it with the probability
    `share`.
    """
    return _bound(partial(_binomial, requests, share), requests)


def by_hash(users: int, share: float, places: int) -> range:
    """Return the possible counts of users that one endpoint gets, when it has that share of a ring's places.

    Two things are random: the places on the ring (the ports of a test differ each time), and where the users are. When
    `places` random points divide a ring, the sum of some of the arcs has the beta distribution. So the count has the
    beta-binomial distribution.
    """
    return _bound(partial(_beta_binomial, users, share * places, (1 - share) * places), users)


def to_reach_all(endpoints: int, places: int) -> int:
    """Return how many users suffice, so that each of so many equal endpoints gets one of them, on a ring of so many
    places. They suffice for a finer table, and for random choice, too.
    """
    share = 1 / endpoints
    for users in count_from(1):
        if endpoints * exp(_beta_binomial(users, share * places, (1 - share) * places, 0)) <= FALSE_ALARM:
            return users
    raise AssertionError("numbers that end")


def in_turn(requests: int, share: float, endpoints: int, *, rounds: int = 1, astray: int = 0) -> range:
    """Return the possible counts of requests for one endpoint, when `endpoints` endpoints take turns by their shares.

    Envoy's scheduler picks an endpoint of weight w at the moments k / w of its own clock. Each worker starts the clock
    at random. So in any stretch of the clock, a count differs by less than 1 from the expected number; call that
    difference e. In a stretch of n picks, the count differs from n * share by e * (1 - share) - share * (the others'
    e). That is less than 1 + share * (endpoints - 2). With equal weights the scheduler goes round, and the difference
    is smaller. Each of `rounds` adds the same difference. There is one round for each worker, and one more for each
    change of the endpoints, because the scheduler then starts again. `astray` requests are picked but not counted, or
    counted but not picked: those in flight when counting began.
    """
    error = rounds * (1 + share * (endpoints - 2)) + astray
    return range(max(0, ceil(requests * share - error)), min(requests, floor(requests * share + error)) + 1)


def longest_wait(base: float, waits: int) -> float:
    """Return a time that the longest of so many waits exceeds. Each wait is random, between 0 and `base`."""
    return float(base * FALSE_ALARM ** (1 / waits))


def noticed(bounds: range, requests: int, share: float) -> float:
    """Return the probability that a count is outside of the bounds, when the real share is this one."""
    return 1 - sum(exp(_binomial(requests, share, count)) for count in bounds)


def _bound(log_probability: Callable[[int], float], most: int) -> range:
    """Leave out counts at both ends. Together they are less probable than half of a false alarm."""
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
