"""`xds init`: writes a catalog to begin with. Its text is made in `starting.py`."""

import sys
from pathlib import Path

import click

from xds.cli.init.starting import PROTOCOLS, Start, StartError, StartGateway, StartService, parse_service, write_catalog
from xds.cli.options import HostPort

DEFAULT_PORT = 8080


@click.command()
@click.argument("path", default="catalog.yaml", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--service",
    "services",
    metavar="NAME=HOST:PORT[,HOST:PORT...]",
    multiple=True,
    help="A service and its endpoints; may be repeated. Without any, a terminal is asked.",
)
@click.option(
    "--protocol", default="http", show_default=True, type=click.Choice(PROTOCOLS), help="What the services speak."
)
@click.option("--health-check", metavar="PATH", help="Check each endpoint's health at this path.")
@click.option("--gateway", default="edge", show_default=True, metavar="NAME", help="The name of the gateway.")
@click.option(
    "--listen",
    type=HostPort(DEFAULT_PORT),
    metavar="IP:PORT",
    help=f"Where the gateway listens. [default: 127.0.0.1:{DEFAULT_PORT}]",
)
@click.option("--no-gateway", is_flag=True, help="Write no gateway: the services only call each other.")
def command(
    path: Path,
    services: tuple[str, ...],
    protocol: str,
    health_check: str | None,
    gateway: str,
    listen: tuple[str, int] | None,
    *,
    no_gateway: bool,
) -> None:
    """Write a catalog to begin with to PATH, which is catalog.yaml by default, or - for standard output.

    It asks for services on a terminal, or takes them from options. The result passes `xds check --strict`. A file that
    exists is left as it is.

    \b
    Examples:
      xds init
      xds init --service api=127.0.0.1:7001,127.0.0.1:7002
      xds init shop/catalog.yaml --service web=10.0.0.4:80 --health-check /health --listen 0.0.0.0:80
      xds init --service db=10.0.1.1:5432 --protocol tcp --no-gateway -

    Exit codes: 0 written, 1 the file exists or cannot be written, 2 the usage or an answer is wrong.
    """
    written = str(path) == "-"
    if not written and path.exists():
        raise _refuse(path)
    edge = None if no_gateway else StartGateway(gateway, *(listen or ("127.0.0.1", DEFAULT_PORT)))
    try:
        if services:
            found = [parse_service(one, protocol, health_check) for one in services]
            start = Start(tuple(found), edge)
        elif sys.stdin is not None and sys.stdin.isatty():
            start = _ask(protocol, health_check, edge, ask_listen=listen is None)
        else:
            raise click.UsageError("Missing option '--service': this is no terminal that could be asked.")
        text = write_catalog(start)
    except StartError as error:
        raise click.UsageError(str(error)) from None
    if written:
        click.echo(text, nl=False)
        return
    from xds.cli.replacing import replace_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text, new=True)
    except FileExistsError:
        raise _refuse(path) from None
    click.echo(f"wrote {path}. Next:")
    for line in _list_next(path, start):
        click.echo(f"  {line}")


def _refuse(path: Path) -> click.ClickException:
    return click.ClickException(f"{path} exists, and is left as it is: write another path")


def _list_next(path: Path, start: Start) -> list[str]:
    name = start.gateway.name if start.gateway else start.services[0].name
    return [
        f"xds check --strict {path}",
        f"xds serve --catalog {path}",
        f"xds bootstrap --node-id {name}-1 --cluster {name} > {name}.yaml && envoy -c {name}.yaml",
    ]


def _ask(protocol: str, health_check: str | None, gateway: StartGateway | None, *, ask_listen: bool) -> Start:
    """Ask for services until there is no more, and for the gateway's port. A wrong answer is asked for again."""
    services: list[StartService] = []
    while True:
        more = "Name of a service" if not services else "Name of another service (empty: no more)"
        name = click.prompt(more, default="web" if not services else "", show_default=not services).strip()
        if not name:
            break
        endpoints = click.prompt("Its endpoints, as host:port, with commas between", default="127.0.0.1:7001")
        try:
            service = parse_service(f"{name}={endpoints}", protocol, health_check)
            write_catalog(Start((*services, service), None))
        except StartError as error:
            click.echo(f"  {error}", err=True)
            continue
        services.append(service)
    while gateway is not None:
        if ask_listen:
            port = click.prompt(
                "Port of the gateway (0: no gateway)", default=gateway.port, type=click.IntRange(0, 65535)
            )
            gateway = StartGateway(gateway.name, gateway.address, port) if port else None
        try:
            write_catalog(start := Start(tuple(services), gateway))
        except StartError as error:
            click.echo(f"  {error}", err=True)
            if not ask_listen:
                raise
        else:
            return start
    return Start(tuple(services), None)
