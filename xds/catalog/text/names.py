"""Names, ports, paths and files: the smallest fields of the catalog, of which the model's classes are made."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, StringConstraints

from xds.catalog.text.durations import DURATION_SHAPE, check_wait, parse_duration

CONFIG = ConfigDict(extra="forbid")

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?")
"""A service's or gateway's name: it is also a host, a `node.cluster`, and part of Envoy's names for things."""

TARGET = re.compile(rf"{NAME.pattern}(/{NAME.pattern})?")
"""What a route sends requests to: a service, or with a slash one of its subsets."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]

NOBODY: Final = "invalid"
"""A name, and part of names, that is nobody's (RFC 2606)."""

T = TypeVar("T", int, str)


@lru_cache(maxsize=4096, typed=True)
def share(value: T) -> T:
    """Give one object for all that are equal: many endpoints have the same port and zone."""
    return value


Port = Annotated[int, Strict(), Field(ge=1, le=65535), AfterValidator(share)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), DURATION_SHAPE]
Wait = Annotated[Duration, AfterValidator(check_wait)]
Path = Annotated[str, StringConstraints(max_length=4096, pattern=r'^/[!"$->@-~]*$')]
"""A request's path is ASCII, whatever else percent-encoded; Envoy matches it without query and fragment."""
PathAndQuery = Annotated[str, StringConstraints(max_length=4096, pattern=r'^/[!"$-~]*$')]
FilePath = Annotated[str, StringConstraints(max_length=4096, pattern=r"^/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$")]
"""A file on the machine of the Envoy that opens it."""


def parse_list(value: object) -> object:
    """Turn one text into a list of it."""
    return [value] if isinstance(value, str) else value


NAME_PATTERN = "^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$"
TARGET_PATTERN = f"{NAME_PATTERN[:-1]}(/{NAME_PATTERN[1:-1]})?$"
