"""`xds schema`: the catalog's JSON Schema."""

import json

import click

from xds.catalog.schema import build_schema


@click.command()
def command() -> None:
    """Print the JSON Schema of a catalog file, for completion and checks in an editor.

    \b
    Examples:
      xds schema > catalog.schema.json
      # and as the catalog's first line, for editors with the YAML language server:
      # yaml-language-server: $schema=catalog.schema.json
    """
    click.echo(json.dumps(build_schema(), indent=2, ensure_ascii=False))
