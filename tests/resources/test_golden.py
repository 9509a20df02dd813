"""Each catalog in `golden/` is translated to the files next to it."""

from pathlib import Path

import pytest

from tests.resources.golden import CATALOGS, translate


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parent.name)
def test_a_catalog_is_translated_as_its_golden_files_say(path: Path) -> None:
    """The translation equals the golden files.

    If you mean to change them, run `python -m tests.resources.golden` and read the diff.
    """
    for name, text in translate(path).items():
        assert text == (path.parent / name).read_text()


def test_there_are_catalogs() -> None:
    """There is something to compare. If someone moves the folder, this test fails."""
    assert len(CATALOGS) >= 8
