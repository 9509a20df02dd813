"""`xds bootstrap`: prints the configuration file that an Envoy starts with."""

import os

import click
import yaml

from xds.cli.admin_client import AdminClient, AdminError, NotFoundError
from xds.cli.options import HostPort, locality_options, output_option
from xds.wording import printable, write_json

ADMIN = "127.0.0.1:18002"
"""Where `xds serve` has its admin by default; the variable XDS_ADMIN sets another address."""

ASK_SECONDS = 1.0

VARIANTS = ("delta", "sotw", "rest")


@click.command()
@click.option("--node-id", required=True, help="The node id: a name for this Envoy, unique in the mesh.")
@click.option(
    "--cluster",
    "node_cluster",
    required=True,
    help="The node.cluster: the service in the catalog whose sidecar this Envoy is, or the gateway that it is.",
)
@click.option(
    "--server",
    default="127.0.0.1:18000",
    show_default=True,
    type=HostPort(),
    help="The address at which `xds serve` listens.",
)
@click.option(
    "--admin",
    default="127.0.0.1:9901",
    show_default=True,
    type=HostPort(9901),
    help="The address of Envoy's admin interface.",
)
@click.option(
    "--metrics",
    type=HostPort(9902),
    help="An address for this Envoy's metrics alone, without the rest of its admin interface, such as 0.0.0.0:9902.",
)
@click.option(
    "--variant",
    default="delta",
    show_default=True,
    type=click.Choice(VARIANTS),
    help="The variant of xDS: delta sends only changes; sotw is State of the World; rest polls `xds serve --rest`.",
)
@locality_options
@click.option(
    "--zone-aware",
    is_flag=True,
    help="For a sidecar: subscribe to its own service's localities, which `locality: zone_aware` needs.",
)
@output_option("yaml", "json", words="The output format.")
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
    """Print an Envoy bootstrap. It makes Envoy get everything else from `xds serve`.

    If the control plane runs on this machine, a warning tells when its catalog has no service or gateway NAME of
    --cluster: an Envoy of an unknown cluster is served nothing.

    \b
    Examples:
      xds bootstrap --node-id web-1 --cluster web > web.yaml && envoy -c web.yaml
      xds bootstrap --node-id edge-1 --cluster edge --server xds.example.com:18000 --variant sotw
      xds bootstrap --node-id web-1 --cluster web --region eu --zone eu-1a --zone-aware
      xds bootstrap --node-id web-1 --cluster web --metrics 0.0.0.0:9902
      envoy --config-yaml "$(xds bootstrap --node-id web-1 --cluster web)"
    """
    if zone_aware and not (region or zone or sub_zone):
        raise click.UsageError("--zone-aware needs this Envoy's locality: add --zone, and --region if there is one")
    # Imported here, since the decoder's message classes take half a second to import.
    from xds.catalog.model.locality import Locality
    from xds.catalog.text.addresses import Listen
    from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
    from xds.resources.decode import decode_message

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
    document = decode_message(message)
    if output == "json":
        click.echo(write_json(document, indent=2))
    else:
        click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)
    _warn_of_unknown(node_cluster, server[0])


def _warn_of_unknown(node_cluster: str, host: str) -> None:
    """Warn if the control plane on this machine has no service or gateway of that name. Without an answer, say nothing.

    The bootstrap may be written long before the catalog, and on another machine: so this is no error.
    """
    address = HostPort(18002).convert(os.environ.get("XDS_ADMIN", ADMIN), None, None)
    if host not in ("127.0.0.1", "::1", "localhost") and "XDS_ADMIN" not in os.environ:
        return
    try:
        with AdminClient(address, ASK_SECONDS) as client:
            found = client.get("/cluster", [("name", node_cluster)])
    except (AdminError, NotFoundError):
        return
    if found["standing"] in ("unknown", "kept"):
        hint = f": did you mean {printable(found['did_you_mean'])}?" if found["did_you_mean"] else ""
        word = printable(node_cluster)
        click.echo(f"warning: the catalog at {host} has no service or gateway {word}{hint}", err=True)
