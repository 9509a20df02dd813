"""What the demo shows: each phase's edit, the shares that it promises, and how the counts are judged. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SIGNIFICANCE = 1e-7
"""How rarely chance alone may fail the test of the random phase; whoever sees it fail is to find a fault."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a promise held, and the sentence that says by what."""

    holds: bool
    words: str


Judge = Callable[[Sequence[int], Sequence[float]], Verdict]
"""Judges the requests that each instance got against the expected share of each."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One edit of the catalog and what must follow from it. No weights: the endpoints are listed without."""

    title: str
    words: str
    balance: str
    envoy_policy: str
    judge: Judge
    weights: tuple[int, ...] = ()
    requests: int = 300

    def expected(self, instances: int) -> list[float]:
        """Give the expected share of each instance; they add up to 1."""
        return shares(self.weights or (1,) * instances)


def shares(parts: Sequence[int]) -> list[float]:
    """Give each part's share of the whole; all 0 while there is nothing to share."""
    whole = sum(parts)
    return [part / whole if whole else 0.0 for part in parts]


def judge_exact(counts: Sequence[int], expected: Sequence[float]) -> Verdict:
    """Allow what the first and the last round, which may be cut short, can make: one request an instance.

    For equal shares that is: the most and the least differ by one at most.
    """
    promised = [sum(counts) * share for share in expected]
    off = max(abs(count - due) for count, due in zip(counts, promised, strict=True))
    equal = max(expected) - min(expected) < 1e-9
    exact = (max(counts) - min(counts) <= 1) if equal else off <= 1
    told = ", ".join(map(str, counts))
    if exact:
        return Verdict(True, f"exact shares: {told}")
    return Verdict(False, f"shares are off by up to {off:.0f} requests: {told}")


def judge_random(counts: Sequence[int], expected: Sequence[float]) -> Verdict:
    """Test with chi-square whether chance alone explains how far three counts are from the expected shares."""
    if len(counts) != 3:
        raise ValueError("the critical value is worked out for three instances")
    total = sum(counts)
    if not total:
        return Verdict(False, "nobody answered")
    chi_square = sum(
        (count - total * share) ** 2 / (total * share) for count, share in zip(counts, expected, strict=True)
    )
    # With two degrees of freedom the chance of a value above x has a closed form: exp(-x / 2).
    critical, chance = -2 * math.log(SIGNIFICANCE), math.exp(-chi_square / 2)
    if chi_square < critical:
        return Verdict(
            True, f"as chance would have it: chi-square {chi_square:.2f} < {critical:.2f} (p = {chance:.2g})"
        )
    return Verdict(False, f"not by chance: chi-square {chi_square:.2f} ≥ {critical:.2f} (p = {chance:.2g})")


def judge_failures(verdict: Verdict, requests: int, failures: Sequence[str]) -> Verdict:
    """Let a verdict stand only when no request failed."""
    if not requests:
        return Verdict(False, "no request was sent")
    if not failures:
        return verdict
    return Verdict(False, f"{len(failures)} of {requests} requests failed, the first with: {failures[0]}")


def judge_crash(answers_after_return: int, back_in_seconds: float) -> Verdict:
    """Judge what became of an instance that was killed and started again."""
    if not answers_after_return:
        return Verdict(False, "the instance that came back got no request")
    return Verdict(True, f"no request failed; back in the rounds {back_in_seconds:.1f} s after its start")


PHASES = (
    Phase(
        title="round robin",
        words="two more instances join; each request goes to the next in turn",
        balance="round_robin",
        envoy_policy="ROUND_ROBIN",
        judge=judge_exact,
    ),
    Phase(
        title="random",
        words="every request is a throw of a three-sided die",
        balance="random",
        envoy_policy="RANDOM",
        judge=judge_random,
    ),
    Phase(
        title="weighted 3:2:1",
        words="in each round of six: three, two and one",
        balance="weighted",
        envoy_policy="ROUND_ROBIN",
        judge=judge_exact,
        weights=(3, 2, 1),
    ),
)
