"""`xds bootstrap`: the file that an Envoy starts from."""

import json

import click
import yaml

from xds.cli.options import HostPort, locality_options

VARIANTS = ("delta", "sotw", "rest")


@click.command()
@click.option("--node-id", required=True, help="This Envoy's own name, unique in the mesh.")
@click.option(
    "--cluster",
    "node_cluster",
    required=True,
    help="What it is in the catalog: the service whose sidecar it is, or the gateway.",
)
@click.option(
    "--server", default="127.0.0.1:18000", show_default=True, type=HostPort(), help="Where `xds serve` listens."
)
@click.option("--admin", default="127.0.0.1:9901", show_default=True, type=HostPort(), help="Envoy's admin interface.")
@click.option(
    "--metrics",
    type=HostPort(),
    help="Where Prometheus finds this Envoy's metrics, and nothing else of its admin interface: 0.0.0.0:9902, say.",
)
@click.option(
    "--variant",
    default="delta",
    show_default=True,
    type=click.Choice(VARIANTS),
    help="delta sends only what changed; sotw is State of the World; rest polls `xds serve --rest`.",
)
@locality_options
@click.option(
    "--zone-aware",
    is_flag=True,
    help="For a sidecar: ask where the service's other sidecars are, as `locality: zone_aware` needs.",
)
@click.option("--output", default="yaml", show_default=True, type=click.Choice(["yaml", "json"]), help="The format.")
def command(
    node_id: str,
    node_cluster: str,
    server: tuple[str, int],
    admin: tuple[str, int],
    metrics: tuple[str, int] | None,
    variant: str,
    region: str,
    zone: str,
    sub_zone: str,
    zone_aware: bool,
    output: str,
) -> None:
    """Print an Envoy bootstrap that asks `xds serve` for all the rest.

    \b
    Examples:
      xds bootstrap --node-id web-1 --cluster web > web.yaml && envoy -c web.yaml
      xds bootstrap --node-id edge-1 --cluster edge --server xds.example.com:18000 --variant sotw
      xds bootstrap --node-id web-1 --cluster web --region eu --zone eu-1a --zone-aware
      xds bootstrap --node-id web-1 --cluster web --metrics 0.0.0.0:9902
      envoy --config-yaml "$(xds bootstrap --node-id web-1 --cluster web)"
    """
    if zone_aware and not (region or zone or sub_zone):
        raise click.UsageError(
            "--zone-aware needs to know where this Envoy is: add --zone, and --region if there is one"
        )
    # Envoy's classes take half a second to import: not for `xds --help`.
    from betterproto2 import Casing

    from xds.catalog.model.locality import Locality
    from xds.catalog.text.addresses import Listen
    from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap

    message = build_bootstrap(
        node_id,
        node_cluster,
        Listen(*server),
        Listen(*admin),
        ApiType(variant),
        Locality(region, zone, sub_zone),
        zone_aware=zone_aware,
        metrics=None if metrics is None else Listen(*metrics),
    )
    document = message.to_dict(casing=Casing.SNAKE)
    if output == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)
