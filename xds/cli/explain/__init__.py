"""`xds explain`: explains what happens to a request for a service.

What a node is served, and the catalog, are read in `known.py`. Routes and services are described in `descriptions.py`,
shares are computed in `explanation.py`, and all is printed in `screen.py`.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from xds.cli.admin_client import AdminError, NotFoundError
from xds.cli.console import open_console
from xds.cli.options import admin_option, instead_option, locality_options, output_option
from xds.errors import CatalogError, Severity
from xds.wording import printable, suggest, write_json

if TYPE_CHECKING:
    from xds.cli.explain.known import Known


@click.command()
@click.argument("service")
@click.option(
    "--node",
    metavar="ID",
    help="The node that sends the request: its id, as `xds status` lists it, or a node.cluster: the name of a gateway "
    "or a service. Default: a node that may call every service.",
)
@instead_option
@locality_options
@admin_option
@output_option("table", "json", words="Print text for people, or one JSON object.")
def command(
    service: str,
    node: str | None,
    catalog: Path | None,
    region: str,
    zone: str,
    sub_zone: str,
    admin: tuple[str, int],
    output: str,
) -> None:
    """Explain what happens to a request for a service: route, cluster, policy, and each endpoint's expected share.

    For services with `locality`, the node's locality matters: a connected node sends its own, for others use the
    options.

    Routes and policy are printed as fields of the catalog, each with its file and line; the number of a route is its
    place in the catalog. Shares are computed by Envoy's rules from what the node is served. The health is that in the
    catalog; an Envoy's admin shows the results of its own health checks.

    \b
    Examples:
      xds explain api-service --node web-1
      xds explain api-service --node edge-1 --output json | jq '.choices[].endpoints[] | [.address, .percent]'
      xds explain api-service --catalog new-catalog.yaml --node edge --region eu --zone eu-1a

    Exit codes: 0 ok, 1 no request reaches the service, there is no such node or the catalog has errors, 2 wrong
    usage, 3 the server does not answer.
    """
    known = find_known(admin, catalog, node, {"region": region, "zone": zone, "sub_zone": sub_zone})
    # Imported here, since the module of the shares imports Envoy's message classes.
    from xds.cli.explain.explanation import explain
    from xds.cli.explain.screen import draw, write_lines

    explanation = explain(service, known)
    if not explanation.ways:
        fail(_explain_nothing(service, known), code=1)
    console = open_console()
    if output == "json":
        click.echo(write_json(asdict(explanation), indent=2))
    elif console.is_terminal:
        console.print(draw(explanation, console.width))
    else:
        click.echo("\n".join(write_lines(explanation)))
    reached = any(one.percent for explained in explanation.choices for one in explained.endpoints)
    sys.exit(0 if reached or any(route.answer for route in explanation.ways) else 1)


def find_known(
    admin: tuple[str, int],
    catalog: Path | None,
    node: str | None,
    locality: Mapping[str, str],
    *,
    default_gateway: bool = False,
) -> "Known":
    """Return what is known of a node, from a server or from files; end the command when there is nothing.

    With `default_gateway`, None is the only gateway if there is one.
    """
    from xds.cli.explain.known import OwnLocalityError, UnknownNodeError, ask_server, read_files

    try:
        if catalog is not None:
            return read_files(catalog, node, locality, default_gateway=default_gateway)
        return ask_server(admin, node, locality, default_gateway=default_gateway)
    except CatalogError as error:
        fail(*(problem for problem in error.problems if problem.severity is Severity.ERROR), code=1)
    except (NotFoundError, UnknownNodeError) as error:
        fail(error, code=1)
    except OwnLocalityError as error:
        raise click.UsageError(str(error)) from None
    except AdminError as error:
        fail(error, code=3)


def _explain_nothing(service: str, known: "Known") -> str:
    of_clusters = (one["resources"] for one in known.dump["configs"] if one["type_url"].endswith(".Cluster"))
    clusters = [one["name"] for resources in of_clusters for one in resources]
    who = known.name
    if stranger := known.explain_stranger():
        return printable(stranger)
    if service in clusters:
        return f"{printable(who)} has a cluster {printable(service)}, but no listener or route that leads to it"
    hint = suggest(service, clusters) or ": is it in the catalog, and among the `upstreams` of the node's service?"
    return f"{printable(who)} has no cluster for a service {printable(service)}{hint}"


def fail(*messages: object, code: int) -> NoReturn:
    """Print messages as errors, and end the command."""
    for message in messages:
        click.echo(message, err=True)
    sys.exit(code)
