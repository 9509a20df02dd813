"""The README's tour: its commands are run as they stand, and print what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_tour() -> list[tuple[str, str | None]]:
    """Give each block of commands, and what the README says it prints."""
    text = (ROOT / "README.md").read_text()
    tour = text[text.index("## A tour in five minutes") : text.index("## The catalog")]
    blocks = BLOCK.findall(tour)
    following = [*blocks[1:], ("", "")]
    return [
        (block, after if kind_after == "text" else None)
        for (kind, block), (kind_after, after) in zip(blocks, following, strict=True)
        if kind == "sh"
    ]


def test_the_tour_does_what_it_says(tmp_path: Path) -> None:
    """All blocks run in one shell, one after the other, as a reader would paste them."""
    tour = read_tour()
    assert len(tour) >= 9
    mark = "=====block {}====="
    script = "".join(f"echo '{mark.format(number)}'\n{block}" for number, (block, _) in enumerate(tour))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "-e", "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    printed = re.split(r"=====block \d+=====\n", answer.stdout)[1:]
    logs = "\n".join(f"{log.name}:\n{log.read_text()}" for log in tmp_path.glob("*.log"))
    assert len(printed) == len(tour), answer.stdout + answer.stderr + logs
    for (block, expected), output in zip(tour, printed, strict=True):
        if expected is not None:
            assert output == expected, block + logs
    assert answer.stderr == ""


def test_every_command_of_the_readme_exists() -> None:
    """`xds NAME` in the README is a command that xds has."""
    code = re.findall(r"```.*?```|`[^`]+`", (ROOT / "README.md").read_text(), re.DOTALL)
    named = set(
        re.findall(r"\bxds (check|serve|schema|bootstrap|demo|[a-z]+)(?= --| [a-z/.]+\b| >|`|\n)", "\n".join(code))
    )
    listed = subprocess.run([sys.executable, "-m", "xds", "--help"], capture_output=True, text=True, check=True).stdout
    assert named
    assert {name for name in named if name not in listed} == set()
