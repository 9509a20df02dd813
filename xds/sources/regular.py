"""Reading one file, whatever it turns out to be: its content, or a sentence why it has none."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from xds.sources.document import Document

MAX_BYTES = 16 * 1024 * 1024
"""The largest file that is read: a hundred thousand endpoints fit in."""

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Signature(NamedTuple):
    """What tells, without reading, that a file is not the same as before."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def sign(path: Path) -> Signature | None:
    """Take a file's signature; None when there is none to be had."""
    try:
        return _sign(path.stat())
    except (OSError, ValueError):
        return None


def read_document(name: str, path: Path) -> tuple[Document, Signature | None] | None:
    """Read the file at `path`, with its signature before that; None when there is none."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return Document(name, fault=_explain_kind(found.st_mode)), _sign(found)
        # It may have become a pipe since: do not wait for one who writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            return _read(name, descriptor, found), _sign(found)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        if path.is_symlink():
            return Document(name, fault="is a link to a file that does not exist"), None
        return None
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        return Document(name, fault=f"cannot be read: {getattr(error, 'strerror', None) or error}"), None


def read_content(name: str, descriptor: int) -> Document:
    """Read all that an open file, or a pipe, has to give, unless that is too much."""
    chunks = []
    room = MAX_BYTES + 1
    while room and (chunk := os.read(descriptor, min(room, 1024 * 1024))):
        chunks.append(chunk)
        room -= len(chunk)
    if not room:
        return Document(name, fault=_explain_size("more than 16"))
    return Document(name, b"".join(chunks))


def _read(name: str, descriptor: int, found: os.stat_result) -> Document:
    if not stat.S_ISREG(found.st_mode):
        return Document(name, fault=_explain_kind(found.st_mode))
    if found.st_size > MAX_BYTES:
        return Document(name, fault=_explain_size(f"{found.st_size / 1024 / 1024:.1f}"))
    return read_content(name, descriptor)


def _explain_size(size: str) -> str:
    return f"is {size} MiB: a catalog file may have {MAX_BYTES // 1024 // 1024} MiB at most, split it"


def _sign(found: os.stat_result) -> Signature:
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _explain_kind(mode: int) -> str:
    return f"is {KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"
