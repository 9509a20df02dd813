"""The catalog as it is served: every service and gateway, from all files, without an error."""

from collections.abc import Mapping
from dataclasses import dataclass

from xds.catalog.assembly import Assembly
from xds.catalog.fragment import Fragment
from xds.catalog.model import Gateway, Service
from xds.errors import CatalogError, Problem, Severity


@dataclass(frozen=True, slots=True)
class Catalog:
    """Services and gateways by name; `problems` are warnings, sorted by file and position."""

    services: Mapping[str, Service]
    gateways: Mapping[str, Gateway]
    problems: tuple[Problem, ...] = ()


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
    return Catalog(assembly.services, assembly.gateways, problems)
