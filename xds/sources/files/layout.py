"""The layout of a catalog on disk: its files, the folders to watch for changes, and the links on the way.

Folders are known by their real paths, since the kernel tells of changes by one path for each folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".yaml", ".yml")
MAX_LINKS = 40
"""As many links as the kernel follows in one path."""

Identity = tuple[int, int]
"""Device and inode: a folder that was made again under its name is another."""


@dataclass(slots=True)
class Layout:
    """Where a catalog's documents are.

    `files` and `faults` are by the names that the operator would write. `tree` has the real folders in which every
    visible YAML file belongs to the catalog, and how the names of those begin (None: in more than one way). When one
    of `steps` changes, the catalog may be elsewhere: a link on the way, a file behind a link, the catalog itself.
    `folders` are those to watch.
    """

    files: dict[str, Path] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    tree: dict[str, str | None] = field(default_factory=dict)
    steps: set[str] = field(default_factory=set)
    folders: Mapping[str, Identity] = field(default_factory=dict)


def find_layout(root: Path) -> Layout:
    """Look where the catalog at `root`, a file or a folder, is now."""
    layout = Layout()
    real = _follow(root, layout)
    if real.is_dir():
        _walk(real, "" if str(root) == "." else f"{root}/", layout, ())
        if not layout.files and not layout.faults:
            layout.faults[str(root)] = "has no .yaml or .yml file in it"
    elif root.is_symlink() or os.path.lexists(root):
        layout.files[str(root)] = root
    else:
        layout.faults[str(root)] = "does not exist"
    watched = layout.tree.keys() | {step.rpartition("/")[0] or "/" for step in layout.steps}
    layout.folders = {folder: identity for folder in sorted(watched) if (identity := _identify(folder))}
    return layout


def is_visible(name: str) -> bool:
    """Tell whether a file or folder is one of the operator's: editors and Kubernetes hide theirs behind a dot."""
    return not name.startswith(".")


def is_document(name: str) -> bool:
    """Tell whether a file of this name in a catalog's folder belongs to the catalog."""
    return is_visible(name) and name.endswith(SUFFIXES)


def _walk(folder: Path, prefix: str, layout: Layout, above: tuple[Path, ...]) -> None:
    """Take in the documents in a real folder and those below it."""
    if folder in above:
        return
    layout.tree[str(folder)] = None if str(folder) in layout.tree else prefix
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if is_visible(entry.name)), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        layout.faults[prefix.rstrip("/") or "."] = f"cannot be listed: {error.strerror}"
        return
    for entry in found:
        path = folder / entry.name
        real = _follow(path, layout) if entry.is_symlink() else path
        if is_document(entry.name):
            layout.files[prefix + entry.name] = path
        elif real.is_dir() if entry.is_symlink() else entry.is_dir():
            _walk(real, f"{prefix}{entry.name}/", layout, (*above, folder))


def _follow(path: Path, layout: Layout) -> Path:
    """Find the real path, and note each step on the way: links, what does not exist, and the end."""
    ahead = list(reversed(path.absolute().parts[1:]))
    real = Path("/")
    links = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            real = real.parent
            continue
        here = real / part
        try:
            target = here.readlink()
        except OSError:
            if not os.path.lexists(here):
                layout.steps.add(str(here))
            real = here
            continue
        layout.steps.add(str(here))
        links += 1
        if links > MAX_LINKS:
            return here
        if target.is_absolute():
            real = Path("/")
        ahead += [part for part in reversed(target.parts) if part != "/"]
    layout.steps.add(str(real))
    return real


def _identify(folder: str) -> Identity | None:
    try:
        found = Path(folder).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
