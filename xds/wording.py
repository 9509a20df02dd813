"""How messages quote the operator's values, and suggest the nearest right word; and how output stays safe to print.

`printable` and `write_json` are the only escapes of output. Names and messages of clients, of files and of the catalog
could contain a terminal's control codes, or characters that change the order in which a line is read.
"""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches

RISKY = re.compile(r"[^\n -~]")
"""Characters that may not be printable: all but ASCII's."""

MAX_LOOKUPS = 50
"""A search among thousands of names takes milliseconds, and nobody reads more than fifty suggestions."""


def suggest(word: str, words: Iterable[str]) -> str:
    """End a message with the nearest word, ": did you mean `balance`?", or with nothing when none is near."""
    near = find_nearest(word, words)
    return f": did you mean `{near}`?" if near is not None else ""


def find_nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the nearest word, or None when none is near."""
    return next(iter(get_close_matches(word[:100].lower(), words, n=1, cutoff=0.6)), None)


class Nearest:
    """`suggest` among many names: each wrong word is looked up once, and the number of look-ups has a limit."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names
        self._found: dict[str, str] = {}

    def suggest(self, word: str) -> str:
        """End a message with the nearest of the names."""
        if word not in self._found:
            if len(self._found) >= MAX_LOOKUPS:
                return ""
            self._found[word] = suggest(word, self._names)
        return self._found[word]


def write_install(extra: str) -> str:
    """Return how an extra is installed: PyPI's `xds` is another project."""
    return f"pip install 'xds-control-plane[{extra}]', or in a checkout pip install -e '.[{extra}]'"


SHOWN = 60
"""Characters of an operator's own value that a message repeats."""


def show(value: object) -> str:
    """Quote an operator's value in a message: as in YAML, short, and safe for any terminal."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"
        return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def show_line(text: str, shown: int = SHOWN) -> str:
    """Quote a piece of a catalog in a message, as in `balance: random`: one line, short, and safe for any terminal."""
    line = text if len(text) <= shown else f"{text[: shown - 1]}…"
    return f"`{printable(line)}`"


def printable(text: str) -> str:
    """Return text with unprintable characters escaped: control codes, line ends, bidirectional controls and more."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def write_json(value: object, indent: int | None = None) -> str:
    """Return a value as JSON that is safe to print: what is not printable is escaped, other characters are kept."""
    return escape_json(json.dumps(value, indent=indent, ensure_ascii=False))


def escape_json(text: str) -> str:
    """Escape what is not printable in JSON's strings; no such character can stand outside of them but a line end."""
    if text.isascii() and "\x7f" not in text:
        return text
    return RISKY.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


def join_or(words: Iterable[str]) -> str:
    """Join alternatives as a sentence does: `10s, 250ms or 1m30s`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def join_host_and_port(host: str, port: int) -> str:
    """Write a host and a port as one text: an IPv6 address gets brackets, as in `[::1]:5000`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


HOST_AND_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]+)):([0-9]{1,5})", re.ASCII)


def split_host_and_port(text: str) -> tuple[str, int] | None:
    """Return the host and the port (0 to 65535) of `10.0.0.4:5000` or `[::1]:5000`; None for any other text.

    The host has no brackets, and is not checked.
    """
    matched = HOST_AND_PORT.fullmatch(text)
    if matched is None or (port := int(matched[3])) > 65535:
        return None
    return matched[1] or matched[2] or "", port


PLAIN = re.compile(
    r"[A-Za-z/][\w./%{}*=+-]*|[0-9]+[A-Za-df-z%][A-Za-z0-9]*|[0-9]+-[0-9]+|(?:[0-9]+\.){3}[0-9]+", re.ASCII
)
"""Texts that are text in YAML without quotes."""

NOT_TEXT = frozenset({"true", "false", "null"})


def write_flow(value: object) -> str:
    """Write an example as an operator does, in one line of YAML: `{header: x-user}`, `[connect-failure, 503]`.

    An ellipsis stands for what is left open.
    """
    if value is ...:
        return "…"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_flow(key)}: {write_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    if isinstance(value, str):
        return (
            value if PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT else json.dumps(value, ensure_ascii=False)
        )
    return json.dumps(value)
