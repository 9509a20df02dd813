"""Decodes bytes to YAML text, and explains a parser's errors about broken YAML to the operator."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from xds.catalog.reading.foreign_lines import explain_lines
from xds.catalog.text.odd_signs import explain_odd, find_odd
from xds.errors import Problem
from xds.wording import show_line

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
    "did not find expected <document start>": "this fits nothing above: is it indented less than the first line?",
    "found incompatible YAML document": "only YAML 1.1 and 1.2 are known: leave out the %YAML line",
    "found unknown directive name": "a line that begins with % is a directive: quote it",
    "exceeded maximum nesting depth": TOO_DEEP,  # libyaml's own, of 1,000, which it meets first as it looks ahead
    "found unexpected document indicator": "`---` and `...` cannot stand inside quotes",
}


def explain_syntax(error: yaml.YAMLError, text: str, source: str) -> Problem:
    """Return where YAML is broken and how it may be mended.

    libyaml says where it cannot go on; what is wrong often stands before: on the line above, or where quotes begin.
    """
    if not isinstance(error, yaml.MarkedYAMLError) or (mark := error.problem_mark or error.context_mark) is None:
        return Problem(source, 1, 1, "", "is not valid YAML")
    problem, context = str(error.problem or ""), str(error.context or "")
    broken = _Broken(LINE_END.split(text), mark.line, mark.column, problem, context, error.context_mark)
    for find in FINDERS:
        if found := find(broken):
            return Problem(source, found[0] + 1, found[1] + 1, "", found[2])
    if context in UNFINISHED and _goes_on(broken):
        sign = "[" if "sequence" in context else "{"
        what = f"a comma is missing before this, or the `{sign}` of column {broken.opened_at + 1} is not closed"
        return Problem(source, mark.line + 1, mark.column + 1, "", what)
    if context in UNFINISHED and error.context_mark is not None and "escape" not in problem:
        return Problem(source, error.context_mark.line + 1, error.context_mark.column + 1, "", UNFINISHED[context])
    message = next((words for start, words in EXPLAINED.items() if start in problem), f"is not valid YAML: {problem}")
    return Problem(source, mark.line + 1, mark.column + 1, "", message)


@dataclass(frozen=True, slots=True)
class _Broken:
    """A broken text's lines, where libyaml stopped in it (from 0), why, in what, and where that begins."""

    lines: Sequence[str]
    line: int
    column: int
    problem: str
    context: str
    opened: yaml.Mark | None

    @property
    def opened_at(self) -> int:
        """The column at which the broken list or mapping begins."""
        return self.opened.column if self.opened is not None else 0

    @property
    def last(self) -> str:
        """The line at which libyaml stopped."""
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def near_line(self) -> int:
        """The number of the last line that is not empty before that at which libyaml stopped, or else that."""
        return next((number for number in range(self.line - 1, -1, -1) if self.lines[number].strip()), self.line)

    @property
    def near(self) -> Iterator[tuple[int, str]]:
        """The last line that is not empty before the one at which libyaml stopped, and that one."""
        before = next(
            (one for one in range(min(self.line, len(self.lines)) - 1, -1, -1) if self.lines[one].strip()), None
        )
        for number in (before, self.line):
            if number is not None and number < len(self.lines):
                yield number, self.lines[number]


Found = tuple[int, int, str] | None
"""The line and column (from 0) of what is wrong, and what it is."""

LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
QUOTED = re.compile(r"""(?<![^\s\[\]{},:-])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?:^|(?<=\s))#[^\n]*""", re.DOTALL)
IPV6 = re.compile(r"""(?<!["'\w:])(?:\[[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\](:\d{1,5})?|::[0-9A-Fa-f:.]*)""")
ITEM = re.compile(r"(\s*)-(?=[^\s-])(.*)")
ENTRY = re.compile(r"(\s*(?:-\s+)?)([A-Za-z_][\w-]*)(:(?!//)|\s*=\s*|\s+)(\S.*)")
FIRST_KEY = re.compile(r"\s*[\w.-]*")
KEY = re.compile(r"""(?:^|[\s{,\[])["']?(\w+)["']?:(?=\s|$)""", re.MULTILINE)
VARIABLE = re.compile(r"\$\{[^}]*\}?|\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)")
WORD = re.compile(r"(\s*)([A-Za-z_][\w-]*)\s*\{?")
WHOLE_ENTRY = re.compile(r"""\s*(?:-\s+)?(?:[^\s:"'\[\]{}]+|"[^"]*"|'[^']*')\s*:(?:\s|$)|\s*-\s|\s*#|\s*[\]}]""")


def _find_comment(broken: _Broken) -> Found:
    for number, line in broken.near:
        begin = line.find("//")
        if begin >= 0 and (not line[:begin].strip() or (number, begin) == (broken.line, broken.column)):
            return number, begin, "a comment begins with #, not with //"
    if broken.last[broken.column : broken.column + 1] == ";":
        return broken.line, broken.column, "a `;` ends nothing in YAML: leave it out, or begin a comment with #"
    return None


def _find_tab(broken: _Broken) -> Found:
    indentation = re.match(r"[ \t]*", broken.last)
    if indentation and "\t" in indentation[0] and broken.column <= len(indentation[0]):
        return broken.line, broken.column, "this line is indented with a tab: YAML wants spaces"
    return None


def _find_variable(broken: _Broken) -> Found:
    found = VARIABLE.search(COMMENT.sub("", broken.last))
    if found and found.start() <= broken.column:
        message = f"nothing is filled in for `{found[0]}`: write the value itself, or fill in the file before"
        return broken.line, found.start(), message
    return None


def _find_odd_sign(broken: _Broken) -> Found:
    for number, line in broken.near:
        if found := find_odd(COMMENT.sub("", line)):
            return number, found.start(), explain_odd(found[0])
    return None


def _find_sign(broken: _Broken) -> Found:
    if "cannot start any token" in broken.problem:
        character = broken.last[broken.column : broken.column + 1]
        what = "a tab" if character == "\t" else f"`{character}`: quote it"
        return broken.line, broken.column, f"a value cannot begin with {what}"
    return None


def _find_comma(broken: _Broken) -> Found:
    """Find a comma after a comma, and the end of a line in brackets that has none."""
    if "node content" in broken.problem and broken.last[broken.column : broken.column + 1] == ",":
        return broken.line, broken.column, "one comma too many: leave it out"
    opened, mark = broken.opened, broken
    if broken.context not in UNFINISHED or opened is None or opened.line >= mark.line or "escape" in broken.problem:
        return None
    above = COMMENT.sub("", broken.lines[broken.near_line]).rstrip()
    begins_line = FIRST_KEY.fullmatch(broken.last[: broken.column])
    if begins_line and above and above[-1] not in ",[{:" and _closes(broken.lines[opened.line :], opened.column):
        return broken.near_line, len(above), "a comma is missing at the end of this line"
    return None


def _closes(lines: Sequence[str], start: int) -> bool:
    """Whether the bracket at which a text begins has its other half: commas, quoted texts and comments do not count."""
    text = "\n".join(lines)
    text = QUOTED.sub(lambda found: " " * len(found[0]), text)[start:]
    depth = 0
    for sign in re.findall(r"[\[\]{}]", text):
        depth += 1 if sign in "[{" else -1
        if not depth:
            return True
    return False


def _find_ipv6(broken: _Broken) -> Found:
    for found in IPV6.finditer(broken.last):
        if found.start() <= broken.column <= found.end() + 1:
            what = "YAML takes the brackets and colons of an IPv6 address for its own"
            return broken.line, found.start(), f"{what}: {_mend_ipv6(broken, found)}"
    return None


def _mend_ipv6(broken: _Broken, found: re.Match[str]) -> str:
    """Return how an IPv6 address is written: in quotes; in brackets only where a port follows."""
    if found[1]:
        return f'write "{found[0]}"'
    before = "\n".join([*broken.lines[: broken.line], broken.last[: found.start()]])
    keys = KEY.findall(before)
    if keys and keys[-1] == "address":
        return f'write "{found[0].strip("[]")}"'
    return "write it in quotes, and in brackets before its port"


def _goes_on(broken: _Broken) -> bool:
    """Whether another value follows on the line on which a list or mapping begins."""
    is_here = broken.opened is not None and broken.opened.line == broken.line
    return is_here and bool(broken.last[broken.column :].strip()) and "escape" not in broken.problem


def _find_quotes(broken: _Broken) -> Found:
    """Find quotes that go on to the next line, or end in the middle of a value, as they do when one is missing."""
    end = sum(len(line) + 1 for line in broken.lines[: broken.line]) + broken.column
    text = "\n".join(broken.lines)
    for found in QUOTED.finditer(text):
        if found[0].startswith("#") or found.start() >= end:
            continue
        number = text.count("\n", 0, found.start())
        column = found.start() - (text.rfind("\n", 0, found.start()) + 1)
        if "\n" in found[0] and text.count("\n", 0, found.end()) == broken.line:
            return number, column, "the quotes that begin here are not closed on this line"
        if found.end() == end and text[end : end + 1].isalnum():
            return (
                number,
                column,
                "these quotes end in the middle of a value: is one too few or too many, or a comma missing?",
            )
    return None


def _find_closer(broken: _Broken) -> Found:
    character = broken.last[broken.column : broken.column + 1]
    if not character or character not in "]}":
        return None
    message = f"this `{character}` closes nothing: leave it out"
    if broken.context in UNFINISHED and broken.opened is not None:
        sign = "[" if "sequence" in broken.context else "{"
        place = f"line {broken.opened.line + 1}, column {broken.opened.column + 1}"
        message = f"{message}, or close the `{sign}` of {place} before it"
    return broken.line, broken.column, message


def _find_unspaced(broken: _Broken) -> Found:
    """Find a `-` or a colon without its space, or an entry without a colon: YAML takes them for text that goes on."""
    if not broken.problem.startswith(("could not find expected ':'", "mapping values", "did not find expected")):
        return None
    if broken.context in UNFINISHED:
        return None
    for number, line in broken.near:
        if item := ITEM.fullmatch(line):
            return number, len(item[1]), f"a space is missing after this `-`: write {show_line('- ' + item[2])}"
        if not WHOLE_ENTRY.match(line) and (hint := explain_lines(line)):
            return number, len(line) - len(line.lstrip()), hint
        if (word := WORD.fullmatch(line)) and number < broken.line:
            return number, len(word[1]), f"a colon is missing: write `{word[2]}:`"
        entry = ENTRY.fullmatch(line)
        if entry and not WHOLE_ENTRY.match(line):
            sign = entry[3].strip()
            what = "a colon is missing" if not sign else "a space is missing after the colon"
            what = "a colon belongs in place of the `=`" if sign == "=" else what
            return number, len(entry[1]), f"{what}: write {show_line(f'{entry[2]}: {entry[4]}')}"
    return None


INDENTATION = re.compile(r"([ \t-]*)([\u00a0\u202f\u2007\u3000\u200b-\u200d\u2060\u00ad])")
"""What stands before the first character of an indentation that is none of YAML's, and that."""


def find_odd_indentation(text: str) -> Found:
    """Return the first character in an indentation that looks like a space or like nothing; errors after it follow."""
    for number, line in enumerate(LINE_END.split(text)):
        if not line.isascii() and (found := INDENTATION.match(line)):
            return number, len(found[1]), explain_odd(found[2])
    return None


FINDERS = (
    *(_find_comment, _find_tab, _find_variable, _find_odd_sign, _find_sign),
    *(_find_ipv6, _find_quotes, _find_closer, _find_comma, _find_unspaced),
)
"""What is looked for in a broken text, the surest first."""

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
        if found[0] == "\ufeff":
            return _place_behind(source, text[: found.start()], explain_odd(found[0]))
        character = f"the character U+{ord(found[0]):04X}" if ord(found[0]) else "a NUL byte"
        what = f"{character} (at offset {offset}) cannot stand in YAML: is this a text file?"
        return _place_behind(source, text[: found.start()], what)
    return text


def _place_behind(source: str, before: str, message: str) -> Problem:
    """Place a mistake that comes right after `before`; lines end as in YAML."""
    lines = LINE_END.split(before)
    return Problem(source, len(lines), len(lines[-1]) + 1, "", message)
