"""What a start imports. Each import takes time on every start, so what is not needed must not be imported."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner

from tests.bench.documents import NODE
from tests.bench.start import ask_for_all, write_catalog
from xds.cli import COMMANDS, main
from xds.cli.demo.ports import LOOPBACK, free_port

CATALOG = "services: {web: {endpoints: ['10.0.0.1:80']}}\n"
RAW = "services: {web: {endpoints: ['10.0.0.1:80'], envoy: {cluster: {alt_stat_name: web}}}}\n"
ENVOY = {"envoy_data_plane", "betterproto2"}
"""Envoy's messages as Python classes, which take a second to import."""


def command(*arguments: str) -> list[str]:
    """Return a command of xds that writes to stderr what it imports."""
    return [sys.executable, "-X", "importtime", "-m", "xds", *arguments]


def read_imports(log: str) -> set[str]:
    """Return the modules, and their packages, that such a command imported."""
    names = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    return {name.split(".")[0] for name in names} | names


def run(*arguments: str) -> set[str]:
    """Run a command that must succeed, and return what it imported."""
    answer = subprocess.run(command(*arguments), capture_output=True, text=True, check=True)
    return read_imports(answer.stderr)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_no_subcommand(option: str) -> None:
    """The help text also imports no library of a subcommand."""
    imported = run(option)
    assert "click" in imported
    assert not imported & {"pydantic", "grpc", "rich", "yaml", "asyncio", "google", "structlog"}
    assert not [name for name in imported if name.startswith(("xds.cli.", "xds.catalog"))]


def test_check_imports_neither_grpc_nor_envoys_messages(tmp_path: Path) -> None:
    """The command builds no resources and writes no log."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    imported = run("check", str(path))
    assert "pydantic" in imported
    assert not imported & {*ENVOY, "grpc", "google", "aiohttp", "rich", "structlog", "xds.resources", "xds.server"}


def test_check_imports_envoys_messages_for_raw_fields(tmp_path: Path) -> None:
    """The messages check the names and types of raw fields."""
    path = tmp_path / "catalog.yaml"
    path.write_text(RAW)
    assert run("check", str(path)) >= ENVOY


def test_serve_imports_what_it_uses() -> None:
    """The imports are counted until the first client has everything that it asks for."""
    with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryDirectory() as folder:
        write_catalog(Path(folder), 3, gateway=True)
        address = f"{LOOPBACK}:{free_port()}"
        options = ["--catalog", folder, "--listen", address, "--admin", f"{LOOPBACK}:{free_port()}"]
        with subprocess.Popen(command("serve", *options), stderr=log) as process:
            try:
                ask_for_all(address, NODE)
            finally:
                process.kill()
        log.seek(0)
        imported = read_imports(log.read())
    assert {"grpc", "aiohttp", "xds.resources.listeners.gateway"} <= imported
    assert not imported & {*ENVOY, "opentelemetry", "flask", "h11"}
    assert not imported & {f"xds.cli.{name}" for name in COMMANDS if name != "serve"}


def test_help_names_every_subcommand_in_a_line() -> None:
    """The summaries are in a table, since the subcommands are not imported. They fit a terminal of 80 columns."""
    lines = CliRunner().invoke(main, ["--help"], terminal_width=80).output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == sorted(COMMANDS)
    assert all(main.get_command(Context(main), name) for name in COMMANDS)
