"""Click types and options that several commands share."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from xds.wording import split_host_and_port

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)/?", re.ASCII)
"""A scheme and a host with a port, without a path."""

WITH_PATH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([/?#].*)", re.ASCII)
"""The same with a path."""

PLAIN_SCHEMES = ("http", "grpc", "tcp")


class HostPort(click.ParamType[tuple[str, int]]):
    """The type of an option with a host name or an IP address, and a port. `http://HOST:PORT/` is taken too.

    `port` is for the example in a message.
    """

    name = "HOST:PORT"

    def __init__(self, port: int = 18000) -> None:
        self._port = port

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the host and the port, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        text = str(value).strip()
        if url := URL.fullmatch(text):
            scheme, text = url[1].lower(), url[2]
            if scheme not in PLAIN_SCHEMES:
                self.fail(f"there is no {scheme} here: write {text!r}, without a scheme", param, ctx)
        elif (url := WITH_PATH.fullmatch(text)) and url[1].lower() in PLAIN_SCHEMES and split_host_and_port(url[2]):
            self.fail(f"{value!r} has a path, which does not belong here: write {url[1]}://{url[2]}", param, ctx)
        host, port = split_host_and_port(text) or ("", 0)
        if not host or not port or not HOST.fullmatch(host):
            example = f"127.0.0.1:{self._port} or xds.example.com:{self._port}"
            self.fail(f"{value!r} is not a host and a port, as in {example}", param, ctx)
        return host, port


HOST = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+(?:%[\w.-]+)?", re.ASCII)
"""What can be the name or the address of a host."""

admin_option = click.option(
    "--admin",
    default="127.0.0.1:18002",
    show_default=True,
    envvar="XDS_ADMIN",
    show_envvar=True,
    metavar="HOST:PORT",
    type=HostPort(18002),
    help="The address of the server's admin, or its URL: the value of --admin of `xds serve`.",
)

F = TypeVar("F", bound=Callable[..., object])


def output_option(*formats: str, words: str) -> Callable[[F], F]:
    """Return the option `--output`, or `-o`, with formats of which the first is the default."""
    return click.option("-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help=words)


def choose_catalog(argument: Path | None, option: Path | None) -> Path:
    """Return the catalog's path, which a command takes as its argument and as `--catalog`; fail without one."""
    if argument is not None and option is not None and argument != option:
        raise click.UsageError(f"the catalog is given twice: {argument} and --catalog {option}")
    chosen = argument or option
    if chosen is None:
        raise click.UsageError("Missing argument 'CATALOG': a YAML file, or a folder of YAML files.")
    return chosen


catalog_path = click.Path(exists=True, path_type=Path)
catalog_option = click.option("--catalog", metavar="PATH", type=catalog_path, help="The same as the argument CATALOG.")

instead_option = click.option(
    "--catalog", metavar="PATH", type=catalog_path, help="Use the catalog in this file or folder instead of a server."
)

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
