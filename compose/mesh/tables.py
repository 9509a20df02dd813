"""Prints counts as tables with bars."""

from collections import Counter
from collections.abc import Mapping

from mesh.load import Load

REQUESTS = "REQUESTS"

BAR = 40
"""The length of the bar for 100% of the requests, in columns."""


def print_load(load: Load) -> int:
    """Print how many requests were sent and failed, with the failures. Return the exit code: 1 if any failed."""
    failures = Counter(load.failures)
    print(
        f"{len(load.answers)} requests to {load.url}, {failures.total()} failed; "
        f"half within {load.percentile(0.5) * 1000:.1f} ms, 99% within {load.percentile(0.99) * 1000:.1f} ms"
    )
    for failure, times in failures.most_common(5):
        print(f"  failed {times} times: {failure}")
    return 1 if failures else 0


def print_shares(heading: str, counts: Mapping[str, int], expected: Mapping[str, float] | None = None) -> None:
    """Print the share of the requests that each name had, and the expected share."""
    names = sorted({*counts, *(expected or {})})
    total, width = sum(counts.values()), max(map(len, [heading, *names]))
    print(f"{heading:{width}}  REQUESTS   SHARE" + ("  EXPECTED" if expected else ""))
    for name in names:
        share = counts.get(name, 0) / total if total else 0.0
        beside = f"  {expected.get(name, 0.0):8.1%}" if expected else ""
        print(f"{name:{width}}  {counts.get(name, 0):8}  {share:6.1%}{beside}  {'█' * round(BAR * share)}".rstrip())


def print_phases(heading: str, phases: Mapping[str, Mapping[str, int]]) -> None:
    """Print the share of the requests that each name had, with a column for each phase, and how many they were."""
    names = sorted({name for counts in phases.values() for name in counts})
    width = max(map(len, [heading, REQUESTS, *names]))
    print(f"{heading:{width}}" + "".join(f"  {title:>10}" for title in phases))
    for name in names:
        shares = [counts.get(name, 0) / max(1, sum(counts.values())) for counts in phases.values()]
        print(f"{name:{width}}" + "".join(f"  {share:10.1%}" for share in shares))
    print(f"{REQUESTS:{width}}" + "".join(f"  {sum(counts.values()):10}" for counts in phases.values()))
