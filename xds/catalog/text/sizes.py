"""What people write for a number of bytes: `512KiB`, `1MB`."""

import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mendable
from xds.wording import show

MAX_SIZE = 2**30
"""Far below Envoy's own limit (32 bits), and far beyond what one request should take of its memory."""

UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SIZE = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,6}})?)({'|'.join(UNITS)})", re.ASCII)
SIZE_SHAPE = WithJsonSchema(
    {
        "type": "string",
        "pattern": rf"^(?=.*[1-9])(?!0*([2-9]|[1-9][0-9]+)(\.[0-9]+)?Gi?B$)[0-9]+(\.[0-9]+)?({'|'.join(UNITS)})$",
    }
)
EXPECTED_SIZE = Expected("a size in B, KB, MB, GB, KiB, MiB or GiB", "1MiB", "512KiB")


def parse_size(value: object) -> int:
    """Turn "1MiB" or "1.5MB" into whole bytes, one at least; a number needs a unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):  # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(f"expected {EXPECTED_SIZE}, found {show(value)}")  # noqa: TRY004
    matched = SIZE.fullmatch(value)
    if matched is None:
        raise _explain(value)
    size = float(matched[1]) * UNITS[matched[2]]
    if size != int(size) or size < 1:
        raise ValueError(f"{value} is not a whole number of bytes, 1 at least")
    if size > MAX_SIZE:
        raise ValueError(f"{value} is too large: a size may be 1GiB at most")
    return int(size)


def _explain(value: str) -> ValueError:
    if re.fullmatch(r"-?[0.]+|-[0-9.]+", value):
        return ValueError(f"a size is 1B or more, found {value}")
    if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", value, re.ASCII):
        mends = (f"{value}{unit}" for unit in ("B", "KiB", "MiB"))
        return Mendable("a size needs a unit", *mends, quoted=False, tail=f", not {value}")
    units = {unit.lower(): unit for unit in UNITS} | {unit[:-1].lower(): unit for unit in ("KiB", "MiB", "GiB")}
    near = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)[\s_]*([a-z]+)\s*", value[:40].lower(), re.ASCII)
    hint = f": did you mean {near[1]}{units[near[2]]}?" if near and near[2] in units else ""
    return ValueError(f"expected {EXPECTED_SIZE}, found {show(value)}{hint}")


Size = Annotated[int, BeforeValidator(parse_size), SIZE_SHAPE, EXPECTED_SIZE]
