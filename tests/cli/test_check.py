"""`xds check`: its output and its exit status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xds.cli import main

GOOD = """\
services:
  web: {endpoints: ["10.0.0.4:5000", "10.0.0.5:5000"]}
gateways:
  edge: {port: 8080, routes: [{to: web}]}
"""
WARNED = "services:\n  web: {balance: weighted, endpoints: [a:1]}\n"
BAD = "services:\n  web: {blance: random, endpoints: [a]}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: str, stdin: str | None = None) -> Result:
    """Run the command."""
    result = CliRunner().invoke(main, ["check", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_check_good_catalog(folder: Path) -> None:
    """One line summarizes the catalog."""
    (folder / "c.yaml").write_text(GOOD)
    result = check("c.yaml")
    assert result.stdout == "ok: 1 service, 2 endpoints, 1 gateway in 1 file\n"
    assert result.exit_code == 0


def test_check_bad_catalog(folder: Path) -> None:
    """Each problem is a line in a form that editors understand. The last line counts them."""
    (folder / "c.yaml").write_text(BAD)
    result = check("c.yaml")
    assert result.stdout.splitlines() == [
        'c.yaml:2:9: error: services.web.blance: unknown key "blance": did you mean `balance`?',
        "c.yaml:2:37: error: services.web.endpoints[0]: the port is missing: "
        'write "a:5000", with the port that it listens on',
        "2 errors",
    ]
    assert result.exit_code == 1
    assert result.stderr == ""


def test_check_warnings(folder: Path) -> None:
    """Warnings alone do not make the command fail."""
    (folder / "c.yaml").write_text(WARNED)
    result = check("c.yaml")
    assert result.stdout.splitlines()[0].startswith("c.yaml:2:18: warning: services.web.balance: ")
    assert result.stdout.splitlines()[1] == "ok: 1 service, 1 endpoint in 1 file, 1 warning"
    assert result.exit_code == 0


def test_check_strict(folder: Path) -> None:
    """With --strict, warnings count as errors."""
    (folder / "c.yaml").write_text(WARNED)
    result = check("--strict", "c.yaml")
    assert result.stdout.splitlines()[0].startswith("c.yaml:2:18: error: services.web.balance: ")
    assert result.stdout.splitlines()[1] == "1 error"
    assert result.exit_code == 1


def test_check_folder_and_file_together(folder: Path) -> None:
    """All paths form one catalog. Problems, errors or not, are sorted by file and line."""
    (folder / "d").mkdir()
    (folder / "d" / "b.yaml").write_text(WARNED.replace("web", "shop"))
    (folder / "d" / "a.yaml").write_text(BAD)
    (folder / "c.yaml").write_text("services: {x: {upstreams: [shop, nobody]}}")
    result = check("d", "c.yaml")
    assert [line.split(" ")[0] for line in result.stdout.splitlines()] == [
        "c.yaml:1:34:",
        "d/a.yaml:2:9:",
        "d/a.yaml:2:37:",
        "d/b.yaml:2:19:",
        "3",
    ]


def test_check_stdin() -> None:
    """A dash stands for the standard input."""
    assert check("-", stdin=GOOD).exit_code == 0
    assert check("-", stdin=BAD).stdout.startswith("<stdin>:2:9: error: ")


def test_check_json(folder: Path) -> None:
    """Programs get the same content as one JSON object."""
    (folder / "c.yaml").write_text(BAD)
    result = check("--output", "json", "c.yaml")
    found = json.loads(result.stdout)
    assert found["problems"][0] == {
        "source": "c.yaml",
        "line": 2,
        "column": 9,
        "path": "services.web.blance",
        "message": 'unknown key "blance": did you mean `balance`?',
        "severity": "error",
    }
    assert (found["errors"], found["warnings"], found["catalog"]) == (2, 0, None)
    assert result.exit_code == 1
    (folder / "c.yaml").write_text(GOOD)
    held = json.loads(check("--output", "json", "c.yaml").stdout)["catalog"]
    assert held == {"services": 1, "endpoints": 2, "gateways": 1, "files": 1}


def test_check_missing_path() -> None:
    """A path that does not exist is a mistake in the command, not in a catalog."""
    result = check("nowhere.yaml")
    assert result.exit_code == 2
    assert "Path 'nowhere.yaml' does not exist." in result.stderr


def test_check_empty_folder(folder: Path) -> None:
    """The folder is probably the wrong one."""
    (folder / "d").mkdir()
    result = check("d")
    assert result.stdout == "d: error: has no .yaml or .yml file in it\n1 error\n"
    assert result.exit_code == 1


def test_check_colours_only_for_a_terminal(folder: Path) -> None:
    """A file or a pipe gets plain text."""
    (folder / "c.yaml").write_text(BAD)
    assert "\x1b" not in check("c.yaml").stdout
    coloured = CliRunner().invoke(main, ["check", "c.yaml"], color=True).stdout
    assert "\x1b[31merror\x1b[0m" in coloured


def test_check_help_has_examples() -> None:
    """The help text shows how to use the command."""
    assert "xds check --strict catalog/" in check("--help").stdout
