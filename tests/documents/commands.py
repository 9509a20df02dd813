"""Finds the commands of `xds` that a document names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import click

from tests.documents.markdown import Document
from xds.cli import COMMANDS, main

SEPARATOR = re.compile(r"\|\|?|&&|;|\$\(|\n")
COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Call:
    """`xds NAME --flag …` as written."""

    name: str
    flags: tuple[str, ...]


def find_calls(document: Document) -> Iterator[Call]:
    """Return every command of xds in the document's blocks and inline code."""
    shell = (block.text.replace("\\\n", " ") for block in document.blocks if block.language == "sh")
    for text in (*shell, *(code.replace("\n", " ") for code in document.inline)):
        for line in SEPARATOR.split("\n".join(COMMENT.sub("", one) for one in text.splitlines())):
            words = line.replace('"', " ").replace(")", " ").split()
            at = next((index for index, word in enumerate(words) if word == "xds" or word.endswith("/xds")), None)
            if at is None or at + 1 == len(words) or not _is_run(words[:at]):
                continue
            name, *rest = words[at + 1 :]
            if re.fullmatch(r"[a-z]+", name):
                flags = tuple(word.partition("=")[0] for word in rest if word.startswith("--"))
                yield Call(name, flags)


def _is_run(before: list[str]) -> bool:
    """Whether the text before `xds` runs it, and is not a command with `xds` as its argument."""
    return not before or before[-1] in ("exec", "control-plane", "-m") or "=" in before[-1]


def find_flags(name: str) -> frozenset[str]:
    """Return the options of a command."""
    command = main.get_command(click.Context(main), name) if isinstance(main, click.Group) else None
    assert command is not None
    return frozenset(flag for option in command.params for flag in (*option.opts, *option.secondary_opts)) | {"--help"}


def find_all_flags() -> frozenset[str]:
    """Return the options of all commands."""
    return frozenset().union(*(find_flags(name) for name in COMMANDS)) | {"--version"}
