"""The options by which a command is told where a node is."""

from collections.abc import Callable
from typing import TypeVar

import click

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
