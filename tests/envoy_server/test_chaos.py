"""The chaos run: one round with real Envoys, the plan of a seed, and the comparison that finds what is wrong."""

import subprocess
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import pytest

from tests.envoy_server.chaos.difference import Resources, compare, list_expected, read_inventory
from tests.envoy_server.chaos.mesh import KINDS, Mesh
from tests.envoy_server.chaos.mistakes import OWN
from tests.envoy_server.chaos.plan import ENVOYS, KINDS_OF_STEPS, make_steps
from tests.envoy_server.chaos.report import Report
from tests.envoy_server.chaos.run import Run
from tests.envoy_server.chaos.world import ZONES, fill
from xds.errors import CatalogError

SEED = 962
"""In its first round, services are renamed and removed while streams are away, and after listeners were renamed."""

ROUND = 1 + len(KINDS_OF_STEPS)

VALUES: dict[str, str | int] = {
    **{name: f"127.0.0.1:{port}" for port, name in enumerate(ZONES, 7000)},
    **{f"{name}{end}": 9000 + 2 * number + bool(end) for number, name in enumerate(ENVOYS) for end in ("", "-2")},
}


async def test_a_round_of_chaos_fails_no_request_and_leaves_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind of step comes once. A failure shows the seed, the steps, and the command that takes them again."""
    mesh = Mesh(tmp_path, rate=20, drain_seconds=600)
    report = await Run(SEED, mesh).take(islice(make_steps(SEED), ROUND))
    assert not report.faults, report.explain()
    assert report.kinds.keys() == {"start", *KINDS_OF_STEPS}
    assert report.comparisons >= ROUND * len(ENVOYS)
    assert report.requests > report.unanswered
    with capsys.disabled():
        print(f" [{report.requests} requests in {report.seconds:.1f} s]", end="")


def test_the_steps_are_a_pure_function_of_the_seed() -> None:
    """Another process, with other hashes, plans the same; another seed plans other steps."""
    script = "from itertools import islice\nfrom tests.envoy_server.chaos.plan import make_steps\n"
    script += f"print(*islice(make_steps(7), {2 * ROUND}), sep='\\n')"
    texts = [
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].splitlines() == [str(one) for one in islice(make_steps(7), 2 * ROUND)]
    assert list(islice(make_steps(8), 9)) != list(islice(make_steps(7), 9))


def read(texts: Mapping[str, str]) -> dict[str, Resources]:
    """Return what each Envoy should have."""
    inventory = read_inventory({name: fill(text, VALUES) for name, text in texts.items()})
    return {name: list_expected(inventory, kind) for name, kind in KINDS.items()}


def test_each_step_leaves_a_catalog_without_mistakes() -> None:
    """Each round has each kind of step. Of five rounds, the last state of each is read."""
    steps = list(islice(make_steps(1), 1 + 5 * len(KINDS_OF_STEPS)))
    for end in range(ROUND, len(steps) + 1, len(KINDS_OF_STEPS)):
        assert {one.kind for one in steps[end - len(KINDS_OF_STEPS) : end]} == KINDS_OF_STEPS.keys()
        read(steps[end - 1].state.texts)


def test_each_mistake_is_one() -> None:
    """A step that is wrong leaves files that the checker refuses."""
    texts = next(make_steps(1)).state.texts
    for mistake in OWN.values():
        for file in texts:
            with pytest.raises(CatalogError, match=r"\S"):
                read({**texts, file: mistake(texts[file])})
    for step in islice(make_steps(1), 5 * ROUND):
        if step.kind == "mistake":
            wrong = {name: text for save in step.saves for name, text in save.items() if text is not None}
            with pytest.raises(CatalogError):
                read({**step.state.texts, **wrong})


def test_every_difference_is_found() -> None:
    """An Envoy lacks a resource, has one too much, or in another form, and the server does not say that it keeps it."""
    for name, expected in read(next(make_steps(1)).state.texts).items():
        assert {kind for kind, _ in expected} == {"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}
        assert list(compare(expected, expected, ())) == [], name
        for key in expected:
            without = {other: one for other, one in expected.items() if other != key}
            other = {**expected, key: "other"}
            assert [" ".join(key) in one for one in compare(expected, without, ())] == [True]
            assert [" ".join(key) in one for one in compare(without, expected, ())] == [True]
            assert [" ".join(key) in one for one in compare(expected, other, ())] == [True]
            assert list(compare(without, expected, {key})) == list(compare(expected, other, {key})) == []
            assert len(list(compare(expected, without, {key}))) == 1


def test_a_fault_shows_how_to_see_it_again() -> None:
    """The seed, the steps so far, and the command."""
    report = Report(7, steps=["   1 start", "   2 kill"], faults=["1 requests failed"])
    for text in (report.explain(), report.as_table()):
        assert "FAULT: 1 requests failed" in text
        assert "python -m tests.envoy_server.chaos --seed 7 --steps 2\n   1 start\n   2 kill" in text
