"""`xds status`: who is connected, and how each client stands with what it is served."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from xds.cli.admin_client import SECONDS, AdminClient, AdminError, Json, NotFoundError
from xds.cli.options import admin_option
from xds.cli.status.screen import draw, write_lines, write_trouble
from xds.cli.status.waiting import Outcome, Stage, await_effect
from xds.sources.files.watch import FileSource

NACKED = "NACKED"
EXIT_CODES = {Stage.IN_EFFECT: 0, Stage.REFUSED: 1, Stage.ON_ITS_WAY: 4}
"""Of `--wait`."""


@click.command()
@admin_option
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table, or the server's own JSON.",
)
@click.option(
    "--watch",
    is_flag=False,
    flag_value=2.0,
    default=None,
    metavar="[SECONDS]",
    type=click.FloatRange(min=0.1),
    help="Look again and again, each 2 s unless said otherwise, until Ctrl-C.",
)
@click.option(
    "--wait",
    default=None,
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="Wait, so long at most, until all clients have accepted what is served.",
)
@click.option(
    "--catalog",
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="With --wait: until the server has taken exactly this catalog, a file or a folder. Names do not count.",
)
@click.option(
    "--clients",
    default=0,
    metavar="NUMBER",
    type=click.IntRange(0),
    help="With --wait: so many clients at least have to be connected.",
)
def command(
    admin: tuple[str, int], output: str, watch: float | None, wait: float | None, catalog: Path | None, clients: int
) -> None:
    """List the connected clients, and for each type whether they have what they are served.

    SYNCED: the client accepted all of it. STALE: some of it is on its way. NACKED: the client refused some of it, and
    goes on with what it accepted before; its words stand below the table.

    With --wait it says instead whether a catalog is in effect: the server has taken it, and each client that is
    connected has accepted all of it. It lists the clients that have not, and ends as soon as one refuses it. What a
    client refused before, and is not sent again, does not count.

    \b
    Examples:
      xds status
      xds status --watch                       redraw each 2 s
      xds status --output json | jq '.clients[] | select(.state != "SYNCED").node_id'
      xds status --wait 60 --catalog catalog/  in effect within a minute, or not

    Exit codes: 0, 1 when anything is NACKED, 2 on wrong usage, 3 when the server cannot be asked. With --wait: 0 in
    effect, 1 refused, 3 the server cannot be asked, even at the end, 4 not in effect in time.
    """
    if wait is not None and watch is not None:
        raise click.UsageError("--watch goes on for ever, --wait ends: say one of them")
    if wait is None and (catalog is not None or clients):
        raise click.UsageError("--catalog and --clients are what to wait for: say --wait SECONDS too")
    try:
        with AdminClient(admin, SECONDS if wait is None else min(SECONDS, max(wait, 1.0))) as client:
            if wait is not None:
                outcome = await_effect(client, _digest(catalog), wait, clients)
                _show_outcome(outcome, output)
                sys.exit(EXIT_CODES[outcome.verdict.stage])
            if watch is None:
                sys.exit(_show_once(client, output))
            _watch(client, output, watch)
    except (AdminError, NotFoundError) as error:
        click.echo(error, err=True)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(0)


def _show_once(client: AdminClient, output: str) -> int:
    status = client.get("/status")
    console = Console(highlight=False)
    if output == "json":
        click.echo(json.dumps(status, indent=2))
    elif console.is_terminal:
        console.print(draw(status, console.width))
    else:
        click.echo("\n".join(write_lines(status)))
    return int(any(one["state"] == NACKED for one in status["clients"]))


def _digest(catalog: Path | None) -> str | None:
    if catalog is None:
        return None
    source = FileSource(catalog)
    source.read()
    return source.digest


def _show_outcome(outcome: Outcome, output: str) -> None:
    """Say whether it is in effect, and list who is not well; as JSON, the last status."""
    stage, reason = outcome.verdict.stage, outcome.verdict.reason
    said = f"{stage.value} after {outcome.seconds:.1f} s{f': {reason}' if reason else ''}"
    if output == "json":
        click.echo(json.dumps(outcome.status, indent=2))
    else:
        click.echo("\n".join(write_trouble(outcome.status)))
    click.echo(said, err=output == "json" or stage is not Stage.IN_EFFECT)


def _watch(client: AdminClient, output: str, seconds: float) -> None:
    """Show each status after the other, in place on a terminal; a server that is away is waited for."""
    console = Console(highlight=False)
    if output == "json" or not console.is_terminal:
        for status in _poll(client, seconds):
            if isinstance(status, AdminError):
                click.echo(status, err=True)
            else:
                click.echo(json.dumps(status) if output == "json" else "\n".join([*write_lines(status), ""]))
        return
    with Live(console=console, auto_refresh=False, screen=True) as live:
        for status in _poll(client, seconds):
            picture = Text(str(status), "red") if isinstance(status, AdminError) else draw(status, console.width)
            live.update(picture, refresh=True)


def _poll(client: AdminClient, seconds: float) -> Iterator[Json | AdminError]:
    yield client.get("/status")  # whoever cannot be asked at all is not waited for
    while True:
        time.sleep(seconds)
        try:
            yield client.get("/status")
        except AdminError as error:
            yield error
