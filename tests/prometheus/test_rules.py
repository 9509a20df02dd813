"""promtool checks the rules and Prometheus' configuration."""

import subprocess

import pytest

from tests.prometheus.programs import FOLDER, find_program


@pytest.mark.parametrize(
    "command",
    [["check", "rules", "rules.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "rules_test.yml"]],
    ids=" ".join,
)
def test_promtool_finds_no_fault(command: list[str]) -> None:
    """The failure has its output."""
    answer = subprocess.run(
        [find_program("promtool"), *command], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_rule_has_a_test() -> None:
    """An alert that no test fires, or a series that no test reads, may be wrong."""
    tried = (FOLDER / "rules_test.yml").read_text()
    lines = [line.strip() for line in (FOLDER / "rules.yml").read_text().splitlines()]
    names = [line.split(": ")[1] for line in lines if line.startswith(("- alert: ", "- record: "))]
    assert len(names) == 31
    # The tests of the rules that use these cover them.
    steps = ["service:errors:rate1m", "node:endpoint_requests:rate1m", "node:endpoint_share:catalog"]
    assert [name for name in names if name not in tried] == steps
