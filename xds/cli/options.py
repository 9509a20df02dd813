"""Types and options that several commands share."""

from collections.abc import Callable
from typing import TypeVar

import click

from xds.catalog.model.tracing import check_collector
from xds.server.address import ListenAddress, parse_listen_address


class HostPort(click.ParamType[tuple[str, int]]):
    """An option that names a host, or an IP address, and a port."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Split the option, or fail with what is wrong with it."""
        host, _, port = str(value).rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            self.fail(f"{value!r} is not a host and a port, as in 127.0.0.1:18000 or xds.example.com:18000", param, ctx)
        return host, int(port)


admin_option = click.option(
    "--admin",
    default="127.0.0.1:18002",
    show_default=True,
    type=HostPort(),
    help="The server's admin address: what `xds serve` was told by --admin.",
)

F = TypeVar("F", bound=Callable[..., object])

OPTIONS = (
    ("--region", "Where the node runs: its region, in the catalog's words."),
    ("--zone", "Its zone, part of the region."),
    ("--sub-zone", "Its sub-zone, part of the zone."),
)


def locality_options(command: F) -> F:
    """Give a command `region`, `zone` and `sub_zone`, empty where they are not given."""
    for name, words in reversed(OPTIONS):
        command = click.option(name, default="", help=words)(command)
    return command


class ListenType(click.ParamType[ListenAddress]):
    """An option that names an IP address and a port."""

    name = "IP:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress:
        """Read the option, or fail with what is wrong with it."""
        try:
            return parse_listen_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AdminType(click.ParamType[ListenAddress | None]):
    """An option that names an IP address and a port, or is `off`."""

    name = "IP:PORT|off"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress | None:
        """Read the option, or fail with what is wrong with it."""
        return None if value == "off" else ListenType().convert(value, param, ctx)


class CollectorType(click.ParamType[str]):
    """An option that names a host and a port."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the option, or fail with what is wrong with it."""
        try:
            return check_collector(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
