"""An assembly: all fragments, checked against each other. After a change it checks only what the change concerns."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from xds.catalog.assembly.index import Index
from xds.catalog.assembly.references import check_subject
from xds.catalog.catalog import Catalog, Mark, Subject
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Service
from xds.catalog.reading.fragment import POSITION, Fragment, limit_problems, locate
from xds.catalog.reading.places import format_path
from xds.catalog.text.envoy_version import Version
from xds.catalog.text.mistake import Ground, Loc, Mistake
from xds.errors import CatalogError, Problem, Severity
from xds.wording import Nearest, show

Found = tuple[Ground, Problem]


class Assembly:
    """The fragments by name, also those with mistakes: a later change may correct these.

    `has_all_endpoints` is whether no other source has endpoints for the services; that is known to a server alone.
    `oldest` is the oldest Envoy that fields are checked for; None is that of `mesh.envoy`.
    `mark` is the latest entry of the journal, which lists the subjects that were changed.
    """

    def __init__(self, *, has_all_endpoints: bool = True, oldest: Version | None = None) -> None:
        self._has_all_endpoints = has_all_endpoints
        self._fragments: dict[str, Fragment] = {}
        self._index = Index(oldest)
        self._found: dict[Subject, list[Found]] = {}
        self._faulty: set[str] = set()
        self._partial: set[str] = set()
        self._problems: tuple[Problem, ...] | None = ()
        self.mark: Mark[Subject] = Mark()

    @property
    def fragments(self) -> dict[str, Fragment]:
        """A copy of the fragments, by the names of their documents."""
        return self._fragments.copy()

    @property
    def services(self) -> dict[str, Service]:
        """A copy of the services of all fragments."""
        return self._index.services.copy()

    @property
    def gateways(self) -> dict[str, Gateway]:
        """A copy of the gateways of all fragments."""
        return self._index.gateways.copy()

    @property
    def mesh(self) -> Mesh:
        """The settings of the whole mesh, from all fragments."""
        fields: dict[str, Any] = self._index.mesh
        return Mesh(**fields)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, errors before warnings, each sorted by file and position."""
        if self._problems is None:
            self._problems = self._collect()
        return self._problems

    def get(self, name: str) -> Fragment | None:
        """Return the fragment of that name; None if there is none."""
        return self._fragments.get(name)

    def owners_of(self, subject: Subject) -> AbstractSet[str]:
        """Return the names of the fragments that define a service, a gateway or a field of the mesh, valid or not."""
        return self._index.owners.get(subject, frozenset())

    def count(self, kind: str) -> int:
        """Return the number of `services` or `gateways`."""
        return len(self._index.services if kind == "services" else self._index.gateways)

    def put(self, changes: Mapping[str, Fragment | None]) -> None:
        """Add, replace or remove (None) fragments, and check again every subject that this concerns."""
        touched: set[Subject] = set()
        concerned: set[Subject] = set()
        for name, fragment in changes.items():
            before, after = self._put_fragment(name, fragment), fragment.starts if fragment else {}
            for subject in before.keys() | after.keys():
                touched.add(subject)
                concerned |= self._index.put_owner(subject, name, owns=subject in after)
        self.mark = self.mark.add(touched)
        for subject in touched:
            kind, name = subject
            fragment = self._first(subject)
            broken = fragment.broken.get(subject) if fragment else None
            if kind == "services":
                concerned |= self._index.put_service(name, fragment.services[name] if fragment else None, broken)
            elif kind == "mesh":
                concerned |= self._index.put_mesh(name, fragment.mesh[name] if fragment else None)
            else:
                concerned |= self._index.put_gateway(name, fragment.gateways[name] if fragment else None, broken)
        self._check(concerned)

    def _put_fragment(self, name: str, fragment: Fragment | None) -> Mapping[Subject, tuple[int, int]]:
        old = self._fragments.pop(name, None)
        self._faulty.discard(name)
        self._partial.discard(name)
        if fragment is not None:
            self._fragments[name] = fragment
            if fragment.has_errors:
                self._faulty.add(name)
            if not fragment.whole:
                self._partial.add(name)
        if _describe_problems(old) != _describe_problems(fragment):
            self._problems = None
        return old.starts if old else {}

    def _first(self, subject: Subject) -> Fragment | None:
        """Return the first fragment that defines `subject`; `_check_names` reports if there are several."""
        kind, name = subject
        for source in sorted(self._index.owners.get(subject, ())):
            fragment = self._fragments[source]
            if name in {"services": fragment.services, "gateways": fragment.gateways, "mesh": fragment.mesh}[kind]:
                return fragment
        return None

    def _check(self, subjects: set[Subject]) -> None:
        """Check subjects again, and replace the mistakes that were found in them before."""
        nearest = Nearest(self._index.services)
        before = {subject: self._found.pop(subject, None) for subject in subjects}
        found: dict[str, list[tuple[Subject, Mistake]]] = {}
        for subject in subjects:
            if subject not in self._index.owners:
                continue
            for source, mistake in self._check_names(subject):
                found.setdefault(source, []).append((subject, mistake))
            if first := self._first(subject):
                for mistake in check_subject(self._index, subject, nearest):
                    found.setdefault(first.document.name, []).append((subject, mistake))
        for source, mistakes in found.items():
            self._place(source, mistakes)
        if any(self._found.get(subject) != was for subject, was in before.items()):
            self._problems = None

    def _check_names(self, subject: Subject) -> Iterator[tuple[str, Mistake]]:
        """Yield a mistake if a name is defined twice, or both as a service and as a gateway."""
        first, *others = sorted(self._index.owners[subject])
        kind, name = subject
        for other in others:
            what = f"`mesh.{name}`" if kind == "mesh" else f"{kind[:-1]} {show(name)}"
            yield other, Mistake((), f"{what} is also in {self._format_start(first, subject)}")
        if kind == "gateways" and (owners := self._index.owners.get(("services", name))):
            start = self._format_start(min(owners), ("services", name))
            yield first, Mistake((), f"the service in {start} has this name too: rename one, since nodes name it")

    def _format_start(self, source: str, subject: Subject) -> str:
        line, column = self._fragments[source].starts[subject]
        return f"{source}:{line}:{column}"

    def _place(self, source: str, mistakes: list[tuple[Subject, Mistake]]) -> None:
        """Record the mistakes in one file, with their positions there."""
        fragment = self._fragments[source]
        locs: list[Loc] = [subject + mistake.loc for subject, mistake in mistakes]
        positions: dict[Loc, tuple[int, int]] = {subject: fragment.starts[subject] for subject, _ in mistakes}
        if deep := [loc for loc in locs if loc not in positions]:
            positions.update(zip(deep, locate(fragment.document, deep), strict=True))
        for loc, (subject, mistake) in zip(locs, mistakes, strict=True):
            problem = Problem(source, *positions[loc], format_path(loc), mistake.message, mistake.severity)
            self._found.setdefault(subject, []).append((mistake.ground, problem))

    def _collect(self) -> tuple[Problem, ...]:
        """Return all problems, without those that other mistakes, or endpoints elsewhere, may explain."""
        found = [one for of_subject in self._found.values() for one in of_subject]
        if self._partial:
            found = [one for one in found if one[0] is not Ground.ALL_NAMES]
        if self._faulty or any(problem.severity is Severity.ERROR for _, problem in found):
            found = [one for one in found if one[0] is not Ground.ALL_SERVICES]
        if not self._has_all_endpoints:
            found = [one for one in found if one[0] is not Ground.ALL_ENDPOINTS]
        by_file: dict[tuple[Severity, str], list[Problem]] = {}
        for _, problem in found:
            by_file.setdefault((problem.severity, problem.source), []).append(problem)
        problems = [problem for fragment in self._fragments.values() for problem in fragment.problems]
        for of_file in by_file.values():
            problems += limit_problems(of_file)
        problems.sort(key=POSITION)
        return (
            *(problem for problem in problems if problem.severity is Severity.ERROR),
            *(problem for problem in problems if problem.severity is Severity.WARNING),
        )


def _describe_problems(fragment: Fragment | None) -> tuple[tuple[Problem, ...], bool]:
    """Return a fragment's problems and whether it is whole: the problems of the assembly depend on both."""
    return (fragment.problems, fragment.whole) if fragment else ((), True)


def build_catalog(fragments: Mapping[str, Fragment]) -> Catalog:
    """Build a catalog from fragments by the names of their documents.

    Raises CatalogError with every error and, after them, every warning.
    """
    assembly = Assembly()
    assembly.put(fragments)
    return publish(assembly)


def publish(assembly: Assembly) -> Catalog:
    """Return the catalog of an assembly's fragments; raises CatalogError if there are errors."""
    problems = assembly.problems
    if problems and problems[0].severity is Severity.ERROR:
        raise CatalogError(problems)
    return Catalog(assembly.services, assembly.gateways, problems, assembly.mark, assembly.mesh)
