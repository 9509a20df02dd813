"""FileSource: reads a catalog in a file or a folder, and then watches it for changes.

The kernel's file events are only hints where to look; what counts is what is read then. Some changes have no event, for
example on network file systems. So everything is also checked at long intervals.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from watchfiles import awatch
from watchfiles.main import FileChange

from xds.sources.document import Document, digest_document
from xds.sources.files.layout import Layout, explain_skipped, find_layout, is_document, is_visible
from xds.sources.files.read import FileAttributes, read_attributes, read_document

STEP_MS = 10
"""How long no event must come before files are read: one save causes several events, and so does a checkout.

A change waits for one to two times as long, which is most of the time from an edit to Envoy (tests/bench/effect.py).
With half the value, a checkout is read in parts when the machine is busy, and watching a quiet folder takes 0.5 % of a
core instead of 0.2 %.
"""

DEBOUNCE_MS = 200
"""The longest such wait, for a folder with events all the time."""

CHECK_ALL_MS = 10_000
"""How often everything is checked, without any event."""

UNCHANGED_S = 0.1
"""How long a file that looks unfinished must stay unchanged to count as finished."""

MAX_WAIT_S = 1.0
"""How long a file that changes all the time may delay the other files."""

RETRY_S = 1.0
"""The wait after folders could not be watched: there are too many watches on the machine, or a folder is gone."""

RECENT_S = 2.0
"""If a file is read within this time after it was written, a later write may leave its modification time unchanged."""


class FileSource:
    """The documents of one YAML file, or of all YAML files in a folder and its subfolders, without hidden ones.

    A path that does not exist, or a folder without YAML files, is a document with a fault. It is probably a wrong path,
    or the folder is being replaced; it is unlikely that the operator wants no services.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layout = Layout()
        self._records: dict[str, _Record] = {}
        self._sum = 0  # the sum of the records' digests
        self.noticed_at = time.monotonic_ns()
        """When the changes that `watch` yielded last were noticed, before they were read (time.monotonic_ns())."""

    def read(self) -> dict[str, Document]:
        """Read every document, and return them by name."""
        self._store(self._find_changes(None))
        return {name: record.document for name, record in self._records.items()}

    @property
    def digest(self) -> str:
        """The hash of the catalog, in hexadecimal digits, as it was read or yielded last.

        It depends on the files' contents, not on their names or folders. So it shows whether a catalog here is the one
        that a server elsewhere has read. It is the sum of the documents' hashes, so that a change of one document among
        a thousand costs one addition.
        """
        return f"{self._sum % 2**256:064x}"

    async def watch(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield the documents that changed since they were last read or yielded, by name; None for deleted ones.

        It never ends, and misses no change after `read`.
        """
        while True:
            try:
                async with aclosing(self._watch_layout()) as all_changes:
                    async for changes in all_changes:
                        if changes:
                            yield changes
            except OSError:
                await asyncio.sleep(RETRY_S)

    async def _watch_layout(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield changes until the folders to watch are others. First it yields changes before the watch began."""
        folders = (await asyncio.to_thread(find_layout, self._path)).folders
        async with _open_hints(folders) as hints:
            places: dict[str, Path] | None = None
            while True:
                if places is None or places:
                    yield await self._read_changes(places)
                if self._layout.folders != folders:
                    return
                places = self._find_documents({path for _, path in await anext(hints)})

    def _find_documents(self, paths: set[str]) -> dict[str, Path] | None:
        """Return the documents that changed paths belong to, by name; None if any document may have changed.

        No paths mean that any document may have changed.
        """
        layout = self._layout
        if layout.faults:
            return None
        places: dict[str, Path] = {}
        for path in paths:
            folder, _, last = path.rpartition("/")
            if path in layout.watched_paths or path in layout.folder_prefixes:
                return None
            if folder not in layout.folder_prefixes or not is_visible(last):
                continue
            prefix = layout.folder_prefixes[folder]
            place = Path(path)
            if prefix is None or place.is_symlink() or place.is_dir():
                return None
            if is_document(last):
                places[prefix + last] = place
            elif explain_skipped(last):
                return None
        return places if paths else None

    async def _read_changes(self, places: dict[str, Path] | None) -> dict[str, Document | None]:
        """Read changes until files that look unfinished stay unchanged, and return the changes."""
        self.noticed_at = time.monotonic_ns()
        clock = asyncio.get_running_loop().time
        since = start = clock()
        changes = await asyncio.to_thread(self._find_changes, places)
        while changes.unfinished and clock() < min(since + UNCHANGED_S, start + MAX_WAIT_S):
            await asyncio.sleep(STEP_MS / 1000)
            again = await asyncio.to_thread(self._find_changes, places)
            if again.unfinished != changes.unfinished:
                since = clock()
            changes = again
        return self._store(changes)

    def _find_changes(self, places: dict[str, Path] | None) -> "_Changes":
        """Read the documents at `places` again, or all that may have changed if it is None."""
        changes = _Changes()
        if places is not None:
            for name, place in places.items():
                self._compare(changes, name, _read(name, place))
            return changes
        layout = self._layout = find_layout(self._path)
        for name, fault in layout.faults.items():
            self._compare(changes, name, _make_record(Document(name, fault=fault)))
        for name, why in layout.skipped.items():
            self._compare(changes, name, _make_record(Document(name, fault=why, skipped=True)))
        for name, place in layout.files.items():
            old = self._records.get(name)
            if old is None or old.recent or old.attributes is None or old.attributes != read_attributes(place):
                self._compare(changes, name, _read(name, place))
        for name in self._records.keys() - layout.files.keys() - layout.faults.keys() - layout.skipped.keys():
            # While a folder cannot be listed, it is unknown whether its files are deleted.
            if not layout.faults or self._records[name].attributes is None:
                self._compare(changes, name, None)
        return changes

    def _compare(self, changes: "_Changes", name: str, new: "_Record | None") -> None:
        """Note in `changes` whether a document differs from its record."""
        old = self._records.get(name)
        if new is None:
            if old is not None:
                changes.changed[name] = changes.unfinished[name] = None
        elif old is None or new.document != old.document:
            changes.changed[name] = new
            if _seems_unfinished(old, new):
                changes.unfinished[name] = new.attributes
        else:
            self._records[name] = new

    def _store(self, changes: "_Changes") -> dict[str, Document | None]:
        """Store the changes as the new records, and return them by name."""
        for name, record in changes.changed.items():
            if (old := self._records.get(name)) is not None:
                self._sum -= old.digest
            if record is None:
                del self._records[name]
            else:
                self._records[name] = record
                self._sum += record.digest
        return {name: record.document if record else None for name, record in changes.changed.items()}


@dataclass(frozen=True, slots=True)
class _Record:
    """A document as it was read. `recent` is whether the content may change while the attributes stay the same."""

    document: Document
    digest: int
    attributes: FileAttributes | None
    recent: bool


@dataclass(slots=True)
class _Changes:
    """The changes since the records. `unfinished` are those whose files are probably still being written."""

    changed: dict[str, _Record | None] = field(default_factory=dict)
    unfinished: dict[str, FileAttributes | None] = field(default_factory=dict)


def _read(name: str, place: Path) -> _Record | None:
    now = time.time()
    found = read_document(name, place)
    if found is None:
        return None
    document, attributes = found
    return _make_record(
        document, attributes, recent=attributes is not None and now - attributes.modified / 1e9 < RECENT_S
    )


def _make_record(document: Document, attributes: FileAttributes | None = None, *, recent: bool = False) -> _Record:
    return _Record(document, digest_document(document), attributes, recent)


def _seems_unfinished(old: _Record | None, new: _Record) -> bool:
    """Whether a file is probably still being written.

    It is, if it does not end with a newline, or if it became shorter in place. A file that replaced the old one by a
    rename is finished. A wrong True costs a short wait; a wrong False, an error that goes away with the next read.
    """
    content = new.document.content
    if new.document.skipped:
        return False
    if content is None or new.attributes is None or not content.endswith(b"\n"):
        return True
    if old is None or old.attributes is None or old.attributes[:2] != new.attributes[:2]:
        return False
    return len(content) < len(old.document.content or b"")


@asynccontextmanager
async def _open_hints(folders: Iterable[str]) -> AsyncIterator[AsyncIterator[set[FileChange]]]:
    """Watch folders. Each item is the set of paths that changed; an empty set means that it is time to check all."""
    hints = awatch(
        *folders,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=CHECK_ALL_MS,
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=True,
    )
    # The watch starts with the first `anext`, and keeps events until they are asked for.
    first = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)

    async def iterate() -> AsyncGenerator[set[FileChange]]:
        yield await first
        async for hint in hints:
            yield hint

    try:
        async with aclosing(iterate()) as items:
            yield items
    finally:
        first.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await first
        await hints.aclose()
