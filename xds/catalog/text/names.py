"""Names, ports, paths and files: the smallest fields of the model's classes."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, StringConstraints

from xds.catalog.text.addresses import explain_address, split_address
from xds.catalog.text.durations import DURATION_SHAPE, EXPECTED_DURATION, WAIT_SHAPE, check_wait, parse_duration
from xds.catalog.text.field import Expected, IfWrong, Narrowed
from xds.catalog.text.foreign import write_fields
from xds.catalog.text.protocols import NO_DATAGRAMS, read_scheme
from xds.wording import show, split_host_and_port

CONFIG = ConfigDict(extra="forbid")

NOBODY: Final = "invalid"
"""A name, and a part of names, that is reserved for examples (RFC 2606)."""

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?")
"""A service's or gateway's name: it is also a host, a `node.cluster`, and part of Envoy's names for things."""

TARGET = re.compile(rf"{NAME.pattern}(/{NAME.pattern})?")
"""What a route sends requests to: a service, or with a slash one of its subsets."""

NAME_PATTERN = f"^{NAME.pattern}$"
TARGET_PATTERN = f"^{TARGET.pattern}$"

PATH = re.compile(r'/[!"$->@-~]*')
"""A request's path is ASCII, with all other characters percent-encoded; Envoy matches it without query and fragment."""

RESERVED: Final = ("xds_cluster", "xds_metrics", "local_cluster")
"""The clusters and listeners in the bootstrap of every Envoy, which keeps these and ignores others of their names."""

NAME_RULE = "names have small letters, digits, `-`, `_` and `.`"


def mend_name(value: object) -> str:
    """Return how to correct a service's name that is not valid."""
    if isinstance(value, str) and "://" in value:
        found = explain_address(value)
        scheme = value.partition("://")[0]
        if scheme.lower() == "udp":
            return NO_DATAGRAMS
        endpoint: object = next(filter(split_address, found.mends), ...)
        fields = {"endpoints": [endpoint], **(read_scheme(scheme) or {})}
        return f"make it a service, with {write_fields(fields)}{found.tail}, and name that"
    if isinstance(value, str) and split_host_and_port(value):
        host = value.partition(":")[0]
        return f"a service goes by its name alone, write {host}" if NAME.fullmatch(host) else NAME_RULE
    if isinstance(value, str) and "/" in value:
        name = value.partition("/")[0]
        hint = f", write {name}" if NAME.fullmatch(name) else ""
        return f"a subset is named by a route's `to` alone{hint}"
    return NAME_RULE if isinstance(value, str) else ""


LOCATION = re.compile(r"(=|\^~)\s*(/[!-~]*)")
LOCATIONS: Final = {"=": "path", "^~": "prefix"}
"""The signs in front of nginx's locations that are no patterns, with the fields that they stand for."""


def mend_path(value: object) -> str:
    """Return how to correct a path that is not valid."""
    if not isinstance(value, str):
        return ""
    if "://" in value:
        return "leave out the scheme and host"
    if located := LOCATION.fullmatch(value):
        return f"write {write_fields({LOCATIONS[located[1]]: located[2]})}"
    if value.startswith(("^", "~")) or ".*" in value:
        return "a pattern is the `regex` of a route"
    if value and PATH.fullmatch(f"/{value}"):
        return f"write {show('/' + value)}"
    for sign in "#?":
        if sign in value:
            return f"leave out the {sign} and what follows"
    if not value.isascii() or " " in value:
        return "write spaces and letters beyond ASCII percent-encoded, as in /caf%C3%A9"
    return ""


def mend_port(value: object) -> str:
    """Return which port is meant by several, and by one with more around it."""
    words = [one for one in re.split(r"[,;\s]+", value) if one] if isinstance(value, str) else []
    if len(value if isinstance(value, list) else words) > 1 and all(str(one).isdecimal() for one in words):
        return "several ports are several `listeners` of a gateway, or several endpoints"
    found = re.fullmatch(r"(\d{1,5})(?::\d{1,5}|[^\w.]+(?:tcp)?)", value, re.ASCII) if isinstance(value, str) else None
    return f"write {found[1]}, not {value}" if found and 1 <= int(found[1]) <= 65535 else ""


def explain_reserved(name: str) -> str:
    """Return why no service and no gateway can have a name that is otherwise right; "" if they can."""
    return f"{show(name)} is a name in the bootstrap of every Envoy: choose another" if name in RESERVED else ""


def check_name(name: str) -> str:
    """Return a service's or gateway's name that Envoys do not use for something else."""
    if message := explain_reserved(name):
        raise ValueError(message)
    return name


Name = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN),
    AfterValidator(check_name),
    Narrowed({"not": {"enum": [*RESERVED]}}),
    Expected("a service's name", mend=mend_name),
    IfWrong(stand_in=NOBODY),
]

T = TypeVar("T", int, str)


@lru_cache(maxsize=4096, typed=True)
def share(value: T) -> T:
    """Return the same object for equal values: many endpoints have the same port and zone."""
    return value


Port = Annotated[
    int, Strict(), Field(ge=1, le=65535), AfterValidator(share), Expected("a port {bounds}", mend=mend_port)
]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), DURATION_SHAPE, EXPECTED_DURATION]
Fraction = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False, strict=True)]
Wait = Annotated[Duration, AfterValidator(check_wait), WAIT_SHAPE, EXPECTED_DURATION]
Path = Annotated[
    str,
    StringConstraints(max_length=4096, pattern=f"^{PATH.pattern}$"),
    Expected("a path that begins with /, without query", mend=mend_path),
]
PathAndQuery = Annotated[
    str,
    StringConstraints(max_length=4096, pattern=r'^/[!"$-~]*$'),
    Expected("a path that begins with /", mend=mend_path),
]
FilePath = Annotated[
    str,
    StringConstraints(max_length=4096, pattern=r"^/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$"),
    Expected("a path on Envoy's machine that begins with /"),
    IfWrong(stand_in=f"/{NOBODY}"),
]
"""A file on the machine of the Envoy that opens it."""


def parse_list(value: object) -> object:
    """Turn a single text into a list."""
    return [value] if isinstance(value, str) else value
