"""Says what whole lines of HAProxy and nginx are here: `server web1 10.0.0.4:80 check`, `bind *:80`."""

import re
from typing import Any, Final, NamedTuple

from xds.catalog.fields import find_field
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

CONDITIONS: Final = "a condition is a route's own: `host`, `prefix`, `path`, `method`, `headers` or `query`"
SAID: Final = {"acl": CONDITIONS, "http-request": CONDITIONS, "http-response": CONDITIONS}

WORDS: Final = "|".join(map(re.escape, sorted((*LINES, *SAID), key=len, reverse=True)))
LINE: Final = re.compile(rf"({WORDS})(?:\s+([^\s=].*?))?[\s;{{]*", re.DOTALL)
NEXT: Final = re.compile(rf"(?<=\S)(?<!\btimeout)[\s;{{}}]+(?=(?:{WORDS})\s)")


BY_TCP: Final = {"tcp": True}
"""The check that a server's word `check` stands for, unless a line says which."""


class Line(NamedTuple):
    """A line: the mapping that has what it says, the key that is known there, and the rest of the line."""

    place: Loc
    key: str
    rest: str

    def find_hint(self) -> Hint | str | None:
        """Return what the line is here."""
        name, _, condition = re.sub(r"\s+(if|unless)\s+", "\0", self.rest).partition("\0")
        if self.key == "use_backend" and condition:
            return Hint(Here({}), {"routes": [{"prefix": ..., "to": name}]})
        value: object = {self.rest: {}} if self.place == FILE else self.rest
        return find_hint(find_field(self.place), self.key, value)


def read_line(text: str) -> Line | str | None:
    """Return a line of another program's, or what is said of it; None for any other text."""
    matched = LINE.fullmatch(text.strip())
    if matched is None or not (rest := matched[2] or ""):
        return None
    if matched[1] in SAID:
        return SAID[matched[1]]
    place, key = LINES[matched[1]]
    if key == "listen" and not any(one.isdigit() for one in rest):
        place, key = FILE, "listen"
    own = find_field(place).fields.get(matched[1])
    return None if own is not None and own.takes(rest) else Line(place, key, rest)


def explain_lines(text: str) -> str | None:
    """Return what lines of other programs' configurations are here; None for any other text."""
    found: list[Hint | str] = []
    for one in NEXT.split(text.strip()):
        line = read_line(one)
        hint = line.find_hint() if isinstance(line, Line) else line
        if hint is None:
            break
        found.append(hint)
    if not found:
        return None
    first = found[0]
    if isinstance(first, str):
        return f"a line of HAProxy or nginx is no YAML: {first}"
    joined = _join([hint.fields for hint in found if isinstance(hint, Hint)])
    hint = Here(first.here.form, tail=first.here.tail).explain(first.fields if joined is None else joined)
    return f"a line of HAProxy or nginx is no YAML: {hint}"


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
