"""Cuts what a client says of a refused resource to what a person reads."""

import re
from collections.abc import Iterator
from itertools import groupby

from xds.wording import printable

FIELD = re.compile(r'\s*(\w+ \{|\[[\w./]+\] \{|\}|\w+: ("([^"\\]|\\.)*"|[-+\w.]+))')
"""A line of a message in protobuf's text form."""

FEW_FIELDS = 2
SHOWN_LINES = 8
WIDTH = 600
WHOLE = "`xds status --output json` has all of it"


def shorten(message: str) -> Iterator[str]:
    """Yield the lines of a message without the resource that Envoy writes into it, and not too many.

    Before its reason, Envoy may write the whole of what it refuses, which can be hundreds of lines.
    """
    lines: list[str] = []
    for is_field, group in groupby(message.splitlines(), lambda line: FIELD.fullmatch(line) is not None):
        some = list(group)
        lines += [f"… {len(some)} lines of the resource, {WHOLE}"] if is_field and len(some) > FEW_FIELDS else some
    shown = lines if len(lines) <= SHOWN_LINES else [*lines[: SHOWN_LINES - 1], f"… {WHOLE}"]
    yield from (line if len(line) <= WIDTH else f"{line[:WIDTH]}… {WHOLE}" for line in map(printable, shown))
