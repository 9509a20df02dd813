"""Patterns for paths and other texts, judged by RE2 itself, which is what Envoy reads them with."""

import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Annotated, Any, Final

from pydantic import AfterValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mendable
from xds.wording import SHOWN

MAX_LENGTH = 1000

MAX_PROGRAM = 100
"""Envoy's limit on the size of RE2's program (re2.max_program_size.error_level): one for each character, and more."""

CANNOT: Final = "which Envoy's patterns (RE2) cannot"

MEANT = (
    (r"\(\?=", f"looks ahead, {CANNOT}: write what follows into the pattern itself"),
    (r"\(\?!", f"looks ahead, {CANNOT}: let a route before this one take what is not meant"),
    (r"\(\?<[=!]", f"looks behind, {CANNOT}: write what stands before into the pattern itself"),
    (r"\(\?>", f"is an atomic group, {CANNOT} have: write `(?:` in its place"),
    (r"\(\?\(", f"is a condition, {CANNOT} have: write both cases, as in (?:a|b)"),
    (r"\(\?#", f"is a comment, {CANNOT} have: leave it out"),
    (r"\\[4-7][0-7]{2}", r"is more than \377, the largest byte: write an ASCII character by its number, as in \101"),
    (r"\(\?P[=>]|\(\?[R0-9&+]|\\[1-9gk]", f"refers back to a group, {CANNOT}: write out what is meant"),
    (r"\(\?P?[<']", "names a group in a way that RE2 does not know: write it as in (?P<name>…)"),
    (r"\(\?[a-zA-Z-]", "is a flag that RE2 has not: its flags are i, m, s and U"),
    (r"\(\?", "begins a group of a kind that RE2 has not: write `(?:`"),
    (r"(?:[*+?]|\{[0-9,]+\})\+", f"repeats possessively, {CANNOT}: leave out the second sign"),
    (r"\\Z", "is for Python and Perl: leave it out, a pattern is for the whole text"),
    (r"\\u", r"is no escape of RE2: write an ASCII character by its number, as in \x41"),
)
"""What other engines mean by parts that RE2 refuses: what is there, and what is said of it."""

CLASSES: Final = frozenset({rb"\d", rb"\D", rb"\w", rb"\W", rb"\s", rb"\S"})
"""Escapes for classes of characters, which RE2 refuses only at the end of a range."""

REFUSED = {
    "bad repetition operator": "repeats what is repeated already: put that in a group, as in (?:a*)*",
    "no argument for repetition operator": "has nothing before it to repeat: for any text, write `.*`",
    "invalid repetition size": "is no number of times for RE2: 1000 at most, nested ones times each other, lower first",
    "invalid character class range": r"is no range or class of characters: write such as a-z, [:alpha:] or \pL",
    "class in range": r"is a class of characters, which ends no range: write such as a-z, or `\-` for the sign itself",
    "missing ]": "begins a class of characters that has no ] at its end",
    "trailing \\": "ends in a \\, which escapes nothing: leave it out",
    "invalid escape sequence": "is no escape of RE2: leave out the \\, or write the characters that are meant",
    "invalid named capture group": "is no name of a group: write it as in (?P<name>…)",
}
"""RE2's reasons for refusing a part of a pattern, in plain words (RE2::ErrorCode in its re2.h)."""


@cache
def _get_engine() -> tuple[ModuleType, Any]:
    """Return RE2 and Envoy's options for it: a character is a byte. A catalog without patterns never loads it."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2, options


def compile_pattern(value: str) -> Any:
    """Compile a pattern with RE2, with Envoy's options; raise ValueError, in plain words, for what RE2 refuses."""
    engine, options = _get_engine()
    try:
        return engine.compile(value.encode(), options)
    except engine.error as error:
        raise ValueError(_explain(value.encode(), error.args[0])) from None


def check_regex(value: str) -> str:
    """Refuse a pattern for paths that Envoy refuses, or that no path can match."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("a path is ASCII: write letters beyond it percent-encoded, as in /caf%C3%A9")
    check_pattern(value)
    if not _may_begin_with_slash(value):
        raise Mendable("matches no path, which is ASCII and begins with /", *[f"/{value}"] * (value[0] != "/"))
    return value


def check_pattern(value: str) -> str:
    """Refuse a pattern that Envoy would: RE2 does not read it, or makes a program of it that is too large."""
    if len(value) > MAX_LENGTH:
        raise ValueError(f"has {len(value)} characters, where {MAX_LENGTH} at most are taken")
    if not value:
        raise ValueError("is empty: for any text, write .*")
    if not value.isprintable():
        raise ValueError("a pattern has no control characters")
    size = measure(value)
    if size > MAX_PROGRAM:
        raise ValueError(
            f"is too large: Envoy takes patterns of {MAX_PROGRAM} steps, one for each character, and times each {{n}}; "
            f"this has {size}"
        )
    return value


def measure(value: str) -> int:
    """Return the size of RE2's program for a pattern, which Envoy limits."""
    return int(compile_pattern(value).programsize)


def count_groups(value: str) -> int:
    """Return how many groups of a pattern a rewrite can refer to."""
    return int(compile_pattern(value).groups)


def _may_begin_with_slash(value: str) -> bool:
    engine, _ = _get_engine()
    try:
        least, most = compile_pattern(value).possiblematchrange(1)
    except engine.error:
        return True
    return bool(least[:1] <= b"/" <= most[:1])


def _explain(pattern: bytes, reason: bytes) -> str:
    """Return RE2's reason in plain words, with the part that is meant and where it begins."""
    what, part = _split_reason(reason)
    if what == "missing )":
        return r"a `(` has no `)`: close it, or write `\(` for the character itself"
    if what == "unexpected )":
        end = _find_end(pattern, lambda found: _split_reason(found)[0] == what)
        at = len(pattern[:end].decode(errors="replace"))
        return rf"the `)` at character {at} closes nothing: leave it out, or write `\)` for the character itself"
    start = pattern.rfind(part, 0, _find_end(pattern, reason.__eq__))
    rest = pattern[start:].decode(errors="replace")
    if what == "invalid escape sequence" and part in CLASSES:
        what = "class in range"
    words = REFUSED.get(what, f"is refused by RE2: {what}")
    if "class" not in what and part:
        words = next((words for known, words in MEANT if re.match(known, rest)), words)
    at = len(pattern[:start].decode(errors="replace")) + 1
    return f"`{part.decode(errors='replace')[:SHOWN]}` at character {at} {words}" if part else words


def _split_reason(reason: bytes) -> tuple[str, bytes]:
    what, _, part = reason.partition(b": ")
    return what.decode(), part


def _find_end(pattern: bytes, is_reason: Callable[[bytes], bool]) -> int:
    """Return the end of the shortest beginning of a pattern that RE2 refuses for the same reason as the whole."""
    engine, options = _get_engine()
    for end in range(1, len(pattern)):
        try:
            engine.compile(pattern[:end], options)
        except engine.error as error:
            if is_reason(error.args[0]):
                return end
    return len(pattern)


PATTERN_SHAPE: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}
PathRegex = Annotated[
    str,
    AfterValidator(check_regex),
    WithJsonSchema({**PATTERN_SHAPE, "pattern": r"^([/.(\[^\\]|[ -~]+[|?*][ -~]*/)[ -~]*$"}),
    Expected("a pattern for the whole path", "/users/[0-9]+"),
]
