"""The access log's words: what of an Envoy's requests is written down, and where."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.places import show
from xds.catalog.shapes import ACCESS_LOG_SHAPE, SHARE_SHAPE
from xds.catalog.words import CONFIG, FilePath

SHORT: Final = {"off": {"enabled": False}, "on": {}, "errors": {"errors": True}}
"""What each word alone is short for."""

SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)%", re.ASCII)


def parse_share(value: object) -> object:
    """Turn "1%" into 1.0; a number needs its sign."""
    if isinstance(value, str) and (matched := SHARE.fullmatch(value)) and 0 < (share := float(matched[1])) <= 100:
        return share
    hint = f": write {value}%" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    raise ValueError(f"expected a share from 0.0001% to 100%, such as 1%, found {show(value)}{hint}")


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

ShortAccessLog = Annotated[
    AccessLog, BeforeValidator(parse_access_log), AfterValidator(check_access_log), ACCESS_LOG_SHAPE
]
