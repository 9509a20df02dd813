"""The nearest right word to a wrong one."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_LOOKUPS = 50
"""A look among thousands of names takes milliseconds; who has fifty wrong ones does not read a guess for each."""


def suggest(word: str, words: Iterable[str]) -> str:
    """End a message with the nearest word, ": did you mean `balance`?", or with nothing when none is near."""
    found = get_close_matches(word[:100].lower(), words, n=1, cutoff=0.6)
    return f": did you mean `{found[0]}`?" if found else ""


class Nearest:
    """`suggest` among many names, each wrong one looked up once, and not without end."""

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
