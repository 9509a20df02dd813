"""`xds apply`: shows the removals that the server holds, and confirms them."""

import sys
from collections.abc import Iterator, Sequence

import click

from xds.cli.admin_client import AdminClient, AdminError, ConflictError, Json, NotFoundError
from xds.cli.options import admin_option, output_option
from xds.cli.status.screen import describe_held
from xds.wording import printable, write_json

SHOWN_LINES = 60
"""How many lines of one file's differences are shown."""


@click.command()
@admin_option
@click.option("--yes", is_flag=True, help="Confirm all that is held: it is removed at once.")
@click.option("--id", "held_ids", multiple=True, metavar="ID", help="Only the removal with this id; may be repeated.")
@output_option("text", "json", words="Print text for people, or the server's JSON.")
def command(admin: tuple[str, int], held_ids: tuple[str, ...], output: str, *, yes: bool) -> None:
    """Show what an edit would remove that the server holds, and confirm it with --yes.

    The server holds an edit that takes away every service or every gateway, more than half of at least 4, or all files
    of a folder, since that is more often an accident (`mesh.brake` in the catalog). All that it would remove is served
    until then. To undo such an edit, restore the files.

    \b
    Examples:
      xds apply              show what would go
      xds apply --yes        let it go
      xds apply --output json | jq '.held[].services'

    Exit codes: 0 nothing is held, or --yes has confirmed it; 1 something is held, is not what was shown any more, or
    cannot go yet; 2 wrong usage; 3 the server does not answer, or refuses.
    """
    try:
        with AdminClient(admin) as client:
            held = _select(client.get("/held")["held"], held_ids)
            if output == "json":
                click.echo(write_json({"held": held}, indent=2))
            else:
                for line in _write(held):
                    click.echo(line)
            if not held:
                return
            if not yes:
                click.echo("confirm it with `xds apply --yes`, or restore the files", err=output == "json")
                sys.exit(1)
            answer = client.post("/apply", [("id", one["id"]) for one in held])
            if refused := answer.get("refused_files"):
                files = ", ".join(map(printable, refused))
                click.echo(f"confirmed, but not removed until it leaves no mistake, see `xds check`: {files}", err=True)
                sys.exit(1)
            click.echo("confirmed: it is removed", err=output == "json")
    except ConflictError as error:
        click.echo(error, err=True)
        sys.exit(1)
    except (AdminError, NotFoundError) as error:
        click.echo(error, err=True)
        sys.exit(3)


def _select(held: Sequence[Json], held_ids: Sequence[str]) -> list[Json]:
    """Return what is held with these ids, or all. Raises ConflictError if one of them is not held."""
    if missing := set(held_ids) - {one["id"] for one in held}:
        raise ConflictError(f"not held: {', '.join(sorted(map(printable, missing)))}")
    return [one for one in held if not held_ids or one["id"] in held_ids]


def _write(held: Sequence[Json]) -> Iterator[str]:
    if not held:
        yield "nothing is held"
    for one in held:
        yield f"held since {one['since']} ({one['id']}): {describe_held(one)}"
        for file in one["files"]:
            yield f"  {printable(file['name'])} ({file['change']})"
            lines = ["too long to compare"] if file["diff"] is None else file["diff"].splitlines()
            yield from (f"    {printable(line)}" for line in lines[:SHOWN_LINES])
            if len(lines) > SHOWN_LINES:
                yield f"    and {len(lines) - SHOWN_LINES} more lines"
