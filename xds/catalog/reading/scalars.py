"""What a scalar of YAML means: the core schema of YAML 1.2, in which `on`, `yes`, `0777` and `1:30` are text."""

import re
from collections.abc import Callable

from xds.catalog.text.written import WrittenFloat, WrittenInt

Scalar = str | int | float | bool | None

WORDS: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    ".inf": float("inf"), ".Inf": float("inf"), ".INF": float("inf"),
    "+.inf": float("inf"), "+.Inf": float("inf"), "+.INF": float("inf"),
    "-.inf": float("-inf"), "-.Inf": float("-inf"), "-.INF": float("-inf"),
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
}  # fmt: skip
"""The scalars that are neither numbers nor text."""

DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
"""Without leading zeros, which readers of YAML 1.1 and 1.2 take for different numbers: such are left as text."""

OTHER_INTEGER = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
NUMBER_STARTS = frozenset("0123456789+-.")

MAX_DIGITS = 100
"""Longer numbers are text: none is meant, and Python takes quadratic time to read them."""

STANDARD = "tag:yaml.org,2002:"
TAGS: dict[str, Callable[[Scalar], bool]] = {
    f"{STANDARD}str": lambda value: True,
    f"{STANDARD}int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    f"{STANDARD}float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    f"{STANDARD}bool": lambda value: isinstance(value, bool),
    f"{STANDARD}null": lambda value: value is None,
}
"""The tags that a scalar may have, and which plain values fit them."""


def resolve(text: str) -> Scalar:
    """Return what a plain scalar (without quotes or tag) means; a number knows how it was written.

    A plain `int` or `float` is written as Python and JSON write it; any other spelling makes one of its subclasses.
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in NUMBER_STARTS or len(text) > MAX_DIGITS:
        return text
    if DECIMAL.fullmatch(text):
        number = int(text)
        return number if text[0] != "+" and (number or text == "0") else WrittenInt(number, text)
    if OTHER_INTEGER.fullmatch(text):
        return WrittenInt(int(text, 0), text)
    if FLOAT.fullmatch(text) and not LEADING_ZERO.fullmatch(text):
        value = float(text)
        return value if repr(value) == text and not value.is_integer() else WrittenFloat(value, text)
    return text
