"""A catalog in a file or a folder: read at once, then watched.

What the kernel tells is a hint where to look, never the truth: the truth is what is read then. A slow look at
everything is the net for changes that nobody tells of, as on network file systems.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from watchfiles import awatch
from watchfiles.main import FileChange

from xds.sources.document import Document
from xds.sources.layout import Layout, find_layout, is_document, is_visible
from xds.sources.regular import Signature, read_document, sign

STEP_MS = 20
"""How long the kernel must be quiet before a change is looked at: one save is several events."""

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


class Record(NamedTuple):
    """What a name had to give when it was last read; `young` when its signature cannot be relied on yet."""

    document: Document
    signature: Signature | None
    young: bool


@dataclass(slots=True)
class Look:
    """What changed, as far as it was looked at; `unfinished` are changes that may not be whole yet."""

    changed: dict[str, Record | None] = field(default_factory=dict)
    unfinished: dict[str, Signature | None] = field(default_factory=dict)


class FileSource:
    """Documents of one YAML file, or of all in a folder and the folders in it; hidden ones are no part of it.

    A path that does not exist, and a folder with nothing in it, is a document with a fault: it is a mistake in the
    path, or a moment in which the folder is replaced, and seldom the wish to have no services.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layout = Layout()
        self._records: dict[str, Record] = {}

    def read(self) -> dict[str, Document]:
        """Read every document there is now, by name."""
        self._take(self._look_everywhere())
        return {name: record.document for name, record in self._records.items()}

    async def watch(self) -> AsyncIterator[dict[str, Document | None]]:
        """Yield the documents that are not what they were when they were last read or yielded; None for deleted ones.

        Without end; nothing that happens after `read` is missed.
        """
        while True:
            try:
                async for changes in self._watch_layout():
                    if changes:
                        yield changes
            except OSError:
                await asyncio.sleep(RETRY_S)

    async def _watch_layout(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield changes until there are other folders to watch; those that nobody knows of yet, first."""
        folders = (await asyncio.to_thread(find_layout, self._path)).folders
        async with _open_hints(folders) as hints:
            yield await self._settle(None)
            async for paths in hints:
                if self._layout.folders != folders:
                    return
                names = self._name(paths) if paths else None
                if names is None or names:
                    yield await self._settle(names)
            

    def _name(self, paths: Iterable[str]) -> set[str] | None:
        """Name the documents that changed paths are about; None when it may be about any."""
        layout = self._layout
        names: set[str] = set()
        for path in paths:
            folder, _, last = path.rpartition("/")
            if path in layout.steps or path in layout.tree:
                return None
            if folder not in layout.tree or not is_visible(last):
                continue
            prefix = layout.tree[folder]
            there = Path(path)
            if prefix is None or there.is_symlink() or there.is_dir():
                return None
            if is_document(last):
                names.add(prefix + last)
        return names

    async def _settle(self, names: set[str] | None) -> dict[str, Document | None]:
        """Look again and again until what looks unfinished stays as it is; then take it."""
        loop = asyncio.get_running_loop()
        since = start = loop.time()
        look = await asyncio.to_thread(self._look, names)
        while look.unfinished and loop.time() < min(since + SETTLED_S, start + PATIENCE_S):
            await asyncio.sleep(STEP_MS / 1000)
            again = await asyncio.to_thread(self._look, names)
            if again.unfinished != look.unfinished:
                since = loop.time()
            look = again
        return self._take(look)

    def _look(self, names: set[str] | None) -> Look:
        return self._look_everywhere() if names is None else self._look_at(names)
