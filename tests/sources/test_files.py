"""Reading a catalog: one file, or a folder of files that may contain other things too."""

import os
from pathlib import Path

import pytest

from xds.catalog.assembly.workspace import Workspace
from xds.errors import Severity
from xds.sources.document import Document
from xds.sources.files.read import MAX_BYTES
from xds.sources.files.watch import FileSource


def read(path: Path) -> dict[str, bytes | str | None]:
    """Read a source. Return each name, relative to the path, with its content or its fault."""
    documents = FileSource(path).read()
    for name, document in documents.items():
        assert document.name == name
        assert (document.content is None) != (document.fault is None)
    return {os.path.relpath(name, path): document.content or document.fault for name, document in documents.items()}


def test_a_file_is_one_document_whatever_its_name(tmp_path: Path) -> None:
    """The name needs no ending such as `.yaml`."""
    (tmp_path / "catalog").write_bytes(b"services: {}\n")
    path = tmp_path / "catalog"
    assert FileSource(path).read() == {str(path): Document(str(path), b"services: {}\n")}


def test_the_yaml_files_of_a_folder_are_documents(tmp_path: Path) -> None:
    """This includes files in folders below it, but not hidden files."""
    for name in ("a.yaml", "b.yml", "team/c.yaml", "team/deep/d.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in (".a.yaml.swp", ".hidden.yaml", ".git/x.yaml", "..data/a.yaml", "README.md", "a.yaml~", "#a.yaml#"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("no document")
    assert read(tmp_path) == {name: name.encode() for name in ("a.yaml", "b.yml", "team/c.yaml", "team/deep/d.yml")}


def test_a_file_that_looks_like_a_document_is_skipped_with_a_warning(tmp_path: Path) -> None:
    """Its name ends in capitals, or in .json. It is no part of the catalog, nor of its digest."""
    (tmp_path / "a.yaml").write_text("services: {}\n")
    source = FileSource(tmp_path)
    source.read()
    digest = source.digest
    (tmp_path / "team").mkdir()
    for name in ("B.YAML", "c.Yml", "team/d.json", "xds.schema.json", ".e.json", "README.md", "f.yaml.bak"):
        (tmp_path / name).write_text("{}")
    skipped = {name.removeprefix(f"{tmp_path}/"): one.fault for name, one in source.read().items() if one.skipped}
    capitals = "is not read: the end of its name is .yaml or .yml in small letters, rename it"
    json = "is not read: JSON is YAML too, rename it to .yaml, or move it out of the catalog's folder"
    assert skipped == {"B.YAML": capitals, "c.Yml": capitals, "team/d.json": json}
    assert source.digest == digest
    catalog = Workspace()
    assert catalog.update(source.read()).services == {}
    assert {problem.severity for problem in catalog.problems} == {Severity.WARNING}


def test_a_folder_of_skipped_files_alone_is_a_fault(tmp_path: Path) -> None:
    """There is nothing in it that is read."""
    (tmp_path / "a.json").write_text("{}")
    assert [one.skipped for one in FileSource(tmp_path).read().values()] == [False, True]


def test_a_relative_path_gives_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are written as the operator writes the path."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "a.yaml").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert list(FileSource(Path("catalog")).read()) == ["catalog/a.yaml"]
    assert list(FileSource(Path("catalog/a.yaml")).read()) == ["catalog/a.yaml"]
    monkeypatch.chdir(tmp_path / "catalog")
    assert list(FileSource(Path()).read()) == ["a.yaml"]


def test_a_missing_path_is_a_document_with_a_fault(tmp_path: Path) -> None:
    """A path that does not exist is reported as a fault."""
    assert read(tmp_path / "no") == {".": "does not exist"}


def test_an_empty_folder_is_a_document_with_a_fault(tmp_path: Path) -> None:
    """Most likely, the operator named the wrong folder."""
    (tmp_path / "README.md").write_text("x")
    assert read(tmp_path) == {".": "has no .yaml or .yml file in it"}


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A pipe would block the reader."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "null.yaml").symlink_to("/dev/null")
    (tmp_path / "broken.yaml").symlink_to("nowhere")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    found = read(tmp_path)
    assert found["folder.yaml"] == "is a folder, not a regular file"
    assert found["pipe.yaml"] == "is a named pipe, not a regular file"
    assert found["null.yaml"] == "is a device, not a regular file"
    assert found["broken.yaml"] == "is a link to a file that does not exist"
    assert str(found["loop.yaml"]).startswith("cannot be read: ")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """Its size is enough to refuse it."""
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with (tmp_path / "b.yaml").open("wb") as file:
        file.truncate(MAX_BYTES)
    found = read(tmp_path)
    assert found["a.yaml"] == "is 200.0 MiB, more than 16 MiB: split it"
    assert isinstance(found["b.yaml"], bytes)


def test_an_unreadable_file_is_reported_with_the_systems_reason(tmp_path: Path) -> None:
    """The fault has the message of the operating system."""
    (tmp_path / "a.yaml").write_text("x")
    (tmp_path / "a.yaml").chmod(0)
    if os.access(tmp_path / "a.yaml", os.R_OK):
        pytest.skip("this user may read everything")
    assert read(tmp_path) == {"a.yaml": "cannot be read: Permission denied"}


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    """A folder that contains a link to itself does not cause a loop."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.yaml").write_text("x")
    (tmp_path / "a" / "again").symlink_to("..")
    (tmp_path / "b").symlink_to("a")
    assert read(tmp_path) == {"a/x.yaml": b"x", "b/x.yaml": b"x"}
