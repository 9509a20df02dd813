"""The catalog as it is served: every service and gateway, from all files, without an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from xds.catalog.assembly import Assembly
from xds.catalog.fragment import Fragment, Subject
from xds.catalog.journal import Mark
from xds.catalog.mesh import Mesh
from xds.catalog.model import Gateway, Service
from xds.errors import CatalogError, Problem, Severity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Services and gateways by name, and what holds for all; `problems` are warnings, sorted by file and position.

    `mark` tells what was put since another catalog of the same assembly was made; it has no part in equality.
    """

    services: Mapping[str, Service]
    gateways: Mapping[str, Gateway]
    problems: tuple[Problem, ...] = ()
    mark: Mark = field(default_factory=Mark, compare=False, repr=False)
    mesh: Mesh = field(default_factory=Mesh)


def build_catalog(fragments: Mapping[str, Fragment]) -> Catalog:
    """Make a catalog of fragments by the names of their documents.

    Raises CatalogError with every error and, after them, every warning.
    """
    assembly = Assembly()
    assembly.put(fragments)
    return publish(assembly)


def publish(assembly: Assembly) -> Catalog:
    """Make a catalog of what an assembly holds; raises CatalogError if that has errors."""
    problems = assembly.problems
    if problems and problems[0].severity is Severity.ERROR:
        raise CatalogError(problems)
    return Catalog(assembly.services, assembly.gateways, problems, assembly.mark, assembly.mesh)


def diff_catalogs(old: Catalog, new: Catalog) -> tuple[frozenset[str], frozenset[str]]:
    """Name the services, and the gateways, that were added, removed or changed.

    Of two catalogs of one assembly only what was put between them is looked at; of any others, everything.
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
