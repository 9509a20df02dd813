"""A linter for its kind checks every file of compose/ and envoy/. A file of an unknown kind is a failure.

Envoy's bootstraps are in test_files.py and tests/envoy_server/test_bootstrap.py, Prometheus' rules in tests/prometheus,
workflow and Jenkinsfile in tests/ci, Python in tests/test_project.py.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.compose.engine import FOLDER

ROOT = FOLDER.parent
BIN = Path(sys.executable).parent
FILES = [
    ROOT / line
    for line in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "compose", "envoy"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
]
ELSEWHERE = (".md", ".py", ".env", "Jenkinsfile")
YAML_RULES = (
    "{rules: {key-duplicates: enable, anchors: {forbid-unused-anchors: true}, trailing-spaces: enable, "
    "line-length: {max: 170}, octal-values: enable, new-line-at-end-of-file: enable}}"
)


class Yaml12(yaml.SafeLoader):
    """Reads YAML 1.2, in which only `true` and `false` are booleans."""


BOOLEAN = "tag:yaml.org,2002:bool"
Yaml12.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Yaml12.add_implicit_resolver(BOOLEAN, re.compile("^(true|false)$"), ["t", "f"])


def find_kind(path: Path) -> str:
    """Return the kind of a file by its name or its first line."""
    if path.name == "Dockerfile":
        return "dockerfile"
    if path.suffix in (".yaml", ".yml"):
        return "yaml"
    if path.suffix in (".json", ".ndjson"):
        return "json"
    if path.name.endswith(ELSEWHERE):
        return "elsewhere"
    return "shell" if path.read_bytes().startswith((b"#!/bin/sh\n", b"#!/usr/bin/env bash\n")) else "unknown"


def of_kind(kind: str) -> list[Path]:
    """Return the files of a kind."""
    return [path for path in FILES if find_kind(path) == kind]


def lint(*command: str | Path) -> None:
    """Run a linter. The failure has its output."""
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_kind_of_file_has_a_linter() -> None:
    """A new kind of file needs a linter, here or in another test."""
    assert {kind: len(of_kind(kind)) > 0 for kind in ("dockerfile", "yaml", "shell", "elsewhere")} == {
        "dockerfile": True, "yaml": True, "shell": True, "elsewhere": True,
    }  # fmt: skip
    assert of_kind("unknown") == []


def test_yaml_files_pass_yamllint() -> None:
    """A key occurs once, since parsers silently take the last one, and every anchor has a use."""
    lint(BIN / "yamllint", "--strict", "-d", YAML_RULES, *of_kind("yaml"))


def test_json_files_can_be_parsed() -> None:
    """In files of JSON lines, each line can."""
    for path in of_kind("json"):
        for text in path.read_text().splitlines() if path.suffix == ".ndjson" else [path.read_text()]:
            json.loads(text)


def test_dockerfiles_pass_hadolint() -> None:
    """hadolint passes RUN commands to shellcheck."""
    lint(BIN / "hadolint", *of_kind("dockerfile"))


def test_shell_scripts_pass_shellcheck() -> None:
    """The first line names the shell. The repository's own scripts are included."""
    if not (BIN / "shellcheck").exists():
        pytest.skip("shellcheck has no wheel for this machine")
    lint(BIN / "shellcheck", *of_kind("shell"), ROOT / ".ci" / "run")


def test_the_compose_file_fits_the_compose_schema() -> None:
    """The schema finds what only one of the two Compose commands accepts, without either."""
    lint(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FOLDER / "docker-compose.yml")


def test_the_catalog_fits_the_schema_for_editors() -> None:
    """An editor reads each file by itself as YAML 1.2, in which `on` is a string."""
    printed = subprocess.run([sys.executable, "-m", "xds", "schema"], capture_output=True, text=True, check=True).stdout
    validator = Draft202012Validator(json.loads(printed))
    files = sorted((FOLDER / "catalog").glob("*.yaml"))
    assert len(files) >= 4
    for path in files:
        assert [error.message for error in validator.iter_errors(Yaml12(path.read_text()).get_single_data())] == [], (
            path.name
        )
