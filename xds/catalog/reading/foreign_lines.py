"""Says what whole lines of HAProxy and nginx are here: `server web1 10.0.0.4:80 check`, `bind *:80`."""

import re
from typing import Any, Final, NamedTuple

from xds.catalog.fields import find_field
from xds.catalog.model.route_rules import CONDITIONS
from xds.catalog.reading.foreign import Hint, find_hint
from xds.catalog.text.foreign import Here
from xds.catalog.text.mistake import Loc

FILE: Final[Loc] = ()
SERVICE: Final[Loc] = ("services", "")
GATEWAY: Final[Loc] = ("gateways", "")
ROUTE: Final[Loc] = ("gateways", "", "routes", 0)

LINES: Final[dict[str, tuple[Loc, str]]] = {
    **{f"timeout {name}": (SERVICE, f"timeout_{name}") for name in ("connect", "server", "client")},
    **{
        word: (SERVICE, word.replace("-", "_").replace("balance", "algorithm"))
        for word in ("server", "option", "balance", "mode", "maxconn", "cookie", "stick-table", "proxy_connect_timeout")
    },
    "stick": (SERVICE, "stick_table"),
    "use_backend": (GATEWAY, "use_backend"),
    **{
        word: (GATEWAY, word)
        for word in (
            *("bind", "default_backend", "server_name", "listen", "location", "ssl_certificate"),
            *("ssl_certificate_key", "client_max_body_size", "keepalive_timeout"),
        )
    },
    **{
        word: (ROUTE, word)
        for word in ("proxy_pass", "return", "proxy_set_header", "add_header", "proxy_read_timeout", "limit_req")
    },
    **{word: (FILE, word) for word in ("backend", "upstream", "frontend")},
}
"""The words with which a line begins, the mapping of ours that has what it says, and the key that is known there."""

SAID: Final = {"acl": CONDITIONS, "http-request": CONDITIONS, "http-response": CONDITIONS}

WORDS: Final = "|".join(map(re.escape, sorted((*LINES, *SAID), key=len, reverse=True)))
LINE: Final = re.compile(rf"({WORDS})(?:\s+([^\s=].*?))?[\s;{{}}]*", re.DOTALL)
NEXT: Final = re.compile(rf"(?<=\S)(?<!\btimeout)[\s;{{}}]+(?=(?:{WORDS})\s)")


BLOCK: Final = re.compile(r"^(?:http|server|stream)\s*\{\s*")
NO_YAML: Final = "a line of HAProxy or nginx is no YAML"
NAMED: Final[dict[Loc, str]] = {SERVICE: "services", GATEWAY: "gateways"}
"""The mappings that have a name, and what they stand below."""

BY_TCP: Final = {"tcp": True}
"""The check that a server's word `check` stands for, unless a line says which."""


class Line(NamedTuple):
    """A line: the mapping of ours that has what it says, and what it is there; None where that is said in words."""

    place: Loc
    hint: Hint | str


def read_line(text: str) -> Line | None:
    """Return what a line of another program's configuration is here; None for any other text."""
    matched = LINE.fullmatch(text.strip())
    if matched is None or not (rest := matched[2] or ""):
        return None
    if matched[1] in SAID:
        return Line(ROUTE, SAID[matched[1]])
    place, key = LINES[matched[1]]
    if key == "listen" and not any(one.isdigit() for one in rest):
        place = FILE
    own = find_field(place).fields.get(matched[1])
    if own is not None and own.takes(rest):
        return None
    target, condition = re.match(r"(\S+)(\s+(?:if|unless)\s)?", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if key == "use_backend" and condition:
        return Line(place, Hint(Here({}), {"routes": [{"prefix": ..., "to": target}]}))
    value: object = {rest: {}} if place == FILE else f"server {rest}" if key == "server" else rest
    hint = find_hint(find_field(place), key, value)
    return None if hint is None else Line(place, hint)


def explain_lines(text: str, *, is_file: bool = False) -> str | None:
    """Return what lines of other programs' configurations are here; None for any other text.

    In a whole file, what the lines say is put below a service or a gateway.
    """
    found = [read_line(one) for one in NEXT.split(BLOCK.sub("", text.strip()))]
    lines = [line for line in found if line is not None]
    if found[0] is None:
        return None
    first = found[0].hint
    if isinstance(first, str):
        return f"{NO_YAML}: {first}"
    hint = Here(first.here.form, tail=first.here.tail)
    place, fields = _put_together(lines)
    if is_file and place in NAMED and fields is not None:
        hint, fields = Here({NAMED[place]: {...: ...}}), {NAMED[place]: {...: fields}}
    return f"{NO_YAML}: {hint.explain(first.fields if fields is None else fields)}"


def _put_together(lines: list[Line]) -> tuple[Loc, dict[str, Any] | None]:
    """Return the fields of all lines for one mapping, with that; those after the name of a service are below it."""
    place, first = lines[0].place, lines[0].hint
    below = lines if place != FILE else lines[1:]
    inner = below[0].place if below else place
    if any(line.place != inner for line in below):
        return place, None
    fields = _join([line.hint.fields for line in below if isinstance(line.hint, Hint)])
    if place != FILE:
        return place, fields
    outer = first.fields if isinstance(first, Hint) else None
    if not fields or not outer or NAMED.get(inner) not in outer:
        return place, None
    [(kind, named)] = outer.items()
    return place, {kind: dict.fromkeys(named, fields)}


def _join(found: list[Any]) -> dict[str, Any] | None:
    """Return the fields of several lines as one mapping; None if they contradict each other, or some are not known."""
    joined: dict[str, Any] = {}
    for fields in found:
        for name, value in (fields or {}).items():
            if name not in joined or joined[name] == BY_TCP:
                joined[name] = value
            elif value == BY_TCP:
                continue
            elif isinstance(value, list) and isinstance(joined[name], list):
                joined[name] = [*joined[name], *value]
            elif isinstance(value, dict) and isinstance(joined[name], dict) and not value.keys() & joined[name].keys():
                joined[name] = {**joined[name], **value}
            elif value != joined[name]:
                return None
    return joined if all(fields is not None for fields in found) else None
