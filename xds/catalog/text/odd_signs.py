"""Characters that look like others, or like nothing: they come with text that is copied from a page or a chat."""

import re
import unicodedata

from xds.wording import show

SIGNS = {
    "\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u3000": " ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\u00ad": "",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'", "\u2032": "'",
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u3001": ",", "\u3002": ".", "\u2044": "/", "\u2026": "...",
}  # fmt: skip
"""What is meant by each, beside the full-width forms of ASCII."""

ALIKE = {
    **dict(
        zip(
            "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0432\u043c\u043d\u043a\u0442",
            "aceopxyijshdqwbmhkt",
            strict=True,
        )
    ),
    **dict(
        zip(
            "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405",
            "ABEKMHOPCTXIJS",
            strict=True,
        )
    ),
    **dict(
        zip(
            "\u03b1\u03bf\u03c1\u03b9\u03c5\u03bd\u03c4\u03ba",
            "aopiuvtk",
            strict=True,
        )
    ),
}
"""Letters of other alphabets that look like those of names: small Cyrillic ones, capitals, then Greek ones."""

ODD = re.compile(f"[{''.join(SIGNS)}\uff01-\uff5e]")
LETTER = re.compile(f"[{''.join(ALIKE)}]")
INVISIBLE = {"\u00a0": "a no-break space", "\u200b": "a zero-width space", "\u00ad": "a soft hyphen"}


def find_odd(text: str) -> re.Match[str] | None:
    """Return the first such character of a text; a letter that looks like another only where no others are foreign."""
    if found := ODD.search(text):
        return found
    return LETTER.search(text) if not text.isascii() and clean(text).isascii() else None


def clean(text: str) -> str:
    """Return a text with the characters that are meant, where others look like them or like nothing."""
    return "".join(_find_meant(sign) if ODD.fullmatch(sign) else ALIKE.get(sign, sign) for sign in text)


def _find_meant(sign: str) -> str:
    return SIGNS.get(sign, chr(ord(sign) - 0xFEE0) if "\uff01" <= sign <= "\uff5e" else "")


def explain_odd(sign: str) -> str:
    """Return which character stands there, and what to write."""
    if sign in ALIKE:
        meant = ALIKE[sign]
        return f"{show(sign)} is {unicodedata.name(sign)}, which only looks like `{meant}`: write `{meant}`"
    meant = _find_meant(sign)
    if sign in INVISIBLE or not sign.isprintable() or sign.isspace():
        name = INVISIBLE.get(sign, "an invisible character")
        return f"{name} (U+{ord(sign):04X}) stands there: {'write a plain space' if meant else 'leave it out'}"
    return f"{show(sign)} (U+{ord(sign):04X}) looks like `{meant}` and is another character: write `{meant}`"
