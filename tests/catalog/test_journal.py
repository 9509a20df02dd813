"""The journal: what differs between two catalogs of one assembly is among what was put between them."""

from itertools import pairwise

import pytest

from tests.catalog.catalogs import build, make_document
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import MAX_ENTRIES, Catalog, Mark, Subject, diff_catalogs

A, B, C = ("services", "a"), ("services", "b"), ("gateways", "c")


def test_between_two_moments_stands_what_was_put_between_them() -> None:
    """Whichever of them came first."""
    start: Mark[Subject] = Mark()
    first = start.add({A})
    last = first.add({B}).add({C, B})
    assert last.find_since(first) == first.find_since(last) == frozenset({B, C})
    assert last.find_since(start) == frozenset({A, B, C})
    assert last.find_since(last) == frozenset()


def test_of_moments_of_different_journals_nothing_is_known() -> None:
    """Then everything is to be compared."""
    assert Mark([A], 1).find_since(Mark([A], 1)) is None


def test_a_moment_that_is_not_the_newest_is_continued_in_another_journal() -> None:
    """What others have read of a journal stays as it is."""
    first = Mark([A], 1)
    last = first.add({B})
    other = first.add({C})
    assert last.find_since(first) == frozenset({B})
    assert other.find_since(first) is None
    assert other.add({A}).find_since(other) == frozenset({A})


def test_a_journal_has_an_end() -> None:
    """A server that runs for years does not remember every change; it compares all once in a while."""
    mark: Mark[Subject] = Mark()
    mark = mark.add({("services", str(number)) for number in range(MAX_ENTRIES + 1)})
    fresh = mark.add({A})
    assert fresh.find_since(mark) is None
    assert len(fresh.entries) == 1


def test_catalogs_of_one_workspace_and_of_different_ones_differ_in_the_same() -> None:
    """What the journal names is compared too: a change that was taken back is none."""
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
def test_an_edit_that_says_the_same_changes_nothing(text: str) -> None:
    """Neither the whole file again nor another comment in it."""
    workspace = Workspace()
    old = workspace.update({"c.yaml": make_document("services: {a: {}}")})
    assert not any(diff_catalogs(old, workspace.update({"c.yaml": make_document(text)})))


def test_catalogs_that_say_the_same_are_equal() -> None:
    """However they came about."""
    assert build("services: {a: {}}") == Catalog(build("services: {a: {}}").services, {})
