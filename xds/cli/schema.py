"""`xds schema`: prints the JSON Schema of the catalog."""

import click

from xds.catalog.schema import build_schema
from xds.wording import write_json


@click.command()
def command() -> None:
    """Print the JSON Schema of a catalog file, by which editors complete and check it.

    \b
    Examples:
      xds schema > catalog.schema.json
      # for editors with the YAML language server, put this in the catalog's first line:
      # yaml-language-server: $schema=catalog.schema.json
    """
    click.echo(write_json(build_schema(), indent=2))
