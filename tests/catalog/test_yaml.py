"""YAML: strict, by the core schema of YAML 1.2, and safe for any text."""

import json

import pytest

from tests.catalog.catalogs import find_problems
from xds.catalog.reading.places import find_place
from xds.catalog.reading.syntax import MAX_DEPTH
from xds.catalog.reading.yaml import MAX_PROBLEMS, parse_yaml
from xds.wording import show


def parse(text: str) -> object:
    """Read a text that has no mistakes."""
    tree = parse_yaml(text)
    assert tree.problems == ()
    return tree.value


def find_in(text: str) -> list[str]:
    """Return the mistakes of a text."""
    return [
        f"{problem.line}:{problem.column} {problem.path}: {problem.message}" for problem in parse_yaml(text).problems
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("5", 5),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("+1", 1),
        ("0", 0),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("0777", "0777"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("10.0.0.1:5000", "10.0.0.1:5000"),
        ("10s", "10s"),
        ("-", None),
        ('"5"', "5"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ('!!int "5"', 5),
        ("!!float 1", 1),
    ],
)
def test_yaml_values_follow_the_core_schema(written: str, meant: object) -> None:
    """Only true, false, null and numbers are not text. Quotes and tags override this."""
    if written == "-":
        assert parse("- a\n-\n") == ["a", None]
    else:
        assert parse(f"key: {written}\n") == {"key": meant}


@pytest.mark.parametrize(
    "key",
    [
        "5000",
        "1.10",
        "1.1",
        "0x1F",
        "0o17",
        "010",
        "1e3",
        ".5",
        "2.0",
        "1_000",
        "1:30",
        "on",
        "no",
        "true",
        "Null",
        "~",
        "2024-01-01",
        "+1",
        "-0",
    ],
)
def test_yaml_a_key_is_what_is_written(key: str) -> None:
    """`1.10` and `1.1` are two keys. No key is a number, true, false or null."""
    assert parse(f"{key}: a") == {key: "a"}
    assert parse(f"[{{{key}: a}}]") == [{key: "a"}]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1.10", 1.1),
        ("2.0", 2),
        ("1e3", 1000),
        (".5", 0.5),
        ("5.", 5),
        ("0x1F", 31),
        ("0o17", 15),
        ("+1", 1),
        ("-0", 0),
    ],
)
def test_yaml_a_number_knows_how_it_was_written(written: str, number: float) -> None:
    """It is the number that it is, and is shown as it was written."""
    value = parse(f"a: {written}")["a"]  # type: ignore[index]
    assert value == number
    assert show(value) == written
    assert json.loads(json.dumps(value)) == number


@pytest.mark.parametrize("written", ["0", "1", "-3", "1.5", "-0.25"])
def test_yaml_a_number_that_is_written_the_usual_way_is_a_plain_one(written: str) -> None:
    """Nothing more is kept of it."""
    assert type(parse(f"[{written}]")[0]) in (int, float)  # type: ignore[index]


def test_yaml_very_long_numbers_are_text() -> None:
    """A number with thousands of digits is read as text, without much work."""
    assert parse(f"a: {'9' * 100_000}") == {"a": "9" * 100_000}


def test_yaml_own_keys_win_over_merged_keys() -> None:
    """`<<` adds only keys that the mapping does not have. Of several merged mappings, the first wins."""
    text = """
x: &x {a: 1, b: 1}
y: &y {b: 2, c: 2}
z: {c: 3, <<: [*x, *y]}
"""
    assert parse(text)["z"] == {"a": 1, "b": 1, "c": 3}  # type: ignore[index]


def test_yaml_only_an_unquoted_merge_key_merges() -> None:
    """A quoted `<<` is a normal key."""
    assert parse('"<<": 1') == {"<<": 1}


def test_yaml_places_in_merged_mappings_are_those_of_the_anchor() -> None:
    """The place of a value from an alias or a merge is where it is written."""
    tree = parse_yaml("x: &x\n  a: 1\ny:\n  <<: *x\n")
    assert find_place(tree.place, ("y", "a")) == (2, 6, ("y", "a"))
    assert find_place(tree.place, ("y", "a"), key=True) == (2, 3, ("y", "a"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", '3:1 : "a" is given twice: first at line 1, column 1'),
        ("a: {b: 1, b: 2}", '1:11 a: "b" is given twice: first at line 1, column 5'),
        ("[&x ~, {*x : a}]", "1:9 [1]: a key must be text, found nothing: write a word before the colon"),
        ("!!int 5000: a", '1:1 : a key must be text, found 5000: write "5000" in quotes'),
        ("? [x]\n: a", "1:3 : a key must be text, found a list: write a word before the colon"),
        ("a: &x [*x]", "1:8 a[0]: the alias *x stands inside its own anchor: it would never end"),
        ("a: *x", "1:4 a: no anchor &x stands before this alias in this file"),
        (
            "a: !!python/object:os.system x",
            '1:4 a: the tag "!!python/object:os.system" has no meaning here: leave it out',
        ),
        ("a: !!set {b}", '1:4 a: the tag "!!set" has no meaning here: leave it out'),
        ("a: !!int x", '1:4 a: "x" is not what the tag !!int says'),
        ("<<: 5", "1:5 : `<<` takes a mapping, or a list of them, found 5"),
        ("<<: {a: 1}\n<<: {b: 1}", "2:1 : `<<` is given twice: write `<<: [*one, *other]`"),
        ("a: 1\n---\nb: 1", "2:1 : a catalog file holds one document: remove this `---`, or make it a file of its own"),
        ("a:\n\tb: 1", "2:1 : this line is indented with a tab: YAML wants spaces"),
        ("a:\n  \tb: 1", "2:3 : this line is indented with a tab: YAML wants spaces"),
        ("a:\n  b: 1\n\tc: 1", "3:1 : this line is indented with a tab: YAML wants spaces"),
        ("a: [1, 2\nb: 3", "1:4 : this list's `[` has no `]`: is one missing, or a comma before here?"),
        ("a: {b: 1\n", "1:4 : this mapping's `{` has no `}`: is one missing, or a comma before here?"),
        ('a: "b\n', "1:4 : these quotes are not closed"),
        ('a: "\\q"', '1:5 : this \\ escapes nothing: use single quotes, or write "\\\\"'),
        ("a: @b", "1:4 : a value cannot begin with `@`: quote it"),
        ("a:\n  - \tb: c", "2:5 : a value cannot begin with a tab"),
        ("a: b: c", "1:5 : a `:` cannot stand here: mend the indentation, or quote a value that holds `: `"),
        ("a: 1\n b: 2", "2:3 : a `:` cannot stand here: mend the indentation, or quote a value that holds `: `"),
        ("{a: 1}}", "1:7 : this `}` closes nothing: leave it out"),
        ("a: *", "1:5 : `*` and `&` begin an alias or anchor: quote this value"),
        ("- a\nb: 1", "2:1 : expected another `- ` item here: mend the indentation"),
        ("%FOO\n---\na: 1", "1:5 : a line that begins with % is a directive: quote it"),
    ],
)
def test_yaml_mistakes_are_reported_at_their_place(text: str, expected: str) -> None:
    """Each has one message of xds, with its line and column."""
    assert find_in(text) == [expected]


def test_yaml_deep_nesting_is_refused() -> None:
    """Reading a million brackets stops at the first that is too deep, or where libyaml stops, which reads ahead."""
    for brackets in (MAX_DEPTH + 1, 1_000_000):
        [problem] = parse_yaml("[" * brackets).problems
        assert (problem.line, problem.column) in ((1, MAX_DEPTH + 1), (1, 1001))
        assert problem.message == f"lists and mappings may be {MAX_DEPTH} levels deep at most"


def test_yaml_deep_nesting_by_aliases_is_refused() -> None:
    """The depth of an alias is that of its value."""
    text = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [[[[*a{i - 1}]]]]\n" for i in range(1, 100))
    assert find_in(text) == [f"17:15 a16[0][0][0][0]: lists and mappings may be {MAX_DEPTH} levels deep at most"]


def test_yaml_aliases_that_expand_to_too_many_values_are_refused() -> None:
    """Aliases of aliases count as all of their values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    [problem] = find_in("\n".join(lines))
    assert "the file holds more than 1000000 values, aliases expanded" in problem


def test_yaml_the_number_of_mistakes_is_limited() -> None:
    """Reading stops when there are more mistakes than anyone reads."""
    assert len(find_in("a: 1\n" * 10_000)) == MAX_PROBLEMS


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n...\n", "null\n"])
def test_yaml_an_empty_file_is_a_mistake(text: str) -> None:
    """Most likely the file was truncated."""
    assert find_problems(text) == ["1:1 error : is empty: write `services:`, `gateways:` or `mesh:`"]
