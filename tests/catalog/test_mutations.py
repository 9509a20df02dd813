"""A catalog whose tree is changed at random is valid or has problems with their places: it is never a fault of xds.

`test_fragment.py` changes the text; here the text is YAML, and its content is wrong: fields are left out or doubled,
values have other types, lists are long, mappings have odd keys, parts of one catalog are in another.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.catalog.test_fragment import GOOD, check
from tests.catalog.test_schema import CATALOGS, VALIDATOR
from tests.sampling import examples
from xds.catalog.reading.fragment import parse_fragment
from xds.catalog.reading.yaml import parse_yaml
from xds.cli.check import check as check_all
from xds.errors import Severity
from xds.sources.document import Document

TREES = [
    tree
    for text in [GOOD.decode(), *(path.read_text() for path in CATALOGS)]
    if isinstance(tree := parse_yaml(text).value, dict)
]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**64, 10**400, 1.5, 1e308, "", " ", "x", "*", "-", "%", "101%", "1s", "-1s", "0",
    "127.0.0.1:80", "a:b:c", "[::1]", "::", "off", "/", "é", "\u202e", "\x7f\x9b", "{a}", "(", "x" * 5000,
    [], [[]], [None], {}, {"": None}, {"a": {"b": {}}}, {"off": 1}, {"budget": {}}, {"x-a": "*"},
]  # fmt: skip
KEYS = ["", " ", "\u202e", "x" * 300, "to", "off", "<<", "*", "0", "null", "endpoints", "envoy", "port", "retries", "K"]
MANY = 1100
DEPTH = 40

Path = list[str | int]


def list_places(tree: Any, path: Path) -> list[Path]:
    """Return the ways to all values in a tree, but not to the tree itself."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    below = [[*path, step] for step, _ in inner]
    return [place for one in below for place in (one, *list_places(tree[one[-1]], one))]


def repeat(value: Any) -> Any:
    """Return a long list or mapping of a value, or of what is in it."""
    if isinstance(value, dict) and value:
        return {f"k{number}": next(iter(value.values())) for number in range(MANY)} | value
    return [value[0] if isinstance(value, list) and value else value] * MANY


def deepen(value: Any) -> Any:
    """Return a value deep inside lists and mappings."""
    for level in range(DEPTH):
        value = [value] if level % 2 else {"a": value}
    return value


CHANGES: list[Callable[[Any], Any]] = [
    repeat, deepen, lambda value: [value], lambda value: {"a": value}, lambda value: [value, value], str,
    lambda value: next(iter(value.values()), None) if isinstance(value, dict) else value,
    lambda value: value[0] if isinstance(value, list) and value else value,
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the tree of a golden catalog with some changes."""
    tree: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(TREES)))
    for _ in range(draw(st.integers(1, 4))):
        if not (places := list_places(tree, [])):
            break
        *above, step = draw(st.sampled_from(places))
        owner: Any = tree
        for one in above:
            owner = owner[one]
        match draw(st.sampled_from(["delete", "delete", "odd", "odd", "change", "key", "key", "move"])):
            case "delete":
                del owner[step]
            case "odd":
                owner[step] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "change":
                owner[step] = draw(st.sampled_from(CHANGES))(owner[step])
            case "key" if isinstance(owner, dict):
                owner[draw(st.sampled_from([*KEYS, *map(str, owner)]))] = owner[step]
            case _:
                other = draw(st.sampled_from(TREES))
                found: Any = other
                for one in draw(st.sampled_from(list_places(other, []))):
                    found = found[one]
                owner[step] = copy.deepcopy(found)
    return tree


def make_service(**fields: Any) -> dict[str, Any]:
    """Return the tree of a catalog with one service."""
    return {"services": {"a": {"endpoints": ["127.0.0.1:80"], **fields}}}


def test_a_long_mapping_is_told_by_its_length() -> None:
    """As a long list is."""
    tree = make_service(locality={"weights": {f"z{number}": 1 for number in range(MANY)}})
    [problem] = parse_fragment(Document("c.yaml", json.dumps(tree).encode())).problems
    assert problem.message == "has 1100 keys, where 1000 at most are taken"


@examples(2000)
@given(mutants())
@example(make_service(locality={"weights": {f"z{number}": 1 for number in range(MANY)}}))
@example({"gateways": {"edge": {"address": "127.0.0.1", "routes": [{"retries": {"budget": {}}}]}}})
def test_a_catalog_with_a_changed_tree_is_valid_or_has_problems(tree: dict[str, Any]) -> None:
    """Each problem has a place and can be printed. The schema can be asked of every tree, too."""
    document = Document("c.yaml", json.dumps(tree).encode())
    check(parse_fragment(document))
    report = check_all({"c.yaml": document}, oldest=(1, 36))
    for problem in report.problems:
        assert problem.source == "c.yaml"
        assert problem.line == 1
        assert problem.column >= 1
        assert problem.message
        assert str(problem).isprintable()
    assert (report.catalog is None) == bool(report.count(Severity.ERROR))
    list(VALIDATOR.iter_errors(tree))
