"""What all commands share: names, help, short options, and where the server is."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.cli.asking import ENVIRONMENT
from tests.server.administered import administered
from xds import __version__
from xds.cli import COMMANDS, MEANT, main
from xds.cli.options import HostPort

CATALOG = "services: {web: {endpoints: ['10.0.0.1:80']}}\n"


def call(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command, and return its exit code and output with single spaces."""
    result = CliRunner().invoke(main, arguments, env={"XDS_ADMIN": None, **environment})
    return result.exit_code, " ".join(result.output.split())


def commands() -> list[tuple[str, click.Command]]:
    """Return every command by its name."""
    found = [(name, main.get_command(click.Context(main), name)) for name in COMMANDS]
    return [(name, command) for name, command in found if command is not None]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("chekc", "xds check"), ("serv", "xds serve"), ("Status", "xds status"), ("explian", "xds explain"),
        ("validate", "xds check"), ("version", "xds --version"), ("run", "xds serve"), ("validat", "xds check"),
    ],
)  # fmt: skip
def test_a_mistyped_command_is_answered_with_the_nearest(name: str, meant: str) -> None:
    """So is what other programs call it."""
    for arguments in ([name], ["help", name]):
        code, printed = call(*arguments)
        assert code == 2
        assert f'there is no command "{name}": did you mean `{meant}`?' in printed


def test_a_command_that_is_near_to_none_leads_to_the_list() -> None:
    """And no word is a name of a command and of something else."""
    assert "`xds help` lists them" in call("qqqq")[1]
    assert not MEANT.keys() & COMMANDS.keys()
    assert all(words.removeprefix("xds ") in (*COMMANDS, "--version") for words in MEANT.values())


@pytest.mark.parametrize(("name", "command"), [pytest.param(name, command, id=name) for name, command in commands()])
def test_a_mistyped_option_is_answered_with_the_nearest(name: str, command: click.Command) -> None:
    """For every long option of every command."""
    long = [one for option in command.params for one in option.opts if one.startswith("--") and len(one) > 5]
    for option in long or ["--help"]:
        code, printed = call(name, f"{option[:3]}{option[4:]}x")
        assert code == 2
        assert "Did you mean" in printed or "did you mean" in printed, option


def test_help_is_printed_in_every_way() -> None:
    """`-h`, `--help`, and `xds help COMMAND`."""
    for name, command in commands():
        expected = call(name, "--help")
        assert expected[0] == 0
        assert expected == call(name, "-h") == call("help", name)
        assert expected[1].startswith(f"Usage: main {name} "), name
        assert command.help is not None
        assert "Examples:" in command.help, name
    assert call("help") == call("--help") == call("-h")


def test_the_version_is_printed_by_a_short_option_too() -> None:
    """As by many programs."""
    assert call("-V") == call("--version") == (0, f"xds, version {__version__}")


def test_output_has_a_short_option_in_every_command() -> None:
    """`-o json` is `--output json`."""
    with_output = 0
    for _, command in commands():
        for option in command.params:
            if "--output" in option.opts:
                assert "-o" in option.opts
                assert isinstance(option.type, click.Choice)
                assert "json" in option.type.choices
                with_output += 1
    assert with_output >= 8


def test_both_forms_of_a_catalog_are_taken(tmp_path: Path) -> None:
    """By each command whose subject is a catalog; not both with different paths."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    assert (
        call("check", str(path)) == call("check", "--catalog", str(path)) == (0, "ok: 1 service, 1 endpoint in 1 file")
    )
    for name in ("serve", "diff"):
        code, printed = call(name, str(path), "--catalog", str(tmp_path))
        assert code == 2
        assert "the catalog is given twice" in printed
        code, printed = call(name)
        assert code == 2
        assert "Missing argument 'CATALOG'" in printed
        assert "must exist" not in printed
    for words in ([str(path)], ["--catalog", str(path)]):
        code, printed = call("diff", *words, "--admin", "127.0.0.1:1")
        assert code == 2
        assert printed.startswith("cannot ask 127.0.0.1:1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:18002", ("127.0.0.1", 18002)),
        ("http://127.0.0.1:18001/", ("127.0.0.1", 18001)),
        ("HTTP://xds.example.com:18001", ("xds.example.com", 18001)),
        ("grpc://xds:18000", ("xds", 18000)),
        ("http://[::1]:18001/", ("::1", 18001)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
    ],
)
def test_an_address_can_be_a_url(text: str, address: tuple[str, int]) -> None:
    """As people copy it from a browser."""
    assert HostPort().convert(text, None, None) == address


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://xds:18000", "there is no https here: write 'xds:18000', without a scheme"),
        ("http://xds", "is not a host and a port"),
        ("http://xds:18000/status", "has a path, which does not belong here: write http://xds:18000"),
        ("http//xds:18000", "is not a host and a port"),
        ("xds:0", "is not a host and a port"),
        ("xds 1:18000", "is not a host and a port"),
        ("user@xds:18000", "is not a host and a port"),
        ("", "is not a host and a port"),
    ],
)
def test_what_is_no_address_is_refused(text: str, told: str) -> None:
    """An Envoy that starts from a wrong address asks for ever."""
    for option in ("--server", "--admin"):
        code, printed = call("bootstrap", "--node-id", "a", "--cluster", "b", option, text)
        assert code == 2
        assert told in printed


def test_a_bootstrap_has_the_host_of_a_url() -> None:
    """`http://xds:18000` is the address `xds` and the port 18000."""
    command = ["bootstrap", "--node-id", "a", "--cluster", "b", "--server", "http://xds:18000"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0
    assert ("xds", "18000") in re.findall(r"address: (\S+)\n\s+port_value: (\d+)", result.stdout)


async def test_one_variable_names_the_server_for_every_command() -> None:
    """As an address or a URL; an option wins. `xds serve --admin` and an Envoy's admin are something else."""
    async with administered() as admin:
        for address in (admin.address, f"http://{admin.address}/"):
            answer = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "xds", "status", "-o", "json"],
                env={**ENVIRONMENT, "XDS_ADMIN": address},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert answer.returncode == 0, answer.stderr
            assert json.loads(answer.stdout)["clients"] == []
    names = {name for name, command in commands() for option in command.params if option.envvar == "XDS_ADMIN"}
    assert {"diff", "dump", "explain", "route", "status"} <= names
    assert not names & {"serve", "bootstrap"}
    assert call("status", "--admin", "127.0.0.1:1", XDS_ADMIN="127.0.0.1:2")[1].startswith("cannot ask 127.0.0.1:1:")
