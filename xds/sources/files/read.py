"""Reads one file of a catalog: it returns its content, or the reason why it cannot be read."""

import fcntl
import os
import signal
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from xds.sources.document import Document

MIB = 1024 * 1024
MAX_BYTES = 16 * MIB
"""The maximum size of a file, which is enough for a hundred thousand endpoints."""

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


F_SETSIG = 10
"""Linux's number of fcntl's command that chooses a signal; Python has no name for it."""


class FileAttributes(NamedTuple):
    """The attributes of a file that show, without reading it, that it has changed. Times are in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def read_attributes(path: Path) -> FileAttributes | None:
    """Return a file's attributes, or None if the file cannot be accessed."""
    try:
        return _select_attributes(path.stat())
    except (OSError, ValueError):
        return None


def read_document(name: str, path: Path) -> tuple[Document, FileAttributes | None, bool | None] | None:
    """Return the file at `path` as a document, with its attributes from before it was read; None: there is no file.

    The last value is whether the file is being written: a program has it open for writing, or it changed while it was
    read. None: this cannot be found out, as on some network file systems, and for files of other users.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return Document(name, fault=_explain_kind(found.st_mode)), _select_attributes(found), False
        with _open(path) as file:
            attributes = _select_attributes(os.fstat(file.fileno()))
            document = _read(name, file, os.fstat(file.fileno()))
            writing = _is_open_for_writing(file.fileno())
            return document, attributes, _select_attributes(os.fstat(file.fileno())) != attributes or writing
    except FileNotFoundError:
        if path.is_symlink():
            return Document(name, fault="is a link to a file that does not exist"), None, False
        return None
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        return Document(name, fault=f"cannot be read: {getattr(error, 'strerror', None) or error}"), None, False


def is_being_written(path: Path, attributes: FileAttributes | None) -> bool:
    """Whether the file at `path` still has these attributes and is open for writing, without reading it."""
    try:
        with _open(path) as file:
            found = os.fstat(file.fileno())
            unchanged = stat.S_ISREG(found.st_mode) and _select_attributes(found) == attributes
            return unchanged and bool(_is_open_for_writing(file.fileno()))
    except (OSError, ValueError):
        return False


def _open(path: Path) -> BinaryIO:
    # The file may have become a pipe since: O_NONBLOCK does not wait until someone writes to it.
    return open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")  # noqa: PTH123


def _is_open_for_writing(descriptor: int) -> bool | None:
    """Whether any program has an open file open for writing; None if the system does not tell.

    A lease for reading is refused with EAGAIN exactly then (fcntl(2)). It is given back at once: a program that opens
    the file for writing meanwhile waits some microseconds. The signal about it is one that is ignored by default.
    """
    try:
        fcntl.fcntl(descriptor, F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):  # no lease on this file system or for this user, or not on this system
        return None
    return False


def read_stream(name: str, stream: BinaryIO, expected: int = 0) -> Document:
    """Return the content of an open file or pipe as a document, with a fault if it is larger than MAX_BYTES.

    `expected` is the probable number of bytes.
    """
    content = stream.read(expected + 1)  # read(MAX_BYTES) would allocate that much for each small file
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


def _select_attributes(found: os.stat_result) -> FileAttributes:
    return FileAttributes(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _explain_kind(mode: int) -> str:
    return f"is {KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"
