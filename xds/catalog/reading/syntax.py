"""Decodes bytes to YAML text, and explains a parser's errors about broken YAML to the operator."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

import yaml

from xds.errors import Problem

MAX_DEPTH = 64

TOO_DEEP = f"lists and mappings may be {MAX_DEPTH} levels deep at most"

UNFINISHED = {
    "while parsing a flow sequence": "this list's `[` has no `]`: is one missing, or a comma before here?",
    "while parsing a flow mapping": "this mapping's `{` has no `}`: is one missing, or a comma before here?",
    "while scanning a quoted scalar": "these quotes are not closed",
}
EXPLAINED = {
    "mapping values are not allowed": "a `:` cannot stand here: mend the indentation, or quote a value that holds `: `",
    "could not find expected ':'": "this key has no `:` after it",
    "did not find expected key": "this line fits no list or mapping above it: mend the indentation, or close a quote",
    "did not find expected node content": "a value is missing here: is a bracket above not closed?",
    "did not find expected '-' indicator": "expected another `- ` item here: mend the indentation",
    "block sequence entries are not allowed": "a `- ` item cannot stand here: begin the list on a line of its own",
    "did not find expected alphabetic or numeric character": "`*` and `&` begin an alias or anchor: quote this value",
    "found unknown escape character": 'this \\ escapes nothing: use single quotes, or write "\\\\"',
    "found invalid Unicode character escape": "this escape is no character",
    "found undefined tag handle": "this tag has no meaning here: leave it out",
    "did not find expected <document start>": "this is more than one value: is a bracket closed twice?",
    "found incompatible YAML document": "only YAML 1.1 and 1.2 are known: leave out the %YAML line",
    "found unknown directive name": "a line that begins with % is a directive: quote it",
    "exceeded maximum nesting depth": TOO_DEEP,  # libyaml's own, of 1,000, which it meets first as it looks ahead
    "found unexpected document indicator": "`---` and `...` cannot stand inside quotes",
}


def explain_syntax(error: yaml.YAMLError, text: str, source: str) -> Problem:
    """Return where YAML is broken and how it may be mended."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem, context = str(error.problem or ""), str(error.context or "")
        if mark is not None:
            line, column = mark.line, mark.column
            message = _explain_tab(text, line, column) or _explain_sign(text, line, column, problem)
            if message is None and context in UNFINISHED and error.context_mark is not None:
                message, line, column = UNFINISHED[context], error.context_mark.line, error.context_mark.column
                if "escape" in problem:
                    message, line, column = None, mark.line, mark.column
            message = message or next(
                (explanation for start, explanation in EXPLAINED.items() if start in problem), None
            )
            return Problem(source, line + 1, column + 1, "", message or f"is not valid YAML: {problem}")
    return Problem(source, 1, 1, "", "is not valid YAML")


def _line(text: str, line: int) -> str:
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    return lines[line] if line < len(lines) else ""


def _explain_tab(text: str, line: int, column: int) -> str | None:
    indentation = re.match(r"[ \t]*", _line(text, line))
    if indentation and "\t" in indentation[0] and column <= len(indentation[0]):
        return "this line is indented with a tab: YAML wants spaces"
    return None


def _explain_sign(text: str, line: int, column: int, problem: str) -> str | None:
    if "cannot start any token" in problem:
        character = _line(text, line)[column : column + 1]
        return f"a value cannot begin with {'a tab' if character == chr(9) else f'`{character}`: quote it'}"
    return None


FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What libyaml does not read: control characters, and a byte order mark that is not the first character."""


def decode(content: bytes, source: str) -> str | Problem:
    """Read `content` as UTF-8 (a byte order mark is fine), or return where and why it cannot be."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return Problem(source, 1, 1, "", "is in UTF-16: save the file as UTF-8")
    mark = len(BOM_UTF8) if content.startswith(BOM_UTF8) else 0
    try:
        text = content[mark:].decode()
    except UnicodeDecodeError as error:
        start = error.start + mark
        return _place_behind(
            source,
            content[mark:start].decode(),
            f"byte 0x{content[start]:02x} at offset {start} is not UTF-8: save the file as UTF-8",
        )
    if found := FORBIDDEN.search(text):
        offset = len(text[: found.start()].encode()) + mark
        character = f"the character U+{ord(found[0]):04X}" if ord(found[0]) else "a NUL byte"
        what = f"{character} (at offset {offset}) cannot stand in YAML: is this a text file?"
        return _place_behind(source, text[: found.start()], what)
    return text


def _place_behind(source: str, before: str, message: str) -> Problem:
    """Place a mistake that comes right after `before`; lines end as in YAML."""
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", before)
    return Problem(source, len(lines), len(lines[-1]) + 1, "", message)
