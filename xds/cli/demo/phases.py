"""The phases of the demo: each phase's edit, the shares that it promises, and how counts are judged. No I/O."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SIGNIFICANCE = 1e-7
"""The probability that the random phase fails by chance alone: one run in ten million."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a promise held, and a sentence with the evidence."""

    holds: bool
    words: str


Judge = Callable[[Sequence[int], Sequence[float]], Verdict]
"""Compares the number of requests that each instance received with the expected shares."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One edit of the catalog and its promised effect. Without `weights`, the endpoints are listed without weights."""

    title: str
    words: str
    balance: str
    envoy_policy: str
    judge: Judge
    weights: tuple[int, ...] = ()
    requests: int = 300

    def expected(self, instances: int) -> list[float]:
        """Return the expected share of each instance. The shares add up to 1."""
        return shares(self.weights or (1,) * instances)


def shares(parts: Sequence[int]) -> list[float]:
    """Return each part's share of the sum; all 0 if the sum is 0."""
    whole = sum(parts)
    return [part / whole if whole else 0.0 for part in parts]


def judge_exact(counts: Sequence[int], expected: Sequence[float]) -> Verdict:
    """Return a verdict that holds if the counts are exact, except for one request per instance.

    The first and the last round of the balancer may be incomplete, which makes that difference. For equal shares, the
    highest and the lowest count differ by one at most.
    """
    promised = [sum(counts) * share for share in expected]
    off = max(abs(count - due) for count, due in zip(counts, promised, strict=True))
    equal = max(expected) - min(expected) < 1e-9
    exact = (max(counts) - min(counts) <= 1) if equal else off <= 1
    text = ", ".join(map(str, counts))
    if exact:
        return Verdict(True, f"exact shares: {text}")
    return Verdict(False, f"shares are off by up to {off:.0f} requests: {text}")


def judge_random(counts: Sequence[int], expected: Sequence[float]) -> Verdict:
    """Return a verdict that holds if three counts fit random choice with the expected shares (chi-square test).

    Raises ValueError for another number of instances.
    """
    if len(counts) != 3:
        raise ValueError("the critical value is valid for three instances only")
    total = sum(counts)
    if not total:
        return Verdict(False, "no instance answered")
    chi_square = sum(
        (count - total * share) ** 2 / (total * share) for count, share in zip(counts, expected, strict=True)
    )
    # With two degrees of freedom, the probability of a value above x is exp(-x / 2).
    critical, chance = -2 * math.log(SIGNIFICANCE), math.exp(-chi_square / 2)
    if chi_square < critical:
        return Verdict(True, f"random as expected: chi-square {chi_square:.2f} < {critical:.2f} (p = {chance:.2g})")
    return Verdict(False, f"not random as expected: chi-square {chi_square:.2f} ≥ {critical:.2f} (p = {chance:.2g})")


def judge_failures(verdict: Verdict, requests: int, failures: Sequence[str]) -> Verdict:
    """Return `verdict` if requests were sent and none failed, else a verdict that does not hold."""
    if not requests:
        return Verdict(False, "no request was sent")
    if not failures:
        return verdict
    return Verdict(False, f"{len(failures)} of {requests} requests failed, the first with: {failures[0]}")


def judge_crash(answers_after_return: int, back_in_seconds: float) -> Verdict:
    """Return a verdict that holds if an instance that was killed and started again answered requests again."""
    if not answers_after_return:
        return Verdict(False, "the restarted instance received no request")
    return Verdict(True, f"no request failed; it received requests again {back_in_seconds:.1f} s after its start")


PHASES = (
    Phase(
        title="round robin",
        words="two more instances are added; each request goes to the next instance in turn",
        balance="round_robin",
        envoy_policy="ROUND_ROBIN",
        judge=judge_exact,
    ),
    Phase(
        title="random",
        words="each request goes to a random instance",
        balance="random",
        envoy_policy="RANDOM",
        judge=judge_random,
    ),
    Phase(
        title="weighted 3:2:1",
        words="of every six requests, the instances get three, two and one",
        balance="weighted",
        envoy_policy="ROUND_ROBIN",
        judge=judge_exact,
        weights=(3, 2, 1),
    ),
)
