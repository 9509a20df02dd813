"""`python -m tests.envoy_server.chaos`: a chaos run, as long as you like."""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import monotonic

from tests.envoy_server.chaos.mesh import Mesh
from tests.envoy_server.chaos.plan import KINDS_OF_STEPS, Step, make_steps
from tests.envoy_server.chaos.report import Report
from tests.envoy_server.chaos.run import Run

EXAMPLES = """examples:
  python -m tests.envoy_server.chaos                        one minute with a new seed
  python -m tests.envoy_server.chaos --seed 7 --seconds 600
  python -m tests.envoy_server.chaos --seed 7 --steps 41    the steps that led to a fault, again
  python -m tests.envoy_server.chaos --list --seed 7 --steps 41
  python -m tests.envoy_server.chaos --kinds rename_listener,rename_service,cut

Exit codes: 0 nothing is wrong, 1 there is a fault: it prints the seed and the steps so far.
"""


def main() -> int:
    """Run, and print what was done."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.envoy_server.chaos",
        description="Edit a catalog at random, kill, stop and cut off its control plane, and kill Envoys, while three "
        "Envoys of both variants serve requests. No request may fail, and after each step each Envoy has what the "
        "catalog says.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what the steps follow from")
    parser.add_argument("--seconds", type=float, default=60.0, help="begin no step after this time (60)")
    parser.add_argument("--steps", type=int, help="take so many steps, however long that lasts")
    parser.add_argument("--rate", type=float, default=60.0, help="requests per second at each Envoy (60)")
    parser.add_argument("--drain-time", type=int, default=10, help="the Envoys' --drain-time-s (10)")
    parser.add_argument(
        "--kinds", type=lambda text: text.split(","), default=[], help="only these kinds of steps, as in --list: a,b,c"
    )
    parser.add_argument("--output", choices=["table", "json"], default="table")
    parser.add_argument("--list", action="store_true", help="print the steps, and take none")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="a new folder for the catalog and the logs")
    options = parser.parse_args()
    if options.keep and options.keep.exists():
        parser.error(f"{options.keep} exists: the run needs a new folder")
    if unknown := set(options.kinds) - set(KINDS_OF_STEPS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}. There are: {', '.join(KINDS_OF_STEPS)}")
    steps = make_steps(options.seed, kinds=options.kinds)
    if options.list or options.steps:
        steps = islice(steps, options.steps or 100)
    else:
        steps = _until(steps, monotonic() + options.seconds)
    if options.list:
        for number, step in enumerate(steps, 1):
            print(f"{number:>4} {step.kind}: {' | '.join(filter(None, (step.outage, step.envoy, step.words)))}")
        return 0
    with tempfile.TemporaryDirectory(prefix="xds-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(options.seed, Mesh(folder, options.rate, options.drain_time), _show if sys.stderr.isatty() else _hide)
        run.report.options = f" --drain-time {options.drain_time}"
        run.report.options += f" --kinds '{','.join(options.kinds)}'" * bool(options.kinds)
        report = asyncio.run(run.take(steps))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(report.as_json() if options.output == "json" else report.as_table())
    return int(bool(report.faults))


def _until(steps: Iterator[Step], end: float) -> Iterator[Step]:
    """Yield steps until this time (time.monotonic())."""
    for step in steps:
        yield step
        if monotonic() > end:
            return


def _show(report: Report) -> None:
    print(f"\r\x1b[K{report.as_line()}", end="", file=sys.stderr, flush=True)


def _hide(_: Report) -> None:
    """Show nothing: standard error is no terminal."""


if __name__ == "__main__":
    sys.exit(main())
