"""Watching a catalog: every way in which people and programs change files."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from xds.sources.document import Document
from xds.sources.files import FileSource

DEADLINE_S = 8.0
"""Below the time after which a source looks at everything anyway: what is found before was told by the kernel."""


class Watched:
    """A source's documents, kept up to date by what it yields."""

    def __init__(self, source: FileSource) -> None:
        self.documents = source.read()
        self.changes: list[dict[str, Document | None]] = []
        self._source = source
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Take in changes until cancelled."""
        async with aclosing(self._source.watch()) as all_changes:
            async for changes in all_changes:
                async with self._changed:
                    self.changes.append(changes)
                    for name, document in changes.items():
                        if document is None:
                            del self.documents[name]
                        else:
                            assert self.documents.get(name) != document
                            self.documents[name] = document
                    self._changed.notify_all()

    async def until(self, wanted: dict[Path, str]) -> None:
        """Wait until the documents are these: contents, or faults."""

        def found() -> dict[str, str]:
            return {n: d.fault or (d.content or b"").decode() for n, d in self.documents.items()}

        names = {str(path): content for path, content in wanted.items()}
        async with self._changed:
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await self._changed.wait_for(lambda: found() == names)
            except TimeoutError:
                assert found() == names


@asynccontextmanager
async def watch(path: Path) -> AsyncIterator[Watched]:
    """Watch a source while the block runs; it begins after the first change that it is told of."""
    watched = Watched(FileSource(path))
    task = asyncio.create_task(watched.run())
    try:
        yield watched
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "a.yaml").write_text("first\n")
    return folder


async def test_save_in_place(folder: Path) -> None:
    """Cut to nothing and written again."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for text in ("second\n", "third\n", "fourth, which is longer\n", "5\n"):
            file.write_text(text)
            await watched.until({file: text})


async def test_save_with_the_same_size(folder: Path) -> None:
    """Faster than the clock of the file system ticks."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for number in range(10):
            file.write_text(f"{number}\n")
            await watched.until({file: f"{number}\n"})


async def test_save_by_renaming(folder: Path) -> None:
    """As sed, git and careful programs do; the other file may have any name."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for number, other in enumerate((".a.yaml.tmp", "4913", "a.yaml~")):
            (folder / other).write_text(f"{number}\n")
            (folder / other).rename(file)
            await watched.until({file: f"{number}\n"})


async def test_save_as_vim_does(folder: Path) -> None:
    """A swap file, the old file moved to a backup, a new one written, the backup removed: never a deletion."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for number in range(3):
            (folder / ".a.yaml.swp").write_text("swap")
            file.rename(folder / "a.yaml~")
            file.write_text(f"{number}\n")
            (folder / "a.yaml~").unlink()
            (folder / ".a.yaml.swp").unlink()
            await watched.until({file: f"{number}\n"})
        assert all(None not in changes.values() for changes in watched.changes)


async def test_save_without_a_change(folder: Path) -> None:
    """Changed means that the content differs."""
    async with watch(folder) as watched:
        (folder / "a.yaml").write_text("first\n")
        (folder / "a.yaml").touch()
        (folder / "b.yaml").write_text("x\n")
        await watched.until({folder / "a.yaml": "first\n", folder / "b.yaml": "x\n"})
        assert watched.changes == [{str(folder / "b.yaml"): Document(str(folder / "b.yaml"), b"x\n")}]


@pytest.mark.parametrize("half", ["", "services:\n  a: {bala", "services:\n"])
async def test_half_written_file(folder: Path, half: str) -> None:
    """A writer that takes its time is waited for: its half is never a document."""
    file = folder / "a.yaml"
    file.write_text("services:\n  old: {}\n")
    whole = "services:\n  a: {balance: random}\n"
    async with watch(folder) as watched:
        (folder / "b.yaml").write_text("x\n")
        await watched.until({file: "services:\n  old: {}\n", folder / "b.yaml": "x\n"})
        with file.open("w") as written:
            written.write(half)
            written.flush()
            asyncio.get_running_loop().call_later(0.06, lambda: None)
            await asyncio.to_thread(_wait_for_reads, file)
            written.write(whole[len(half) :])
        await watched.until({file: whole, folder / "b.yaml": "x\n"})
        assert len(watched.changes) == 2


async def test_added_and_deleted_files(folder: Path) -> None:
    """One by one, and again under the same name."""
    a, b = folder / "a.yaml", folder / "b.yml"
    async with watch(folder) as watched:
        b.write_text("b\n")
        await watched.until({a: "first\n", b: "b\n"})
        a.unlink()
        await watched.until({b: "b\n"})
        a.write_text("again\n")
        await watched.until({a: "again\n", b: "b\n"})
