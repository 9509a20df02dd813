"""The last good catalog: a bad document blocks only its own changes."""

import pytest

from tests.catalog.catalogs import make_document
from xds.catalog.assembly.workspace import LastGood, Outcome
from xds.errors import CatalogError, Severity


class Operator:
    """Edits the files `a.yaml` and `b.yaml`, and looks at what is served."""

    def __init__(self, **files: str) -> None:
        self.last_good = LastGood()
        self.outcome = self.edit(**files)

    def edit(self, **files: str | None) -> Outcome:
        """Save some files, or delete those that are None."""
        documents = {
            f"{name}.yaml": None if text is None else make_document(text, f"{name}.yaml")
            for name, text in files.items()
        }
        self.outcome = self.last_good.update(documents)
        return self.outcome

    @property
    def services(self) -> dict[str, int]:
        """Return each served service with its `retries`, which identify the version in these tests."""
        return {name: service.retries.attempts or 0 for name, service in sorted(self.outcome.catalog.services.items())}

    @property
    def errors(self) -> int:
        """Return the number of errors in the files as they are now."""
        return sum(problem.severity is Severity.ERROR for problem in self.outcome.problems)


def test_a_catalog_that_was_never_good_is_not_served() -> None:
    """At the start there is no last good version."""
    with pytest.raises(CatalogError, match="retries"):
        Operator(a="services: {a: {retries: 99}}")


def test_a_bad_edit_changes_nothing_until_a_good_one() -> None:
    """Then the good edit is served."""
    operator = Operator(a="services: {a: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 99}}")
    assert (operator.services, operator.errors, operator.outcome.refused) == ({"a": 1}, 1, ("a.yaml",))
    operator.edit(a="services: {a: {retries: 2}}")
    assert (operator.services, operator.errors, operator.outcome.refused) == ({"a": 2}, 0, ())


def test_a_bad_file_does_not_block_the_others() -> None:
    """While one file is bad, edits of other files are served, at the same moment and later."""
    operator = Operator(a="services: {a: {retries: 1}}", b="services: {b: {retries: 1}}")
    operator.edit(a="services: [", b="services: {b: {retries: 2}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 1, "b": 2}, ("a.yaml",))
    operator.edit(b="services: {b: {retries: 3}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 1, "b": 3}, ("a.yaml",))


def test_a_file_that_others_refer_to_stays_until_they_no_longer_do() -> None:
    """If its deletion would break another file, the old version is served."""
    operator = Operator(a="services: {a: {upstreams: [b]}}", b="services: {b: {retries: 1, endpoints: ['b:1']}}")
    operator.edit(b=None)
    assert operator.services == {"a": 2, "b": 1}
    assert (operator.errors, operator.outcome.refused) == (1, ("b.yaml",))
    operator.edit(a="services: {a: {upstreams: []}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 2}, ())


def test_changes_that_need_each_other_are_accepted_together() -> None:
    """A new caller comes first, and the service that it calls a moment later."""
    operator = Operator(a="services: {a: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 3, upstreams: [b]}}")
    assert operator.services == {"a": 1}
    operator.edit(b="services: {b: {endpoints: ['b:1']}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 3, "b": 2}, ())


def test_of_several_changes_only_the_bad_one_is_refused() -> None:
    """The good ones are accepted, although all came at the same moment."""
    operator = Operator(a="services: {a: {retries: 1}}", b="services: {b: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 2, upstreams: [nowhere]}}", b="services: {b: {retries: 2}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 1, "b": 2}, ("a.yaml",))


def test_a_file_whose_bad_edit_is_undone_is_no_longer_refused() -> None:
    """Again, the served version is what the file says."""
    operator = Operator(a="services: {a: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 99}}")
    operator.edit(a="services: {a: {retries: 1}}")
    assert (operator.services, operator.errors, operator.outcome.refused) == ({"a": 1}, 0, ())
