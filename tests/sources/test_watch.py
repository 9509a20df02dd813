"""Watching a catalog: all the ways in which people and programs change files."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from xds.sources.document import Document, digest_document
from xds.sources.files import read
from xds.sources.files.layout import explain_skipped
from xds.sources.files.watch import FileSource

DEADLINE_S = 8.0
"""Less than the time after which a source reads everything anyway. Changes found earlier were reported by the kernel.
"""


class Watched:
    """A source's documents, updated by the changes that it yields."""

    def __init__(self, source: FileSource) -> None:
        self.documents = source.read()
        self.changes: list[dict[str, Document | None]] = []
        self._source = source
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Apply changes until cancelled."""
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
                    assert int(self._source.digest, 16) == sum(map(digest_document, self.documents.values())) % 2**256
                    self._changed.notify_all()

    async def until(self, wanted: dict[Path, str]) -> None:
        """Wait until the documents have these contents or faults."""

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
    """Watch a source while the block runs. The block begins after the first change that the source yields."""
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
    """Return a folder with one file."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "a.yaml").write_text("first\n")
    return folder


async def test_a_file_that_is_saved_in_place_is_read_again(folder: Path) -> None:
    """The writer truncates the file and writes it again."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for text in ("second\n", "third\n", "fourth, which is longer\n", "5\n"):
            file.write_text(text)
            await watched.until({file: text})


async def test_a_save_of_the_same_size_is_noticed(folder: Path) -> None:
    """It is noticed even if the file system's clock has not advanced."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for number in range(10):
            file.write_text(f"{number}\n")
            await watched.until({file: f"{number}\n"})


async def test_a_file_that_is_saved_by_renaming_is_read_again(folder: Path) -> None:
    """sed, git and other programs save in this way. The temporary file may have any name."""
    file = folder / "a.yaml"
    async with watch(folder) as watched:
        for number, other in enumerate((".a.yaml.tmp", "4913", "a.yaml~")):
            (folder / other).write_text(f"{number}\n")
            (folder / other).rename(file)
            await watched.until({file: f"{number}\n"})


async def test_a_save_by_vim_is_never_a_deletion(folder: Path) -> None:
    """Vim writes a swap file, moves the old file to a backup, writes a new file, and removes the backup."""
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


async def test_a_save_with_the_same_content_is_no_change(folder: Path) -> None:
    """Only a different content is a change."""
    async with watch(folder) as watched:
        (folder / "a.yaml").write_text("first\n")
        (folder / "a.yaml").touch()
        (folder / "b.yaml").write_text("x\n")
        await watched.until({folder / "a.yaml": "first\n", folder / "b.yaml": "x\n"})
        assert watched.changes == [{str(folder / "b.yaml"): Document(str(folder / "b.yaml"), b"x\n")}]


@pytest.mark.parametrize("half", ["", "services:\n  a: {bala", "services:\n"])
async def test_a_file_that_is_half_written_is_not_a_document(folder: Path, half: str) -> None:
    """The source waits for a slow writer."""
    file = folder / "a.yaml"
    file.write_text("services:\n  old: {}\n")
    whole = "services:\n  a: {balance: random}\n"
    async with watch(folder) as watched:
        (folder / "b.yaml").write_text("x\n")
        await watched.until({file: "services:\n  old: {}\n", folder / "b.yaml": "x\n"})
        with file.open("w") as written:
            written.write(half)
            written.flush()
            finished = asyncio.Event()
            asyncio.get_running_loop().call_later(0.06, finished.set)
            await finished.wait()
            written.write(whole[len(half) :])
        await watched.until({file: whole, folder / "b.yaml": "x\n"})
        assert len(watched.changes) == 2


async def test_added_and_deleted_files_are_noticed(folder: Path) -> None:
    """Files are added and deleted one by one, and again with the same name."""
    a, b = folder / "a.yaml", folder / "b.yml"
    async with watch(folder) as watched:
        b.write_text("b\n")
        await watched.until({a: "first\n", b: "b\n"})
        a.unlink()
        await watched.until({b: "b\n"})
        a.write_text("again\n")
        await watched.until({a: "again\n", b: "b\n"})


async def test_a_skipped_file_that_comes_and_goes_is_noticed(folder: Path) -> None:
    """Its warning goes with it."""
    a, b = folder / "a.yaml", folder / "b.json"
    async with watch(folder) as watched:
        b.write_text("{}\n")
        await watched.until({a: "first\n", b: explain_skipped(b.name) or ""})
        b.unlink()
        await watched.until({a: "first\n"})


async def test_added_moved_and_deleted_folders_are_noticed(folder: Path) -> None:
    """Files in a new folder are found, although the kernel does not report each of them."""
    a, x, y = folder / "a.yaml", folder / "team" / "x.yaml", folder / "crew" / "deep" / "y.yaml"
    async with watch(folder) as watched:
        x.parent.mkdir()
        x.write_text("x\n")
        await watched.until({a: "first\n", x: "x\n"})
        x.write_text("changed\n")
        await watched.until({a: "first\n", x: "changed\n"})
        x.parent.rename(folder / "crew")
        await watched.until({a: "first\n", folder / "crew" / "x.yaml": "changed\n"})
        y.parent.mkdir()
        y.write_text("y\n")
        await watched.until({a: "first\n", folder / "crew" / "x.yaml": "changed\n", y: "y\n"})
        y.unlink()
        y.parent.rmdir()
        (folder / "crew").rename(folder.parent / "elsewhere")
        await watched.until({a: "first\n"})


async def test_files_of_a_folder_that_is_moved_away_are_not_deleted(folder: Path) -> None:
    """The files cannot be seen for a while, but they may come back."""
    a, away = folder / "a.yaml", folder.parent / "away"
    async with watch(folder) as watched:
        folder.rename(away)
        await watched.until({a: "first\n", folder: "does not exist"})
        (away / "b.yaml").write_text("b\n")
        away.rename(folder)
        await watched.until({a: "first\n", folder / "b.yaml": "b\n"})
        a.write_text("second\n")
        await watched.until({a: "second\n", folder / "b.yaml": "b\n"})


async def test_a_replaced_folder_is_one_change(folder: Path) -> None:
    """A deployment may put another folder at the same path. The steps in between do not appear."""
    a, new = folder / "a.yaml", folder.parent / "new"
    new.mkdir()
    (new / "a.yaml").write_text("new\n")
    async with watch(folder) as watched:
        folder.rename(folder.parent / "old")
        new.rename(folder)
        await watched.until({a: "new\n"})
        a.write_text("newer\n")
        await watched.until({a: "newer\n"})


async def test_an_emptied_folder_is_a_fault(folder: Path) -> None:
    """An empty folder does not mean that the operator wants no services."""
    a = folder / "a.yaml"
    async with watch(folder) as watched:
        a.unlink()
        await watched.until({a: "first\n", folder: "has no .yaml or .yml file in it"})
        (folder / "b.yaml").write_text("b\n")
        await watched.until({folder / "b.yaml": "b\n"})


async def test_a_path_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    """The folders above it may be missing too."""
    path = tmp_path / "deep" / "down" / "c.yaml"
    async with watch(path) as watched:
        await watched.until({path: "does not exist"})
        path.parent.mkdir(parents=True)
        path.write_text("x\n")
        await watched.until({path: "x\n"})


async def test_a_single_file_is_watched_without_its_neighbours(folder: Path) -> None:
    """If it is deleted, that is a fault; the document is not forgotten."""
    a = folder / "a.yaml"
    async with watch(a) as watched:
        (folder / "b.yaml").write_text("b\n")
        a.write_text("second\n")
        await watched.until({a: "second\n"})
        (folder / "new").write_text("third\n")
        (folder / "new").rename(a)
        await watched.until({a: "third\n"})
        a.unlink()
        await watched.until({a: "does not exist"})
        a.write_text("fourth\n")
        await watched.until({a: "fourth\n"})


def publish_config_map(folder: Path, revision: str, files: dict[str, str]) -> None:
    """Publish a revision of a ConfigMap as Kubernetes does: the files are links through `..data`, and only `..data`
    changes.
    """
    (folder / f"..{revision}").mkdir(parents=True)
    for name, text in files.items():
        (folder / f"..{revision}" / name).write_text(text)
    (folder / "..data_tmp").symlink_to(f"..{revision}")
    (folder / "..data_tmp").rename(folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for link in folder.iterdir():
        if link.is_symlink() and not link.exists():
            link.unlink()


@pytest.mark.parametrize("linked", [False, True])
async def test_a_change_of_a_mounted_config_map_is_noticed(tmp_path: Path, *, linked: bool) -> None:
    """This holds for the folder, for one of its files, and for a link to it."""
    real = tmp_path / "volume"
    publish_config_map(real, "2024_1", {"a.yaml": "a1\n", "b.yaml": "b1\n"})
    folder = real
    if linked:
        (tmp_path / "etc").symlink_to("volume")
        folder = tmp_path / "etc"
    async with watch(folder) as whole, watch(folder / "a.yaml") as one:
        publish_config_map(real, "2024_2", {"a.yaml": "a2\n", "b.yaml": "b1\n", "c.yaml": "c2\n"})
        await whole.until({folder / "a.yaml": "a2\n", folder / "b.yaml": "b1\n", folder / "c.yaml": "c2\n"})
        await one.until({folder / "a.yaml": "a2\n"})
        publish_config_map(real, "2024_3", {"a.yaml": "a3\n"})
        await whole.until({folder / "a.yaml": "a3\n"})
        await one.until({folder / "a.yaml": "a3\n"})


async def test_a_link_to_a_folder_is_followed_when_it_changes(tmp_path: Path) -> None:
    """The link `current` is switched to another revision. From then on that revision is watched."""
    current = tmp_path / "current"
    for revision in ("1", "2"):
        (tmp_path / revision).mkdir()
        (tmp_path / revision / "a.yaml").write_text(f"{revision}\n")
    current.symlink_to("1")
    async with watch(current) as watched:
        (tmp_path / "tmp").symlink_to(tmp_path / "2")
        (tmp_path / "tmp").rename(current)
        await watched.until({current / "a.yaml": "2\n"})
        (tmp_path / "2" / "a.yaml").write_text("2, changed\n")
        await watched.until({current / "a.yaml": "2, changed\n"})
        (tmp_path / "1" / "a.yaml").write_text("1, changed\n")
        (tmp_path / "2" / "b.yaml").write_text("b\n")
        await watched.until({current / "a.yaml": "2, changed\n", current / "b.yaml": "b\n"})


async def test_a_link_to_a_file_is_followed_when_it_changes(tmp_path: Path) -> None:
    """The catalog's path may be a link to a file elsewhere. Both the link and the file are watched."""
    path = tmp_path / "c.yaml"
    for revision in ("1", "2"):
        (tmp_path / revision).mkdir()
        (tmp_path / revision / "real.yaml").write_text(f"{revision}\n")
    path.symlink_to("1/real.yaml")
    async with watch(path) as watched:
        (tmp_path / "1" / "real.yaml").write_text("1, changed\n")
        await watched.until({path: "1, changed\n"})
        (tmp_path / "tmp").symlink_to("2/real.yaml")
        (tmp_path / "tmp").rename(path)
        await watched.until({path: "2\n"})
        (tmp_path / "2" / "real.yaml").write_text("2, changed\n")
        await watched.until({path: "2, changed\n"})


async def test_a_change_between_read_and_watch_is_not_missed(folder: Path) -> None:
    """The source reads again after it has asked the kernel to report changes."""
    source = FileSource(folder)
    source.read()
    (folder / "a.yaml").write_text("third\n")  # the same size as before, and perhaps the same time stamp
    (folder / "b.yaml").write_text("b\n")
    async with aclosing(source.watch()) as all_changes, asyncio.timeout(DEADLINE_S):
        assert {os.path.relpath(name, folder) for name in await anext(all_changes)} == {"a.yaml", "b.yaml"}


async def test_a_folder_that_changes_all_the_time_is_read_too(folder: Path) -> None:
    """After the last change, the documents equal the files."""
    async with watch(folder) as watched:

        def churn() -> None:
            for number in range(200):
                file = folder / f"f{number % 5}.yaml"
                if number % 3:
                    file.write_text(f"{number}\n")
                else:
                    file.unlink(missing_ok=True)

        await asyncio.to_thread(churn)
        await watched.until({path: path.read_text() for path in folder.glob("*.yaml")})


SEVERAL = {f"s{number}.yaml": f"services: {{s{number}: {{}}}}\n" for number in range(5)}
LONG = "services:\n" + "".join(f"  s{number}: {{retries: 1}}\n" for number in range(40)) + "gateways:\n  edge: {}\n"


def fill(folder: Path, files: dict[str, str]) -> dict[Path, str]:
    """Write files, and return their contents by path."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return {folder / name: text for name, text in files.items()}


async def started(watched: Watched, folder: Path) -> dict[Path, str]:
    """Wait until the source watches: it has noticed a change."""
    wanted = fill(folder, {**SEVERAL, "last.yaml": "last\n"})
    await watched.until(wanted)
    return wanted


def rename_all(folder: Path) -> None:
    """Rename each file as people do who keep a copy."""
    for path in folder.glob("*.yaml"):
        path.rename(path.with_name(f"{path.name}.bak"))


def move_all(folder: Path) -> None:
    """Move each file away."""
    for path in folder.glob("*.yaml"):
        path.rename(folder.parent / path.name)


def delete_all(folder: Path) -> None:
    """Delete each file."""
    for path in folder.glob("*.yaml"):
        path.unlink()


def hide_folder(folder: Path) -> None:
    """Put an empty folder in the place of the whole folder, as an unmounted file system leaves it."""
    folder.rename(folder.parent / "hidden")
    folder.mkdir()


@pytest.mark.parametrize("empty", [rename_all, move_all, delete_all, hide_folder])
async def test_a_folder_that_is_emptied_deletes_nothing(tmp_path: Path, empty: Callable[[Path], None]) -> None:
    """It is a fault as soon as it is seen, and the documents stay."""
    folder = tmp_path / "catalog"
    fill(folder, SEVERAL)
    async with watch(folder) as watched:
        wanted = await started(watched, folder)
        empty(folder)
        await watched.until({**wanted, folder: "has no .yaml or .yml file in it"})
        assert all(None not in changes.values() for changes in watched.changes)
        fill(folder, {path.name: text for path, text in wanted.items()})
        await watched.until(wanted)
        assert [name for changes in watched.changes for name, one in changes.items() if one is None] == [str(folder)]


async def test_a_file_that_comes_back_soon_is_not_deleted(tmp_path: Path) -> None:
    """A checkout in two steps takes files away and brings them back."""
    folder = tmp_path / "catalog"
    async with watch(folder) as watched:
        wanted = await started(watched, folder)
        (folder / "s1.yaml").unlink()
        await asyncio.sleep(0.3)
        (folder / "s1.yaml").write_text(SEVERAL["s1.yaml"])
        (folder / "last.yaml").write_text("end\n")
        await watched.until({**wanted, folder / "last.yaml": "end\n"})
        (folder / "s2.yaml").unlink()
        del wanted[folder / "s2.yaml"]
        await watched.until({**wanted, folder / "last.yaml": "end\n"})
        gone = [name for changes in watched.changes for name, one in changes.items() if one is None and "yaml" in name]
        assert gone == [str(folder / "s2.yaml")]


async def test_a_link_to_a_folder_that_is_gone_deletes_nothing(tmp_path: Path) -> None:
    """The file system behind it is perhaps not mounted."""
    folder, team = tmp_path / "catalog", tmp_path / "team"
    fill(team, {"x.yaml": "x\n"})
    async with watch(folder) as watched:
        wanted = {**await started(watched, folder), folder / "team" / "x.yaml": "x\n"}
        (folder / "team").symlink_to(team)
        await watched.until(wanted)
        team.rename(tmp_path / "elsewhere")
        (folder / "last.yaml").write_text("end\n")
        wanted[folder / "last.yaml"] = "end\n"
        await watched.until({**wanted, folder / "team": "is a link to a folder that does not exist"})
        (tmp_path / "elsewhere").rename(team)
        await watched.until(wanted)


@pytest.mark.parametrize("piece", [100, 700])
async def test_a_file_that_is_written_slowly_is_taken_as_a_whole(tmp_path: Path, piece: int) -> None:
    """A part of it is a valid catalog, in which services are missing. Other files do not wait for it."""
    folder = tmp_path / "catalog"
    async with watch(folder) as watched:
        wanted = await started(watched, folder)
        slow = folder / "slow.yaml"
        slow.write_text(LONG)
        await watched.until({**wanted, slow: LONG})
        before = len(watched.changes)
        new = LONG.replace("retries: 1", "retries: 2")
        with slow.open("w") as file:
            for start in range(0, len(LONG), piece):
                file.write(new[start : start + piece])
                file.flush()
                await asyncio.sleep(2.6 * piece / len(LONG))
            (folder / "last.yaml").write_text("end\n")
            await watched.until({**wanted, folder / "last.yaml": "end\n", slow: LONG})
            assert watched._source.unfinished == (str(slow),)
            file.write("# done\n")
        await watched.until({**wanted, folder / "last.yaml": "end\n", slow: new + "# done\n"})
        assert [[*one] for one in watched.changes[before:]] == [[str(folder / "last.yaml")], [str(slow)]]
        assert not watched._source.unfinished


async def test_a_file_that_is_written_in_two_goes_waits_for_the_second(tmp_path: Path) -> None:
    """It was closed, but most of it is gone: something more may come."""
    folder = tmp_path / "catalog"
    async with watch(folder) as watched:
        wanted = await started(watched, folder)
        file = folder / "two.yaml"
        file.write_text(LONG)
        await watched.until({**wanted, file: LONG})
        before = len(watched.changes)
        file.write_text(LONG[: LONG.index("gateways")])
        await asyncio.sleep(0.5)
        with file.open("a") as more:
            more.write(LONG[LONG.index("gateways") :] + "# again\n")
        await watched.until({**wanted, file: LONG + "# again\n"})
        assert len(watched.changes) == before + 1
        file.write_text("services: {a: {}}\n")
        await watched.until({**wanted, file: "services: {a: {}}\n"})


async def test_where_writers_cannot_be_seen_a_shorter_file_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system has no leases, and another user's file gets none."""
    monkeypatch.setattr(read, "_is_open_for_writing", lambda _descriptor: None)
    folder = tmp_path / "catalog"
    async with watch(folder) as watched:
        wanted = await started(watched, folder)
        slow = folder / "slow.yaml"
        slow.write_text(LONG)
        await watched.until({**wanted, slow: LONG})
        with slow.open("w") as file:
            for start in range(0, len(LONG), 200):
                file.write(LONG[start : start + 200])
                file.flush()
                await asyncio.sleep(0.1)
            file.write("# done\n")
        await watched.until({**wanted, slow: LONG + "# done\n"})
        texts = [one.content for changes in watched.changes if (one := changes.get(str(slow)))]
        assert texts == [LONG.encode(), (LONG + "# done\n").encode()]


def touch(folder: Path) -> None:
    """Do what a person may do to confirm: save one file as it is."""
    (folder / "s1.yaml").touch()


def write_in_place(folder: Path) -> None:
    """The same by truncating and writing."""
    (folder / "s1.yaml").write_text(SEVERAL["s1.yaml"])


def write_by_renaming(folder: Path) -> None:
    """The same by renaming another file over it."""
    (folder / ".s1").write_text(SEVERAL["s1.yaml"])
    (folder / ".s1").rename(folder / "s1.yaml")


@pytest.mark.parametrize("save", [touch, write_in_place, write_by_renaming])
async def test_a_second_save_is_noticed_where_it_is_asked_for(tmp_path: Path, save: Callable[[Path], None]) -> None:
    """Otherwise a save with the same content is no change. A change of the mode is no save."""
    folder = tmp_path / "catalog"
    source = FileSource(folder)
    fill(folder, SEVERAL)
    source.read()
    name = str(folder / "s1.yaml")
    assert source.yield_again([name, "another"]) == {name}
    async with aclosing(source.watch()) as all_changes, asyncio.timeout(DEADLINE_S):
        (folder / "s1.yaml").chmod(0o600)
        (folder / "s2.yaml").write_text(SEVERAL["s2.yaml"])
        (folder / "s3.yaml").write_text("x\n")
        assert [*await anext(all_changes)] == [str(folder / "s3.yaml")]
        await asyncio.sleep(1.1)
        save(folder)
        assert await anext(all_changes) == {name: Document(name, SEVERAL["s1.yaml"].encode())}


def copy_all(folder: Path) -> None:
    """Write each file anew, in place, as `cp -r` does; one of them differs."""
    for path in sorted(folder.glob("*.yaml")):
        path.write_text("x\n" if path.name == "last.yaml" else path.read_text())


def touch_all(folder: Path) -> None:
    """Give each file a new time of modification; one of them differs."""
    for path in sorted(folder.glob("*.yaml"), reverse=True):
        path.touch()
    (folder / "last.yaml").write_text("x\n")


def replace_folder(folder: Path) -> None:
    """Put a new release in the place of the folder, with the same files but one."""
    new = folder.parent / "new"
    fill(new, {**SEVERAL, "last.yaml": "x\n"})
    folder.rename(folder.parent / "old")
    new.rename(folder)


def save_two_slowly(folder: Path) -> None:
    """A program that takes its time writes one file after the other."""
    (folder / "s1.yaml").write_text(SEVERAL["s1.yaml"])
    time.sleep(0.5)
    (folder / "last.yaml").write_text("x\n")


@pytest.mark.parametrize("release", [copy_all, touch_all, replace_folder, save_two_slowly])
async def test_a_release_of_all_files_is_no_second_save_of_one(tmp_path: Path, release: Callable[[Path], None]) -> None:
    """Whoever writes a file beside others has not looked at what is held of it."""
    folder = tmp_path / "catalog"
    source = FileSource(folder)
    fill(folder, {**SEVERAL, "last.yaml": "end\n"})
    source.read()
    source.yield_again([str(folder / "s1.yaml")])
    async with aclosing(source.watch()) as all_changes, asyncio.timeout(DEADLINE_S):
        waiting = asyncio.ensure_future(anext(all_changes))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(release, folder)
        assert [*await waiting] == [str(folder / "last.yaml")]
        await asyncio.sleep(1.1)
        (folder / "last.yaml").write_text("end\n")
        assert [*await anext(all_changes)] == [str(folder / "last.yaml")]


@pytest.mark.parametrize("linked", [True, False])
async def test_a_switched_link_is_no_second_save(tmp_path: Path, *, linked: bool) -> None:
    """A ConfigMap switches one link for all files, and a release a link to its folder. A touch behind it is none."""
    for number in (1, 2, 3):
        fill(tmp_path / f"..{number}", {**SEVERAL, "last.yaml": f"{number}\n"})
    folder, data = tmp_path / "catalog", tmp_path / ("..data" if linked else "catalog")
    data.symlink_to("..1")
    if linked:
        folder.mkdir()
        for name in (*SEVERAL, "last.yaml"):
            (folder / name).symlink_to(f"../..data/{name}")
    source = FileSource(folder)
    source.read()
    name = str(folder / "s1.yaml")
    assert source.yield_again([name]) == (set() if linked else {name})
    async with aclosing(source.watch()) as all_changes, asyncio.timeout(DEADLINE_S):
        for number in (2, 3):
            waiting = asyncio.ensure_future(anext(all_changes))
            await asyncio.sleep(1.1)
            if linked:
                (tmp_path / f"..{number - 1}" / "s1.yaml").touch()
                await asyncio.sleep(1.5)
            (tmp_path / ".new").symlink_to(f"..{number}")
            (tmp_path / ".new").rename(data)
            assert [*await waiting] == [str(folder / "last.yaml")]


async def test_what_an_earlier_process_served_stays_while_nothing_can_be_seen(tmp_path: Path) -> None:
    """Once there is a file, the others are deleted."""
    folder = tmp_path / "catalog"
    last = {f"{folder}/{name}": Document(f"{folder}/{name}", text.encode()) for name, text in SEVERAL.items()}
    found = FileSource(folder).read(last)
    assert found == {**last, str(folder): Document(str(folder), fault="does not exist")}
    fill(folder, {"s1.yaml": "x\n"})
    assert FileSource(folder).read(last) == {f"{folder}/s1.yaml": Document(f"{folder}/s1.yaml", b"x\n")}


async def test_a_start_waits_for_a_writer(folder: Path) -> None:
    """It reads the whole file, or what there is when the time is over."""
    source, file = FileSource(folder), folder / "a.yaml"
    with file.open("w") as written:
        written.write("services:\n")
        written.flush()
        source.await_writers(0.05)
        waiting = asyncio.create_task(asyncio.to_thread(source.await_writers, 60))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        written.write("  a: {}\n")
    await waiting
    assert source.read() == {str(file): Document(str(file), b"services:\n  a: {}\n")}
