"""The rules and Prometheus' configuration, by promtool."""

import subprocess

import pytest

from tests.prometheus.programs import FOLDER, find_program


@pytest.mark.parametrize(
    "command",
    [["check", "rules", "rules.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "rules_test.yml"]],
    ids=" ".join,
)
def test_promtool_finds_no_fault(command: list[str]) -> None:
    """What it says stands in the failure."""
    answer = subprocess.run(
        [find_program("promtool"), *command], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_rule_is_tried() -> None:
    """An alert that is never made to fire, or a series that nobody looks at, may be wrong."""
    tried = (FOLDER / "rules_test.yml").read_text()
    lines = [line.strip() for line in (FOLDER / "rules.yml").read_text().splitlines()]
    names = [line.split(": ")[1] for line in lines if line.startswith(("- alert: ", "- record: "))]
    assert len(names) == 22
    # These are tried by what is made of them.
    steps = ["service:errors:rate1m", "node:endpoint_requests:rate1m", "node:endpoint_share:catalog"]
    assert [name for name in names if name not in tried] == steps
