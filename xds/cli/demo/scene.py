"""What is known of one phase while it plays; the terminal's picture and the plain lines are both made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xds.cli.demo.load import Load
from xds.cli.demo.phases import Verdict, shares


@dataclass(slots=True)
class Scene:
    """One phase: what was edited, how soon it was in effect, what was counted, what came of it."""

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
        """The share that each instance has had."""
        return shares(self.counts or [0] * len(self.instances))

    @property
    def effect(self) -> str:
        """The sentence on the edit's way into Envoy; empty until it has arrived."""
        return "" if self.effect_seconds is None else f"saved → in effect: {self.effect_seconds * 1000:.0f} ms"

    @property
    def traffic(self) -> str:
        """The sentence on the requests sent so far."""
        times = f"half within {self.typical_seconds * 1000:.1f} ms, 99 % within {self.slow_seconds * 1000:.1f} ms"
        return f"{self.requests} requests, {self.failures} failed; {times}"

    def count(self, load: Load, since: float = 0.0, before: float = float("inf")) -> None:
        """Take over what a load has seen: shares of a stretch of time, everything else of all of it."""
        self.counts = load.counts(self.instances, since, before)
        self.requests = len(load.answers)
        self.failures = len(load.failures)
        self.typical_seconds = load.percentile(0.5)
        self.slow_seconds = load.percentile(0.99)
