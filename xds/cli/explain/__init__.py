"""`xds explain`: explains what happens to a request for a service.

What a node is served is read in `explanation.py`. Its fields are described in `descriptions.py`, and printed in
`screen.py`.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from xds.cli.admin_client import AdminClient, AdminError, Json, NotFoundError, printable
from xds.cli.options import admin_option, locality_options
from xds.errors import CatalogError, Severity
from xds.wording import suggest


@click.command()
@click.argument("service")
@click.option(
    "--node",
    metavar="ID",
    help="The node that sends the request: its id, as `xds status` lists it; with --catalog, its node.cluster. "
    "Default: a node that may call every service.",
)
@click.option(
    "--catalog",
    type=click.Path(exists=True, path_type=Path),
    help="Use the catalog in this file or folder instead of a server.",
)
@locality_options
@admin_option
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Print text for people, or one JSON object.",
)
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

    Shares are computed by Envoy's rules from what the node is served. The health is that in the catalog; an Envoy's
    admin shows the results of its own health checks.

    \b
    Examples:
      xds explain api-service --node web-1
      xds explain api-service --node edge-1 --output json | jq '.choices[].endpoints[] | [.address, .percent]'
      xds explain api-service --catalog new-catalog.yaml --node edge --region eu --zone eu-1a

    Exit codes: 0 ok, 1 no request reaches the service, no such node is connected or the catalog has errors, 2 wrong
    usage, 3 the server does not answer.
    """
    locality = {"region": region, "zone": zone, "sub_zone": sub_zone}
    if catalog is None and node is not None and any(locality.values()):
        raise click.UsageError(f"{node} sends its own locality: leave out --region, --zone and --sub-zone")
    try:
        dump = _ask(admin, node, locality) if catalog is None else _build(catalog, node or "", locality)
    except CatalogError as error:
        _fail(*(problem for problem in error.problems if problem.severity is Severity.ERROR), code=1)
    except NotFoundError as error:
        _fail(error, code=1)
    except AdminError as error:
        _fail(error, code=3)
    # Imported here, since the module of the shares imports Envoy's message classes.
    from xds.cli.explain.explanation import explain
    from xds.cli.explain.screen import draw, write_lines

    explanation = explain(service, dump)
    console = Console(highlight=False)
    if not explanation.ways:
        _fail(_explain_nothing(service, dump), code=1)
    if output == "json":
        click.echo(json.dumps(asdict(explanation), indent=2))
    elif console.is_terminal:
        console.print(draw(explanation))
    else:
        click.echo("\n".join(write_lines(explanation)))
    reached = any(one.percent for explained in explanation.choices for one in explained.endpoints)
    sys.exit(0 if reached or any(route.answer for route in explanation.ways) else 1)


def _ask(admin: tuple[str, int], node: str | None, locality: Mapping[str, str]) -> Json:
    with AdminClient(admin) as client:
        return client.get("/dump", [("node", node)] if node is not None else [("cluster", ""), *locality.items()])


def _build(path: Path, node_cluster: str, locality: Mapping[str, str]) -> Json:
    """Return what nodes with a `node.cluster` would be served, in the shape of `/dump`.

    Raises CatalogError, and NotFoundError for a cluster that the catalog does not name and that it does not serve.
    """
    # Imported here, since Envoy's message classes take half a second to import.
    from xds.catalog.assembly.workspace import Workspace
    from xds.catalog.model.locality import Locality
    from xds.endpoints.endpoint_set import collect_services
    from xds.resources.inventory import build_inventory
    from xds.resources.view import NodeKind, Standing, find_standing
    from xds.server.clients.documents import describe_kind
    from xds.sources.files.watch import FileSource

    catalog = Workspace().update(FileSource(path).read())
    if node_cluster and find_standing(catalog, node_cluster) is Standing.UNKNOWN:
        hint = suggest(node_cluster, [*catalog.gateways, *catalog.services])
        raise NotFoundError(f"the catalog has no service or gateway {printable(node_cluster)}{hint}")
    inventory = build_inventory(catalog, collect_services(catalog.services))
    return describe_kind(inventory, NodeKind(node_cluster, locality=Locality(**locality)))


def _explain_nothing(service: str, dump: Json) -> str:
    of_clusters = (config["resources"] for config in dump["configs"] if config["type_url"].endswith(".Cluster"))
    clusters = [one["name"] for resources in of_clusters for one in resources]
    who = dump["node"]["node_id"] or dump["node"]["cluster"] or "a sidecar"
    if service in clusters:
        return f"{printable(who)} has a cluster {printable(service)}, but no listener or route that leads to it"
    if not clusters and (cluster := dump["node"]["cluster"]):
        return f"{printable(who)} is served nothing: is there a service or gateway {printable(cluster)} in the catalog?"
    hint = suggest(service, clusters) or ": is it in the catalog, and among the `upstreams` of the node's service?"
    return f"{printable(who)} has no cluster for a service {printable(service)}{hint}"


def _fail(*messages: object, code: int) -> None:
    for message in messages:
        click.echo(message, err=True)
    sys.exit(code)
