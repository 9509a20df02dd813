"""The project's own rules: formatting, lints, strict types, layers, and generated code that is not stale."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        [BIN / "ruff", "format", "--check", "--quiet"],
        [BIN / "ruff", "check", "--quiet"],
        [BIN / "mypy"],
        [BIN / "lint-imports", "--no-cache"],
        [sys.executable, "protos/generate.py", "--check"],
    ],
    ids=["format", "lint", "types", "layers", "generated code"],
)
def test_the_code_passes_the_tool(command: list[Path | str]) -> None:
    """The failure shows the tool's output."""
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_top_folder_contains_only_what_a_user_needs() -> None:
    """The top folder contains only the files and folders that are listed here."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines() if not line.startswith(".")}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "xds", "protos", "envoy", "tests", "compose"}
    assert top <= allowed
    assert not (ROOT / "envoy" / "__init__.py").exists()
