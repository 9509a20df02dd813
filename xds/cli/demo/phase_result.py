"""PhaseResult: the data of one phase while it runs. The screens show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xds.cli.demo.load import Load
from xds.cli.demo.phases import Verdict, shares


@dataclass(slots=True)
class PhaseResult:
    """One phase: the changed lines, the seconds until they were in effect, the counts and the verdict."""

    title: str
    words: str
    instances: Sequence[str]
    expected: list[float]
    changes: list[str] = field(default_factory=list)
    effect_seconds: float | None = None
    counts: list[int] = field(default_factory=list)
    requests: int = 0
    failures: int = 0
    typical_seconds: float = 0.0
    slow_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    verdict: Verdict | None = None

    @property
    def observed(self) -> list[float]:
        """The share of the requests that each instance answered."""
        return shares(self.counts or [0] * len(self.instances))

    @property
    def effect(self) -> str:
        """A sentence about how long the edit took to be in effect; empty until then."""
        return "" if self.effect_seconds is None else f"saved → in effect: {self.effect_seconds * 1000:.0f} ms"

    @property
    def traffic(self) -> str:
        """A sentence about the requests sent so far."""
        times = f"half within {self.typical_seconds * 1000:.1f} ms, 99 % within {self.slow_seconds * 1000:.1f} ms"
        return f"{self.requests} requests, {self.failures} failed; {times}"

    def count(self, load: Load, since: float = 0.0, before: float = float("inf")) -> None:
        """Copy a load's numbers: the counts of a period (time.monotonic()), and everything else of the whole time."""
        self.counts = load.counts(self.instances, since, before)
        self.requests = len(load.answers)
        self.failures = len(load.failures)
        self.typical_seconds = load.percentile(0.5)
        self.slow_seconds = load.percentile(0.99)
