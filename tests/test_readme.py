"""The documents: their commands run as written and print what is shown, and everything that they name exists."""

import ast
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.documents.commands import find_all_flags, find_calls, find_flags
from tests.documents.markdown import ROOT, Block, read_documents
from xds.cli import COMMANDS
from xds.cli.check import command as check

DOCUMENTS = read_documents()
LANGUAGES = {"sh", "text", "yaml", "json", "python", "haproxy"}
RUN_ELSEWHERE = {
    "compose/README.md": "tests/compose holds each command against what Compose and `mesh` know, and runs them in "
    "containers; tests/ci runs those of the pipelines",
}
"""Documents whose commands do not run here, with the reason."""

OTHER_FLAGS = {
    "--drain-time-s",  # of Envoy
    "--file-flush-interval-msec",  # of Envoy
    "--service-node",  # of Envoy
    "--profile",  # of Docker Compose
    "--scale",  # of Docker Compose
    "--mode",  # of Envoy
    "--whole",  # of the tests
    "--write",  # of tests.envoy_server.versions
    "--json",  # of the benches
}
"""Options in documents that belong to other programs."""


def list_blocks(*languages: str) -> list[object]:
    """Return every block in one of the languages, as parameters of a test."""
    return [
        pytest.param(block, id=f"{path}:{number}")
        for path, document in DOCUMENTS.items()
        for number, block in enumerate(document.blocks)
        if block.language in languages
    ]


def list_runnable(path: str) -> list[tuple[str, str | None]]:
    """Return a document's blocks of commands that run, each with the output that the document shows."""
    blocks = DOCUMENTS[path].blocks
    following = [*blocks[1:], Block("", "", ())]
    return [
        (block.text, after.text if after.language == "text" and after.find_mark("example output") is None else None)
        for block, after in zip(blocks, following, strict=False)
        if block.language == "sh" and block.find_mark("not run") is None and path not in RUN_ELSEWHERE
    ]


@pytest.fixture
def ports() -> Iterator[None]:
    """Wait until no other document's commands run on this machine, because they use fixed ports."""
    with (Path(tempfile.gettempdir()) / "xds-documents.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if list_runnable(path)])
@pytest.mark.usefixtures("ports")
def test_the_commands_do_what_the_document_says(path: str, tmp_path: Path) -> None:
    """All commands of a document run in one shell, one after the other, as a reader pastes them."""
    commands = list_runnable(path)
    for block in DOCUMENTS[path].blocks:
        if (name := block.find_mark("file")) is not None:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(block.text)
    mark = "=====block {}====="
    script = "".join(f"echo '{mark.format(number)}'\n{command}" for number, (command, _) in enumerate(commands))
    answer = subprocess.run(
        ["bash", "-e", "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    printed = re.split(r"=====block \d+=====\n", answer.stdout)[1:]
    logs = "\n".join(f"{log.name}:\n{log.read_text()}" for log in tmp_path.glob("*.log"))
    assert len(printed) == len(commands), answer.stdout + answer.stderr + logs
    for (command, expected), output in zip(commands, printed, strict=True):
        if expected is not None:
            assert output == expected, command + logs
    assert answer.stderr == "", answer.stdout + logs


def test_the_readme_is_short_and_has_commands_that_run() -> None:
    """It has at most 250 lines and at least 9 blocks of commands."""
    assert len(DOCUMENTS["README.md"].text.splitlines()) <= 250
    assert len(list_runnable("README.md")) >= 9


def test_the_readme_names_the_layers() -> None:
    """They are in the order of import-linter's contract, beginning with the layer that imports none of the others."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [layer.replace("xds.", "").replace(" | ", ", ") for layer in reversed(contracts[0]["layers"])]
    assert f"`{' → '.join(layers)}`" in DOCUMENTS["README.md"].text
    assert all(f"[`{layer}`](xds/{layer})" in DOCUMENTS["README.md"].text for layer in layers[1:])


@pytest.mark.parametrize("block", list_blocks("yaml"))
def test_every_yaml_block_is_a_valid_catalog(block: Block) -> None:
    """`xds check --strict` finds no problem in it."""
    assert any(key in ("services", "gateways", "mesh") for key in yaml.safe_load(block.text))
    answer = CliRunner().invoke(check, ["--strict", "-"], input=block.text)
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("block", list_blocks("json", "python"))
def test_json_and_python_blocks_can_be_parsed(block: Block) -> None:
    """Each block is parsed in its language."""
    if block.language == "json":
        json.loads(block.text)
    else:
        ast.parse(block.text)


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no HAProxy on this machine")
@pytest.mark.parametrize("block", list_blocks("haproxy"))
def test_haproxy_accepts_the_haproxy_blocks(block: Block, tmp_path: Path) -> None:
    """The HAProxy configuration that a document compares with a catalog is valid."""
    file = tmp_path / "haproxy.cfg"
    file.write_text(f"defaults\n    mode http\n    timeout server 15s\n{block.text}")
    answer = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_block_has_a_language_that_is_checked(path: str) -> None:
    """A block in a new language fails until there is a check for it."""
    assert {block.language for block in DOCUMENTS[path].blocks} <= LANGUAGES


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_link_has_a_target(path: str) -> None:
    """The files exist, and so do the headings that links name."""
    broken = []
    for link in DOCUMENTS[path].links:
        file, _, anchor = link.partition("#")
        target = (ROOT / path).parent / file if file else ROOT / path
        name = os.path.relpath(target, ROOT)
        if not target.exists() or (anchor and anchor not in DOCUMENTS[name].anchors):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path != "CHANGELOG.md"])
def test_every_command_and_option_exists(path: str) -> None:
    """`xds NAME --flag` exists if `xds NAME --help` lists the flag. A flag without a command exists if any command has
    it.
    """
    wrong = []
    for call in find_calls(DOCUMENTS[path]):
        if call.name not in COMMANDS:
            wrong.append(call.name)
        else:
            wrong += [f"{call.name} {flag}" for flag in call.flags if flag not in find_flags(call.name)]
    alone = {code.split()[0].partition("=")[0] for code in DOCUMENTS[path].inline if code.startswith("--")}
    assert wrong == []
    assert alone - find_all_flags() - OTHER_FLAGS == set()


def test_every_command_of_xds_is_in_a_document() -> None:
    """Readers find each command in at least one document."""
    named = {call.name for document in DOCUMENTS.values() for call in find_calls(document)}
    assert set(COMMANDS) <= named
