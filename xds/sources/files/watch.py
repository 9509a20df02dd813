"""FileSource: reads a catalog in a file or a folder, and then watches it for changes.

The kernel's file events are only hints where to look; what counts is what is read then. Some changes have no event, for
example on network file systems. So everything is also checked at long intervals.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import awatch
from watchfiles.main import FileChange

from xds.sources.document import Document, digest_document, write_digest
from xds.sources.files.layout import (
    NO_FILES,
    Layout,
    explain_skipped,
    find_layout,
    identify,
    is_document,
    is_visible,
    write_name,
)
from xds.sources.files.read import FileAttributes, is_being_written, read_attributes, read_document
from xds.sources.files.settling import POLL_S, TOGETHER_S, Record, Settling

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

STEP_MS = 10
"""How long no event must come before files are read: one save causes several events, and so does a checkout.

A change waits for one to two times as long, which is most of the time from an edit to Envoy (tests/bench/effect.py).
With half the value, a checkout is read in parts when the machine is busy, and watching a quiet folder takes 0.5 % of a
core instead of 0.2 %.
"""

DEBOUNCE_MS = 100
"""The longest such wait, for a folder with events all the time."""

CHECK_ALL_MS = 10_000
"""How often everything is checked, without any event."""

FIRST_RETRY_S, RETRY_S = 0.02, 1.0
"""The wait after folders could not be watched, before everything is checked and they are watched again. It doubles each
time. The first is short, since the reason is often gone at once."""

HELD_S = 10.0
"""How long a watch must last until that counts as mended."""

TELL_S = 5.0
"""How long a file is written until that is logged."""

RECENT_S = 2.0
"""If a file is read within this time after it was written, a later write may leave its modification time unchanged."""

FAILURES: Final[Mapping[str, str]] = {
    "Too many open files": "no descriptor or no inotify instance is left: raise `ulimit -n`, or the sysctl "
    "fs.inotify.max_user_instances",
    "file watch limit": "no inotify watch is left: raise the sysctl fs.inotify.max_user_watches",
    "No space left": "no inotify watch is left: raise the sysctl fs.inotify.max_user_watches",
    "Unable to decode path": "the name of a file in or above the catalog is not UTF-8: rename it",
}
"""What the watcher's errors mean, by a part of their text."""

NOT_UTF8 = "the name of the folder {} is not UTF-8: rename it"

NOTHING: Final[Mapping[str, Document]] = {}
UNSEEN = FileAttributes(0, 0, 0, 0, 0)
"""The attributes of a file that an earlier process has read."""


class WatchError(Exception):
    """The kernel's events cannot be had. The message has the reason for the operator."""


class FileSource:
    """The documents of one YAML file, or of all YAML files in a folder and its subfolders, without hidden ones.

    A path that does not exist, or a folder without YAML files, is a document with a fault. It is probably a wrong path,
    or the folder is being replaced; it is unlikely that the operator wants no services. While there is such a fault, no
    document is deleted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layout = Layout()
        self._records: dict[str, Record] = {}
        self._sum = 0  # the sum of the records' digests
        self._settling = Settling()
        self._again: frozenset[str] = frozenset()
        self._saves: dict[str, float] = {}  # when documents were saved lately that no second save was waited for
        self._told: set[str] = set()
        self._devices: dict[str, int] = {}  # of the folders, when they had documents last
        self._unwatched: str | None = None  # why events are missing now, as it was told
        self._retry = FIRST_RETRY_S
        self.noticed_at = time.monotonic_ns()
        """When the changes that `watch` yielded last were noticed, before they were read (time.monotonic_ns())."""

    def read(self, last: Mapping[str, Document] = NOTHING) -> dict[str, Document]:
        """Read every document, and return them by name.

        `last` are the documents of an earlier process: of those that cannot be seen now, it is unknown whether they are
        deleted, and they are returned too.
        """
        for name, document in last.items():
            self._store(name, _make_record(document, UNSEEN))
        now = time.monotonic()
        self._look(None, now)
        for name, one in self._settling.waiting.items():
            self._store(name, one.record)
        self._settling.waiting.clear()
        self._saves.clear()
        return {name: record.document for name, record in self._records.items()}

    def await_writers(self, seconds: float) -> None:
        """Wait until no program has a document open for writing, for so many seconds at most: before `read`."""
        end = time.monotonic() + seconds
        places = find_layout(self._path).files.values()
        while any(is_being_written(place, read_attributes(place)) for place in places) and time.monotonic() < end:
            time.sleep(POLL_S)

    @property
    def digest(self) -> str:
        """The hash of the catalog, in hexadecimal digits, as it was read or yielded last.

        It depends on the files' contents, not on their names or folders. So it shows whether a catalog here is the one
        that a server elsewhere has read. It is the sum of the documents' hashes, so that a change of one document among
        a thousand costs one addition.
        """
        return write_digest(self._sum)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The names of the documents that a program has written for a second or longer; they are not yielded yet."""
        now, waiting = time.monotonic(), self._settling.waiting
        return tuple(sorted(name for name, one in waiting.items() if one.is_being_written and now - one.batch > 1))

    def yield_again(self, names: Collection[str]) -> AbstractSet[str]:
        """Yield these documents also when they are saved with the same content; no others from now on.

        A save counts if nothing else is saved within TOGETHER_S. It is not noticed where a link leads to the file: who
        switches a link, such as that of a mounted ConfigMap, switches it for all files.
        """
        self._again = frozenset(names)
        return {name for name in names if (record := self._records.get(name)) and record.folder is not None}

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
            except Exception as error:  # whatever it is: the catalog must not stay unread
                self._tell_unwatched(str(error) if isinstance(error, WatchError) else repr(error))
                await asyncio.sleep(self._retry)
                self._retry = min(2 * self._retry, RETRY_S)

    async def _watch_layout(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield changes until the folders to watch are others. First it yields changes before the watch began."""
        folders = (await asyncio.to_thread(self._find_layout)).folders
        unreadable = [folder for folder in folders if write_name(folder) != folder]
        began = time.monotonic()
        async with _open_hints(folder for folder in folders if folder not in unreadable) as hints:
            places: dict[str, Path] | None = None
            while True:
                if places is None or places:
                    await asyncio.to_thread(self._look, places, time.monotonic())
                yield self._take()
                self._tell_unfinished()
                if self._layout.folders != folders:
                    return
                seconds = self._settling.find_due(time.monotonic())
                if unreadable:
                    self._tell_unwatched(NOT_UTF8.format(write_name(unreadable[0])))
                    await hints.next(RETRY_S if seconds is None else min(seconds, RETRY_S))
                    places = None
                    continue
                if self._unwatched is not None:
                    seconds = HELD_S if seconds is None else min(seconds, HELD_S)
                hint = await hints.next(seconds)
                if time.monotonic() - began >= HELD_S:
                    self._tell_watched()
                places = self._find_due() if hint is None else self._find_documents({path for _, path in hint})

    def _tell_unwatched(self, reason: str) -> None:
        """Log once why events are missing."""
        log = _log()
        if self._unwatched is None:
            log.warning(
                "events of files are missing: the catalog is looked at every second until they come again",
                reason=reason,
            )
        self._unwatched = reason

    def _tell_watched(self) -> None:
        """Log once that events come again."""
        log = _log()
        if self._unwatched is not None:
            log.info("events of files come again")
        self._unwatched, self._retry = None, FIRST_RETRY_S

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

    def _find_due(self) -> dict[str, Path] | None:
        """Return the waiting documents to look at again, by name; None if any document may have changed."""
        now, places = time.monotonic(), dict[str, Path]()
        for name, one in self._settling.waiting.items():
            place = self._layout.files.get(name, Path(name))
            if one.record is None or one.record.attributes is None:
                if now >= one.due:
                    return None
            elif now >= one.due or not (one.is_being_written and is_being_written(place, one.record.attributes)):
                places[name] = place
        return places

    def _take(self) -> dict[str, Document | None]:
        """Return the changes that are finished, and store them as the new records."""
        taken = self._settling.take(time.monotonic())
        if taken:
            self.noticed_at = min(one.noticed_at for one in taken.values())
        for name, one in taken.items():
            self._store(name, one.record)
        return {name: one.record.document if one.record else None for name, one in taken.items()}

    def _tell_unfinished(self) -> None:
        """Log once which files are written for long."""
        log, waiting, now = _log(), self._settling.waiting, time.monotonic()
        self._told = {name for name in self._told if name in waiting}
        for name, one in waiting.items():
            if one.is_being_written and now - one.batch > TELL_S and name not in self._told:
                self._told.add(name)
                log.warning("a file is still being written: it is not served yet", file=name)

    def _look(self, places: dict[str, Path] | None, now: float) -> None:
        """Read the documents at `places` again, or all that may have changed if it is None, and note what changed."""
        if places is not None and self._look_at(places, now):
            return
        layout = self._layout = self._find_layout()
        for name, fault in layout.faults.items():
            self._compare(name, _make_record(Document(name, fault=fault)), now)
        for name, why in layout.skipped.items():
            self._compare(name, _make_record(Document(name, fault=why, skipped=True)), now)
        for name, place in layout.files.items():
            old = self._records.get(name)
            if (
                old is None
                or old.recent
                or old.attributes is None
                or name in self._settling.waiting
                or old.attributes != read_attributes(place)
            ):
                self._compare(name, _read(name, place), now)
        names = layout.files.keys() | layout.faults.keys() | layout.skipped.keys()
        for name in self._records.keys() - names:
            # While a folder cannot be listed, it is unknown whether its files are deleted.
            if not layout.faults or self._records[name].attributes is None:
                self._compare(name, None, now)
            else:
                self._settling.drop(name)
        for name in self._settling.waiting.keys() - self._records.keys() - names:
            self._settling.drop(name)

    def _look_at(self, places: dict[str, Path], now: float) -> bool:
        """Read the documents at `places` again; return False if one is gone.

        Only all of the catalog together shows whether that is deleted.
        """
        found = {name: _read(name, place) for name, place in places.items()}
        if None in found.values():
            return False
        for name, record in found.items():
            self._compare(name, record, now)
        return True

    def _find_layout(self) -> Layout:
        """Return the layout, with a fault for each folder that lost its documents with its file system."""
        names = self._records.keys()
        layout = find_layout(self._path, lambda prefix: any(name.startswith(prefix) for name in names))
        filled: set[str] = set()
        for name in layout.files:
            while (name := name[: name.rfind("/", 0, -1) + 1]) and name not in filled:
                filled.add(name)
        for folder, prefix in layout.folder_prefixes.items():
            if folder not in layout.folders or prefix is None:
                continue
            device = layout.folders[folder][0]
            if prefix in filled:
                self._devices[folder] = device
            elif self._devices.get(folder, device) != device and prefix.rstrip("/"):
                layout.faults.setdefault(prefix.rstrip("/"), f"{NO_FILES}, and is not the file system that it was")
        return layout

    def _compare(self, name: str, new: Record | None, now: float) -> None:
        """Note whether a document differs from its record."""
        old = self._records.get(name)
        if new is None and old is None:
            self._settling.drop(name)
        elif new is None or old is None or new.document != old.document:
            if self._settling.note(name, old, new, now):
                self._note_save(name, now)
        elif not _is_saved_again(old, new):
            self._keep(name, new)
        elif name in self._again and new.folder is not None and new.folder == old.folder and self._is_alone(name, now):
            self._settling.note(name, old, new, now, TOGETHER_S)
        else:
            self._keep(name, new)
            self._note_save(name, now)

    def _keep(self, name: str, new: Record) -> None:
        """Store the record of a document that is as it was."""
        self._records[name] = new
        self._settling.drop(name)

    def _is_alone(self, name: str, now: float) -> bool:
        """Whether no other document was saved lately."""
        return all(other == name or now - at >= TOGETHER_S for other, at in self._saves.items())

    def _note_save(self, name: str, now: float) -> None:
        """Note that a document was saved. Saves of others in the same moment, with the same content, mean nothing."""
        self._saves = {other: at for other, at in self._saves.items() if now - at < TOGETHER_S} | {name: now}
        for other, one in [*self._settling.waiting.items()]:
            old = self._records.get(other)
            if other != name and old and one.record and old.document == one.record.document:
                self._keep(other, one.record)

    def _store(self, name: str, record: Record | None) -> None:
        """Store a document's record; None: it is deleted."""
        if (old := self._records.get(name)) is not None:
            self._sum -= old.digest
        if record is None:
            self._records.pop(name, None)
        else:
            self._records[name] = record
            self._sum += record.digest


def _read(name: str, place: Path) -> Record | None:
    now = time.time()
    found = read_document(name, place)
    if found is None:
        return None
    document, attributes, writing = found
    recent = attributes is not None and now - attributes.modified / 1e9 < RECENT_S
    folder = None if attributes is None or place.is_symlink() else identify(place.parent)
    return Record(document, digest_document(document), attributes, recent, writing, folder)


def _make_record(document: Document, attributes: FileAttributes | None = None) -> Record:
    return Record(document, digest_document(document), attributes, recent=False)


def _is_saved_again(old: Record, new: Record) -> bool:
    """Whether a file was written again, or replaced; not if only its owner or its mode changed."""
    if old.attributes is None or new.attributes is None:
        return False
    return (old.attributes.inode, old.attributes.modified) != (new.attributes.inode, new.attributes.modified)


def _log() -> "FilteringBoundLogger":
    # Imported here: `xds check` reads files too, and writes no log.
    from structlog import get_logger

    logger: FilteringBoundLogger = get_logger()
    return logger


def explain_failure(error: BaseException) -> str:
    """Return why the watcher failed, and how to mend it where that is known."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = str(error)
    for sign, meaning in FAILURES.items():
        if sign in text:
            return f"{meaning} ({text})"
    return text or repr(error)


class _Hints:
    """The sets of paths that changed. An empty set means that it is time to check everything."""

    def __init__(self, hints: AsyncGenerator[set[FileChange]]) -> None:
        self._hints = hints
        # The watch starts with the first `anext`, and keeps events until they are asked for.
        self._next = asyncio.ensure_future(anext(hints))

    async def next(self, seconds: float | None) -> set[FileChange] | None:
        """Return the next set; None if there is none for so many seconds. Raises WatchError."""
        await asyncio.wait({self._next}, timeout=seconds)
        if not self._next.done():
            return None
        if (error := self._next.exception()) is not None:
            raise WatchError(explain_failure(error)) from error
        found = self._next.result()
        self._next = asyncio.ensure_future(anext(self._hints))
        return found

    async def close(self) -> None:
        """Stop to watch."""
        self._next.cancel()
        cancelled = None
        while not self._next.done():
            try:
                await asyncio.wait({self._next})
            except asyncio.CancelledError as error:  # of this task, which must not be lost
                cancelled = error
        if not self._next.cancelled():
            self._next.exception()
        await self._hints.aclose()
        if cancelled is not None:
            raise cancelled


@asynccontextmanager
async def _open_hints(folders: Iterable[str]) -> AsyncIterator[_Hints]:
    """Watch folders."""
    hints = _Hints(
        awatch(
            *folders,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=CHECK_ALL_MS,
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
    )
    await asyncio.sleep(0)
    try:
        yield hints
    finally:
        await hints.close()
