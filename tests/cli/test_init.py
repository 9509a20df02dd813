"""`xds init`: what it writes passes a strict check, and no file is overwritten."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import examples
from xds.cli import main
from xds.cli.check import check
from xds.cli.fmt.formatting import format_text
from xds.cli.init.starting import PROTOCOLS, Start, StartError, StartGateway, StartService, write_catalog
from xds.sources.document import Document


def call(*arguments: str) -> tuple[int, str]:
    """Run a command, and return its exit code and output."""
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_a_catalog_is_written_that_passes_a_strict_check(tmp_path: Path) -> None:
    """The folder is made if necessary, and the next commands are told."""
    path = tmp_path / "shop" / "catalog.yaml"
    code, printed = call(
        "init", str(path), "--service", "web=127.0.0.1:7001,127.0.0.1:7002", "--service", "api=10.0.0.1:80",
        "--health-check", "/health", "--listen", "0.0.0.0:8443",
    )  # fmt: skip
    assert code == 0, printed
    assert f"xds serve --catalog {path}" in printed
    assert call("check", "--strict", str(path)) == (0, "ok: 2 services, 3 endpoints, 1 gateway in 1 file\n")
    code, printed = call("route", "http://x/api/1", "--catalog", str(path))
    assert "{prefix: /api" not in printed
    assert "→ api" in printed


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    """It is left as it is, and the exit code is 1."""
    path = tmp_path / "catalog.yaml"
    path.write_text("mine")
    code, printed = call("init", str(path), "--service", "web=127.0.0.1:7001")
    assert code == 1
    assert "exists, and is left as it is" in printed
    assert path.read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["catalog.yaml"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--service", "web"], "is no service"),
        (["--service", "We b=a:1"], "did you mean `we-b`?"),
        (["--service", "web=127.0.0.1"], "the port is missing"),
        (["--service", "web=a:1", "--service", "web=b:1"], "is given twice"),
        (["--service", "a=a:1", "--service", "b=b:1", "--protocol", "tcp"], "takes one TCP service"),
        ([], "Missing option '--service'"),
    ],
)
def test_a_wrong_answer_writes_nothing(tmp_path: Path, arguments: list[str], told: str) -> None:
    """The message has the mend, and the exit code is 2."""
    path = tmp_path / "catalog.yaml"
    code, printed = call("init", str(path), *arguments)
    assert code == 2
    assert told in printed
    assert not path.exists()


NAMES = st.sampled_from(["web", "api", "db-1", "a.b", "yes", "null", "1", "on", "-x", "x" * 40])
ENDPOINTS = st.sampled_from(["10.0.0.1:80", "[::1]:5000", "api.internal:443", "127.0.0.1:65535", "localhost:1"])


@examples(200)
@given(
    services=st.lists(
        st.builds(
            StartService,
            NAMES,
            st.lists(ENDPOINTS, min_size=1, max_size=3).map(tuple),
            st.sampled_from(PROTOCOLS),
            st.sampled_from([None, "/health", "/a b"]),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    gateway=st.one_of(st.none(), st.builds(StartGateway, NAMES, st.sampled_from(["127.0.0.1", "::1"]), st.just(8080))),
)
def test_whatever_is_written_passes_a_strict_check_and_is_formatted(
    services: tuple[StartService, ...], gateway: StartGateway | None
) -> None:
    """Or it is refused."""
    try:
        text = write_catalog(Start(services, gateway))
    except StartError:
        return
    assert not check({"c.yaml": Document("c.yaml", text.encode())}, strict=True).problems
    assert format_text(text) == text


def test_a_terminal_is_asked(tmp_path: Path) -> None:
    """A wrong answer is asked for again."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "xds", "init", "catalog.yaml"]
    running = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = ""
    for asked, answer in (
        ("Name of a service", "web"),
        ("Its endpoints", "10.0.0.1"),
        ("port is missing", ""),
        ("Its endpoints", "10.0.0.1:80"),
        ("another service", ""),
        ("Port of the gateway", "9000"),
    ):
        printed = ""
        while not (asked in printed and printed.rstrip(" ").endswith(":")):
            printed += os.read(ours, 4096).decode()
        os.write(ours, f"{answer}\n".encode())
    assert running.wait(20) == 0
    os.close(ours)
    text = (tmp_path / "catalog.yaml").read_text()
    assert 'endpoints:\n      - "10.0.0.1:80"' in text
    assert "port: 9000" in text
