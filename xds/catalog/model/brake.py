"""The brake: how much of the mesh one edit may take away before somebody has to confirm it. No Envoy sees it."""

from typing import Annotated, Final

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About, Example, Expected, Parsed
from xds.catalog.text.names import CONFIG, Wait
from xds.catalog.text.percents import PERCENTAGE, Percentage

USUAL_SHARE: Final = 50.0
"""Percent: an ordinary edit stays far below it, a lost folder does not."""

SHARE: Final = Percentage(0, 100, "50%")


@dataclass(frozen=True, slots=True, config=CONFIG)
class Brake:
    """When a removal is held until it is confirmed; a percentage alone is the `share`, and `off` holds nothing.

    It holds the removal of every service or every gateway, of more than the `share` of at least 4, and of all files of
    a folder below the catalog. The same holds for the endpoints of a source: all of at least 4, or those of more than
    the `share` of at least 4 services.
    """

    enabled: Annotated[bool, Strict(), Field(description="`false` is the same as `brake: off`")] = True
    share: Annotated[
        Annotated[float, SHARE] | None,
        Field(description="Hold the removal of more than this share of the services or gateways"),
        About(default=f"{USUAL_SHARE:g}%"),
    ] = None
    confirm_after: Annotated[
        Wait | None,
        Field(description="Take what is held after this time, without a confirmation"),
        About(default="never"),
    ] = None

    @property
    def percent(self) -> float | None:
        """The share in percent; None: nothing is held."""
        if not self.enabled:
            return None
        return USUAL_SHARE if self.share is None else self.share


def parse_brake(value: object) -> object:
    """Turn "off" and a percentage into the mapping that they are short for."""
    if value == "off":
        return {"enabled": False}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"share": value}
    return {"share": value} if isinstance(value, str) and PERCENTAGE.fullmatch(value) else value


ShortBrake = Annotated[
    Brake,
    Parsed(
        parse_brake,
        Expected("`off`, a percentage", "50%"),
        {"anyOf": [{"enum": ["off"]}, *SHARE.describe()]},
    ),
    Example({"share": "50%", "confirm_after": "10m"}),
]
