"""`xds route`: finds the route that one request takes, where it is written, and the endpoints that get the request.

Which route it is, is decided in `finding.py`, by the rules in `xds/catalog/matching.py`. It is printed in `screen.py`.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from xds.cli.console import open_console
from xds.cli.explain import find_known
from xds.cli.options import admin_option, instead_option, locality_options, output_option
from xds.wording import write_json


@click.command()
@click.argument("url")
@click.option(
    "--node",
    metavar="NAME",
    help="The Envoy that gets it: the name of a gateway, or of the service whose sidecar it is; or a connected "
    "node's id. Default: the only gateway.",
)
@click.option("-X", "--method", default="GET", show_default=True, help="The request's method.")
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A header of the request; may be repeated.",
)
@instead_option
@locality_options
@admin_option
@output_option("table", "json", words="Print text for people, or one JSON object.")
def command(
    url: str,
    node: str | None,
    method: str,
    headers: tuple[str, ...],
    catalog: Path | None,
    region: str,
    zone: str,
    sub_zone: str,
    admin: tuple[str, int],
    output: str,
) -> None:
    """Find the route that a request to URL takes, with its file and line, and the endpoints that it can go to.

    Nothing is sent to the URL: the rules of Envoy's router are applied to the catalog. For a sidecar, the URL's host is
    the name of a service. If no route takes the request, it prints what keeps it from each of the nearest ones.

    \b
    Examples:
      xds route http://shop.example.com:8080/v2/users?q=1 --node edge
      xds route http://shop.example.com/ --node edge --method POST --header 'x-team: a'
      xds route http://api/users --node web --catalog new-catalog.yaml
      xds route http://shop.example.com/ -o json | jq -r .route.place

    Exit codes: 0 a route takes it, and it has an endpoint or an answer, 1 nothing takes it, no endpoint can get it,
    there is no such node or the catalog has errors, 2 wrong usage, 3 the server does not answer.
    """
    # Imported here, since what they import takes long, and a wrong usage needs none of it.
    from xds.cli.route.asked import AskedError, parse_asked

    try:
        asked = parse_asked(url, method, headers)
    except AskedError as error:
        raise click.UsageError(str(error)) from None
    locality = {"region": region, "zone": zone, "sub_zone": sub_zone}
    known = find_known(admin, catalog, node, locality, default_gateway=True)
    from xds.cli.route.finding import find
    from xds.cli.route.screen import draw, write_lines

    finding = find(asked, known)
    console = open_console()
    if output == "json":
        click.echo(write_json(asdict(finding), indent=2))
    elif console.is_terminal:
        console.print(draw(finding, console.width))
    else:
        click.echo("\n".join(write_lines(finding)))
    sys.exit(0 if finding.is_answered else 1)
