"""Watching a catalog where the kernel's events cannot be had, or all the time."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict
from watchfiles import awatch

from tests.sources.test_watch import Watched, watch
from xds.cli.demo.processes import await_until
from xds.sources.document import Document, digest_document
from xds.sources.files import settling as settling_module
from xds.sources.files import watch as watch_module
from xds.sources.files.layout import find_layout
from xds.sources.files.read import FileAttributes
from xds.sources.files.settling import Record, Settling

MISSING = "events of files are missing: the catalog is looked at every second until they come again"
AGAIN = "events of files come again"
LATIN_1 = os.fsdecode(b"caf\xe9")


class PanicError(BaseException):
    """What a fault in Rust is in Python: no Exception."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with one file."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "a.yaml").write_text("0\n")
    return folder


def find(logs: list[EventDict], event: str) -> list[EventDict]:
    """Return the lines of one kind."""
    return [line for line in logs if line["event"] == event]


@pytest.mark.parametrize("above", [False, True])
async def test_a_file_name_that_is_not_utf_8_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, above: bool
) -> None:
    """Anybody may write into a shared folder above the catalog. It is told once, and so is its end."""
    monkeypatch.setattr(watch_module, "HELD_S", 0.5)
    with capture_logs() as logs:
        async with watch(folder) as watched:
            await asyncio.sleep(0.1)
            for number in range(1, 4):
                ((folder.parent if above else folder) / f"{LATIN_1}{number}.txt").touch()
                (folder / "a.yaml").write_text(f"{number}\n")
                await watched.until({folder / "a.yaml": f"{number}\n"})
            await await_until(lambda: find(logs, AGAIN), 20)
            (folder / "a.yaml").write_text("last\n")
            await watched.until({folder / "a.yaml": "last\n"})
    assert len(find(logs, MISSING)) == 1
    assert find(logs, MISSING)[0]["reason"].startswith("the name of a file in or above the catalog is not UTF-8")


async def test_a_catalog_with_names_that_are_not_utf_8_is_followed(folder: Path) -> None:
    """Files and folders are read, and have a name that can be written anywhere. The folder cannot be watched."""
    (folder / LATIN_1).mkdir()
    (folder / LATIN_1 / f"{LATIN_1}.yaml").write_text("0\n")
    name = folder / "caf\\xe9" / "caf\\xe9.yaml"
    assert str(name) in find_layout(folder).files
    with capture_logs() as logs:
        async with watch(folder) as watched:
            for number in range(1, 3):
                (folder / LATIN_1 / f"{LATIN_1}.yaml").write_text(f"{number}\n")
                await watched.until({folder / "a.yaml": "0\n", name: f"{number}\n"})
            await await_until(lambda: find(logs, MISSING), 20)
    assert find(logs, MISSING)[0]["reason"] == f"the name of the folder {name.parent} is not UTF-8: rename it"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("OS file watch limit reached. about []"), "fs.inotify.max_user_watches"),
        (RuntimeError("Error creating recommended watcher: Too many open files"), "fs.inotify.max_user_instances"),
        (ExceptionGroup("unhandled errors", [ExceptionGroup("more", [RuntimeError("something")])]), "something"),
        (BaseExceptionGroup("unhandled errors", [PanicError("a panic")]), "a panic"),
        (None, "StopAsyncIteration"),
    ],
)
async def test_whatever_the_watcher_raises_the_catalog_is_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, reason: str
) -> None:
    """It is told once why, with the mend where it is known, and also when the events come again."""
    fails = True

    async def fail_or_watch(*paths: str, **options: Any) -> AsyncIterator[set[Any]]:
        if fails:
            await asyncio.sleep(0)
            if error is None:
                return
            raise error
        async for changes in awatch(*paths, **options):
            yield changes

    monkeypatch.setattr(watch_module, "awatch", fail_or_watch)
    monkeypatch.setattr(watch_module, "HELD_S", 0.2)
    with capture_logs() as logs:
        async with watch(folder) as watched:
            for number in range(1, 4):
                (folder / "a.yaml").write_text(f"{number}\n")
                await watched.until({folder / "a.yaml": f"{number}\n"})
            fails = False
            await await_until(lambda: find(logs, AGAIN), 20)
            (folder / "a.yaml").write_text("last\n")
            await watched.until({folder / "a.yaml": "last\n"})
    [told] = find(logs, MISSING)
    assert reason in told["reason"]


def is_read(watched: Watched, document: Document) -> bool:
    """Whether a document was read."""
    return watched.documents[document.name] == document


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Leave no descriptor for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_descriptor_is_left_while_a_link_switches(tmp_path: Path) -> None:
    """A mounted ConfigMap switches so. Nothing is deleted meanwhile, and what it leads to is read when there is one."""
    for number in range(3):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "a.yaml").write_text(f"{number}\n")
    (tmp_path / "catalog").symlink_to("..0")
    with capture_logs() as logs:
        async with watch(tmp_path / "catalog") as watched:
            await asyncio.sleep(0.2)
            with no_descriptors():
                for number in (1, 2):
                    (tmp_path / "..new").symlink_to(f"..{number}")
                    (tmp_path / "..new").rename(tmp_path / "catalog")
                    await asyncio.sleep(0.3)
                await await_until(lambda: find(logs, MISSING), 20)
            assert not any(document is None for change in watched.changes for document in change.values())
            await watched.until({tmp_path / "catalog" / "a.yaml": "2\n"})
    assert "ulimit -n" in find(logs, MISSING)[0]["reason"]


def make_record(content: bytes, *, writing: bool) -> Record:
    """Return a file's record."""
    document = Document("x.yaml", content)
    return Record(document, digest_document(document), FileAttributes(1, 1, 1, 1, 1), recent=False, writing=writing)


def test_a_file_that_changes_all_the_time_delays_no_other() -> None:
    """A file that is being written delays what changed with it for GROUP_S: they may belong together. Not this one."""
    settling, old = Settling(), make_record(b"old\n", writing=False)
    for number in range(10):
        now = number / 100
        settling.note("noisy", old, make_record(b"%d" % number, writing=True), now)
    settling.drop("noisy")
    settling.note("noisy", old, make_record(b"more", writing=True), 0.1)
    settling.note("good", old, make_record(b"new\n", writing=False), 0.1)
    assert [*settling.take(0.1)] == ["good"]
    quiet = Settling()
    quiet.note("slow", old, make_record(b"more", writing=True), 0.1)
    quiet.note("good", old, make_record(b"new\n", writing=False), 0.1)
    assert not quiet.take(0.1)
    assert [*quiet.take(0.1 + settling_module.GROUP_S)] == ["good"]


@pytest.mark.parametrize("rename", [False, True])
async def test_a_file_that_is_rewritten_all_the_time_holds_up_nothing(folder: Path, *, rename: bool) -> None:
    """Changes of others are taken while it goes on."""
    ending, name = asyncio.Event(), str(folder / "a.yaml")

    async def rewrite() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            target = folder / (".noisy" if rename else "noisy.yaml")
            target.write_text(f"{number}\n" * (1 + number % 9))
            if rename:
                target.rename(folder / "noisy.yaml")
            await asyncio.sleep(0.005)

    async with watch(folder) as watched:
        task = asyncio.create_task(rewrite())
        for number in range(1, 4):
            (folder / "a.yaml").write_text(f"{number}\n")
            await await_until(partial(is_read, watched, Document(name, b"%d\n" % number)), 20)
        ending.set()
        await task
