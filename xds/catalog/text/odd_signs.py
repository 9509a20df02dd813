"""Characters that look like others, or like nothing: they come with text that is copied from a page or a chat."""

import re

from xds.wording import show

SIGNS = {
    "\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u3000": " ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\u00ad": "",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'", "\u2032": "'",
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u3001": ",", "\u3002": ".", "\u2044": "/", "\u2026": "...",
}  # fmt: skip
"""What is meant by each, beside the full-width forms of ASCII."""

ODD = re.compile(f"[{''.join(SIGNS)}\uff01-\uff5e]")
INVISIBLE = {"\u00a0": "a no-break space", "\u200b": "a zero-width space", "\u00ad": "a soft hyphen"}


def find_odd(text: str) -> re.Match[str] | None:
    """Return the first such character of a text."""
    return ODD.search(text)


def explain_odd(sign: str) -> str:
    """Return which character stands there, and what to write."""
    meant = SIGNS.get(sign, chr(ord(sign) - 0xFEE0) if "\uff01" <= sign <= "\uff5e" else "")
    if sign in INVISIBLE or not sign.isprintable() or sign.isspace():
        name = INVISIBLE.get(sign, "an invisible character")
        return f"{name} (U+{ord(sign):04X}) stands there: {'write a plain space' if meant else 'leave it out'}"
    return f"{show(sign)} (U+{ord(sign):04X}) looks like `{meant}` and is another character: write `{meant}`"
