"""The last good catalog: a bad document holds up itself, and nothing else."""

import pytest

from tests.catalog.catalogs import make_document
from xds.catalog.assembly.workspace import LastGood, Outcome
from xds.errors import CatalogError, Severity


class Operator:
    """Edits files `a.yaml` and `b.yaml`, and looks at what is served."""

    def __init__(self, **files: str) -> None:
        self.last_good = LastGood()
        self.outcome = self.edit(**files)

    def edit(self, **files: str | None) -> Outcome:
        """Save some files, or delete them (None)."""
        documents = {
            f"{name}.yaml": None if text is None else make_document(text, f"{name}.yaml")
            for name, text in files.items()
        }
        self.outcome = self.last_good.update(documents)
        return self.outcome

    @property
    def services(self) -> dict[str, int]:
        """Each service that is served, with its `retries`, by which the tests tell versions apart."""
        return {name: service.retries.attempts or 0 for name, service in sorted(self.outcome.catalog.services.items())}

    @property
    def errors(self) -> int:
        """How many errors the files have as they are."""
        return sum(problem.severity is Severity.ERROR for problem in self.outcome.problems)


def test_at_the_start_nothing_is_the_last_good() -> None:
    """A catalog that was never good cannot be served."""
    with pytest.raises(CatalogError, match="retries"):
        Operator(a="services: {a: {retries: 99}}")


def test_a_bad_edit_changes_nothing() -> None:
    """And the next good one is taken."""
    operator = Operator(a="services: {a: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 99}}")
    assert (operator.services, operator.errors, operator.outcome.refused) == ({"a": 1}, 1, ("a.yaml",))
    operator.edit(a="services: {a: {retries: 2}}")
    assert (operator.services, operator.errors, operator.outcome.refused) == ({"a": 2}, 0, ())


def test_a_bad_file_holds_up_no_other() -> None:
    """Other teams' edits are taken while one team's file is bad, in the same moment and later."""
    operator = Operator(a="services: {a: {retries: 1}}", b="services: {b: {retries: 1}}")
    operator.edit(a="services: [", b="services: {b: {retries: 2}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 1, "b": 2}, ("a.yaml",))
    operator.edit(b="services: {b: {retries: 3}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 1, "b": 3}, ("a.yaml",))


def test_a_service_that_others_need_is_not_taken_away() -> None:
    """A file whose deletion breaks another is served as it was, until nobody needs it."""
    operator = Operator(a="services: {a: {upstreams: [b]}}", b="services: {b: {retries: 1, endpoints: ['b:1']}}")
    operator.edit(b=None)
    assert operator.services == {"a": 2, "b": 1}
    assert (operator.errors, operator.outcome.refused) == (1, ("b.yaml",))
    operator.edit(a="services: {a: {upstreams: []}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 2}, ())


def test_changes_that_only_work_together_are_taken_together() -> None:
    """A new caller comes first, what it calls a moment later."""
    operator = Operator(a="services: {a: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 3, upstreams: [b]}}")
    assert operator.services == {"a": 1}
    operator.edit(b="services: {b: {endpoints: ['b:1']}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 3, "b": 2}, ())


def test_of_several_changes_the_one_that_breaks_the_rest_waits() -> None:
    """Each good one of them is taken although they came in one moment."""
    operator = Operator(a="services: {a: {retries: 1}}", b="services: {b: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 2, upstreams: [nowhere]}}", b="services: {b: {retries: 2}}")
    assert (operator.services, operator.outcome.refused) == ({"a": 1, "b": 2}, ("a.yaml",))


def test_a_file_that_is_mended_by_taking_the_edit_back_is_no_longer_refused() -> None:
    """What is served is what the file says again."""
    operator = Operator(a="services: {a: {retries: 1}}")
    operator.edit(a="services: {a: {retries: 99}}")
    operator.edit(a="services: {a: {retries: 1}}")
    assert (operator.services, operator.errors, operator.outcome.refused) == ({"a": 1}, 0, ())
