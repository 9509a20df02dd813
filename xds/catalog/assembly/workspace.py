"""The workspace: the current documents, the catalog that is built from them, and the last good catalog.

A document with errors does not delay changes of other documents. Its last good version is served, together with the
newest versions of the others, as long as these fit together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from xds.catalog.assembly.assembly import Assembly, publish
from xds.catalog.catalog import Catalog
from xds.catalog.reading.fragment import Fragment, parse_fragment
from xds.catalog.text.envoy_version import Version
from xds.errors import CatalogError, Problem, Severity
from xds.sources.document import Document

T = TypeVar("T")


class Workspace:
    """Takes changes of documents and returns catalogs. It parses only what changed, and checks only what that concerns.

    After an error it keeps the current documents, so that a later change in any file may correct the error.
    `has_all_endpoints` and `oldest` are those of an `Assembly`.
    """

    def __init__(self, *, has_all_endpoints: bool = True, oldest: Version | None = None) -> None:
        self._assembly = Assembly(has_all_endpoints=has_all_endpoints, oldest=oldest)

    def update(self, changes: Mapping[str, Document | None]) -> Catalog:
        """Apply changed documents by name, None for a removed one, and return the catalog of all documents.

        A service or gateway that did not change is the identical object in both catalogs. Raises CatalogError with
        every error of all documents and, after them, every warning.
        """
        self.take(changes)
        return publish(self._assembly)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems of the current documents, errors before warnings."""
        return self._assembly.problems

    def take(self, changes: Mapping[str, Document | None]) -> dict[str, Fragment | None]:
        """Apply changed documents, and return the fragments of those that really differ."""
        fragments: dict[str, Fragment | None] = {}
        for name, document in changes.items():
            old = self._assembly.get(name)
            if document is None:
                fragments[name] = None
            elif old is None:
                fragments[name] = parse_fragment(document)
            elif document != old.document:
                fragments[name] = _reuse(old, parse_fragment(document))
        self._assembly.put(fragments)
        return fragments


def _reuse(old: Fragment, new: Fragment) -> Fragment:
    services, gateways = _reuse_equal(old.services, new.services), _reuse_equal(old.gateways, new.gateways)
    return replace(new, services=services, gateways=gateways)


def _reuse_equal(old: Mapping[str, T], new: Mapping[str, T]) -> dict[str, T]:
    return {name: was if (was := old.get(name)) == value and was is not None else value for name, value in new.items()}


Fragments = dict[str, Fragment | None]

MAX_SINGLES = 100
"""How many changes are tried one by one, at most, when they cannot be applied together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The catalog to serve, the problems of the current documents, and the names of the documents that are not served.

    `refused` has the names of documents whose current version is not in the catalog.
    """

    catalog: Catalog
    problems: tuple[Problem, ...]
    refused: tuple[str, ...]


class LastGood:
    """Takes changes of documents and returns the catalog to serve: the last good one where a change has errors.

    `has_all_endpoints` is that of an `Assembly`.
    """

    def __init__(self, *, has_all_endpoints: bool = True) -> None:
        self._workspace = Workspace(has_all_endpoints=has_all_endpoints)
        self._served = Assembly(has_all_endpoints=has_all_endpoints)
        self._refused: Fragments = {}
        self._started = False

    def update(self, changes: Mapping[str, Document | None]) -> Outcome:
        """Apply changed documents, None for a removed one, and return what to serve.

        Raises CatalogError if there are errors and there has been no good catalog yet.
        """
        newest = self._workspace.take(changes)
        self._refused.update(newest)
        if not any(problem.severity is Severity.ERROR for problem in self._workspace.problems[:1]):
            self._served.put(self._refused)
            self._refused = {}
            self._started = True
        elif not self._started:
            raise CatalogError(self._workspace.problems)
        else:
            self._take_valid(newest)
        return Outcome(publish(self._served), self._workspace.problems, tuple(sorted(self._refused)))

    @property
    def served(self) -> dict[str, Document]:
        """The documents that are served, by name."""
        return {name: fragment.document for name, fragment in self._served.fragments.items()}

    def _take_valid(self, newest: Fragments) -> None:
        for candidate in self._candidates(newest):
            before = {name: self._served.get(name) for name in candidate}
            self._served.put(candidate)
            if self._served.problems and self._served.problems[0].severity is Severity.ERROR:
                self._served.put(before)
            else:
                self._refused = {name: fragment for name, fragment in self._refused.items() if name not in candidate}

    def _candidates(self, newest: Fragments) -> Iterator[Fragments]:
        """Yield the changes to try: all whose own document has no errors, then the newest of these, then each alone."""
        for names in (list(self._refused), list(newest), *([name] for name in list(self._refused)[:MAX_SINGLES])):
            waiting = {name: self._refused[name] for name in names if name in self._refused}
            valid = {name: fragment for name, fragment in waiting.items() if not (fragment and fragment.has_errors)}
            if valid:
                yield valid
