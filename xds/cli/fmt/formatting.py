"""Formats the text of a catalog file. Comments and meaning stay, and every value stays as it is written.

Two spaces indent a mapping, and an item of a list stands two spaces inside its key. A list or mapping in brackets that
does not fit into a line of `WIDTH` columns gets a line for each item, and one that fits keeps its brackets.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, ScalarString, SingleQuotedScalarString

from xds.catalog.reading.yaml import parse_yaml

WIDTH = 120
NO_WRAPPING = 2**30
MAX_ROUNDS = 3
"""How often a text is formatted until it stays the same. Two are enough for all that is known."""


class FormatError(Exception):
    """A text that cannot be formatted without a change of its meaning or its comments; the message says which."""


class _AsWritten(VersionedResolver):
    """Takes every value for a text, so that `1.10`, `0x1f` and `yes` are written as they are read."""

    @property
    def versioned_resolver(self) -> dict[str, Any]:
        """The rules by which a value without quotes is no text: none."""
        return {}


def format_text(text: str) -> str:
    """Return a text formatted. Raises FormatError. The text must be one YAML document that `parse_yaml` reads."""
    if (line := _find_comment_in_brackets(text)) is not None:
        raise FormatError(f"has a comment between brackets in line {line}: write a line with `-` for each item instead")
    formatted = text
    for _ in range(MAX_ROUNDS):
        before, formatted = formatted, _format_once(formatted)
        if before == formatted:
            break
    if parse_yaml(formatted).value != parse_yaml(text).value:
        raise FormatError("cannot be formatted without a change of what it says")
    if find_comments(formatted) != find_comments(text):
        raise FormatError("cannot be formatted without a change of its comments: move those out of brackets")
    return formatted


def find_comments(text: str) -> list[str]:
    """Return the comments of a text, sorted: what stands between two tokens and begins with `#`."""
    return sorted(comment for comment, _, _ in _list_comments(text))


def _list_comments(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each comment, its line, and in how many brackets it stands."""
    end = depth = 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        start = token.start_mark.index
        yield from (
            (one[0].rstrip(), text.count("\n", 0, end + one.start()) + 1, depth) for one in _find(text, end, start)
        )
        end = max(end, token.end_mark.index)
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
    rest = _find(text, end, len(text))
    yield from ((one[0].rstrip(), text.count("\n", 0, end + one.start()) + 1, 0) for one in rest)


def _find(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    return re.finditer(r"#.*", text[start:end])


def _find_comment_in_brackets(text: str) -> int | None:
    return next((line for _, line, depth in _list_comments(text) if depth), None)


OPENING = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def _format_once(text: str) -> str:
    formatter = YAML()
    formatter.Resolver = _AsWritten
    formatter.preserve_quotes = True
    formatter.width = NO_WRAPPING
    formatter.brace_single_entry_mapping_in_flow_sequence = True
    formatter.indent(mapping=2, sequence=4, offset=2)
    formatter.explicit_start = re.match(r"(?:#.*\n|\s*\n)*---", text) is not None
    document = formatter.load(text)
    _choose_styles(document, 0, 0)
    written = io.StringIO()
    formatter.dump(document, written)
    return _move_comments(written.getvalue().rstrip("\n") + "\n", text)


def _choose_styles(value: Any, indent: int, lead: int) -> None:
    """Give a list or mapping in brackets that does not fit a line for each item; `lead` columns stand before it."""
    if not isinstance(value, CommentedMap | CommentedSeq):
        return
    if value.fa.flow_style():
        if value and lead + len(_write_flow(value)) > WIDTH:
            value.fa.set_block_style()
        else:
            return
    if isinstance(value, CommentedMap):
        for key, one in value.items():
            _choose_styles(one, indent + 2, indent + len(_write_flow(key)) + 2)
    else:
        for one in value:
            _choose_styles(one, indent + 4, indent + 4)


def _write_flow(value: Any) -> str:
    if isinstance(value, CommentedMap):
        return "{" + ", ".join(f"{_write_flow(key)}: {_write_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, CommentedSeq):
        return "[" + ", ".join(map(_write_flow, value)) + "]"
    quotes = 2 if isinstance(value, DoubleQuotedScalarString | SingleQuotedScalarString) else 0
    return f"{'q' * quotes}{value}" if isinstance(value, str | ScalarString) else str(value)


def _move_comments(formatted: str, text: str) -> str:
    """Indent comments that stand alone in a line as the line after them, or as what they stood below."""
    lines, old = formatted.split("\n"), text.split("\n")
    places, old_places = _find_alone(formatted, lines), _find_alone(text, old)
    if len(places) != len(old_places):
        return formatted
    skipped, old_skipped = {*places}, {*old_places}
    for place, old_place in zip(places, old_places, strict=True):
        column, after = _measure(old[old_place]), _find_after(old, old_place, old_skipped)
        levels, new_levels = _find_levels(old, old_place, old_skipped), _find_levels(lines, place, skipped)
        distance, level = min((abs(column - one), index) for index, one in enumerate(levels))
        if after is not None and abs(column - after) <= distance:
            indent = _find_after(lines, place, skipped) or 0
        else:
            indent = new_levels[min(level, len(new_levels) - 1)]
        lines[place] = " " * indent + lines[place].lstrip(" ")
    return "\n".join(lines)


def _find_alone(text: str, lines: list[str]) -> list[int]:
    """Return the indexes of the lines with nothing but a comment."""
    found = (line - 1 for _, line, _ in _list_comments(text))
    return [index for index in found if lines[index].lstrip(" ").startswith("#")]


def _find_after(lines: list[str], place: int, skipped: set[int]) -> int | None:
    """Return the indentation of the next line that is neither blank nor a comment; None at the end."""
    rest = range(place + 1, len(lines))
    return next((_measure(lines[index]) for index in rest if lines[index].strip() and index not in skipped), None)


def _find_levels(lines: list[str], place: int, skipped: set[int]) -> list[int]:
    """Return the indentations of what a line stands below, from the outermost, 0, to that of the line before it."""
    levels: list[int] = []
    for index in range(place - 1, -1, -1):
        if lines[index].strip() and index not in skipped and (not levels or _measure(lines[index]) < levels[0]):
            levels.insert(0, _measure(lines[index]))
            if not levels[0]:
                break
    return levels or [0]


def _measure(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
