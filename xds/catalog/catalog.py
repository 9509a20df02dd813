"""The catalog as it is served: every service and gateway, from all files, without an error.

`Mark` is a moment in the journal of what was put into an assembly, in order. Two catalogs of one assembly differ at
most in what was put between them, so a change among thousands of services is found without comparing all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from xds.catalog.model.gateway import Gateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Service
from xds.errors import Problem

T = TypeVar("T")
E = TypeVar("E")

Subject = tuple[str, str]
"""Which service, gateway or field of the mesh: `("services", name)`, `("gateways", name)` or `("mesh", field)`."""


@dataclass(frozen=True, slots=True)
class Mark(Generic[E]):
    """A moment of a journal: the first `length` of its entries had been written. Entries are added, never changed."""

    entries: list[E] = field(default_factory=list)
    length: int = 0

    def add(self, put: set[E]) -> "Mark[E]":
        """Record what is put, in this journal if this is its newest moment and it is not full, else in a new one."""
        if self.length > MAX_ENTRIES or self.length != len(self.entries):
            return Mark([*put], len(put))
        self.entries.extend(put)
        return Mark(self.entries, len(self.entries))

    def find_since(self, other: "Mark[E]") -> frozenset[E] | None:
        """Return what was put between two moments, in either order; None if they belong to different journals."""
        if self.entries is not other.entries:
            return None
        return frozenset(self.entries[min(self.length, other.length) : max(self.length, other.length)])


@dataclass(frozen=True, slots=True)
class Catalog:
    """Services and gateways by name, and what holds for all; `problems` are warnings, sorted by file and position.

    `mark` is for finding what changed since an earlier catalog of the same assembly. Equality ignores it.
    """

    services: Mapping[str, Service]
    gateways: Mapping[str, Gateway]
    problems: tuple[Problem, ...] = ()
    mark: Mark[Subject] = field(default_factory=Mark, compare=False, repr=False)
    mesh: Mesh = field(default_factory=Mesh)


def diff_catalogs(old: Catalog, new: Catalog) -> tuple[frozenset[str], frozenset[str]]:
    """Return the services, and the gateways, that were added, removed or changed.

    For two catalogs of one assembly it compares only what was put between them; for others, everything.
    """
    put = new.mark.find_since(old.mark)
    return _diff_names("services", old.services, new.services, put), _diff_names(
        "gateways", old.gateways, new.gateways, put
    )


def _diff_names(
    kind: str, old: Mapping[str, T], new: Mapping[str, T], put: frozenset[Subject] | None
) -> frozenset[str]:
    """Compare values by name; those that did not change are mostly the identical objects."""
    names = old.keys() | new.keys() if put is None else {name for of_kind, name in put if of_kind == kind}
    return frozenset(name for name in names if (was := old.get(name)) is not (now := new.get(name)) and was != now)


MAX_ENTRIES = 10_000
"""A journal that is longer ends, and another begins: a comparison of all, once in so many changes, costs less."""
