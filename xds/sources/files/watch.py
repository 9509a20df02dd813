"""A catalog in a file or a folder: read at once, then watched.

What the kernel tells is a hint where to look, never the truth: the truth is what is read then. A slow look at
everything is the net for changes that nobody tells of, as on network file systems.
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
from xds.sources.files.layout import Layout, find_layout, is_document, is_visible
from xds.sources.files.read import Signature, read_document, sign

STEP_MS = 10
"""How long the kernel must be quiet before a change is looked at: one save is several events, and so is a checkout.

A change waits for once to twice as long, most of an edit's way to Envoy (tests/bench/effect.py). With half of this, a
checkout is seen in parts when the machine is busy, and watching a quiet folder takes 0.5 % of a core instead of 0.2 %.
"""

DEBOUNCE_MS = 200
"""How long a folder that is never quiet can put that off."""

NET_MS = 10_000
"""How often everything is looked at, whatever the kernel tells."""

SETTLED_S = 0.1
"""How long a file that looks unfinished must stay as it is to be taken for finished."""

PATIENCE_S = 1.0
"""How long one that never stays as it is may hold up the others."""

RETRY_S = 1.0
"""How long to wait when folders cannot be watched: too many watches on this machine, or gone in this moment."""

YOUNG_S = 2.0
"""A file that was written this shortly before it was read may be written again without a new time of writing."""


class FileSource:
    """Documents of one YAML file, or of all in a folder and the folders in it; hidden ones are no part of it.

    A path that does not exist, and a folder with nothing in it, is a document with a fault: it is a mistake in the
    path, or a moment in which the folder is replaced, and seldom the wish to have no services.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layout = Layout()
        self._records: dict[str, _Record] = {}
        self._sum = 0  # of their digests
        self.noticed_at = time.monotonic_ns()
        """When what `watch` gave last was noticed, before it was read."""

    def read(self) -> dict[str, Document]:
        """Read every document there is now, by name."""
        self._take(self._look(None))
        return {name: record.document for name, record in self._records.items()}

    @property
    def digest(self) -> str:
        """The hash, in hexadecimal digits, of the catalog as it was read last, with what `watch` gave since.

        Files of the same contents have the same, wherever they lie and whatever they are called: a catalog here and the
        one that a server elsewhere has read are told to be one. It is a sum of the documents', so that a change of one
        among a thousand costs one addition.
        """
        return f"{self._sum % 2**256:064x}"

    async def watch(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield the documents that are not what they were when they were last read or yielded; None for deleted ones.

        Without end; nothing that happens after `read` is missed.
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
        """Yield changes until there are other folders to watch; those that nobody was told of, first."""
        folders = (await asyncio.to_thread(find_layout, self._path)).folders
        async with _open_hints(folders) as hints:
            places: dict[str, Path] | None = None
            while True:
                if places is None or places:
                    yield await self._settle(places)
                if self._layout.folders != folders:
                    return
                places = self._name({path for _, path in await anext(hints)})

    def _name(self, paths: set[str]) -> dict[str, Path] | None:
        """Name the documents that changed paths are about; None when they may be about any, as when there are none."""
        layout = self._layout
        if layout.faults:
            return None
        places: dict[str, Path] = {}
        for path in paths:
            folder, _, last = path.rpartition("/")
            if path in layout.steps or path in layout.tree:
                return None
            if folder not in layout.tree or not is_visible(last):
                continue
            prefix = layout.tree[folder]
            place = Path(path)
            if prefix is None or place.is_symlink() or place.is_dir():
                return None
            if is_document(last):
                places[prefix + last] = place
        return places if paths else None

    async def _settle(self, places: dict[str, Path] | None) -> dict[str, Document | None]:
        """Look until what looks unfinished stays as it is; then take it."""
        self.noticed_at = time.monotonic_ns()
        clock = asyncio.get_running_loop().time
        since = start = clock()
        look = await asyncio.to_thread(self._look, places)
        while look.unfinished and clock() < min(since + SETTLED_S, start + PATIENCE_S):
            await asyncio.sleep(STEP_MS / 1000)
            again = await asyncio.to_thread(self._look, places)
            if again.unfinished != look.unfinished:
                since = clock()
            look = again
        return self._take(look)

    def _look(self, places: dict[str, Path] | None) -> "_Look":
        """Read again what may have changed: the documents at `places`, or all when that is None."""
        look = _Look()
        if places is not None:
            for name, place in places.items():
                self._compare(look, name, _read(name, place))
            return look
        layout = self._layout = find_layout(self._path)
        for name, fault in layout.faults.items():
            self._compare(look, name, _make_record(Document(name, fault=fault)))
        for name, place in layout.files.items():
            old = self._records.get(name)
            if old is None or old.young or old.signature is None or old.signature != sign(place):
                self._compare(look, name, _read(name, place))
        for name in self._records.keys() - layout.files.keys() - layout.faults.keys():
            # While a folder cannot be seen, nobody knows whether what was in it is gone.
            if not layout.faults or self._records[name].signature is None:
                self._compare(look, name, None)
        return look

    def _compare(self, look: "_Look", name: str, new: "_Record | None") -> None:
        """Note whether a name has something else to give than before."""
        old = self._records.get(name)
        if new is None:
            if old is not None:
                look.changed[name] = look.unfinished[name] = None
        elif old is None or new.document != old.document:
            look.changed[name] = new
            if _seems_unfinished(old, new):
                look.unfinished[name] = new.signature
        else:
            self._records[name] = new

    def _take(self, look: "_Look") -> dict[str, Document | None]:
        """Keep what changed, as what the next look is compared with."""
        for name, record in look.changed.items():
            if (old := self._records.get(name)) is not None:
                self._sum -= old.digest
            if record is None:
                del self._records[name]
            else:
                self._records[name] = record
                self._sum += record.digest
        return {name: record.document if record else None for name, record in look.changed.items()}


@dataclass(frozen=True, slots=True)
class _Record:
    """What a name had to give when it was read; `young` when an unchanged signature does not mean the same content."""

    document: Document
    digest: int
    signature: Signature | None
    young: bool


@dataclass(slots=True)
class _Look:
    """What changed since the records; `unfinished` are the changes that may not be whole yet."""

    changed: dict[str, _Record | None] = field(default_factory=dict)
    unfinished: dict[str, Signature | None] = field(default_factory=dict)


def _read(name: str, place: Path) -> _Record | None:
    now = time.time()
    found = read_document(name, place)
    if found is None:
        return None
    document, signature = found
    return _make_record(document, signature, young=signature is not None and now - signature.modified / 1e9 < YOUNG_S)


def _make_record(document: Document, signature: Signature | None = None, *, young: bool = False) -> _Record:
    return _Record(document, digest_document(document), signature, young)


def _seems_unfinished(old: _Record | None, new: _Record) -> bool:
    """Guess whether someone is still writing: a whole file ends a line, and one cut short in place is being refilled.

    A guess too many costs a short wait; one too few, an error that the next look takes back. A file that was put in
    the old one's place by renaming is whole.
    """
    content = new.document.content
    if content is None or new.signature is None or not content.endswith(b"\n"):
        return True
    if old is None or old.signature is None or old.signature[:2] != new.signature[:2]:
        return False
    return len(content) < len(old.document.content or b"")


@asynccontextmanager
async def _open_hints(folders: Iterable[str]) -> AsyncIterator[AsyncIterator[set[FileChange]]]:
    """Watch folders from here on: each item has the paths that changed, or none when it is time to look anyway."""
    hints = awatch(
        *folders,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=NET_MS,
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=True,
    )
    # It begins to watch when it is first asked; what it is told meanwhile it keeps.
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
