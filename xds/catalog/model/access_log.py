"""The access log's words: what of an Envoy's requests is written down, and where."""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.names import CONFIG, FilePath
from xds.catalog.text.percents import SHARE_SHAPE, parse_share
from xds.catalog.text.shapes import ShortShape

SHORT: Final = {"off": {"enabled": False}, "on": {}, "errors": {"errors": True}}
"""What each word alone is short for."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class AccessLog:
    """Which requests are logged; `off`, `on` and `errors` are short for the commonest.

    Both given, `errors` are logged and of the rest a `sample`; neither, all are.
    """

    enabled: Annotated[bool, Strict(), Field(description="false is the same as `access_log: off`")] = True
    errors: Annotated[
        bool, Strict(), Field(description="those that failed: 5xx, what Envoy could not do, gRPC's errors")
    ] = False
    sample: Annotated[
        Annotated[float, BeforeValidator(parse_share), SHARE_SHAPE] | None,
        Field(description="how many of all, by chance, such as 1%"),
    ] = None
    file: Annotated[
        FilePath | None, Field(description="a file on the Envoy's machine; its standard output if left out")
    ] = None


def parse_access_log(value: object) -> object:
    """Turn `off`, `on` and `errors` into the mappings that they are short for."""
    return SHORT.get(value, value) if isinstance(value, str) else value


def check_access_log(log: AccessLog) -> AccessLog:
    """Make one thing of all that say `off`."""
    return log if log.enabled else OFF


OFF: Final = AccessLog(enabled=False)

ACCESS_LOG_SHAPE = ShortShape(("off", "on", "errors"))

ShortAccessLog = Annotated[
    AccessLog, BeforeValidator(parse_access_log), AfterValidator(check_access_log), ACCESS_LOG_SHAPE
]
