"""Reading one file, whatever it turns out to be: its content, or a sentence why it has none."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from xds.sources.document import Document

MIB = 1024 * 1024
MAX_BYTES = 16 * MIB
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
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
            found = os.fstat(file.fileno())
            return _read(name, file, found), _sign(found)
    except FileNotFoundError:
        if path.is_symlink():
            return Document(name, fault="is a link to a file that does not exist"), None
        return None
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        return Document(name, fault=f"cannot be read: {getattr(error, 'strerror', None) or error}"), None


def read_stream(name: str, stream: BinaryIO, expected: int = 0) -> Document:
    """Read all that an open file or pipe has to give, unless that is too much; about `expected` bytes."""
    content = stream.read(expected + 1)  # and not room for the largest file, which each small one would keep
    if len(content) > expected:
        content += stream.read(MAX_BYTES - expected)
    if len(content) > MAX_BYTES:
        return Document(name, fault=f"is more than {MAX_BYTES // MIB} MiB: split it")
    return Document(name, content)


def _read(name: str, file: BinaryIO, found: os.stat_result) -> Document:
    if not stat.S_ISREG(found.st_mode):
        return Document(name, fault=_explain_kind(found.st_mode))
    if found.st_size > MAX_BYTES:
        return Document(name, fault=f"is {found.st_size / MIB:.1f} MiB, more than {MAX_BYTES // MIB} MiB: split it")
    return read_stream(name, file, found.st_size)


def _sign(found: os.stat_result) -> Signature:
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _explain_kind(mode: int) -> str:
    return f"is {KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"
