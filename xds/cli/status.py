"""`xds status`: who is connected, and how each client stands with what it is served."""

import json
import sys
import time
from collections.abc import Iterator

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from xds.cli.admin_client import AdminClient, AdminError, Json, NotFoundError, admin_option
from xds.cli.status_screen import draw, write_lines

NACKED = "NACKED"


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
def command(admin: tuple[str, int], output: str, watch: float | None) -> None:
    """List the connected clients, and for each type whether they have what they are served.

    SYNCED: the client accepted all of it. STALE: some of it is on its way. NACKED: the client refused some of it, and
    goes on with what it accepted before; its words stand below the table.

    \b
    Examples:
      xds status
      xds status --watch                       redraw each 2 s
      xds status --output json | jq '.clients[] | select(.state != "SYNCED").node_id'

    Exit codes: 0, 1 when anything is NACKED, 2 on wrong usage, 3 when the server cannot be asked.
    """
    try:
        with AdminClient(admin) as client:
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
