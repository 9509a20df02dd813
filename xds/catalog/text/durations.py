"""Durations as people write them: `1m30s`, `250ms`.

Pure functions over plain values, used as validators by the model's classes. A value that is refused raises a
ValueError whose message is a sentence for the operator.
"""

import re
from datetime import timedelta

from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mendable
from xds.wording import show

EXPECTED_DURATION = Expected("a duration in h, m, s and ms", "10s", "250ms", "1m30s")

MAX_DURATION = timedelta(days=365)
"""Far below Envoy's own limit, and far beyond any wait that is meant."""

NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
DURATION = re.compile(rf"(?:{NUMBER}h)?(?:{NUMBER}m(?!s))?(?:{NUMBER}s)?(?:{NUMBER}ms)?", re.ASCII)
UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds in each unit, in the order in which `DURATION` has them."""

UNIT_WORDS = {
    r"milliseconds?|millis|msecs?": "ms",
    r"seconds?|secs?": "s",
    r"minutes?|mins?": "m",
    r"hours?|hrs?": "h",
}


def parse_duration(value: object) -> object:
    """Turn "1m30s" or "250ms" into a timedelta of whole milliseconds; a number needs a unit."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):  # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(f"expected {EXPECTED_DURATION}, found {show(value)}")  # noqa: TRY004
    matched = DURATION.fullmatch(value)
    if matched is None or not value:
        raise _explain_duration(value)
    total = sum(float(number) * unit for number, unit in zip(matched.groups(), UNITS.values(), strict=True) if number)
    if total > MAX_DURATION / timedelta(milliseconds=1):
        raise ValueError(f"{value} is too long: a duration may be {MAX_DURATION.days * 24}h at most")
    if abs(total - round(total)) > 1e-6:
        raise ValueError(f"{value} is not a whole number of milliseconds")
    return timedelta(milliseconds=round(total))


def _explain_duration(value: str) -> ValueError:
    if value.lstrip().startswith("-"):
        return ValueError(f"a duration cannot be negative, found {show(value)}")
    if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", value, re.ASCII):
        return Mendable("a duration needs a unit", f"{value}s", f"{value}ms", quoted=False, tail=f", not {value}")
    near = re.sub(r"[\s_]+", "", value[:40].lower())
    for names, unit in UNIT_WORDS.items():
        near = re.sub(rf"(?<=\d)(?:{names})", unit, near)
    near = re.sub(r"^(\d{1,3})d(?:ays?)?$", lambda days: f"{int(days[1]) * 24}h", near, flags=re.ASCII)
    hint = f": did you mean {near}?" if near and DURATION.fullmatch(near) else ""
    return ValueError(f"expected {EXPECTED_DURATION}, found {show(value)}{hint}")


def format_duration(value: timedelta) -> str:
    """Write a duration as an operator would: the opposite of `parse_duration`."""
    minutes, milliseconds = divmod(round(value / timedelta(milliseconds=1)), UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{milliseconds / 1000:g}s" if milliseconds >= 1000 else f"{milliseconds}ms"
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", seconds if milliseconds else ""]
    return "".join(parts) or "0s"


def check_wait(value: timedelta) -> timedelta:
    """Refuse a wait of less than 1 ms: Envoy needs a wait above zero, and reads whole milliseconds."""
    if value < timedelta(milliseconds=1):
        raise ValueError(f"must be 1ms or more, found {format_duration(value)}")
    return value


def check_ttl(value: timedelta) -> timedelta:
    """Refuse a time to live so short that most responses would be heartbeats."""
    if value < timedelta(seconds=1):
        raise ValueError(f"must be 1s or more, found {format_duration(value)}")
    return value


DURATION_PATTERN = r"^(?=[0-9])([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?$"

WAIT_SHAPE = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN.replace("^", "^(?=.*[1-9])", 1)})
DURATION_SHAPE = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
