"""How commands end: by Ctrl-C and SIGTERM, from their first import on, and when their output cannot be written.

Every command of `xds` is tested, a new one too: the list is that of the group. `ARGUMENTS` only says how to call a
command so that it prints much or asks a server; a command that is not in it is called with `--help`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile

import click
import pytest

from tests import warm
from tests.cli.asking import ENVIRONMENT
from tests.envoy_server.mesh import answering
from xds.cli import COMMANDS, main
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import free_port

CATALOG = """
services: {web: {endpoints: ["10.0.0.1:80"]}}
gateways: {edge: {port: 8080, routes: [{prefix: /, to: web}]}}
"""

ARGUMENTS = {
    "apply": [],
    "bootstrap": ["--node-id", "web-1", "--cluster", "web"],
    "check": ["catalog.yaml"],
    "diff": ["catalog.yaml"],
    "docs": ["--output", "markdown"],
    "dump": ["--node", "web-1"],
    "explain": ["web"],
    "fmt": ["-"],
    "help": ["serve"],
    "init": ["--service", "web=10.0.0.1:80", "-"],
    "route": ["http://web/"],
    "schema": [],
    "status": [],
}

AT_IMPORT = """
import os, signal, sys

class Signaller:
    def find_spec(name, path=None, target=None):
        if name == os.environ["SIGNAL_AT"]:
            sys.meta_path.remove(Signaller)
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))

sys.meta_path.insert(0, Signaller)
"""
"""A `sitecustomize` that sends a signal to its own process when a module is about to be imported."""

SIGNALS = [signal.SIGINT, signal.SIGTERM]

ONE_SIGNAL = [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.whole)]
"""For each command: the sample has one of them."""


XDS = [sys.executable, "-m", "xds"]


def call(name: str) -> list[str]:
    """Return the arguments that call a subcommand."""
    return [name, *ARGUMENTS.get(name, ["--help"])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a catalog, and with the module that sends signals."""
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(AT_IMPORT)
    return tmp_path


def run_with_signal(folder: Path, name: str, number: signal.Signals, module: str) -> tuple[int, str]:
    """Run a command that gets a signal at an import; return its exit code and all that it prints."""
    environment = {"PYTHONPATH": str(folder / "hooks"), "SIGNAL_AT": module, "SIGNAL": str(int(number))}
    done = subprocess.run(
        [*XDS, *call(name)],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("number", ONE_SIGNAL, ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_while_modules_are_imported_ends_every_command(
    folder: Path, name: str, number: signal.Signals
) -> None:
    """The exit code is that of the signal, and nothing is printed: no traceback, and no half of an output."""
    assert run_with_signal(folder, name, number, COMMANDS[name].module) == (128 + number, "")


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("status", "click"),  # before a subcommand is looked for, whatever its name
        ("check", "xds.catalog.model.route"),
        ("explain", "rich.console"),
        ("bootstrap", "google"),
    ],
)
def test_a_signal_deep_in_the_imports_ends_a_command(
    folder: Path, name: str, module: str, number: signal.Signals
) -> None:
    """So does one at an import of another's import, in a function too."""
    assert run_with_signal(folder, name, number, module) == (128 + number, "")


@pytest.mark.whole
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_import_ends_every_command(folder: Path, name: str) -> None:
    """At every tenth of all modules that the command imports."""
    log = subprocess.run(
        [sys.executable, "-X", "importtime", *XDS[1:], *call(name)],
        cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    ).stderr  # fmt: skip
    modules = [line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")]
    after = modules[modules.index("xds.entry") :]
    for module in after[1::10]:
        code, printed = run_with_signal(folder, name, signal.SIGINT, module)
        assert (code, printed) == (130, "") or code == run_with_signal(folder, name, signal.SIGINT, "none")[0], module


def asks_a_server(name: str) -> bool:
    """Whether a command has the option for the address of a server's admin."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return any(option.envvar == "XDS_ADMIN" for option in command.params if isinstance(option, click.Option))


ASKING = [name for name in COMMANDS if asks_a_server(name)]


def test_commands_that_ask_a_server_are_found() -> None:
    """The list is made from the commands' options: it must not be empty by mistake."""
    assert {"diff", "dump", "explain", "route", "status"} <= set(ASKING)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("arguments", [*([name] for name in ASKING), ["status", "--wait", "60"]], ids=" ".join)
async def test_a_signal_ends_a_command_that_waits_for_a_server(
    folder: Path, arguments: list[str], number: signal.Signals
) -> None:
    """Above all `status --wait`, whose 0 says that the catalog is in effect. The server accepts and never answers."""
    name, *more = arguments
    asked = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        asked.set()
        await reader.read()

    port = free_port()
    async with answering(accept, "127.0.0.1", port):
        environment = {**ENVIRONMENT, "XDS_ADMIN": f"http://127.0.0.1:{port}/"}
        with TemporaryFile() as output:
            descriptors = (output.fileno(),) * 3
            running = warm.WarmProcess([*call(name), *more], descriptors, environment, folder)
            async with asyncio.timeout(60):
                await asked.wait()
                running.send_signal(number)
                code = await asyncio.to_thread(running.wait, 60)
            output.seek(0)
            assert (code, output.read()) == (128 + number, b"")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_broken_pipe_ends_every_command_quietly(folder: Path, name: str) -> None:
    """As for any program whose reader has seen enough: `xds schema | head -1`."""
    for arguments in (call(name), [name, "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        code, said = run_with_output(folder, arguments, writing)
        os.close(writing)
        if code != 141:  # a command that has nothing to print does not notice
            assert code in (1, 2, 3), arguments
            assert said.startswith(("cannot ask", "xds demo needs", "Usage")), arguments
        else:
            assert said == "", arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_fails_every_command_with_a_message(folder: Path, name: str) -> None:
    """Half an output must not look like a whole one."""
    for arguments in (call(name), [name, "--help"]):
        with Path("/dev/full").open("w") as full:
            code, said = run_with_output(folder, arguments, full.fileno())
        if code == 74:
            assert said == "xds: cannot write the output: No space left on device\n", arguments
        else:
            assert code in (1, 2, 3), arguments
            assert said.startswith(("cannot ask", "xds demo needs", "Usage")), arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_output_is_no_traceback(folder: Path, name: str) -> None:
    """As a supervisor may start a program."""
    for arguments in (call(name), [name, "--help"]):
        done = warm.call(arguments, ENVIRONMENT, folder, closed=[0, 1])
        assert "Traceback" not in done.stderr
        assert done.returncode != 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_server_runs_and_ends_with_closed_descriptors(folder: Path, closed: str) -> None:
    """No socket gets the number of one. SIGTERM ends the server in order."""
    options = f"--listen 127.0.0.1:{free_port()} --admin 127.0.0.1:{free_port()} --no-data"
    command = f"exec {sys.executable} -m xds serve catalog.yaml {options} {closed}"
    admin = options.split()[3]
    with subprocess.Popen(["/bin/sh", "-c", command], cwd=folder, env=ENVIRONMENT) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    if http_get(admin, "/status")[0] == 200:
                        break
                time.sleep(0.1)
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


def run_with_output(folder: Path, arguments: list[str], output: int) -> tuple[int, str]:
    """Run a command whose output goes to a file descriptor. Return its exit code and what it says."""
    environment = {**ENVIRONMENT, "XDS_ADMIN": "127.0.0.1:1"}
    done = warm.call(arguments, environment, folder, given=CATALOG, output=output)
    return done.returncode, done.stderr


def test_an_ignored_ctrl_c_stays_ignored(folder: Path) -> None:
    """As for a command in the background of a script, or behind nohup."""
    environment = {"PYTHONPATH": "hooks", "SIGNAL_AT": "xds.cli.check", "SIGNAL": str(int(signal.SIGINT))}
    command = f"trap '' INT; exec {sys.executable} -m xds check catalog.yaml"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
