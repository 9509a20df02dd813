"""Completion in shells: the scripts that the documents name, in the real shells where these are installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.asking import ENVIRONMENT
from xds.cli import COMMANDS

README = Path(__file__).parents[2] / "xds" / "cli" / "README.md"
BIN = Path(sys.executable).parent

COMPLETE = {
    "bash": r"""
eval "$(cat "$SCRIPT")"
COMP_WORDS=(xds $WORDS) COMP_CWORD=$CWORD
complete -p xds | grep -q _xds_completion || exit 1
_xds_completion xds
printf '%s\n' "${COMPREPLY[@]}"
""",
    "zsh": r"""
compdef() { :; }
compadd() { :; }
_describe() { eval "print -rl -- \"\${$3[@]}\"" }
eval "$(cat "$SCRIPT")" 2>/dev/null
words=(xds ${(s: :)WORDS} "") CURRENT=$((CWORD + 1))
_xds_completion
""",
    "fish": r"""
source $SCRIPT
complete -C"xds $WORDS"
""",
}
"""A program for each shell: it runs the script, and prints what the shell would offer."""


def find_line(shell: str) -> str:
    """Return the command that the documents name for a shell, without the file that it writes."""
    found = re.search(rf"_XDS_COMPLETE={shell}_source xds", README.read_text())
    assert found is not None
    return found[0]


def complete(tmp_path: Path, shell: str, words: str, position: int) -> list[str]:
    """Return what a shell offers after `xds` and some words."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = {**ENVIRONMENT, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = tmp_path / "script"
    with script.open("w") as output:
        subprocess.run(["/bin/sh", "-c", find_line(shell)], env=environment, stdout=output, check=True, timeout=60)
    answer = subprocess.run(
        [shell, "-c", COMPLETE[shell]],
        env={**environment, "SCRIPT": str(script), "WORDS": words, "CWORD": str(position)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return [re.split(r"[:\t]", line)[0] for line in answer.stdout.splitlines() if line.strip()]


@pytest.mark.parametrize("shell", COMPLETE)
def test_a_shell_completes_commands(tmp_path: Path, shell: str) -> None:
    """All that begin with what was typed."""
    expected = sorted(name for name in COMMANDS if name.startswith("d"))
    assert sorted(complete(tmp_path, shell, "d", 1)) == expected


@pytest.mark.parametrize("shell", COMPLETE)
def test_a_shell_completes_options_of_a_command(tmp_path: Path, shell: str) -> None:
    """Those of the command that was typed before."""
    assert "--strict" in complete(tmp_path, shell, "check --s", 2)


def test_completion_of_commands_imports_none_of_them(tmp_path: Path) -> None:
    """Each press of the Tab key would take a second."""
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "xds"],
        env={**ENVIRONMENT, "_XDS_COMPLETE": "bash_complete", "COMP_WORDS": "xds d", "COMP_CWORD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "plain,docs" in answer.stdout
    assert not re.search(r"\| +(pydantic|grpc|rich|yaml|xds\.cli\.\w+)$", answer.stderr, re.MULTILINE)
