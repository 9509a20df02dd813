"""The journal: it names everything that may differ between two catalogs of one assembly."""

from itertools import pairwise

import pytest

from tests.catalog.catalogs import build, make_document
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import MAX_ENTRIES, Catalog, Mark, Subject, diff_catalogs

A, B, C = ("services", "a"), ("services", "b"), ("gateways", "c")


def test_two_marks_differ_in_what_was_added_between_them() -> None:
    """The order of the two marks makes no difference."""
    start: Mark[Subject] = Mark()
    first = start.add({A})
    last = first.add({B}).add({C, B})
    assert last.find_since(first) == first.find_since(last) == frozenset({B, C})
    assert last.find_since(start) == frozenset({A, B, C})
    assert last.find_since(last) == frozenset()


def test_marks_of_different_journals_cannot_be_compared() -> None:
    """The result is None: the caller then compares everything."""
    assert Mark([A], 1).find_since(Mark([A], 1)) is None


def test_adding_to_an_older_mark_starts_another_journal() -> None:
    """The entries that other marks have read do not change."""
    first = Mark([A], 1)
    last = first.add({B})
    other = first.add({C})
    assert last.find_since(first) == frozenset({B})
    assert other.find_since(first) is None
    assert other.add({A}).find_since(other) == frozenset({A})


def test_a_journal_has_a_limited_length() -> None:
    """A server that runs for years does not remember every change. Once in a while, it compares everything."""
    mark: Mark[Subject] = Mark()
    mark = mark.add({("services", str(number)) for number in range(MAX_ENTRIES + 1)})
    fresh = mark.add({A})
    assert fresh.find_since(mark) is None
    assert len(fresh.entries) == 1


def test_differences_are_the_same_with_and_without_a_common_journal() -> None:
    """What the journal names is compared too, so a change that is undone is no difference."""
    texts = [
        "services: {a: {}, b: {endpoints: [b:1]}, c: {}}",
        "services: {a: {retries: 1}, b: {endpoints: [b:1]}, c: {}}",
        "services: {a: {}, b: {endpoints: [b:1]}}\ngateways: {g: {port: 1, routes: [{to: b}]}}",
    ]
    workspace = Workspace()
    catalogs = [workspace.update({"c.yaml": make_document(text)}) for text in texts]
    found = [tuple(map(set, diff_catalogs(old, new))) for old, new in pairwise(catalogs)]
    assert found == [({"a"}, set()), ({"a", "c"}, {"g"})]
    for old, old_text in zip(catalogs, texts, strict=True):
        for new, new_text in zip(catalogs, texts, strict=True):
            assert diff_catalogs(old, new) == diff_catalogs(build(old_text), build(new_text))


@pytest.mark.parametrize("text", ["services: {a: {}}", "services: {a: {}}  # as before"])
def test_an_edit_without_a_new_meaning_changes_nothing(text: str) -> None:
    """The same file again is no change, and neither is another comment."""
    workspace = Workspace()
    old = workspace.update({"c.yaml": make_document("services: {a: {}}")})
    assert not any(diff_catalogs(old, workspace.update({"c.yaml": make_document(text)})))


def test_catalogs_with_the_same_content_are_equal() -> None:
    """How they were built makes no difference."""
    assert build("services: {a: {}}") == Catalog(build("services: {a: {}}").services, {})
