"""`xds docs`: the reference of the catalog's fields, on a terminal, as JSON and as Markdown."""

import shutil
import sys

import click

from xds.catalog.fields import get_root
from xds.cli.docs.markdown import write_markdown
from xds.cli.docs.path import Place, UnknownFieldError, find_place
from xds.cli.docs.text import describe_place, write_text
from xds.cli.options import output_option
from xds.wording import write_json

PIPE_WIDTH = 100
"""Columns of the text when it does not go to a terminal."""

MAX_WIDTH = 120


class _UnknownField(click.ClickException):
    exit_code = 2


@click.command()
@click.argument("path", default="")
@output_option(
    "text",
    "json",
    "markdown",
    words="Text for people, one JSON object, or the reference of all fields below PATH as Markdown.",
)
def command(path: str, output: str) -> None:
    """Explain a field of the catalog: meaning, value, default, unit, Envoy's field, and the fields below it.

    PATH names a field as in the catalog. Names of services and positions in lists can be left out, so the path of an
    error message works too. Without PATH it lists the top of a catalog.

    \b
    Examples:
      xds docs
      xds docs services.retries
      xds docs gateways.routes.rate_limit
      xds docs 'services.api.endpoints[0].weight'
      xds docs mesh.tracing --output json
      xds docs --output markdown > reference.md

    Exit codes: 0, 2 when there is no such field or on wrong usage.
    """
    try:
        place = find_place(path)
    except UnknownFieldError as error:
        raise _UnknownField(str(error)) from None
    click.echo(_write(place, output), nl=output != "markdown")


def _write(place: Place, output: str) -> str:
    if output == "json":
        return write_json(describe_place(place), indent=2)
    if output == "markdown":
        return write_markdown(Place("", get_root()) if not place.path else place)
    return write_text(place, min(shutil.get_terminal_size().columns, MAX_WIDTH) if sys.stdout.isatty() else PIPE_WIDTH)
