"""Reads a document: its blocks of code with their marks, its inline code, its headings and links.

A mark is an HTML comment in front of a block, which readers do not see:

- `<!-- not run: REASON -->`: the block's commands do not run in a test, and why not;
- `<!-- example output -->`: the output differs from run to run;
- `<!-- file: PATH -->`: the block is written to this file before the document's commands run.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

FENCE = re.compile(r"^((?:<!--[^\n]*-->\n)*)```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (.*?) -->")
INLINE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: its language, its text, and the marks in front of it."""

    language: str
    text: str
    marks: tuple[str, ...]

    def find_mark(self, name: str) -> str | None:
        """Return the text behind a mark's name; None without such a mark."""
        return next((mark.removeprefix(name).lstrip(": ") for mark in self.marks if mark.startswith(name)), None)


@dataclass(frozen=True, slots=True)
class Document:
    """A document, by its path from the root of the repository."""

    path: str
    text: str

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Every block of code."""
        return tuple(
            Block(language, text, tuple(MARK.findall(marks))) for marks, language, text in FENCE.findall(self.text)
        )

    @property
    def prose(self) -> str:
        """The text without blocks of code."""
        return FENCE.sub("", self.text)

    @property
    def inline(self) -> tuple[str, ...]:
        """Every piece of inline code."""
        return tuple(code.strip() for _, code in INLINE.findall(self.prose))

    @property
    def links(self) -> tuple[str, ...]:
        """The targets of all links within the repository."""
        text = INLINE.sub("", self.prose)
        return tuple(
            target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")
        )

    @property
    def anchors(self) -> frozenset[str]:
        """The names by which links can reach its headings, as GitHub makes them."""
        return frozenset(_name_headings(HEADING.findall(self.prose)))


def _name_headings(headings: list[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for heading in headings:
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        yield f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1


def read_documents() -> dict[str, Document]:
    """Return every Markdown file of the repository by its path."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return {path: Document(path, (ROOT / path).read_text()) for path in sorted(listed) if (ROOT / path).exists()}
