"""Click types of the addresses at which `xds serve` listens, and of the collector that it sends spans to."""

import click

from xds.catalog.model.tracing import check_collector
from xds.server.address import ListenAddress, parse_listen_address


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
