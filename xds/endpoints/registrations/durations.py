"""Durations as Consul's clients write them: as Go does ("1m30s"), or as a number of nanoseconds."""

import re

from xds.endpoints.registrations.refusal import Refusal

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PART = re.compile(r"(\d{1,18}\.?\d{0,18}|\.\d{1,18})([a-zµμ]*)", re.ASCII)
LONGEST = float(2**63) / 1e9
"""Go counts nanoseconds in 64 bits."""


def parse_duration(text: str) -> float:
    """Return the seconds of a duration in Go's form, which may be negative. Raises ValueError in Go's words."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    seconds, at = 0.0, 0
    while at < len(rest):
        part = PART.match(rest, at)
        if part is None or part[1] == ".":
            break
        if not part[2]:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if part[2] not in UNITS:
            raise ValueError(f'time: unknown unit "{part[2]}" in duration "{text}"')
        seconds += float(part[1]) * UNITS[part[2]]
        at = part.end()
    if at < len(rest) or not rest or seconds >= LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return -seconds if text[0] == "-" else seconds


def read_duration(value: object) -> float:
    """Return the seconds of a JSON value: text in Go's form, or nanoseconds. Raises Refusal in Consul's words."""
    if isinstance(value, str):
        if not value:
            return 0.0
        try:
            return parse_duration(value)
        except ValueError as error:
            raise Refusal(f"Request decode failed: {error}") from None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LONGEST * 1e9:
        return value / 1e9
    if value is None:
        return 0.0
    raise Refusal(f"Request decode failed: expected a duration such as 10s, found {str(value)[:40]}")
