"""`xds dump`: prints the resources that a node is served."""

import sys

import click

from xds.cli.admin_client import AdminClient, AdminError, NotFoundError
from xds.cli.options import admin_option
from xds.wording import write_json


@click.command()
@click.option("--node", "node_id", required=True, metavar="ID", help="The node's id, as `xds status` lists it.")
@admin_option
def command(node_id: str, admin: tuple[str, int]) -> None:
    """Print the resources that a connected node is served, as JSON in the format of Envoy's config_dump.

    It prints, for each type that the node subscribed to, the resources that it asked for, and their versions.

    \b
    Examples:
      xds dump --node web-1
      xds dump --node web-1 | jq '.configs[].resources[].name'
      xds dump --node edge-1 --admin 127.0.0.1:18012 > edge-1.json

    Exit codes: 0 ok, 1 no such node is connected, 2 wrong usage, 3 the server does not answer.
    """
    try:
        with AdminClient(admin) as client:
            document = client.get("/dump", [("node", node_id)])
    except NotFoundError as error:
        click.echo(error, err=True)
        sys.exit(1)
    except AdminError as error:
        click.echo(error, err=True)
        sys.exit(3)
    click.echo(write_json(document, indent=2))
