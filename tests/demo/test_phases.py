"""The promise of each phase, and the counts that keep it."""

import math

import pytest

from xds.cli.demo.phases import (
    PHASES,
    Verdict,
    judge_crash,
    judge_exact,
    judge_failures,
    judge_random,
    shares,
)

EQUAL = [1 / 3, 1 / 3, 1 / 3]
THREE_TWO_ONE = [3 / 6, 2 / 6, 1 / 6]


@pytest.mark.parametrize("counts", [(100, 100, 100), (101, 100, 100), (100, 101, 101), (0, 1, 1)])
def test_equal_shares_may_differ_by_one_incomplete_round(counts: tuple[int, ...]) -> None:
    """With round robin, the counts of instances differ by one at most."""
    assert judge_exact(counts, EQUAL).holds


@pytest.mark.parametrize("counts", [(101, 100, 99), (150, 150, 0), (300, 0, 0)])
def test_equal_shares_that_differ_by_two_fall_short(counts: tuple[int, ...]) -> None:
    """With round robin, two requests more than another instance break the order."""
    verdict = judge_exact(counts, EQUAL)
    assert not verdict.holds
    assert str(counts[0]) in verdict.words


@pytest.mark.parametrize("counts", [(150, 100, 50), (151, 100, 50), (150, 101, 49)])
def test_weighted_shares_are_exact_up_to_an_incomplete_round(counts: tuple[int, ...]) -> None:
    """With weights 3:2:1, every instance is within one request of its share."""
    assert judge_exact(counts, THREE_TWO_ONE).holds


@pytest.mark.parametrize("counts", [(100, 100, 100), (152, 98, 50), (148, 100, 52), (50, 100, 150)])
def test_weighted_shares_off_by_more_than_one_request_fall_short(counts: tuple[int, ...]) -> None:
    """With weights 3:2:1, two requests too many contradict the weights."""
    assert not judge_exact(counts, THREE_TWO_ONE).holds


def test_random_shares_hold_up_to_the_critical_value() -> None:
    """The critical value for two degrees of freedom at 1e-7 is -2 ln 1e-7, about 32.236."""
    # For (100 + d, 100 - d, 100) chi-square is d²/50: 32.00 for 40, 33.62 for 41.
    assert judge_random((140, 60, 100), EQUAL).holds
    assert not judge_random((141, 59, 100), EQUAL).holds


def test_the_random_verdict_has_the_probability_of_the_counts() -> None:
    """The probability p is exp(-chi-square / 2)."""
    words = judge_random((110, 90, 100), EQUAL).words
    assert "chi-square 2.00" in words
    assert f"p = {math.exp(-1):.2g}" in words


def test_random_is_judged_for_three_instances_only() -> None:
    """The formula for the critical value holds for two degrees of freedom."""
    with pytest.raises(ValueError, match="three instances"):
        judge_random((100, 100), [0.5, 0.5])


def test_no_answer_breaks_every_promise() -> None:
    """Without answers there is no evidence of exact shares or of chance."""
    assert not judge_random((0, 0, 0), EQUAL).holds
    assert not judge_failures(judge_exact((0, 0, 0), EQUAL), 0, []).holds


def test_a_single_failed_request_fails_a_phase() -> None:
    """Every promise includes zero failures, whatever the shares. The verdict has the first failure."""
    verdict = judge_failures(Verdict(True, "exact shares"), 300, ["503 no healthy upstream"])
    assert not verdict.holds
    assert "1 of 300" in verdict.words
    assert "503 no healthy upstream" in verdict.words
    assert judge_failures(Verdict(True, "exact shares"), 300, []).holds


def test_an_instance_that_came_back_must_get_requests_again() -> None:
    """A crash is over only when the instance serves again."""
    assert judge_crash(12, 2.1).holds
    assert not judge_crash(0, 15.0).holds


def test_shares_add_up_to_one_or_are_all_zero() -> None:
    """A share is a part of the total. Without requests, every share is zero."""
    assert shares((3, 2, 1)) == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    assert shares((0, 0, 0)) == [0, 0, 0]


def test_phases_are_the_three_classic_algorithms_in_whole_rounds() -> None:
    """Round robin, random and weighted 3:2:1, each with requests for a whole number of rounds of six."""
    assert [phase.balance for phase in PHASES] == ["round_robin", "random", "weighted"]
    assert [phase.expected(3) for phase in PHASES] == [EQUAL, EQUAL, THREE_TWO_ONE]
    assert all(phase.requests % 6 == 0 for phase in PHASES)
