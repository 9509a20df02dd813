"""Nothing that is printed or logged can steer a terminal, whatever clients and files are called."""

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog

import xds
from tests.cli.asking import run
from tests.server.administered import CATALOG, administered
from xds.cli.demo.envoy_admin import http_get
from xds.errors import Problem
from xds.server.observe.ecs import EcsRenderer
from xds.server.observe.log import _for_people
from xds.wording import printable, write_json

EVIL = "\x1b]0;t\x07\x1b[2J\x9b31m\x7f\x85\u202e\u2066\u2028\u061c\u200f\xad"
"""Control codes of 7 and 8 bits, DEL, bidirectional controls, line ends of Unicode, and signs that are not seen."""

SOURCES = Path(xds.__file__).parent
OWN = {"wording.py", "server/state.py", "endpoints/instance.py", "server/registration/documents.py"}
"""What writes JSON in another way: the escape itself, the file of the stored state, a measure of a size, and what
Consul's clients read, which is escaped too."""


def is_safe(text: str) -> bool:
    """Whether a terminal can be given a text."""
    return text.replace("\n", "").isprintable()


async def test_no_command_prints_what_a_client_calls_itself(tmp_path: Path) -> None:
    """Tables, remarks, hints and JSON have the names with escapes. JSON means the same as before."""
    (tmp_path / f"new{EVIL}.yaml").write_text(CATALOG.replace("weight: 3", "weight: 4").replace("random", "x"))
    (tmp_path / f"bad{EVIL}.yaml").write_text(f'services: {{"a{EVIL[-3:]}": {{balance: "b{EVIL[-3:]}"}}}}')
    async with administered() as admin:
        node = {"user_agent_name": f"envoy{EVIL}", "cluster": f"web{EVIL}"}
        sidecar = admin.connect(f"web-1{EVIL}", **node)
        await sidecar.ask()
        await sidecar.refuse(f"api: no{EVIL}")
        await admin.until("NACKED", node_id=f"web-1{EVIL}")
        admin.refused_files = (f"bad{EVIL}.yaml",)
        for command in (
            ["status"],
            ["status", "--output", "json"],
            ["status", "--wait", "1", "--clients", "1"],
            ["dump", "--node", f"web-1{EVIL}"],
            ["dump", "--node", "web-2"],
            ["explain", f"api{EVIL}", "--node", f"web-1{EVIL}"],
            ["explain", "api", "--node", "web-2"],
            ["explain", "api", "--node", f"web-1{EVIL}"],
            ["explain", "api", "--node", f"web-1{EVIL}", "--output", "json"],
            ["route", f"http://x{EVIL}/", "--node", f"web-1{EVIL}"],
            ["diff", str(tmp_path / f"new{EVIL}.yaml")],
            ["diff", str(tmp_path / f"new{EVIL}.yaml"), "--output", "json"],
            ["diff", str(tmp_path / f"bad{EVIL}.yaml")],
        ):
            _, printed, said = await run(*command, "--admin", admin.address)
            assert printed + said
            assert is_safe(printed + said), command
        _, printed, _ = await run("status", "--output", "json", "--admin", admin.address)
        assert json.loads(printed)["clients"][0]["node_id"] == f"web-1{EVIL}"
    for command in (
        ["check", str(tmp_path)],
        ["check", "--output", "json", str(tmp_path)],
        ["fmt", "--check", str(tmp_path)],
        ["fmt", "--check", "--output", "json", str(tmp_path)],
        ["explain", "api", "--catalog", str(tmp_path), "--node-cluster", "web"],
        ["bootstrap", "--node-id", f"a{EVIL}", "--cluster", f"b{EVIL}"],
    ):
        _, printed, said = await run(*command, cwd=tmp_path)
        assert printed + said
        assert is_safe(printed + said), command


async def test_no_metric_prints_what_a_client_calls_itself() -> None:
    """Labels have the names with escapes. Clients whose names look the same then are one series."""
    async with administered() as admin:
        for node_id, cluster in ((f"web-1{EVIL}", f"web{EVIL}"), (printable(f"web-1{EVIL}"), printable(f"web{EVIL}"))):
            sidecar = admin.connect(node_id, cluster)
            await sidecar.ask()
            await sidecar.refuse("no")
            await admin.until("NACKED", node_id=node_id)
        text = (await asyncio.to_thread(http_get, admin.address, "/metrics", 10.0))[1]
    assert is_safe(text)
    name = printable(f"web{EVIL}").replace("\\", r"\\")
    assert f'xds_nacks_total{{cluster="{name}",type="Cluster"}} 2.0' in text
    series = [line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))
    assert sum(f'cluster="{name}"' in one for one in series) == 3  # xds_nacked, xds_nacks and xds_unnamed_clients


@pytest.mark.parametrize("colors", [False, True])
def test_the_human_log_escapes_every_value(*, colors: bool) -> None:
    """Colours are the log's own. An event, too, may repeat what a client wrote; a line is a line."""
    written = io.StringIO()
    logger: Any = structlog.wrap_logger(
        structlog.WriteLogger(written),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S"),
            *_for_people(None, colors=colors),
        ],
    )
    logger.error(
        f"NACK {EVIL}", node=f"web-1{EVIL}", peers=[f"a{EVIL}"], clusters={f"c{EVIL}": 1}, message=f"a\n{EVIL}"
    )
    text = written.getvalue()
    assert text.endswith("\n")
    assert is_safe(re.sub(r"\x1b\[[0-9;]*m", "", text) if colors else text)
    assert text.count("\n") == 1
    assert r"\x1b[2J\x9b31m\x7f\x85\u202e" in text


def test_the_json_log_escapes_every_value() -> None:
    """It means the same as without."""
    line = EcsRenderer(1)(
        None, "info", {"timestamp": "t", "level": "info", "event": EVIL, "node": EVIL, "clusters": {EVIL: 1}}
    )
    assert line.isprintable()
    read = json.loads(line)
    assert (read["message"], read["xds"]["node_id"], read["xds"]["clusters"]) == (EVIL, EVIL, {EVIL: 1})


def test_a_problem_is_printable_wherever_it_comes_from() -> None:
    """The name of a file is part of the message."""
    assert str(Problem(f"c{EVIL}.yaml", 1, 1, f"services.a{EVIL}", f"no {EVIL}")).isprintable()


@pytest.mark.parametrize("value", [EVIL, "\U000e0001", "\ud800", "é – 漢字 😀", 'a"\\\n\t', {"\x7f": ["\x9b"]}])
def test_json_with_escapes_means_the_same(value: object) -> None:
    """What can be printed stays as it is."""
    assert is_safe(write_json(value))
    assert json.loads(write_json(value)) == value
    assert json.loads(write_json(value, indent=2)) == value
    assert "é – 漢字 😀" in write_json("é – 漢字 😀")


def test_text_that_can_be_printed_stays_as_it_is() -> None:
    """All else is written as in Python."""
    assert printable("é – 漢字 😀") == "é – 漢字 😀"
    assert printable("a\x1b\n\u202e\\") == r"a\x1b\n\u202e" + "\\"


def test_there_is_one_escape() -> None:
    """No other place writes JSON or escapes a text by itself."""
    for file in SOURCES.rglob("*.py"):
        name = str(file.relative_to(SOURCES))
        if name not in OWN:
            found = re.findall(r"json\.dumps\(|json_response\(|unicode_escape|ensure_ascii=True", file.read_text())
            assert not found, name
