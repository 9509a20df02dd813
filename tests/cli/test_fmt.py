"""`xds fmt`: what it changes, what it leaves, and which files it refuses."""

import json
import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.resources.golden import FOLDER
from tests.sampling import examples
from xds.catalog.reading.yaml import parse_yaml
from xds.cli import main
from xds.cli.fmt.formatting import WIDTH, FormatError, find_comments, format_text

UGLY = """\
# the shop
services:
    web:   { endpoints: ["10.0.0.1:80",   '10.0.0.2:80'],  balance:   random }
    # what others call
    api:
        endpoints:
        - {address: "10.0.0.4:5000", weight: 3}
        - "10.0.0.5:5000"

        subsets: {v1: {version: "1.10"}, v2: {version: 31}}
        timeouts: &times {request: 10s}
    b:
        timeouts: *times
        <<: {endpoints: ["a:1"]}
gateways:
    edge: {port: 8080, routes: [{to: web}]}
"""

NEAT = """\
# the shop
services:
  web: {endpoints: ["10.0.0.1:80", '10.0.0.2:80'], balance: random}
  # what others call
  api:
    endpoints:
      - {address: "10.0.0.4:5000", weight: 3}
      - "10.0.0.5:5000"

    subsets: {v1: {version: "1.10"}, v2: {version: 31}}
    timeouts: &times {request: 10s}
  b:
    timeouts: *times
    <<: {endpoints: ["a:1"]}
gateways:
  edge: {port: 8080, routes: [{to: web}]}
"""


def fmt(*arguments: str, given: str | None = None) -> tuple[int, str]:
    """Run the command, and return its exit code and output."""
    result = CliRunner().invoke(main, ["fmt", *arguments], input=given)
    return result.exit_code, result.output


def test_spaces_change_and_everything_else_stays() -> None:
    """Comments, blank lines, anchors, quotes and numbers stay as they are written."""
    assert format_text(UGLY) == NEAT
    assert format_text(NEAT) == NEAT


def test_what_does_not_fit_into_a_line_gets_a_line_for_each_item() -> None:
    """What fits keeps its brackets."""
    endpoints = [f"10.0.0.{number}:5000" for number in range(12)]
    text = f"services:\n  api: {{endpoints: {json.dumps(endpoints)}, balance: random}}\n"
    formatted = format_text(text)
    assert formatted.splitlines()[1:4] == ["  api:", "    endpoints:", '      - "10.0.0.0:5000"']
    assert max(map(len, formatted.splitlines())) <= WIDTH


def test_a_comment_stays_with_the_line_that_it_stood_at() -> None:
    """It is indented as the line after it; at the end of a list or mapping, as the line before it."""
    services = "services:\n    web:\n        upstreams: []\n    # api: {}\n# gateways\n"
    assert format_text(f"{services}gateways:\n    edge:\n    # e\n        port: 1\n") == (
        "services:\n  web:\n    upstreams: []\n  # api: {}\n# gateways\ngateways:\n  edge:\n  # e\n    port: 1\n"
    )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/catalog.yaml")), ids=lambda path: path.parent.name)
def test_every_golden_catalog_keeps_its_meaning_and_comments(path: Path) -> None:
    """A second formatting changes nothing."""
    text = path.read_text()
    formatted = format_text(text)
    assert parse_yaml(formatted).value == parse_yaml(text).value
    assert find_comments(formatted) == find_comments(text)
    assert format_text(formatted) == formatted


SCALARS = st.one_of(
    st.text(
        alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85\xa0"), max_size=20
    ),
    st.sampled_from(
        ["yes", "1.10", "0x1f", "null", "~", "a: b", "# c", "- d", "[e", "10.0.0.1:80", "é", "'", '"', "\\"]
    ),
    st.integers(-99, 99999),
    st.booleans(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abc-. 1:#é", min_size=1, max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@examples(500)
@given(
    value=st.dictionaries(st.sampled_from(["services", "x-a", "mesh"]), VALUES, min_size=1),
    flow=st.sampled_from([None, True, False]),
    indent=st.sampled_from([2, 4, 7]),
    width=st.sampled_from([30, 80, 1000]),
    comments=st.lists(st.integers(0, 40), max_size=4),
)
def test_any_yaml_keeps_its_meaning_and_comments(
    value: object, flow: bool | None, indent: int, width: int, comments: list[int]
) -> None:
    """Or the file is refused. A second formatting changes nothing."""
    lines = yaml.safe_dump(
        value, default_flow_style=flow, indent=indent, width=width, allow_unicode=True, sort_keys=False
    ).splitlines()
    for number, place in enumerate(comments):
        if place < len(lines) and not flow:
            lines.insert(place, f"  # comment {number}")
    text = "\n".join(lines) + "\n"
    tree = parse_yaml(text)
    if not tree.whole or tree.problems:
        return
    try:
        formatted = format_text(text)
    except FormatError:
        return
    assert parse_yaml(formatted).value == tree.value
    assert find_comments(formatted) == find_comments(text)
    assert format_text(formatted) == formatted


def test_files_are_replaced_as_a_whole_and_keep_their_mode(tmp_path: Path) -> None:
    """A link stays a link, and nothing else is left in the folder. A file in order is not touched."""
    real, linked, neat = tmp_path / "real.yaml", tmp_path / "linked.yaml", tmp_path / "neat.yaml"
    real.write_text(UGLY)
    real.chmod(0o640)
    linked.symlink_to(real.name)
    neat.write_text("services: {c: {upstreams: []}}\n")
    before = neat.stat().st_mtime_ns, neat.stat().st_ino
    code, printed = fmt(str(linked), str(neat))
    assert (code, printed) == (0, f"formatted {linked}\n1 file in order\n")
    assert real.read_text() == NEAT
    assert linked.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert (neat.stat().st_mtime_ns, neat.stat().st_ino) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["linked.yaml", "neat.yaml", "real.yaml"]


def test_check_changes_nothing_and_exits_with_1(tmp_path: Path) -> None:
    """For a pipeline. JSON has the same."""
    path = tmp_path / "catalog.yaml"
    path.write_text(UGLY)
    assert fmt("--check", str(tmp_path)) == (1, f"would format {path}\n0 files in order\n")
    code, printed = fmt("--check", str(tmp_path), "-o", "json")
    assert (code, json.loads(printed)) == (1, {"files": 1, "changed": [str(path)], "problems": []})
    assert path.read_text() == UGLY
    assert fmt(str(tmp_path))[0] == 0
    assert fmt("--check", "--catalog", str(tmp_path)) == (0, "1 file in order\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: {web: {blance: random}}\n", "did you mean `balance`?"),
        ("services: {web: [}\n", "catalog.yaml:1:"),
        (
            "services:\n  web: {endpoints: [\n    'a:1', # first\n    'b:2']}\n",
            "has a comment between brackets in line 3",
        ),
    ],
)
def test_a_file_that_cannot_be_formatted_is_left_as_it_is(tmp_path: Path, text: str, told: str) -> None:
    """Others of the same folder are formatted."""
    path, other = tmp_path / "catalog.yaml", tmp_path / "other.yaml"
    path.write_text(text)
    other.write_text("services:  {c: {upstreams: []}}\n")
    code, printed = fmt(str(tmp_path))
    assert code == 2
    assert told in printed
    assert path.read_text() == text
    assert other.read_text() == "services: {c: {upstreams: []}}\n"


def test_standard_input_is_formatted_to_standard_output() -> None:
    """As editors call a formatter."""
    assert fmt("-", given=UGLY) == (0, NEAT)
    assert fmt("--check", "-", given=UGLY) == (1, "")
    code, printed = fmt("-", given="services: {web: {blance: random}}\n")
    assert code == 2
    assert "did you mean `balance`?" in printed
