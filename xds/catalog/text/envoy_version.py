"""Versions of Envoy: `1.37`, `1.36.2`, and the oldest of a mesh, `>=1.37`."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected
from xds.wording import show

Version = tuple[int, ...]
"""The numbers of a version, the most significant first: they compare as versions do."""

VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)
OLDEST = re.compile(rf"\s*(?:>=)?\s*({VERSION.pattern})\s*", re.ASCII)
EXPECTED_OLDEST: Final = Expected("the oldest version of the Envoys", ">=1.37", "1.36.2")
OLDEST_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^\s*(>=)?\s*v?[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?\s*$"},
            {"type": "number", "minimum": 0, "exclusiveMaximum": 10000},
        ]
    }
)


def parse_version(text: str) -> Version | None:
    """Return the numbers at the start of a version, such as (1, 37, 0) of "1.37.0-dev"; None if there are none."""
    found = VERSION.match(text)
    return tuple(int(one) for one in found.groups() if one is not None) if found else None


def write_version(version: Version) -> str:
    """Return a version as text, such as `1.37`."""
    return ".".join(map(str, version))


def check_oldest(value: object) -> str:
    """Write the oldest version of a mesh in one way, `>=1.37`. A number is taken as it is written: 1.40 is not 1.4."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if (found := OLDEST.fullmatch(text)) is None:
        raise ValueError(f"expected {EXPECTED_OLDEST}, found {show(value)}")
    return f">={found[1].removeprefix('v')}"


def read_oldest(text: str) -> Version:
    """Return the numbers of an oldest version, as `check_oldest` takes it; raises ValueError for anything else."""
    version = parse_version(check_oldest(text).removeprefix(">="))
    if version is None:  # which `check_oldest` excludes
        raise ValueError(text)
    return version


Oldest = Annotated[str, BeforeValidator(check_oldest), OLDEST_SHAPE, EXPECTED_OLDEST]
