"""What was counted, as tables with bars."""

from collections import Counter
from collections.abc import Mapping

from mesh.load import Load

BAR = 40
"""Columns that all requests together would fill."""


def print_load(load: Load) -> int:
    """Say how many requests were sent and how many failed, and of what; the exit code."""
    failures = Counter(load.failures)
    print(
        f"{len(load.answers)} requests to {load.url}, {failures.total()} failed; "
        f"half within {load.percentile(0.5) * 1000:.1f} ms, 99% within {load.percentile(0.99) * 1000:.1f} ms"
    )
    for failure, times in failures.most_common(5):
        print(f"  failed {times} times: {failure}")
    return 1 if failures else 0


def print_shares(heading: str, counts: Mapping[str, int], expected: Mapping[str, float] | None = None) -> None:
    """Print each one's share of the requests, beside what is expected."""
    names = sorted({*counts, *(expected or {})})
    total, width = sum(counts.values()), max(map(len, [heading, *names]))
    print(f"{heading:{width}}  REQUESTS   SHARE" + ("  EXPECTED" if expected else ""))
    for name in names:
        share = counts.get(name, 0) / total if total else 0.0
        beside = f"  {expected.get(name, 0.0):8.1%}" if expected else ""
        print(f"{name:{width}}  {counts.get(name, 0):8}  {share:6.1%}{beside}  {'█' * round(BAR * share)}".rstrip())


def print_phases(heading: str, phases: Mapping[str, Mapping[str, int]]) -> None:
    """Print each one's share in one phase after the other, and of how many requests."""
    names = sorted({name for counts in phases.values() for name in counts})
    width = max(map(len, [heading, *names]))
    print(f"{heading:{width}}" + "".join(f"  {title:>10}" for title in phases))
    for name in names:
        shares = [counts.get(name, 0) / max(1, sum(counts.values())) for counts in phases.values()]
        print(f"{name:{width}}" + "".join(f"  {share:10.1%}" for share in shares))
    print(f"{'of':{width}}" + "".join(f"  {sum(counts.values()):10}" for counts in phases.values()))
