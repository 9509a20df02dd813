"""The layout of a catalog on disk: its files, the folders to watch for changes, and the symbolic links to them.

Folders are identified by their real paths, since the kernel reports changes with one path per folder.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".yaml", ".yml")
SCHEMA = ".schema.json"
"""The end of the name that `xds schema` is told to write to, often beside the catalog."""

MAX_LINKS = 40
"""How many symbolic links the kernel follows in one path."""

NO_FILES = "has no .yaml or .yml file in it"

Identity = tuple[int, int]
"""Device and inode: they differ after a folder is deleted and made again."""


@dataclass(slots=True)
class Layout:
    """Where a catalog's documents are.

    The keys of `files`, `skipped` and `faults` are the names that the operator would write. `skipped` has why a file is
    not read that was probably meant to be. `folder_prefixes` has the real folders
    in which every visible YAML file belongs to the catalog, and the prefix of these files' names (None: there are
    several). `watched_paths` are the paths after whose change the catalog may be somewhere else: symbolic links, files
    behind links, and the catalog itself. `folders` are the folders to watch.
    """

    files: dict[str, Path] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    folder_prefixes: dict[str, str | None] = field(default_factory=dict)
    watched_paths: set[str] = field(default_factory=set)
    folders: Mapping[str, Identity] = field(default_factory=dict)


def find_layout(root: Path, had: Callable[[str], bool] = lambda prefix: False) -> Layout:
    """Return the current layout of the catalog at `root`, which is a file or a folder.

    `had` is whether there were documents below a prefix before. Where a link leads nowhere now, they are not deleted:
    that is a fault.
    """
    layout = Layout()
    real = _follow(root, layout)
    if real.is_dir():
        _walk(real, "" if str(root) == "." else f"{write_name(str(root))}/", layout, (), had)
        if not layout.files and not layout.faults:
            layout.faults[write_name(str(root))] = NO_FILES
    elif root.is_symlink() or os.path.lexists(root):
        layout.files[write_name(str(root))] = root
    else:
        layout.faults[write_name(str(root))] = "does not exist"
    watched = layout.folder_prefixes.keys() | {path.rpartition("/")[0] or "/" for path in layout.watched_paths}
    layout.folders = {folder: identity for folder in sorted(watched) if (identity := identify(folder))}
    return layout


def write_name(name: str) -> str:
    r"""Return a file's name as text, in which a byte that is not UTF-8 is written as in `caf\xe9.yaml`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def is_visible(name: str) -> bool:
    """Whether a file or folder is not hidden: editors and Kubernetes start their own names with a dot."""
    return not name.startswith(".")


def is_document(name: str) -> bool:
    """Whether a file with this name in a catalog's folder belongs to the catalog."""
    return is_visible(name) and name.endswith(SUFFIXES)


def explain_skipped(name: str) -> str | None:
    """Return why a file with this name is not read, if it was probably meant to be; None for any other."""
    lower = name.lower()
    if not is_visible(name) or is_document(name) or lower.endswith(SCHEMA):
        return None
    if lower.endswith(SUFFIXES):
        return "is not read: the end of its name is .yaml or .yml in small letters, rename it"
    if lower.endswith(".json"):
        return "is not read: JSON is YAML too, rename it to .yaml, or move it out of the catalog's folder"
    return None


def _walk(folder: Path, prefix: str, layout: Layout, above: tuple[Path, ...], had: Callable[[str], bool]) -> None:
    """Add the documents in a real folder and its subfolders. `above` are the folders above it, against loops."""
    if folder in above:
        return
    layout.folder_prefixes[str(folder)] = None if str(folder) in layout.folder_prefixes else prefix
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if is_visible(entry.name)), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        layout.faults[prefix.rstrip("/") or "."] = f"cannot be listed: {error.strerror}"
        return
    for entry in found:
        path, name = folder / entry.name, prefix + write_name(entry.name)
        real = _follow(path, layout) if entry.is_symlink() else path
        if is_document(entry.name):
            layout.files[name] = path
        elif real.is_dir() if entry.is_symlink() else entry.is_dir():
            _walk(real, f"{name}/", layout, (*above, folder), had)
        elif entry.is_symlink() and not os.path.lexists(real) and had(f"{name}/"):
            layout.faults[name] = "is a link to a folder that does not exist"
        elif why := explain_skipped(entry.name):
            layout.skipped[name] = why


def _follow(path: Path, layout: Layout) -> Path:
    """Return the real path, and note the paths to watch: links, paths that do not exist, and the real path itself."""
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
                layout.watched_paths.add(str(here))
            real = here
            continue
        layout.watched_paths.add(str(here))
        links += 1
        if links > MAX_LINKS:
            return here
        if target.is_absolute():
            real = Path("/")
        ahead += [part for part in reversed(target.parts) if part != "/"]
    layout.watched_paths.add(str(real))
    return real


def identify(folder: str | Path) -> Identity | None:
    """Return the identity of a folder, with links followed; None if there is none."""
    try:
        found = Path(folder).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
