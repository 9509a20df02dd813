"""What people write for a route's targets, methods, queries and header changes, and what is refused.

Pure functions over plain values, used as validators by `route.py`, as those of `values.py` are.
"""

import re
from collections.abc import Iterable, Mapping

from xds.catalog.places import Loc, show
from xds.catalog.text_match import How, TextMatch, Wanted, find_part_faults
from xds.catalog.values import HEADER_NAME, HEADER_VALUE, Mistake
from xds.catalog.words import TARGET

MAX_SHARES = 2**32 - 1
"""Envoy's limit on the sum of the weights of a route's clusters."""

MAX_BODY = 4096
"""Envoy's limit on the body of a direct response, in bytes."""

METHOD = re.compile(r"[A-Z][A-Z_-]{0,31}")
QUERY_TEXT = re.compile(r"""[!"$%'-;<>-~]{1,1024}""")
"""A parameter as it stands in the URL, percent-encoded; Envoy compares it so."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
GROUP = re.compile(r"\\(.)", re.DOTALL)


def parse_targets(value: object) -> Mapping[str, int] | None:
    """Turn a service's name, or names with weights, into weights by name; one name alone has the weight 1."""
    if value is None:
        return None
    if isinstance(value, str):
        if not TARGET.fullmatch(value):
            raise ValueError(_refuse_name(value))
        return {value: 1}
    if not isinstance(value, Mapping):
        # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(f"expected a service's name, or several as in {{v1: 95, v2: 5}}, found {show(value)}")  # noqa: TRY004
    wrong: list[tuple[Loc, str]] = []
    for name, weight in value.items():
        if not TARGET.fullmatch(name):
            wrong.append(((name,), _refuse_name(name)))
        elif not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= MAX_SHARES:
            wrong.append(((name,), f"expected a whole number from 0 to {MAX_SHARES}, found {show(weight)}"))
    if not wrong and not 1 <= sum(value.values()) <= MAX_SHARES:
        most = f"the weights sum up to {sum(value.values())}: Envoy takes {MAX_SHARES} at most"
        none = "no service has a weight above 0: requests would have nowhere to go"
        raise ValueError(most if any(value.values()) else none)
    if wrong:
        raise Mistake(*wrong)
    return dict(value)


def _refuse_name(name: str) -> str:
    if name.count("/") > 1 or name.endswith("/"):
        return f"expected a service's name, or with a slash one of its subsets, as in api/v2; found {show(name)}"
    return f"expected a service's name, found {show(name)}: names have small letters, digits, `-`, `_` and `.`"


def parse_list(value: object) -> object:
    """Turn one text into a list of it."""
    return [value] if isinstance(value, str) else value


def check_method(value: str) -> str:
    """Refuse what is no method, or one that is matched otherwise."""
    if value == "CONNECT":
        raise ValueError("CONNECT asks for a tunnel, which no route gives")
    if METHOD.fullmatch(value):
        return value
    hint = f": write {value.upper()}" if METHOD.fullmatch(value.upper()) else ""
    raise ValueError(f"expected a method, such as GET, found {show(value)}{hint}")


def check_headers(headers: Mapping[str, Wanted]) -> Mapping[str, Wanted]:
    """Check and lower-case the headers that a route wants."""
    wrong: list[tuple[Loc, str]] = []
    lowered: dict[str, Wanted] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower == "host" or lower == ":authority":
            wrong.append(((name,), "the Host header is matched by the route's `host`"))
        elif not HEADER_NAME.fullmatch(lower):
            wrong.append(((name,), f"{show(name)} is not a header's name: letters, digits and - only"))
        elif lower in lowered:
            wrong.append(((name,), f"{show(name)} is given twice: capitals make no difference"))
        elif isinstance(value, TextMatch):
            wrong += find_part_faults(name, value)
        elif not value:
            wrong.append(((name,), 'an empty value matches nothing: write "*" for any value'))
        elif not HEADER_VALUE.fullmatch(value):
            wrong.append(((name,), "a header's value has no control characters, and no spaces at its ends"))
        lowered[lower] = value
    if wrong:
        raise Mistake(*wrong)
    return lowered


def check_query(query: Mapping[str, Wanted]) -> Mapping[str, Wanted]:
    """Refuse parameters that no URL can have as they stand."""
    wrong: list[tuple[Loc, str]] = []
    for name, value in query.items():
        if not QUERY_TEXT.fullmatch(name):
            wrong.append(((name,), f"{show(name)} is not a parameter's name: write it as in the URL, percent-encoded"))
        elif isinstance(value, TextMatch):
            if value.how not in (How.ABSENT, How.REGEX) and not QUERY_TEXT.fullmatch(value.text.replace("=", "-")):
                message = "a parameter's value is written as in the URL, percent-encoded"
                wrong.append(((name, value.how.value), message))
        elif not value:
            wrong.append(((name,), 'an empty value matches nothing: write "*" for any value'))
        elif not QUERY_TEXT.fullmatch(value.replace("=", "-")):
            wrong.append(((name,), "a parameter's value is written as in the URL, percent-encoded"))
    if wrong:
        raise Mistake(*wrong)
    return query


def check_substitution(value: str) -> str:
    r"""Refuse what is no path; `\1` to `\9` may stand in it."""
    if len(value) > 4096 or not re.fullmatch(r'[/\\][!"$->@-~]*', value):
        hint = f": write {show('/' + value)}" if value and value[0].isalnum() else ""
        raise ValueError(f"expected a path that begins with /, without query, found {show(value)}{hint}")
    for what in GROUP.findall(value):
        if not what.isdigit():
            raise ValueError(rf"a \ stands only before a group's number, as in \1, found {show(what)} after it")
    if re.search(r"(?<!\\)\\$", value):
        raise ValueError(r"a \ stands only before a group's number, as in \1")
    return value


def check_added_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Check and lower-case headers that are set or added."""
    wrong = _check_names(headers)
    for name, value in headers.items():
        if not HEADER_VALUE.fullmatch(value) or len(value) > 8192:
            wrong.append(((name,), "a header's value has no control characters, and no spaces at its ends"))
    if wrong:
        raise Mistake(*wrong)
    return {name.lower(): value for name, value in headers.items()}


def check_removed_headers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check and lower-case headers that are removed."""
    wrong = [((names.index(str(loc[0])),), message) for loc, message in _check_names(names)]
    if wrong:
        raise Mistake(*wrong)
    return tuple(name.lower() for name in names)


def _check_names(names: Iterable[str]) -> list[tuple[Loc, str]]:
    """Say which headers no route may change, and why."""
    wrong: list[tuple[Loc, str]] = []
    seen: set[str] = set()
    for name in names:
        lower = name.lower()
        if lower.startswith(":"):
            wrong.append(((name,), f"{show(name)} is no header but part of the request itself"))
        elif lower == "host":
            wrong.append(((name,), "the Host header is changed by `rewrite: {host: ...}`"))
        elif lower in HOP_BY_HOP:
            wrong.append(((name,), f"{show(name)} is of one connection alone: Envoy sets it for each by itself"))
        elif not HEADER_NAME.fullmatch(lower):
            wrong.append(((name,), f"{show(name)} is not a header's name: letters, digits and - only"))
        elif lower in seen:
            wrong.append(((name,), f"{show(name)} is given twice: capitals make no difference"))
        seen.add(lower)
    return wrong


def check_body(value: str) -> str:
    """Refuse a body that Envoy would."""
    if (size := len(value.encode())) > MAX_BODY:
        raise ValueError(f"has {size} bytes, where {MAX_BODY} at most are taken")
    return value


def check_percent(value: object) -> object:
    """Refuse what is no number, or is finer than Envoy counts."""
    if isinstance(value, str) and value.endswith("%"):
        raise ValueError(f"expected a number above 0, 100 at most, found {show(value)}: write {value[:-1]}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number above 0, 100 at most, found {show(value)}")  # noqa: TRY004
    if not 0.0001 <= value <= 100:
        raise ValueError(f"expected a number from 0.0001 to 100, found {show(value)}")
    return value
