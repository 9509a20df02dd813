"""A fragment: one document of the catalog, parsed and validated by itself."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice
from operator import attrgetter, getitem
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from xds.catalog.advice.gateway import advise_gateway
from xds.catalog.advice.service import advise_service
from xds.catalog.catalog import Subject
from xds.catalog.fields import find_field, get_root
from xds.catalog.model.catalog_file import FOREIGN
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.gateway_rules import CheckedGateway
from xds.catalog.model.mesh import MESH_FIELDS, MeshValue
from xds.catalog.model.service import Service
from xds.catalog.reading.edit import SERVICE, Span, find_spans, read_edit
from xds.catalog.reading.foreign import explain_keys
from xds.catalog.reading.foreign_lines import explain_lines
from xds.catalog.reading.mistakes import explain_errors, explain_unknown_key
from xds.catalog.reading.places import find_place, place_mistake
from xds.catalog.reading.syntax import decode, find_odd_indentation
from xds.catalog.reading.valid_part import ValidPart
from xds.catalog.reading.yaml import BROKEN, Tree, parse_yaml
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import NAME, explain_reserved
from xds.catalog.text.odd_signs import clean, explain_odd, find_odd
from xds.errors import Problem, Severity
from xds.sources.document import Document
from xds.wording import join_or, show, show_line, suggest

MAX_PROBLEMS = 100
"""The most errors, and the most warnings, that are reported for one file; of the rest, the number is."""

MAX_ROUNDS = 8
"""How often what remains of a service is validated again: far above the rules that wait for each other."""

KINDS = ("services", "gateways", "mesh")
ANY_KIND = join_or(f"`{kind}:`" for kind in KINDS)
ROOT_HINT = ': a catalog is YAML, such as `services: {web: {endpoints: ["10.0.0.4:5000"]}}`'
GATEWAY: TypeAdapter[Gateway] = TypeAdapter(CheckedGateway)

POSITION = attrgetter("source", "line", "column")
"""How problems are sorted; those of one position stay in their order."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fragment:
    """The content of one document, as far as it is valid, and its `problems`, sorted by position.

    A service or gateway with mistakes is what remains without these; `broken` has the ways in it to what is not known.
    `starts` has the line and column of every service's and gateway's name, those with mistakes too. A document is not
    `whole` when the services that it names are not all known. `spans` has what can be read again alone.
    """

    document: Document
    services: Mapping[str, Service]
    gateways: Mapping[str, Gateway]
    problems: tuple[Problem, ...]
    starts: Mapping[Subject, tuple[int, int]]
    broken: Mapping[Subject, frozenset[Loc]] = field(default_factory=dict)
    whole: bool = True
    mesh: Mapping[str, MeshValue | None] = field(default_factory=dict)
    spans: tuple[Span, ...] = field(default=(), repr=False)

    @property
    def has_errors(self) -> bool:
        """Whether anything in it keeps the catalog from being served."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def parse_edit(old: Fragment, document: Document) -> Fragment | None:
    """Parse only what differs from an earlier version of a document; None if the whole is to be parsed."""
    if not old.spans or document.content is None or document.skipped:
        return None
    text = decode(document.content, document.name)
    if isinstance(text, Problem):
        return None
    before = (old.document.content or b"").decode("utf-8-sig")  # it was decoded before
    found = read_edit(old.spans, old.services, old.gateways, before, text)
    return None if found is None else replace(old, document=document, services=found[0], gateways=found[1])


def parse_fragment(document: Document) -> Fragment:
    """Parse one document; never raises, for any bytes."""
    if document.skipped:
        note = Problem(document.name, 0, 0, "", document.fault or "is not read", Severity.WARNING)
        return Fragment(document, {}, {}, (note,), {})
    if document.content is None:
        return _refuse(document, Problem(document.name, 0, 0, "", document.fault or "could not be read"))
    text = decode(document.content, document.name)
    if isinstance(text, Problem):
        return _refuse(document, text)
    fragment = _parse_text(document, text)
    errors = [one.line for one in fragment.problems if one.severity is Severity.ERROR]
    if (
        errors and (odd := find_odd_indentation(text)) and odd[0] <= min(errors)
    ):  # of the line before, that it has nothing below
        return _refuse(document, Problem(document.name, odd[0] + 1, odd[1] + 1, "", odd[2]))
    return fragment


def _parse_text(document: Document, text: str) -> Fragment:
    tree = parse_yaml(text, document.name)
    if not tree.whole:
        return _refuse(document, *tree.problems)
    if tree.value is None:
        return _refuse(document, Problem(document.name, 1, 1, "", f"is empty: write {ANY_KIND}"))
    if not isinstance(tree.value, dict):
        what = () if tree.value is BROKEN else (_explain_root(tree.value),)
        problems = (Problem(document.name, *tree.place[:2], "", message) for message in what)
        return _refuse(document, *tree.problems, *problems)
    fragment = _Reader(document, tree).read()
    return fragment if fragment.problems else replace(fragment, spans=find_spans(text, tree))


def locate(document: Document, locs: Iterable[Loc]) -> list[tuple[int, int]]:
    """Find the lines and columns of places in a document that `parse_fragment` has read before.

    It is parsed again: positions are seldom asked for, and would take more memory than the catalog.
    """
    text = decode(document.content or b"", document.name)
    place = (1, 1, None) if isinstance(text, Problem) else parse_yaml(text).place
    return [find_place(place, loc)[:2] for loc in locs]


def limit_problems(problems: list[Problem], omitted: int = 0) -> list[Problem]:
    """Sort the problems of one file and severity, and cut them to a number that can be read."""
    problems.sort(key=POSITION)
    rest = len(problems) - MAX_PROBLEMS + omitted
    if rest <= 0:
        return problems
    last = problems[MAX_PROBLEMS - 1]
    more = Problem(last.source, last.line, last.column, "", f"and {rest} more after this", last.severity)
    return [*problems[:MAX_PROBLEMS], more]


def _refuse(document: Document, *problems: Problem) -> Fragment:
    return Fragment(document, {}, {}, problems, {}, whole=False)


class _Reader:
    """Reads the services and gateways out of one document's tree."""

    def __init__(self, document: Document, tree: Tree) -> None:
        self._document = document
        self._tree = tree
        self._errors = list(tree.problems)
        self._warnings: list[Problem] = []
        self._starts: dict[Subject, tuple[int, int]] = {}
        self._broken: dict[Subject, frozenset[Loc]] = {}
        self._omitted = 0
        self._partial = False

    def read(self) -> Fragment:
        tree = self._tree
        unknown = [key for key in tree.value if key not in KINDS and not key.startswith("x-")]
        foreign = [key for key in unknown if key in FOREIGN]
        for key in foreign[:1] or unknown:
            sign = find_odd(key)
            known = explain_keys(get_root(), [(key, tree.value[key])])
            message = known or explain_unknown_key(key, [*KINDS])
            self._refuse((key,), f"{show(key)} is misspelt: {explain_odd(sign[0])}" if sign else message, at_key=True)
        if not unknown and not any(kind in tree.value for kind in KINDS):
            self._refuse((), f"has nothing of a catalog: write {ANY_KIND}")
        services = self._read_all("services", SERVICE, advise_service)
        gateways = self._read_all("gateways", GATEWAY, advise_gateway)
        mesh = self._read_mesh()
        problems = [
            *limit_problems(self._errors, self._omitted),
            *limit_problems(self._warnings),
        ]
        problems.sort(key=POSITION)
        whole = self._names_all(unknown)
        return Fragment(
            self._document, services, gateways, tuple(problems), self._starts, self._broken, whole=whole, mesh=mesh
        )

    def _names_all(self, unknown: list[str]) -> bool:
        """Whether all services that the document names are known: no mistake hides one."""
        found = self._tree.value.get("services")
        meant = any(suggest(key, ["services"]) or get_root().find_meant(key) == "services" for key in unknown)
        hidden = self._tree.incomplete & {(), ("services",)}
        return not (meant or hidden or self._partial) and (found is None or isinstance(found, dict))

    def _place(self, mistake: Mistake) -> Problem:
        problem = place_mistake(mistake, self._document.name, self._tree.place)
        if (written := self._tree.spelled.get((problem.line, problem.column))) is None:
            return problem
        plain = written.lower()
        message = problem.message.replace(f"found {plain}", f"found {written}").replace(f'"{plain}"', f'"{written}"')
        return replace(problem, message=message)

    def _refuse(self, loc: Loc, message: str, *, at_key: bool = False) -> None:
        self._errors.append(self._place(Mistake(loc, message, at_key=at_key)))

    def _read_all(self, kind: str, adapter: TypeAdapter[T], advise: Callable[[T], Iterable[Mistake]]) -> dict[str, T]:
        found = self._tree.value.get(kind, {})
        if not isinstance(found, dict):
            if found is not BROKEN:
                self._refuse((kind,), _explain_kind(kind, found))
            return {}
        valid: dict[str, T] = {}
        if outside := _find_outside(kind, found):
            name, field = outside
            self._refuse(
                (kind, field), f"is a field of {name}: indent it, so that it stands below `{name}:`", at_key=True
            )
            self._partial = True
            fields = find_field((kind, name)).fields
            found = {one: value for one, value in found.items() if one != name and one not in fields}
        for name, value in found.items():
            loc: Subject = (kind, name)
            self._starts[loc] = find_place(self._tree.place, loc, key=True)[:2]
            self._check_name(loc)
            try:
                valid[name] = adapter.validate_python(value)
            except ValidationError as errors:
                if (part := self._read_valid_part(adapter, loc, value, errors)) is not None:
                    valid[name] = part
            else:
                self._warnings += [self._place(mistake.below(loc)) for mistake in advise(valid[name])]
        return valid

    def _check_name(self, loc: Subject) -> None:
        kind, name = loc
        if NAME.fullmatch(name):
            if reserved := explain_reserved(name):
                self._refuse(loc, reserved, at_key=True)
            return
        self._refuse(loc, _explain_name(name), at_key=True)
        if NAME.fullmatch(near := _correct_name(name)):
            self._starts.setdefault((kind, near), self._starts[loc])  # so that it may be named rightly

    def _read_mesh(self) -> dict[str, MeshValue | None]:
        """Read the fields of the mesh; one with mistakes is left out."""
        found = self._tree.value.get("mesh", {})
        if not isinstance(found, dict):
            if found is not BROKEN:
                self._refuse(("mesh",), f"expected {find_field(('mesh',)).expected}, found {show(found)}")
            return {}
        valid: dict[str, MeshValue | None] = {}
        for name, value in found.items():
            loc: Subject = ("mesh", name)
            if name not in MESH_FIELDS:
                self._refuse(loc, explain_unknown_key(name, [*MESH_FIELDS]), at_key=True)
                continue
            self._starts[loc] = find_place(self._tree.place, loc, key=True)[:2]
            try:
                valid[name] = MESH_FIELDS[name].validate_python(value)
            except ValidationError as errors:
                self._explain(errors, loc)
        return valid

    def _read_valid_part(
        self, adapter: TypeAdapter[T], loc: Subject, value: object, errors: ValidationError
    ) -> T | None:
        """Note all mistakes of one service or gateway, including those that appear only after others are removed."""
        part = ValidPart(loc[0], value)
        for _ in range(MAX_ROUNDS):
            self._explain(errors, loc, part)
            part.remove(errors)
            self._broken[loc] = frozenset(part.broken)
            try:
                return adapter.validate_python(part.value)
            except ValidationError as more:
                errors = more
        return None

    def _is_partial(self, loc: Loc) -> bool:
        """Whether a mapping has keys that could not be read, so that nothing can be said of it as a whole."""
        there = find_place(self._tree.place, loc)[2]
        return there in self._tree.incomplete and isinstance(reduce(getitem, there, self._tree.value), dict)

    def _explain(self, errors: ValidationError, loc: Loc, part: ValidPart | None = None) -> None:
        """Note the mistakes of one service or gateway; when there are too many already, only count them."""
        room = max(0, MAX_PROBLEMS - len(self._errors))
        found = (
            mistake
            for mistake in explain_errors(errors, loc)
            if not self._is_partial(mistake.loc) and (part is None or not part.is_replaced(mistake))
        )
        placed = [self._place(mistake) for mistake in islice(found, room)] if room else []
        self._errors += placed
        self._omitted += 0 if len(placed) < room else max(0, errors.error_count() - len(placed))


def _explain_root(value: object) -> str:
    """Return why a file is none of a catalog's that has no mapping."""
    lines = explain_lines(value, is_file=True) if isinstance(value, str) else None
    return lines or f"expected {ANY_KIND}, found {show(value)}{ROOT_HINT * isinstance(value, str)}"


def _find_outside(kind: str, found: Mapping[str, object]) -> tuple[str, str] | None:
    """Return a name with nothing below it, and a field that stands beside it: it is not indented."""
    fields = find_field((kind, "")).fields
    empty = next((name for name, value in found.items() if value is None), None)
    beside = (name for name, value in found.items() if name in fields and value is not None)
    field = next((name for name in beside if find_field((kind, "", name)).takes(found[name])), None)
    return (empty, field) if empty is not None and field is not None else None


def _explain_kind(kind: str, found: object) -> str:
    if found is None:
        return f"has nothing below it: write {kind[:-1]} names there, indented, or leave out `{kind}:`"
    if isinstance(found, list):
        return f"expected a mapping of {kind[:-1]} names, found a list: {_mend_list(found)}"
    return f"expected a mapping of {kind[:-1]} names, found {show(found)}"


def _mend_list(found: list[object]) -> str:
    """Return how a list of services or gateways is written by name, for the first whose name is known."""
    for one in found:
        if isinstance(one, dict) and len(one) == 1 and isinstance(next(iter(one.values())), dict):
            name, written = next(iter(one)), ""
        else:
            name, written = (one.get("name"), f"name: {one.get('name')}") if isinstance(one, dict) else (one, str(one))
        if isinstance(name, str) and NAME.fullmatch(name):
            where = f"in place of {show_line(f'- {written}')}" if written else "without `- ` in front"
            return f"write {show_line(f'{name}:')} {where}"
    return "write each below its name, without `- ` in front"


def _explain_name(name: str) -> str:
    if sign := find_odd(name):
        return f"{show(name)} is misspelt: {explain_odd(sign[0])}"
    near = _correct_name(name)
    hint = f": did you mean `{near}`?" if NAME.fullmatch(near) else ""
    return f"a name has small letters, digits, `-`, `_` and `.`, 253 at most, found {show(name)}{hint}"


def _correct_name(name: str) -> str:
    """Write a name as it was perhaps meant."""
    return re.sub(r"[^a-z0-9._-]+", "-", clean(name).strip().lower())
