"""`xds dump`: its output and its exit status."""

import json

from click.testing import CliRunner

from tests.cli.asking import run
from tests.server.administered import administered
from xds.cli import main
from xds.cli.demo.processes import free_port
from xds.wire import CLUSTER, LISTENER


async def test_dump_prints_what_the_node_is_served() -> None:
    """The output is JSON with the resources by type, each with its version."""
    async with administered() as admin:
        await admin.connect().take(CLUSTER, LISTENER)
        await admin.until("SYNCED", LISTENER)
        code, printed, errors = await run("dump", "--node", "web-1", "--admin", admin.address)
        assert (code, errors) == (0, "")
        clusters, listeners = json.loads(printed)["configs"]
        assert [resource["name"] for resource in clusters["resources"]] == ["api"]
        assert listeners["resources"][0]["resource"]["address"]["socket_address"]["port_value"] == 15001


async def test_dump_of_an_unknown_node_exits_with_1() -> None:
    """The message names the most similar connected node."""
    async with administered() as admin:
        await admin.connect().take()
        await admin.until("SYNCED")
        code, printed, errors = await run("dump", "--node", "web-l", "--admin", admin.address)
        assert (code, printed) == (1, "")
        assert errors == "no node 'web-l' is connected: did you mean `web-1`?\n"


async def test_dump_without_a_server_exits_with_3() -> None:
    """One line explains what to check."""
    code, _, errors = await run("dump", "--node", "web-1", "--admin", f"127.0.0.1:{free_port()}")
    assert code == 3
    assert "is `xds serve` running" in errors
    assert len(errors.splitlines()) == 1


def test_dump_help_has_examples() -> None:
    """The help text shows how to use the command."""
    assert "xds dump --node web-1 | jq" in CliRunner().invoke(main, ["dump", "--help"]).stdout
