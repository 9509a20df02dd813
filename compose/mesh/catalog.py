"""Edits of the catalog's files, such as a person makes by hand: some lines, seen as a diff."""

import difflib
import os
import re
import shutil
from pathlib import Path

from mesh.project import MeshError

FOLDER = Path(__file__).parents[1]


def find_file(name: str) -> Path:
    """Find a file of the catalog that the control plane serves."""
    return FOLDER / os.environ.get("XDS_CATALOG", "catalog") / name


def read(name: str) -> str:
    """Read a file of the catalog."""
    try:
        return find_file(name).read_text()
    except OSError as error:
        raise MeshError(f"{find_file(name)}: {error.strerror}") from None


def replace(text: str, pattern: str, lines: str, name: str) -> str:
    """Write `lines` in place of what the pattern finds in a file's text, which has it once."""
    new, times = re.subn(pattern, lambda _: lines, text, flags=re.MULTILINE)
    if times != 1:
        raise MeshError(f"{find_file(name)} is not as this command knows it: `git checkout` brings it back")
    return new


def save(name: str, text: str) -> bool:
    """Save a file as editors do, by renaming; print what changed, and tell whether anything did."""
    path, before = find_file(name), read(name)
    if text == before:
        print(f"catalog/{name} says so already")
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
