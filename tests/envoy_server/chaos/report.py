"""What a chaos run did, and what was wrong: as a line while it runs, as a table, and as JSON."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field


@dataclass
class Report:
    """The counts of a run. It is good as long as it has no `faults`."""

    seed: int
    options: str = ""
    """With what else the steps are taken again."""
    seconds: float = 0.0
    steps: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Of requests whose Envoy was there, by kind."""
    unanswered: int = 0
    """Requests that failed because their Envoy was killed or not there yet."""
    probes: int = 0
    comparisons: int = 0
    """How often an Envoy's configuration was found to be what the catalog says."""
    starts: int = 0
    """Of the control plane."""
    restarts: int = 0
    """Of an Envoy."""
    nacks: int = 0
    tracebacks: int = 0
    waits_in_vain: int = 0
    """Responses of the control plane that were not answered in time, as while it was stopped."""
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps({**asdict(self), "kinds": dict(self.kinds), "failures": dict(self.failures)}, indent=2)

    def as_line(self) -> str:
        """Return what is known so far."""
        bad = f"{self.failures.total()} failures, {len(self.faults)} faults"
        last = self.steps[-1][:60] if self.steps else ""
        return f"seed {self.seed}: {self.seconds:.0f} s, {self.requests} requests, {bad} | {last}"

    def as_table(self) -> str:
        """Return the counts, one a line, then the failures by kind and the faults."""
        rows = {
            "seed": self.seed,
            "seconds": f"{self.seconds:.0f}",
            "steps": f"{len(self.steps)} of {len(self.kinds)} kinds",
            "requests": self.requests,
            "failures": self.failures.total(),
            "requests to an absent Envoy": self.unanswered,
            "requests to one route": self.probes,
            "configurations compared": self.comparisons,
            "starts of the control plane": self.starts,
            "restarts of an Envoy": self.restarts,
            "NACKs": self.nacks,
            "tracebacks": self.tracebacks,
            "responses without an answer in time": self.waits_in_vain,
            "faults": len(self.faults),
        }
        lines = [f"{name:<37}{value!s:>9}" for name, value in rows.items()]
        lines += [f"{number:>9} × {kind}" for kind, number in self.failures.most_common()]
        return "\n".join(lines + [self.explain()] * bool(self.faults))

    def explain(self) -> str:
        """Return the faults, the seed and the steps that led to them: what a person needs to see them again."""
        faults = "\n".join(f"FAULT: {one}" for one in self.faults)
        again = f"python -m tests.envoy_server.chaos --seed {self.seed} --steps {len(self.steps)}{self.options}"
        return f"{faults}\nthe same steps again: {again}\n" + "\n".join(self.steps)
