"""The last good state on disk: what a server serves that starts with a bad or missing catalog."""

import os
import re
import time
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.cli.asking import run
from tests.server.editing import EDGE, Editing, editing, running, write
from tests.warm import start_control_plane
from xds.cli.demo.processes import await_until, free_port
from xds.errors import CatalogError
from xds.server import state
from xds.server.state import State, StateError, StateFile
from xds.sources.document import Document

SERVICES = [f"s{number}" for number in range(6)]
FILES = {**{name: write(name) for name in SERVICES}, "edge": EDGE}
ALL = sorted([*SERVICES, "edge"])


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """Return a folder with the state of a server that has stopped; its catalog is `catalog`."""
    folder = tmp_path / "data"
    async with editing(tmp_path / "catalog", FILES, data=folder):
        pass
    return folder


def spoil(path: Path, how: str) -> None:
    """Make the catalog bad."""
    if how == "mistake":
        (path / "s1.yaml").write_text("services: {s1: {retries: 99}}\n")
    elif how == "syntax":
        (path / "s1.yaml").write_text("services: [\n")
    elif how == "missing":
        path.rename(path.with_name("away"))
    else:
        for file in path.iterdir():
            file.unlink()


def is_stored(data: Path, text: bytes) -> bool:
    """Whether a state has a text in it."""
    return any(text in file.read_bytes() for file in data.glob("*.last-good"))


@pytest.mark.parametrize("how", ["mistake", "syntax", "missing", "empty"])
async def test_a_bad_catalog_at_the_start_is_served_from_disk(tmp_path: Path, data: Path, how: str) -> None:
    """It is told at level error with its age, and is no success, until the catalog is good."""
    folder = tmp_path / "catalog"
    kept = {path.name: path.read_text() for path in folder.iterdir()}
    spoil(folder, how)
    with capture_logs() as logs:
        async with running(folder, data=data) as control_plane:
            mesh = Editing(control_plane, folder)
            assert mesh.served == ALL
            status = await mesh.status()
            assert status["catalog"]["ok"] is False
            assert status["restored_from"] is not None
            code, printed, _ = await run("status", "--admin", mesh.address)
            assert code == 1
            assert re.search(r"the last good state from disk, \d+s old", printed)
            [age] = [line for line in await mesh.scrape() if line.startswith("xds_catalog_restored_age_seconds ")]
            assert float(age.split()[1]) >= 1
            folder.mkdir(exist_ok=True)
            for name, content in kept.items():
                (folder / name).write_text(content)
            (folder / "new.yaml").write_text(write("new"))
            status = await mesh.until(lambda status: status["catalog"]["ok"])
            assert status["restored_from"] is None
            assert mesh.served == sorted([*ALL, "new"])
            assert "xds_catalog_restored_age_seconds 0.0" in await mesh.scrape()
    [told] = [line for line in logs if "from disk is served" in line["event"]]
    assert told["log_level"] == "error"
    assert re.fullmatch(r"0:00:\d\d", told["age"])


async def test_a_good_catalog_at_the_start_is_served_as_it_is(tmp_path: Path, data: Path) -> None:
    """What was edited or deleted while no server ran counts."""
    folder = tmp_path / "catalog"
    (folder / "s1.yaml").unlink()
    (folder / "s2.yaml").write_text(write("other"))
    with capture_logs() as logs:
        async with running(folder, data=data) as control_plane:
            mesh = Editing(control_plane, folder)
            assert mesh.served == ["edge", "other", "s0", "s3", "s4", "s5"]
            assert (await mesh.status())["restored_from"] is None
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_a_removal_of_most_while_no_server_ran_is_held(tmp_path: Path, data: Path) -> None:
    """A restart confirms nothing."""
    folder = tmp_path / "catalog"
    for name in SERVICES[1:]:
        (folder / f"{name}.yaml").unlink()
    for _ in range(2):
        async with running(folder, data=data) as control_plane:
            mesh = Editing(control_plane, folder)
            assert mesh.served == ALL
            [held] = (await mesh.status())["held"]
            assert held["services"] == SERVICES[1:]
    async with running(folder, data=data) as control_plane:
        mesh = Editing(control_plane, folder)
        assert (await mesh.confirm())[0] == 200
        assert mesh.served == ["edge", "s0"]
    async with running(folder, data=data) as control_plane:
        mesh = Editing(control_plane, folder)
        assert (mesh.served, (await mesh.status())["catalog"]["ok"]) == (["edge", "s0"], True)


async def test_the_age_counts_from_when_all_was_good(tmp_path: Path, data: Path) -> None:
    """A server that itself started from disk makes the state no younger, also when it serves newer files."""
    folder = tmp_path / "catalog"
    spoil(folder, "mistake")
    seen = set()
    for number in range(2):
        async with running(folder, data=data) as control_plane:
            mesh = Editing(control_plane, folder)
            seen.add((await mesh.status())["restored_from"])
            mesh.save(s5=write("s5", weight=number + 2))
            text = f"weight: {number + 2}".encode()
            await await_until(partial(is_stored, data, text), 10)
    assert len(seen) == 1


async def test_the_files_of_the_state_are_private(tmp_path: Path, data: Path) -> None:
    """The folder is made with mode 0700, the file with 0600, and nothing else is left there."""
    [file] = data.iterdir()
    assert (data.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    StateFile(other, tmp_path / "catalog").write(State({}, 0.0))
    assert other.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("damage", ["junk", "empty", "cut", "changed", "another", "version", "folder", "mistakes"])
async def test_a_file_that_cannot_be_used_is_an_error_and_not_used(tmp_path: Path, data: Path, damage: str) -> None:
    """A good catalog is served nevertheless; a bad one is refused as if there were no state."""
    folder = tmp_path / "catalog"
    [file] = data.iterdir()
    content = file.read_bytes()
    if damage == "another":
        StateFile(data, tmp_path / "another").write(State({}, 0.0))
        (StateFile(data, tmp_path / "another").path).replace(file)
    elif damage == "folder":
        file.unlink()
        file.mkdir()
    elif damage == "mistakes":
        StateFile(data, folder).write(State({"x": Document("x", b"services: 5\n")}, 0.0))
    else:
        changed = {
            "junk": b"junk\n",
            "empty": b"",
            "cut": content[:-20],
            "changed": content.replace(b"5000", b"5001"),
            "version": content.replace(b"good 1 ", b"good 9 "),
        }
        file.write_bytes(changed[damage])
    with capture_logs() as logs:
        async with running(folder, data=data) as control_plane:
            assert Editing(control_plane, folder).served == ALL
    [told] = [line for line in logs if line["log_level"] == "error"]
    assert (told["event"], told["file"]) == ("the stored last good state is not used", str(file))
    if damage != "folder":
        file.write_bytes(b"junk\n")
    spoil(folder, "syntax")
    with pytest.raises(CatalogError):
        async with running(folder, data=data):
            pass


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Names are relative to the catalog's path, so that it may be written in another way. Bytes of any kind stay."""
    catalog = tmp_path / "catalog"
    documents = {
        f"{catalog}/{name}": Document(f"{catalog}/{name}", bytes(range(256))) for name in ("a", "b/c", "\udce9")
    }
    StateFile(tmp_path, catalog).write(State(documents, 5.0))
    assert StateFile(tmp_path, catalog).read() == State(documents, 5.0)
    near = Path(os.path.relpath(catalog))
    found = StateFile(tmp_path, near).read()
    assert found is not None
    assert [*found.documents] == [f"{near}/{name}" for name in ("a", "b/c", "\udce9")]
    assert StateFile(tmp_path, tmp_path / "none").read() is None
    one = {str(catalog): Document(str(catalog), b"x")}
    StateFile(tmp_path, catalog).write(State(one, 5.0))
    assert StateFile(tmp_path, catalog).read() == State(one, 5.0)


def test_a_file_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write into the folder must not decide what is served."""
    file = StateFile(tmp_path, tmp_path / "catalog")
    file.write(State({}, 5.0))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StateError, match="another user"):
        file.read()


async def test_the_age_counts_from_when_it_was_good_last(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the last edit: a good server notes it again and again, at the first mistake, and when it stops."""
    monkeypatch.setattr(state, "BETWEEN_S", 0.01)
    monkeypatch.setattr(state, "TOUCH_S", 0.01)
    folder, file = tmp_path / "catalog", StateFile(data, tmp_path / "catalog")

    def good_at() -> float:
        found = file.read()
        assert found is not None
        return found.good_at

    os.utime(file.path, (5, 5))
    started = good_at()
    async with running(folder, data=data) as control_plane:
        for _ in range(2):
            await await_until(partial(lambda before: good_at() > before, good_at()), 10)
        assert good_at() > started
        spoil(folder, "mistake")
        await Editing(control_plane, folder).until(lambda status: not status["catalog"]["ok"])
        broken = time.time()
    assert good_at() <= broken
    async with running(folder, data=data):
        pass
    assert started < good_at() <= broken


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a bug")])
async def test_a_state_that_cannot_be_stored_is_told_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The server goes on, and tries again until it can. The log says both once."""
    monkeypatch.setattr(state, "BETWEEN_S", 0.01)
    monkeypatch.setattr(state, "TOUCH_S", 0.01)
    write_state = StateFile.write
    failing = True

    def fail(file: StateFile, stored: State) -> None:
        if failing:
            raise error
        write_state(file, stored)

    monkeypatch.setattr(StateFile, "write", fail)
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", FILES, data=tmp_path / "data") as mesh:
            status = await mesh.until(lambda status: status["state_failure"])
            assert status["catalog"]["ok"] is True
            assert "xds_catalog_state_failed 1.0" in await mesh.scrape()
            code, printed, _ = await run("status", "--admin", mesh.address)
            reason = getattr(error, "strerror", None) or repr(error)
            assert (code, f"a restart would lose it: {reason}" in printed) == (0, True)
            mesh.save(s1=write("s1", weight=2))
            await mesh.until(lambda now: now["catalog"]["digest"] != status["catalog"]["digest"])
            failing = False
            await mesh.until(lambda status: status["state_failure"] is None)
            assert "xds_catalog_state_failed 0.0" in await mesh.scrape()
            assert is_stored(tmp_path / "data", b"weight: 2")
            for file in (tmp_path / "data").iterdir():
                file.unlink()
            await await_until(partial(is_stored, tmp_path / "data", b"weight: 2"), 10)
    told = [(line["log_level"], line["event"].partition(":")[0]) for line in logs if "last good state" in line["event"]]
    assert told == [
        ("warning", "the last good state cannot be stored"),
        ("info", "the last good state is stored again"),
    ]


async def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    """The server goes on."""
    (tmp_path / "data").write_text("a file")
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", FILES, data=tmp_path / "data" / "below") as mesh:
            mesh.save(s1=write("s1", weight=2))
            await mesh.until(lambda status: status["catalog"]["ok"])
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [line["reason"] for line in warnings if "cannot be stored" in line["event"]] == ["Not a directory"]


async def test_serve_stores_the_state_by_default_and_not_with_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default is in the user's state folder. A missing catalog without a state is wrong usage."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    catalog = tmp_path / "catalog.yaml"
    listen = ("--listen", f"127.0.0.1:{free_port()}", "--admin", "off")
    code, _, said = await run("serve", "--catalog", str(catalog), *listen)
    assert (code, f"Path '{catalog}' does not exist." in said) == (2, True)
    catalog.write_text(write("a"))
    data = tmp_path / "state" / "xds"
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off") as control_plane:
        await control_plane.ready()
    assert not data.exists()
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off", "--data", str(data)) as control_plane:
        await control_plane.ready()
        await await_until(lambda: [*data.iterdir()], 10)
    catalog.unlink()
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off", "--data", str(data)) as control_plane:
        await control_plane.ready()
    code, _, _ = await run("serve", "--catalog", str(catalog), *listen, "--no-data")
    assert code == 2
    code, _, said = await run("serve", "--catalog", str(catalog), "--data", str(data), "--no-data")
    assert (code, "cannot be used together" in said) == (2, True)
