"""The workspace: documents as they change, and the catalog that they make at each moment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from xds.catalog.assembly import Assembly
from xds.catalog.catalog import Catalog, publish
from xds.catalog.fragment import Fragment, parse_fragment
from xds.errors import Problem
from xds.sources.document import Document

T = TypeVar("T")


class Workspace:
    """Takes changes of documents and gives catalogs; only what changed is parsed, and only what it concerns checked.

    After an error it holds the documents as they are now, so that any later change may mend them: in the same file
    or in another.
    """

    def __init__(self) -> None:
        self._assembly = Assembly()

    def update(self, changes: Mapping[str, Document | None]) -> Catalog:
        """Take in changed documents by name, None for one that is gone, and make the catalog of all.

        What equals its predecessor is the identical object in both catalogs. Raises CatalogError with every error of
        all documents and, after them, every warning.
        """
        self.take(changes)
        return publish(self._assembly)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems of the documents as they are, errors before warnings."""
        return self._assembly.problems

    def take(self, changes: Mapping[str, Document | None]) -> dict[str, Fragment | None]:
        """Take in changed documents, and give what they hold: only of those that really differ."""
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
