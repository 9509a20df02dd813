"""`xds status`: lists the connected clients and their state for each type; with `--wait`, waits for a catalog.

How a status is printed is in `screen.py`. When a catalog is in effect is decided in `waiting.py`.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.live import Live
from rich.text import Text

from xds.cli.admin_client import SECONDS, AdminClient, AdminError, Json, NotFoundError
from xds.cli.console import open_console
from xds.cli.options import admin_option, catalog_path, output_option
from xds.cli.status.screen import draw, draw_not_synced, write_lines, write_not_synced
from xds.cli.status.waiting import Outcome, Stage, await_effect
from xds.sources.files.watch import FileSource
from xds.wording import write_json

ATTENTION = ("NACKED", "UNKNOWN", "KEPT")
"""The states that somebody must look at."""

EXIT_CODES = {Stage.IN_EFFECT: 0, Stage.REFUSED: 1, Stage.PENDING: 4}
"""The exit codes of `--wait`."""


@click.command()
@admin_option
@output_option("table", "json", words="Print a table, or the server's JSON.")
@click.option(
    "--watch",
    is_flag=False,
    flag_value=2.0,
    default=None,
    metavar="[SECONDS]",
    type=click.FloatRange(min=0.1),
    help="Print the status again every SECONDS, 2 by default, until Ctrl-C.",
)
@click.option(
    "--wait",
    default=None,
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="Wait until all clients have accepted what is served, for SECONDS at most.",
)
@click.option(
    "--catalog",
    metavar="PATH",
    type=catalog_path,
    help="With --wait: wait also until the server has loaded this catalog, a file or a folder. Names do not matter.",
)
@click.option(
    "--clients",
    default=0,
    metavar="NUMBER",
    type=click.IntRange(0),
    help="With --wait: also wait until at least this number of clients is connected.",
)
def command(
    admin: tuple[str, int], output: str, watch: float | None, wait: float | None, catalog: Path | None, clients: int
) -> None:
    """List the connected clients, and their state for each type.

    SYNCED: the client has accepted all resources. STALE: some have not been sent or answered yet. NACKED: the client
    refused some, and keeps what it accepted before; its message is below the table. UNKNOWN and KEPT: the catalog does
    not name the client's node.cluster, so it is served nothing, or keeps what it had when the catalog did.

    With --wait, it reports whether a catalog is in effect: the server has loaded it, and every connected client has
    accepted all resources. It lists the clients that have not, and ends as soon as a client refuses the catalog. A NACK
    from before the catalog was loaded does not count, if nothing is sent again.

    \b
    Examples:
      xds status
      xds status --watch                       print again every 2 s
      xds status --output json | jq '.clients[] | select(.state != "SYNCED").node_id'
      xds status --wait 60 --catalog catalog/  wait for one minute until it is in effect

    Exit codes: 0 ok, 1 a client has NACKED something or is UNKNOWN or KEPT, or the catalog is not served as it is now,
    2 wrong usage, 3 the server does not answer. With --wait: 0 in effect, 1 refused or held, 3 the server does not
    answer, also at the end, 4 not in effect in time, or a client is UNKNOWN or KEPT.
    """
    if wait is not None and watch is not None:
        raise click.UsageError("--watch and --wait cannot be used together")
    if wait is None and (catalog is not None or clients):
        raise click.UsageError("--catalog and --clients need --wait SECONDS")
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


def _show_once(client: AdminClient, output: str) -> int:
    status = client.get("/status")
    console = open_console()
    if output == "json":
        click.echo(write_json(status, indent=2))
    elif console.is_terminal:
        console.print(draw(status, console.width))
    else:
        click.echo("\n".join(write_lines(status)))
    is_ok = status["catalog"]["ok"] and not status.get("failed_clusters")
    return int(not is_ok or any(one["state"] in ATTENTION for one in status["clients"]))


def _digest(catalog: Path | None) -> str | None:
    if catalog is None:
        return None
    source = FileSource(catalog)
    source.read()
    return source.digest


def _show_outcome(outcome: Outcome, output: str) -> None:
    """Print whether the catalog is in effect, and the clients that are not SYNCED; as JSON, the last status."""
    stage, reason = outcome.verdict.stage, outcome.verdict.reason
    summary = f"{stage.value} after {outcome.seconds:.1f} s{f': {reason}' if reason else ''}"
    console = open_console()
    if output == "json":
        click.echo(write_json(outcome.status, indent=2))
    elif console.is_terminal:
        console.print(draw_not_synced(outcome.status, console.width))
    else:
        click.echo("\n".join(write_not_synced(outcome.status)))
    click.echo(summary, err=output == "json" or stage is not Stage.IN_EFFECT)


def _watch(client: AdminClient, output: str, seconds: float) -> None:
    """Print the status again and again, in place on a terminal. If the server stops answering, keep trying."""
    console = open_console()
    if output == "json" or not console.is_terminal:
        for status in _poll(client, seconds):
            if isinstance(status, AdminError):
                click.echo(status, err=True)
            else:
                click.echo(write_json(status) if output == "json" else "\n".join([*write_lines(status), ""]))
        return
    with Live(console=console, auto_refresh=False, screen=True) as live:
        for status in _poll(client, seconds):
            picture = Text(str(status), "red") if isinstance(status, AdminError) else draw(status, console.width)
            live.update(picture, refresh=True)


def _poll(client: AdminClient, seconds: float) -> Iterator[Json | AdminError]:
    yield client.get("/status")  # an error at the first request ends the command
    while True:
        time.sleep(seconds)
        try:
            yield client.get("/status")
        except AdminError as error:
            yield error
