"""`xds status --wait`: whether a catalog is in effect, and what prevents it."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.asking import run
from tests.server.administered import Administered, administered
from tests.warm import start_control_plane
from xds.cli import main
from xds.cli.demo.processes import free_port
from xds.sources.files.watch import FileSource
from xds.wire import CLUSTER, LISTENER

CATALOG = "services: {api: {endpoints: ['127.0.0.1:5000']}}\n"
LONG = "60"
"""A timeout in seconds that no passing test reaches."""


def save(folder: Path, text: str = CATALOG, name: str = "catalog.yaml") -> Path:
    """Write a catalog of one file."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def digest(path: Path) -> str:
    """Return the digest of a catalog."""
    source = FileSource(path)
    source.read()
    return source.digest


async def wait(admin: Administered, seconds: str = LONG, *options: str) -> tuple[int, str, str]:
    """Wait on an admin interface, by default for the catalog that it serves."""
    async with asyncio.timeout(30):
        return await run("status", "--admin", admin.address, "--wait", seconds, *options)


def test_a_digest_depends_on_the_contents_alone(tmp_path: Path) -> None:
    """The same files with other names have the same digest. One more byte changes it."""
    here, there = save(tmp_path / "here"), save(tmp_path / "there", name="other.yml")
    assert digest(here) == digest(there) == digest(there / "other.yml")
    seen = {digest(here), digest(save(tmp_path / "comment", f"{CATALOG}# more\n"))}
    save(there, CATALOG, "more.yaml")  # a file twice is not the file once
    assert len(seen | {digest(there)}) == 3


async def test_a_catalog_in_effect_exits_with_0(tmp_path: Path) -> None:
    """The server has taken the catalog, and each client has accepted all of it."""
    catalog = save(tmp_path / "catalog")
    async with administered() as admin:
        admin.digest = digest(catalog)
        await admin.connect().take(CLUSTER, LISTENER)
        await admin.until("SYNCED", LISTENER)
        code, printed, errors = await wait(admin, LONG, "--catalog", str(catalog))
        counts, verdict = printed.splitlines()
        assert counts == "1 client: 1 SYNCED | 3 services, 1 gateway"
        assert verdict.startswith("in effect after 0.")
        assert (code, errors) == (0, "")


async def test_another_catalog_is_not_in_effect(tmp_path: Path) -> None:
    """All clients are SYNCED, but with the old catalog. The exit code for a timeout is 4."""
    async with administered() as admin:
        await admin.connect().take()
        await admin.until("SYNCED")
        code, _, errors = await wait(admin, "0.2", "--catalog", str(save(tmp_path / "catalog")))
        assert code == 4
        assert errors.startswith("not in effect after 0.")
        assert "the server has not loaded this catalog" in errors


async def test_the_wait_includes_a_client_that_has_not_answered() -> None:
    """The timeout message names the client. The wait ends when the client accepts."""
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask()
        await admin.until("STALE")
        code, printed, errors = await wait(admin, "0.2")
        assert code == 4
        assert errors.endswith("1 of 1 client did not answer\n")
        assert "web-1" in printed
        waiting = asyncio.create_task(wait(admin))
        await sidecar.accept()
        assert (await waiting)[0] == 0


async def test_the_wait_includes_clients_that_are_not_connected() -> None:
    """An option sets the number of clients. An Envoy that crashes on a catalog refuses nothing."""
    async with administered() as admin:
        await admin.connect().take()
        await admin.until("SYNCED")
        code, _, errors = await wait(admin, "0", "--clients", "2")
        assert (code, errors.endswith("1 client of at least 2 connected\n")) == (4, True)
        await admin.connect("web-2").take()
        assert (await wait(admin, LONG, "--clients", "2"))[0] == 0


async def test_a_refusal_ends_the_wait() -> None:
    """The wait ends at once with the client's message and exit code 1. Clients without a problem are not listed."""
    async with administered() as admin:
        await admin.connect("web-2").take()
        sidecar = admin.connect()
        await sidecar.ask()
        await sidecar.refuse("Error adding/updating cluster(s) api: no such policy")
        await admin.until("NACKED")
        code, printed, errors = await wait(admin)
        assert code == 1
        assert errors.startswith("refused after ")
        assert errors.endswith("by 1 of 2 clients\n")
        assert "web-1 NACKED Cluster api" in printed
        assert "no such policy" in printed
        assert "web-2" not in printed


async def test_an_older_refusal_does_not_end_the_wait() -> None:
    """The command reports an Envoy that refused something before the server took the catalog.

    Only its answer to the new resources counts.
    """
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask()
        await sidecar.refuse("no such policy")
        await admin.until("NACKED")
        admin.taken_at = time.time() + 1
        code, printed, _ = await wait(admin)
        assert code == 0
        assert "web-1 NACKED Cluster api" in printed
        await admin.serving.edit(
            "services: {api: {endpoints: ['127.0.0.1:1'], timeouts: {connect: 2s}}, web: {upstreams: [api]}}"
        )
        await sidecar.read()
        code, _, errors = await wait(admin, "0.2")
        assert code == 4
        assert errors.endswith("1 of 1 client did not answer\n")


async def test_a_file_that_the_server_refuses_ends_the_wait() -> None:
    """The server serves the last good state of the file, which is not the catalog."""
    async with administered() as admin:
        admin.refused_files = ("shop/bad.yaml",)
        code, printed, errors = await wait(admin)
        assert code == 1
        assert errors.endswith("the server refused some of its files, and serves their last good state\n")
        assert "(see `xds check`): shop/bad.yaml" in printed


async def test_json_has_the_last_status_and_the_verdict() -> None:
    """Programs read it."""
    async with administered() as admin:
        code, printed, errors = await wait(admin, LONG, "--output", "json")
        assert json.loads(printed)["catalog"]["digest"] == admin.digest
        assert errors.startswith("in effect after ")
        assert code == 0


async def test_an_unreachable_server_exits_with_3() -> None:
    """The message is one line, after the timeout."""
    code, printed, errors = await run("status", "--admin", f"127.0.0.1:{free_port()}", "--wait", "0.2")
    assert (code, printed) == (3, "")
    assert "Connection refused: is `xds serve` running" in errors
    assert len(errors.splitlines()) == 1


async def test_the_wait_includes_the_servers_start_and_an_edit(tmp_path: Path) -> None:
    """A real server reads a copy. A changed comment alone is a new catalog, in effect once the server has taken it."""
    served, copy = save(tmp_path / "served"), save(tmp_path / "copy", name="copy.yaml")
    admin = f"127.0.0.1:{free_port()}"
    command = ["status", "--admin", admin, "--wait", LONG, "--catalog", str(copy)]
    waiting = asyncio.create_task(run(*command))
    with start_control_plane(served, free_port(), tmp_path, "--admin", admin):
        assert (await waiting)[0] == 0
        save(copy, f"{CATALOG}# a comment\n", "copy.yaml")
        code, _, errors = await run("status", "--admin", admin, "--wait", "0", "--catalog", str(copy))
        assert (code, "the server has not loaded this catalog" in errors) == (4, True)
        waiting = asyncio.create_task(run(*command))
        save(served, f"{CATALOG}# a comment\n")
        assert (await waiting)[0] == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--wait", "1", "--watch"],
        ["--catalog", "."],
        ["--clients", "2"],
        ["--wait", "-1"],
        ["--wait", "1", "--catalog", "no"],
    ],
)
def test_wrong_usage_exits_with_2(options: list[str]) -> None:
    """The message names the mistake."""
    result = CliRunner().invoke(main, ["status", *options])
    assert result.exit_code == 2
    assert "Error: " in result.stderr
