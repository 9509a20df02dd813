"""Click types and options that several commands share."""

from collections.abc import Callable
from typing import TypeVar

import click

from xds.catalog.model.tracing import check_collector
from xds.server.address import ListenAddress, parse_listen_address
from xds.wording import split_host_and_port


class HostPort(click.ParamType[tuple[str, int]]):
    """The type of an option with a host name or an IP address, and a port."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the host and the port, or fail with a usage error."""
        host, port = split_host_and_port(str(value)) or ("", 0)
        if not host or not port:
            self.fail(f"{value!r} is not a host and a port, as in 127.0.0.1:18000 or xds.example.com:18000", param, ctx)
        return host, port


admin_option = click.option(
    "--admin",
    default="127.0.0.1:18002",
    show_default=True,
    type=HostPort(),
    help="The address of the server's admin: the value of --admin of `xds serve`.",
)

F = TypeVar("F", bound=Callable[..., object])

OPTIONS = (
    ("--region", "The region in which the node runs, as the catalog names it."),
    ("--zone", "The node's zone in the region."),
    ("--sub-zone", "The node's sub-zone in the zone."),
)


def locality_options(command: F) -> F:
    """Add the options `region`, `zone` and `sub_zone` to a command. Their default is the empty string."""
    for name, description in reversed(OPTIONS):
        command = click.option(name, default="", help=description)(command)
    return command


class ListenType(click.ParamType[ListenAddress]):
    """The type of an option with an IP address and a port."""

    name = "IP:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress:
        """Return the address, or fail with a usage error."""
        try:
            return parse_listen_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AdminType(click.ParamType[ListenAddress | None]):
    """The type of an option with an IP address and a port, or `off`."""

    name = "IP:PORT|off"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress | None:
        """Return the address, None for `off`, or fail with a usage error."""
        return None if value == "off" else ListenType().convert(value, param, ctx)


class CollectorType(click.ParamType[str]):
    """The type of an option with the host and the port of an OpenTelemetry collector."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the collector's address as text, or fail with a usage error."""
        try:
            return check_collector(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
