"""The last good catalog: what goes on being served while a document is bad.

A bad document holds up no other: its own last good state is served beside the newest of the rest, as long as
these agree with each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xds.catalog.assembly import Assembly
from xds.catalog.catalog import Catalog, publish
from xds.catalog.fragment import Fragment
from xds.catalog.workspace import Workspace
from xds.errors import CatalogError, Problem, Severity
from xds.sources.document import Document

Fragments = dict[str, Fragment | None]

MAX_SINGLES = 100
"""Up to how many changes are tried one by one, when they cannot be taken together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The catalog to serve; the problems of the documents as they are; and the names of those not served so."""

    catalog: Catalog
    problems: tuple[Problem, ...]
    refused: tuple[str, ...]


class LastGood:
    """Takes changes of documents and gives the catalog to serve, the last good one where a change is bad."""

    def __init__(self) -> None:
        self._workspace = Workspace()
        self._served = Assembly()
        self._refused: Fragments = {}
        self._started = False

    def update(self, changes: Mapping[str, Document | None]) -> Outcome:
        """Take in changed documents, None for one that is gone.

        Raises CatalogError as long as there never was a good catalog.
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
            self._take_what_is_good(newest)
        return Outcome(publish(self._served), self._workspace.problems, tuple(sorted(self._refused)))

    def _take_what_is_good(self, newest: Fragments) -> None:
        for candidate in self._candidates(newest):
            before = {name: self._served.get(name) for name in candidate}
            self._served.put(candidate)
            if self._served.problems and self._served.problems[0].severity is Severity.ERROR:
                self._served.put(before)
            else:
                self._refused = {name: fragment for name, fragment in self._refused.items() if name not in candidate}

    def _candidates(self, newest: Fragments) -> Iterator[Fragments]:
        """Give what may be taken: all changes whose own document is sound, else the newest ones, else each alone."""
        for names in (list(self._refused), list(newest), *([name] for name in list(self._refused)[:MAX_SINGLES])):
            waiting = {name: self._refused[name] for name in names if name in self._refused}
            sound = {name: fragment for name, fragment in waiting.items() if not (fragment and fragment.has_errors)}
            if sound:
                yield sound
