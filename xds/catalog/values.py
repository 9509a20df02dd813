"""What people write for a duration, an address, a host, a header or a label, and what it means.

Pure functions over plain values, used as validators by `model.py`. What they refuse they say in a sentence for the
operator, as a ValueError for the whole value, or as a `Mistake` for parts of it.
"""

import math
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar

from xds.catalog.addresses import HOST_NAME
from xds.catalog.places import Loc, show

MAX_DURATION = timedelta(days=365)
"""Far below Envoy's own limit, and far beyond any wait that is meant."""

METADATA_DEPTH = 8
"""Each level takes three of the hundred levels of messages that protobuf reads."""

EXACT_INTEGER = 2**53
"""Envoy's metadata holds numbers as doubles, which are exact up to here."""

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
HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}|:method", re.ASCII)
HEADER_VALUE = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")


STATUSES = re.compile(r"(\d{3})(?: ?- ?(\d{3}))?", re.ASCII)

T = TypeVar("T", int, str)


class Mistake(ValueError):  # noqa: N818 - one class, whatever is mistaken
    """Mistakes in parts of one value: for each, where it is below that value, and a sentence.

    Of those in `keys`, it is the key that is wrong.
    """

    def __init__(self, *found: tuple[Loc, str], keys: Collection[Loc] = ()) -> None:
        super().__init__("; ".join(message for _, message in found))
        self.found = found
        self.keys = keys


def parse_duration(value: object) -> object:
    """Turn "1m30s" or "250ms" into a timedelta of whole milliseconds; a number needs a unit."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):  # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(  # noqa: TRY004
            f"expected a duration in h, m, s and ms, such as 10s, 250ms or 1m30s, found {show(value)}"
        )
    matched = DURATION.fullmatch(value)
    if matched is None or not value:
        raise ValueError(_explain_duration(value))
    total = sum(float(number) * unit for number, unit in zip(matched.groups(), UNITS.values(), strict=True) if number)
    if total > MAX_DURATION / timedelta(milliseconds=1):
        raise ValueError(f"{value} is too long: a duration may be {MAX_DURATION.days * 24}h at most")
    if abs(total - round(total)) > 1e-6:
        raise ValueError(f"{value} is not a whole number of milliseconds, in which Envoy counts")
    return timedelta(milliseconds=round(total))


def _explain_duration(value: str) -> str:
    if value.lstrip().startswith("-"):
        return f"a duration cannot be negative, found {show(value)}"
    if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", value, re.ASCII):
        return f"a duration needs a unit: write {value}s or {value}ms, not {value}"
    near = re.sub(r"[\s_]+", "", value[:40].lower())
    for words, unit in UNIT_WORDS.items():
        near = re.sub(rf"(?<=\d)(?:{words})", unit, near)
    near = re.sub(r"^(\d{1,3})d(?:ays?)?$", lambda days: f"{int(days[1]) * 24}h", near, flags=re.ASCII)
    hint = f": did you mean {near}?" if near and DURATION.fullmatch(near) else ""
    return f"expected a duration in h, m, s and ms, such as 10s, 250ms or 1m30s, found {show(value)}{hint}"


def format_duration(value: timedelta) -> str:
    """Write a duration as an operator would: the opposite of `parse_duration`."""
    minutes, milliseconds = divmod(round(value / timedelta(milliseconds=1)), UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{milliseconds / 1000:g}s" if milliseconds >= 1000 else f"{milliseconds}ms"
    words = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", seconds if milliseconds else ""]
    return "".join(words) or "0s"


def check_wait(value: timedelta) -> timedelta:
    """Refuse a wait of no time where Envoy wants one above zero, and reads whole milliseconds."""
    if value < timedelta(milliseconds=1):
        raise ValueError(f"must be 1ms or more, found {format_duration(value)}")
    return value


def check_ttl(value: timedelta) -> timedelta:
    """Refuse a time to live so short that heartbeats would be most of what is sent."""
    if value < timedelta(seconds=1):
        raise ValueError(f"must be 1s or more, found {format_duration(value)}")
    return value


def check_route_host(value: str) -> str | None:
    """Check and lower-case a route's host: exact or `*.example.com`; `*` is any, and so None.

    Envoy compares hosts in lower case, and refuses a route configuration that names one twice.
    """
    return None if value == "*" else _check_host(value, wild=True)


def check_host(value: str) -> str:
    """Check and lower-case the host of a URL."""
    return _check_host(value, wild=False)


def _check_host(value: str, *, wild: bool) -> str:
    host = value.lower()
    if "*" in host and not wild:
        raise ValueError(f'expected a host, as in "example.com", found {show(value)}')
    if HOST_NAME.fullmatch(host.removeprefix("*.")):
        return host
    if "://" in host:
        raise ValueError(f"a host has no scheme or path: write {show(host.partition('://')[2].partition('/')[0])}")
    name, _, port = host.rpartition(":")
    if port.isdigit() and HOST_NAME.fullmatch(name.removeprefix("*.")):
        raise ValueError(f"a host has no port, which is matched by the gateway's own: write {show(name)}")
    if host.endswith(".") and HOST_NAME.fullmatch(host[:-1].removeprefix("*.")):
        raise ValueError(f"a host does not end in a dot: write {show(host[:-1])}")
    if "*" in host:
        raise ValueError(f'a `*` may stand only in front, as in "*.example.com", or alone; found {show(value)}')
    raise ValueError(f'expected a host, as in "example.com", "*.example.com" or "*", found {show(value)}')


@lru_cache(maxsize=4096, typed=True)
def share(value: T) -> T:
    """Give one object for all that are equal: many endpoints have the same port and zone."""
    return value


def check_hash_header(name: str) -> str:
    """Check and lower-case the header by whose value requests are told apart; Envoy's word for Host is `:authority`."""
    lower = name.lower()
    if lower == "host":
        return ":authority"
    if lower in (":authority", ":path") or HEADER_NAME.fullmatch(lower):
        return lower
    raise ValueError(f"{show(name)} is not a header's name: letters, digits and - only")


def parse_cookie(value: object) -> object:
    """Turn a cookie's name alone into the mapping that it is short for."""
    return {"name": value} if isinstance(value, str) else value


def parse_statuses(value: object) -> object:
    """Turn 404, or "200-299", into the first and the last status."""
    if isinstance(value, int | str) and (matched := STATUSES.fullmatch(str(value))):
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if 100 <= first <= last <= 599:
            return {"first": first, "last": last}
    raise ValueError(f"expected a status from 100 to 599, or a range such as 200-299, found {show(value)}")


def parse_outlier_detection(value: object) -> object:
    """Turn `off` into the mapping that it is short for."""
    return {"enabled": False} if value == "off" else value


def check_host_header(value: str) -> str:
    """Check what a health check says in its Host header: a host, with or without a port."""
    host, colon, port = value.partition(":")
    if HOST_NAME.fullmatch(host) and (not colon or port.isdecimal()):
        return value
    raise ValueError(f'expected a host, as in "example.com" or "example.com:8080", found {show(value)}')


def check_metadata(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """Refuse labels that Envoy's metadata could not hold: too deep, or numbers that a double has not."""
    wrong: list[tuple[Loc, str]] = []
    found: list[tuple[Loc, object]] = [((), metadata)]
    while found:
        loc, value = found.pop()
        if len(loc) > METADATA_DEPTH:
            wrong.append((loc, f"metadata may be {METADATA_DEPTH} levels deep at most"))
        elif isinstance(value, Mapping):
            found += [((*loc, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            found += [((*loc, index), item) for index, item in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            wrong.append((loc, f"expected a finite number, found {value}"))
        elif isinstance(value, int) and abs(value) > EXACT_INTEGER:
            wrong.append((loc, f"metadata cannot hold so large a number exactly: write {show(str(value))} in quotes"))
    if wrong:
        raise Mistake(*wrong)
    return metadata
