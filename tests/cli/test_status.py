"""`xds status`: its table, its messages about problems, and its exit status."""

import asyncio
import contextlib
import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.cli.asking import run
from tests.server.administered import CATALOG, Administered, administered, read_refused
from xds.cli import main
from xds.cli.demo.processes import free_port
from xds.cli.status.nack_message import shorten
from xds.cli.status.screen import draw, write_lines
from xds.wire import CLUSTER, LISTENER
from xds.wire.discovery_pb2 import BuildVersion, SemanticVersion

OLDER = "older ones send the host alone as `http.url`"
REASON = "Proto constraint validation failed (TracingValidationError.CustomTags[0]: reason: is required)"


async def refuse(admin: Administered, message: str = "Error adding/updating cluster(s) api: no such policy") -> None:
    """Connect a sidecar that refuses its clusters."""
    sidecar = admin.connect("web-2", "web", user_agent_name="envoy")
    await sidecar.ask()
    await sidecar.refuse(message)
    await admin.until("NACKED", node_id="web-2")


async def test_each_client_is_a_line() -> None:
    """A line has the client, its uptime, and each type's state.

    The exit code is 0 if all is well or no client is connected.
    """
    async with administered() as admin:
        assert await run("status", "--admin", admin.address) == (0, "no client | 3 services, 1 gateway\n", "")
        await admin.connect(user_agent_name="envoy").take(CLUSTER, LISTENER)
        await admin.until("SYNCED", LISTENER)
        code, printed, _ = await run("status", "--admin", admin.address)
        heading, line, _, summary = printed.splitlines()
        assert heading.split() == ["NODE", "CLUSTER", "LOCALITY", "VARIANT", "CLIENT", "SINCE", "CDS", "LDS"]
        assert line.split()[:5] == ["web-1", "web", "eu/eu-1a", "delta", "envoy"]
        version = (await admin.get("/status"))["clients"][0]["types"][0]["version_info"]
        assert line.split()[6:10] == ["SYNCED", line.split()[7], "1/1", version]
        assert summary == "1 client: 1 SYNCED | 3 services, 1 gateway"
        assert code == 0


async def test_a_nack_is_shown_with_the_clients_message() -> None:
    """The message comes with the node, the type and the resources. The exit code is 1."""
    async with administered() as admin:
        await refuse(admin)
        code, printed, _ = await run("status", "--admin", admin.address)
        assert "\nweb-2 NACKED Cluster api " in printed
        assert "\n  Error adding/updating cluster(s) api: no such policy\n" in printed
        assert code == 1


async def test_a_nack_is_shown_without_the_resource_that_envoy_writes_into_it() -> None:
    """Envoy may write all of a listener before its reason. What the client's version does not take is told first."""
    fields = "\n".join(["route_config {", *['  name: "a \\"b"'] * 100, "  [type.googleapis.com/a.B] {", "  }", "}"])
    message = f'Error adding/updating listener(s) edge: stat_prefix: "edge"\n{fields}\n: {REASON}'
    async with administered("mesh: {tracing: 'collector:4317'}\n" + CATALOG) as admin:
        build = BuildVersion(version=SemanticVersion(major_number=1, minor_number=36, patch=2))
        sidecar = admin.connect("web-2", "web", user_agent_name="envoy", user_agent_build_version=build)
        await sidecar.ask()
        await sidecar.refuse(message)
        await admin.until("NACKED", node_id="web-2")
        _, printed, _ = await run("status", "--admin", admin.address)
        _, whole, _ = await run("status", "--admin", admin.address, "--output", "json")
    first, nacked, *said = printed.split("\n\n")[1].splitlines()[:5]
    assert first == f"web-2 (envoy 1.36.2) gets mesh.tracing: this needs Envoy 1.37, {OLDER}"
    assert nacked.startswith("web-2 NACKED Cluster ")
    assert said == [
        '  Error adding/updating listener(s) edge: stat_prefix: "edge"',
        "  … 104 lines of the resource, `xds status --output json` has all of it",
        f"  : {REASON}",
    ]
    assert message in [one["nack"]["message"] for one in json.loads(whole)["clients"][0]["types"] if one["nack"]]


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("", []),
        ("a: cannot bind '10.0.0.1:80'\nb: no such policy", ["a: cannot bind '10.0.0.1:80'", "b: no such policy"]),
        ("\n".join("abcdefghij"), [*"abcdefg", "… `xds status --output json` has all of it"]),
        ("a: 1\nb: 2\nwhy", ["a: 1", "b: 2", "why"]),
        ("x" * 1000, [f"{'x' * 600}… `xds status --output json` has all of it"]),
    ],
)
def test_a_long_message_is_cut(message: str, lines: list[str]) -> None:
    """What is left out is in the JSON."""
    assert [*shorten(message)] == lines


def test_what_a_client_keeps_is_shown_with_the_reason() -> None:
    """A line for each reason has the resources, and what was refused."""

    def held(name: str, reason: str, *refused: str, removed: bool = True) -> dict[str, Any]:
        kind = "Listener" if "/" in name else "Cluster"
        return {"type": kind, "name": name, "removed": removed, "reason": reason, "refused": list(refused)}

    one = {"node_id": "edge-1", "cluster": "edge", "locality": "", "variant": "delta", "user_agent": "envoy"}
    client = {**one, "connected_at": "2026-01-31T12:00:00Z", "state": "NACKED", "types": [], "held_count": 4}
    client["held"] = [
        held("old", "draining"),
        held("older", "draining"),
        held("edge/80", "refused", "Listener edge/81"),
        held("edge/82", "refused", "Listener edge/81", removed=False),
    ]
    catalog = {"ok": True, "refused_files": [], "services": 1, "gateways": 1}
    lines = [*write_lines({"clients": [client], "catalog": catalog, "now": "2026-01-31T12:00:01Z"})]
    assert lines[3:-1] == [
        "edge-1 keeps removed Cluster old, Cluster older while connections of earlier listeners end",
        "edge-1 keeps removed Listener edge/80 until what it refused is corrected or removed: Listener edge/81",
        "edge-1 keeps the previous Listener edge/82 until what it refused is corrected or removed: Listener edge/81",
    ]


async def test_a_field_that_a_clients_version_refuses_is_shown() -> None:
    """Clients of one version share a line. JSON has the field's path and the version that it needs."""
    async with administered("mesh: {tracing: 'collector:4317'}\n" + CATALOG) as admin:
        for node_id, minor in (("web-1", 36), ("web-2", 36), ("web-3", 40)):
            build = BuildVersion(version=SemanticVersion(major_number=1, minor_number=minor, patch=2))
            sidecar = admin.connect(node_id, "web", user_agent_name="envoy", user_agent_build_version=build)
            await sidecar.take(CLUSTER)
        _, printed, _ = await run("status", "--admin", admin.address)
        clients = (await admin.get("/status"))["clients"]
    assert f"\n\nweb-1, web-2 (envoy 1.36.2) gets mesh.tracing: this needs Envoy 1.37, {OLDER}\n" in printed
    found = {"path": "mesh.tracing", "since": "1.37", "values": "", "older": OLDER}
    assert [(one["unsupported"], one["unsupported_count"]) for one in clients] == [([found], 1), ([found], 1), ([], 0)]


async def test_control_characters_from_a_client_are_escaped() -> None:
    """A client's name or message cannot move the cursor."""
    async with administered() as admin:
        await refuse(admin, "\x1b[2Jgone\x9b31m\u202e")
        _, printed, _ = await run("status", "--admin", admin.address)
        assert r"\x1b[2Jgone\x9b31m\u202e" in printed


async def test_json_is_the_servers_own_document() -> None:
    """Programs get the same exit code."""
    async with administered() as admin:
        await refuse(admin)
        code, printed, _ = await run("status", "--admin", admin.address, "--output", "json")
        status = json.loads(printed)
        assert {**status, "now": ""} == {**await admin.get("/status"), "now": ""}
        assert code == 1


async def test_refused_files_and_missing_names_are_shown() -> None:
    """They explain why a client does not get what its operator expects."""
    async with administered() as admin:
        admin.refused_files = ("shop/bad.yaml",)
        await admin.connect().ask(CLUSTER, "*", "nobody")
        await admin.until("STALE")
        _, printed, _ = await run("status", "--admin", admin.address)
        assert "web-1 asks for Cluster nobody: there is none" in printed
        assert "refused, so that the last good state is served (see `xds check`): shop/bad.yaml" in printed


async def test_instances_that_are_not_served_are_shown() -> None:
    """The first problems have a line each, and the others are a count. The exit code is 0."""
    async with administered() as admin:
        admin.providers = (read_refused("fine", 0), read_refused("registry", 7))
        code, printed, _ = await run("status", "--admin", admin.address)
        heading, *problems, more, _ = printed.splitlines()
        assert heading == "instances from registry: 7 refused:"
        assert [line.split(":")[0] for line in problems] == [f"  services.api.endpoints.{at}" for at in range(5)]
        assert more == "  and 2 more"
        assert code == 0


async def test_an_unreachable_server_is_reported_in_one_line() -> None:
    """The line has the address, the reason, and what to check. The exit code is 3."""
    address = f"127.0.0.1:{free_port()}"
    code, printed, errors = await run("status", "--admin", address)
    assert (code, printed) == (3, "")
    assert errors.startswith(f"cannot ask {address}: Connection refused: is `xds serve` running")
    assert len(errors.splitlines()) == 1


async def test_a_port_of_another_protocol_is_reported_in_one_line() -> None:
    """The gRPC port is the most likely mistake. The exit code is 3."""
    async with administered() as admin:
        code, _, errors = await run("status", "--admin", admin.serving.address)
        assert code == 3
        assert errors.startswith(f"cannot ask {admin.serving.address}: it is no HTTP server")
        assert len(errors.splitlines()) == 1


def test_wrong_usage_exits_with_2() -> None:
    """The example is an address without a port."""
    result = CliRunner().invoke(main, ["status", "--admin", "localhost"])
    assert result.exit_code == 2
    assert "is not a host and a port" in result.stderr


def test_help_has_examples() -> None:
    """The help text shows how to use the command."""
    assert "xds status --watch" in CliRunner().invoke(main, ["status", "--help"]).stdout


async def test_watch_writes_one_json_object_a_line_into_a_pipe() -> None:
    """The command continues until the reader stops it. Ctrl-C exits with 130."""
    async with administered() as admin:
        command = [
            sys.executable,
            "-m",
            "xds",
            "status",
            "--admin",
            admin.address,
            "--output",
            "json",
            "--watch",
            "0.1",
        ]
        watching = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        assert watching.stdout is not None
        async with asyncio.timeout(20):
            for _ in range(3):
                assert json.loads(await watching.stdout.readline())["clients"] == []
            watching.send_signal(signal.SIGINT)
            await watching.stdout.read()
            assert await watching.wait() == 130


def on_a_terminal(command: list[str], columns: int, wanted: str, seconds: float = 20.0) -> tuple[str, int]:
    """Run a command on a terminal until it prints a text, and press Ctrl-C. Return its output and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    running = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    printed, deadline = b"", time.monotonic() + seconds
    with contextlib.suppress(OSError):  # the program has closed its side
        while wanted.encode() not in printed and time.monotonic() < deadline:
            printed += os.read(ours, 65536)
    running.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):
        while more := os.read(ours, 65536):
            printed += more
    os.close(ours)
    return printed.decode(errors="replace"), running.wait(seconds)


async def test_watch_redraws_a_terminal_and_restores_it() -> None:
    """The command uses the alternate screen. Ctrl-C brings back the screen and the cursor."""
    async with administered() as admin:
        await refuse(admin)
        command = [sys.executable, "-m", "xds", "status", "--admin", admin.address, "--watch", "0.1"]
        printed, code = await asyncio.to_thread(on_a_terminal, command, 80, "no such policy")
        assert "no such policy" in printed
        assert "\x1b[?1049h" in printed
        assert printed.rindex("\x1b[?1049l") > printed.rindex("no such policy")
        assert "\x1b[?25h" in printed
        assert code == 130


@pytest.fixture
async def busy() -> Any:
    """Return a status of three clients, one of which refuses a resource."""
    async with administered() as admin:
        await admin.connect("web-1", user_agent_name="envoy").take(CLUSTER, LISTENER)
        await admin.connect("edge-1", "edge", user_agent_name="envoy").take()
        await refuse(admin)
        await admin.until("SYNCED", LISTENER)
        await admin.until("SYNCED", node_id="edge-1")
        return await admin.get("/status")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
async def test_the_table_fits_the_terminal(busy: Any, width: int) -> None:
    """Each client has one line, which is neither cut nor broken. The worst comes first."""
    console = Console(width=width, file=io.StringIO(), record=True, highlight=False)
    console.print(draw(busy, width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines[1:4]] == ["web-2", "edge-1", "web-1"]
    assert "…" not in "".join(lines)
    assert ("LOCALITY" in lines[0]) == (width > 60)
    assert any(client["types"][0]["version_info"][:7] in "".join(lines) for client in busy["clients"]) == (width > 150)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_names_are_neither_wrapped_nor_cut(busy: Any, width: int) -> None:
    """The rest of the table makes room for them: from a certain length on, one column has the worst state."""
    for client in busy["clients"]:
        client["node_id"] += "-7f6d9c5b8d-x2x4z.eu-west-1.compute.internal"
    console = Console(width=width, file=io.StringIO(), record=True, highlight=False)
    console.print(draw(busy, width))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == [
        f"{one}-7f6d9c5b8d-x2x4z.eu-west-1.compute.internal" for one in ("web-2", "edge-1", "web-1")
    ]
    assert all(line.split()[-1] in ("NACKED", "SYNCED") for line in lines[1:4]) == (width == 60)
    assert "NACKED" in lines[1]
    assert max(map(len, lines[:4])) <= width


async def test_plain_lines_have_fixed_columns(busy: Any) -> None:
    """The fields are in the same place in each line, for `awk`. A dash stands for a type without a subscription."""
    heading, *rest = write_lines(busy)
    at = heading.index("LDS")
    by_node = {line.split()[0]: line[at:].split()[0] for line in rest[:3]}
    assert by_node == {"edge-1": "-", "web-1": "SYNCED", "web-2": "-"}
