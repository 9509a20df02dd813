"""The last good state on disk: what a server that starts with a bad or missing catalog serves.

One file for each catalog's path, which is replaced as a whole. It has the documents that are served, as text.
"""

import asyncio
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from xds import __version__
from xds.sources.document import Document

MAGIC = b"xds last good 1 "
"""What a file begins with; the hash of the rest and a line end follow."""

BETWEEN_S = 1.0
"""The shortest time between two writes. What changes meanwhile is written together."""

TOUCH_S = 60.0
"""How often it is noted that the state is still good, and tried again what failed."""

log = structlog.get_logger()


class StateError(Exception):
    """A file of a last good state cannot be used. The message says why, and follows the file's path."""


@dataclass(frozen=True, slots=True)
class State:
    """The documents that were served last, and when all of them were the catalog's own last, as time.time()."""

    documents: Mapping[str, Document]
    good_at: float


class StateFile:
    """The file of the last good state of the catalog at a path, in a folder."""

    def __init__(self, folder: Path, catalog: Path) -> None:
        self._prefix = "" if str(catalog) == "." else f"{catalog}/"
        self._root = str(catalog)
        self._catalog = os.path.abspath(catalog)  # noqa: PTH100 - a link is another catalog than its target
        name = hashlib.sha256(os.fsencode(self._catalog), usedforsecurity=False).hexdigest()[:32]
        self.path = folder / f"{name}.last-good"

    def read(self) -> State | None:
        """Return the stored state; None if there is none. Raises StateError if the file cannot be used."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_uid != os.geteuid():
                    raise StateError("belongs to another user")
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot be read: {error.strerror}") from None
        return self._parse(content, found.st_mtime)

    def note_good(self, good_at: float) -> None:
        """Note when the stored state was good last, in the file's modification time. Raises OSError."""
        os.utime(self.path, (good_at, good_at))

    def write(self, state: State) -> None:
        """Replace the stored state. Raises OSError."""
        documents = state.documents
        contents = {self._shorten(name): one.content for name, one in documents.items() if one.content is not None}
        header = json.dumps(
            {
                "catalog": self._catalog,
                "good_at": state.good_at,
                "version": __version__,
                "documents": [[name, len(content)] for name, content in contents.items()],
            }
        ).encode()
        parts = (header + b"\n", *contents.values())
        hashed = hashlib.sha256(usedforsecurity=False)
        for part in parts:
            hashed.update(part)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=self.path.parent)  # with mode 0600
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(MAGIC + hashed.hexdigest().encode() + b"\n")
                file.writelines(parts)
                file.flush()
                os.utime(descriptor, (state.good_at, state.good_at))
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(self.path.parent)

    def _parse(self, content: bytes, noted_at: float) -> State:
        line, _, rest = content.partition(b"\n")
        if not line.startswith(MAGIC):
            raise StateError("is no last good state of this version of xds")
        if line.removeprefix(MAGIC) != hashlib.sha256(rest, usedforsecurity=False).hexdigest().encode():
            raise StateError("is damaged: its content does not have the hash that it should have")
        try:
            header, _, body = rest.partition(b"\n")
            found: Any = json.loads(header)
            catalog, good_at = found["catalog"], float(found["good_at"])
            documents: dict[str, Document] = {}
            for short, size in found["documents"]:
                name = f"{self._prefix}{short}" if short else self._root
                documents[name], body = Document(name, body[:size]), body[size:]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(f"is damaged: {error!r}") from None
        if catalog != self._catalog:
            raise StateError(f"is of another catalog, {catalog}")
        return State(documents, max(good_at, noted_at))

    def _shorten(self, name: str) -> str:
        """Return a document's name without the catalog's path, which may be written in another way the next time."""
        return "" if name == self._root else name.removeprefix(self._prefix)


class StateWriter:
    """Writes states in a thread, the newest in place of all that came before it.

    While all that is served is the catalog's own, it notes that every TOUCH_S seconds and when it stops: the age of the
    state counts from then. A failure is logged once, and tried again as often. It never ends the server.
    """

    def __init__(self, file: StateFile, stored: State) -> None:
        """`stored` is what the file has: the same documents are not written again."""
        self._file = file
        self._stored: Mapping[str, Document] | None = stored.documents or None
        self._noted_at = self._good_at = stored.good_at
        self._is_good = False
        self._collect: Callable[[], Mapping[str, Document]] = dict
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self.failure: str | None = None
        """Why the state could not be stored the last time, in words for the operator; None: it was."""

    def put(self, collect: Callable[[], Mapping[str, Document]], *, is_good: bool) -> None:
        """Have the documents that `collect` returns written soon. It is called in a thread.

        `is_good` is whether these are the catalog's own, all of them, until something else is put.
        """
        if self._is_good:
            self._good_at = time.time()
        self._collect, self._is_good = collect, is_good
        self._changed.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())

    async def stop(self) -> None:
        """Write what waits, and that it was good until now."""
        self._stopping.set()
        self._changed.set()
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            await self._write_newest()
            await _wait(self._stopping, BETWEEN_S)
            await _wait(self._changed, TOUCH_S)
        await self._write_newest()

    async def _write_newest(self) -> None:
        if self._is_good:
            self._good_at = time.time()
        try:
            await asyncio.to_thread(self._write, self._collect, self._good_at)
        except Exception as error:  # a full disk, or a bug in xds: the server goes on
            reason = (error.strerror if isinstance(error, OSError) else None) or repr(error)
            if self.failure is None:
                log.warning(
                    "the last good state cannot be stored: name a folder with --data, or write --no-data",
                    file=str(self._file.path),
                    reason=reason,
                )
            self.failure = reason
        else:
            if self.failure is not None:
                log.info("the last good state is stored again", file=str(self._file.path))
            self.failure = None

    def _write(self, collect: Callable[[], Mapping[str, Document]], good_at: float) -> None:
        documents = collect()
        if documents != self._stored or not self._file.path.exists():
            self._stored = None  # until it is known what the file has
            self._file.write(State(documents, good_at))
            self._stored = documents
        elif good_at != self._noted_at:
            self._file.note_good(good_at)
        self._noted_at = good_at


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_state_folder() -> Path | None:
    """Return where states are kept by default: $XDG_STATE_HOME/xds; None if the user has no home."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # noqa: PTH117 - the specification says to ignore others
        return Path(base) / "xds"
    try:
        return Path.home() / ".local" / "state" / "xds"
    except RuntimeError:
        return None
