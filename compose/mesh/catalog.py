"""Reads, changes and saves the catalog's files, and prints each change as a diff."""

import difflib
import os
import re
import shutil
from pathlib import Path

from mesh.project import MeshError

FOLDER = Path(__file__).parents[1]


def find_file(name: str) -> Path:
    """Return the path of a file of the catalog that the control plane serves."""
    return FOLDER / os.environ.get("XDS_CATALOG", "catalog") / name


def read(name: str) -> str:
    """Return the text of a file of the catalog. Raises MeshError."""
    try:
        return find_file(name).read_text()
    except OSError as error:
        raise MeshError(f"{find_file(name)}: {error.strerror}") from None


def replace(text: str, pattern: str, lines: str, name: str) -> str:
    """Return a file's text with `lines` in place of the pattern's match. Raises MeshError unless there is one match."""
    new, times = re.subn(pattern, lambda _: lines, text, flags=re.MULTILINE)
    if times != 1:
        raise MeshError(f"{find_file(name)} is not as this command expects it: restore it with `git checkout`")
    return new


def save(name: str, text: str) -> bool:
    """Save a file by a rename, as editors do, and print the changed lines. Return whether anything changed."""
    path, before = find_file(name), read(name)
    if text == before:
        print(f"catalog/{name} needs no change")
        return False
    new = path.with_name(f".{name}.new")
    new.write_text(text)
    shutil.copymode(path, new)
    new.replace(path)
    print(f"catalog/{name}:")
    for line in list(difflib.unified_diff(before.splitlines(), text.splitlines(), n=0, lineterm=""))[2:]:
        if not line.startswith("@@"):
            print(f"  {line}")
    return True
