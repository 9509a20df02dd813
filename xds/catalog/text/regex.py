"""Patterns for paths and other texts, checked by Python as far as it agrees with Envoy's RE2."""

import re
import warnings
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Annotated, Any, Final

from pydantic import AfterValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mendable
from xds.wording import show

MAX_LENGTH = 1000

MAX_REPEAT = 1000
"""RE2's limit on `{n}`."""

MAX_PROGRAM = 100
"""Envoy's limit on the size of RE2's program (re2.max_program_size.error_level): one for each character, and more."""

FRAME = 6
"""What a program has besides the pattern's own part (4), and room for an estimate that is too small."""

CATEGORIES = {code.CATEGORY_DIGIT: 1, code.CATEGORY_SPACE: 3, code.CATEGORY_WORD: 4}

NOT_IN_RE2 = (
    (re.compile(r"\(\?<?[=!]"), "looks around"),
    (re.compile(r"\(\?\("), "has a condition"),
    (re.compile(r"\(\?>|(?<!\\)[*+?}]\+"), "has an atomic group or possessive repetition"),
    (re.compile(r"\(\?P=|(?<!\\)(?:\\\\)*\\[1-9]"), "refers back to a group"),
    (re.compile(r"\(\?#"), "has a comment"),
    (re.compile(r"\(\?[a-zA-Z]*[aLux]"), "has a flag"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\[ZuUN]"), "has an escape"),
)
"""What Python's `re` reads and RE2 does not."""


EXPLANATIONS = {
    "unterminated character set": "a [ has no ] after it",
    "missing ), unterminated subpattern": "a ( has no ) after it",
    "unbalanced parenthesis": "a ) has no ( before it",
    "nothing to repeat": "there is nothing to repeat",
    "multiple repeat": "a repetition is repeated",
    "min repeat": "the first number is greater than the second",
    "bad character range": "a range goes from the lower character to the higher",
    "bad escape (end": r"a \ has nothing after it",
    "bad escape": r"this \ has no meaning",
    "incomplete escape": r"a \ has too few digits after it",
    "missing group name": "a group's name is missing",
    "bad character in group name": "a group's name has letters, digits and _",
    "missing >": "a group's name has no > after it",
    "unterminated name": "a group's name has no end",
    "redefinition": "two groups have the same name",
    "unknown extension": "a (? has an unknown character after it",
    "unexpected end": "a (? has nothing after it",
    "global flags": "flags such as (?i) stand at the beginning",
    "unknown flag": "a flag is unknown",
    "missing -, : or )": "flags have no : or ) after them",
    "missing :": "flags have no : after them",
}
"""What the beginning of a message of Python's `re` means."""


def check_regex(value: str) -> str:
    """Refuse a pattern for paths that Envoy refuses, or that no path can match."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("a path is ASCII: write letters beyond it percent-encoded, as in /caf%C3%A9")
    check_pattern(value)
    if not value.startswith(("/", ".", "(", "[", "^", "\\")):
        raise Mendable("matches no path, which begins with /", f"/{value}")
    return value


def check_pattern(value: str) -> str:
    """Refuse a pattern that Envoy refuses. An estimate of its size in RE2 is compared with Envoy's limit."""
    if len(value) > MAX_LENGTH:
        raise ValueError(f"has {len(value)} characters, where {MAX_LENGTH} at most are taken")
    if not value.isascii() or not value.isprintable():
        raise ValueError("a pattern is printable ASCII")
    for pattern, what in NOT_IN_RE2:
        if found := pattern.search(value):
            raise ValueError(f"{what} at {show(found[0])}, which Envoy's patterns (RE2) cannot have")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(value)
            size = measure(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {_explain(value, error)}") from error
    if size > MAX_PROGRAM:
        raise ValueError(
            f"is too large: Envoy takes patterns of {MAX_PROGRAM} steps, one for each character, and times each {{n}}; "
            f"this has about {size}"
        )
    return value


def _explain(pattern: str, error: Exception) -> str:
    """Return what is wrong with a pattern, in our own words: Python's are for programmers."""
    at = getattr(error, "pos", None)
    if at is None:
        return "it is nested too deep, or repeats too often"
    words = next((words for start, words in EXPLANATIONS.items() if str(error).startswith(start)), "")
    if not pattern[at:]:
        return words or "something is missing at its end"
    return f"{words or 'this has no meaning'}, from {show(pattern[at:])} on"


def measure(value: str) -> int:
    """Estimate the size of RE2's program for a pattern, rather too large than too small."""
    return FRAME + _measure(parser.parse(value))


def _measure(pattern: Any) -> int:
    return sum(_measure_one(operation, argument) for operation, argument in pattern)


def _measure_one(operation: Any, argument: Any) -> int:
    if operation in (code.MAX_REPEAT, code.MIN_REPEAT):
        least, most, item = argument
        if least > MAX_REPEAT or MAX_REPEAT < most != code.MAXREPEAT:
            raise ValueError(f"repeats more than {MAX_REPEAT} times, which Envoy's patterns (RE2) cannot")
        size = _measure(item)
        if most == code.MAXREPEAT:
            return max(int(least), 1) * size + 1
        return int(least) * size + int(most - least) * (size + 1)
    if operation is code.SUBPATTERN:
        return _measure(argument[3]) + (2 if argument[0] is not None else 0)
    if operation is code.BRANCH:
        return sum(_measure(branch) + 1 for branch in argument[1])
    if operation is code.IN:
        return sum(CATEGORIES.get(what, 5) if one is code.CATEGORY else 1 for one, what in argument)
    return 2 if operation in (code.ANY, code.NOT_LITERAL) else 1


PATTERN_SHAPE: Final[dict[str, Any]] = {"type": "string", "maxLength": MAX_LENGTH, "pattern": "^[ -~]+$"}
PathRegex = Annotated[
    str,
    AfterValidator(check_regex),
    WithJsonSchema({**PATTERN_SHAPE, "pattern": r"^[/.(\[^\\][ -~]*$"}),
    Expected("a pattern for the whole path", "/users/[0-9]+"),
]
