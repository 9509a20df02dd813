"""An edit within one route of a gateway, or within one service, of a large document: only that is read again.

This is done only if nothing is wrong in the document, before and after, and if no line is added or removed. Then the
rest means what it meant: see `_read_alone`. In all other cases `read_edit` returns None, and the whole is to be read.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from xds.catalog.advice.gateway import advise_gateway
from xds.catalog.advice.routes import advise_routes
from xds.catalog.advice.service import advise_service
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.gateway_rules import check_gateway
from xds.catalog.model.route import Route, has_same_match
from xds.catalog.model.route_rules import Routes
from xds.catalog.model.service import Service
from xds.catalog.model.service_rules import CheckedService
from xds.catalog.reading.places import Place, find_place
from xds.catalog.reading.yaml import MAX_NODES, Tree, parse_yaml
from xds.catalog.text.mistake import Loc, Mistakes

T = TypeVar("T")

LEAST_SIZE = 10_000
"""The characters of a document from which on it is worth it to read a part alone."""

ROUTES: TypeAdapter[tuple[Route, ...]] = TypeAdapter(Routes)
SERVICE: TypeAdapter[Service] = TypeAdapter(CheckedService)

LINE_ENDS: Final = ("\r", "\x85", "\u2028", "\u2029")
"""What ends a line in YAML, beside the one that `split` looks for."""

FLOW: Final = ("{", "[")

FIRST_KEY, FIRST_ITEM = re.compile(r" *(- +)?"), re.compile(r" *- +")
"""What stands before the first key of a line, and before an item that is the first of a line."""


@dataclass(frozen=True, slots=True)
class Span:
    """The lines, from 0, of one service or one route of a gateway, and the column, from 0, of its name or its dash."""

    start: int
    end: int
    column: int
    loc: Loc


def find_spans(text: str, tree: Tree) -> tuple[Span, ...]:
    """Return the spans of a document without problems, in the order of their lines; none for a small one."""
    if not LEAST_SIZE <= len(text) <= MAX_NODES or tree.has_anchors or _has_other_line_ends(text):
        return ()
    lines = text.split("\n")
    return tuple(_walk(lines, tree.place, (), len(lines)))


def _has_other_line_ends(text: str) -> bool:
    return any(sign in text for sign in LINE_ENDS)


def _walk(lines: Sequence[str], place: Place, loc: Loc, end: int) -> Iterator[Span]:
    """Yield the spans of what is below a place, whose text ends before the line `end`: only where it is indented."""
    line, column, children = place
    if lines[line - 1][column - 1 : column] in FLOW or not children:
        return
    below: list[tuple[str | int, int, int, Place]]
    if isinstance(children, dict):
        below, first = [(key, *found) for key, found in children.items()], FIRST_KEY
    else:
        below, first = [(index, *one[:2], one) for index, one in enumerate(children)], FIRST_ITEM
    marks = [first.fullmatch(lines[line - 1][: column - 1]) for _, line, column, _ in below]
    ends = [*(line - 1 for _, line, _, _ in below[1:]), end]
    for (step, line, column, value), mark, next_mark, until in zip(below, marks, [*marks[1:], True], ends, strict=True):
        if not mark or not next_mark or until < line:
            continue
        here = (*loc, step)
        if _is_unit(here):
            yield Span(line - 1, until, mark[0].find("-") if isinstance(step, int) else column - 1, here)
        elif _leads_to_units(here):
            yield from _walk(lines, value, here, until)


def _is_unit(loc: Loc) -> bool:
    return (loc[0] == "services" and len(loc) == 2) or (loc[0] == "gateways" and len(loc) > 3 and loc[-2] == "routes")


def _leads_to_units(loc: Loc) -> bool:
    """Whether a service or a route of a gateway may be below."""
    return loc == ("services",) or (loc[0] == "gateways" and (len(loc) < 3 or loc[2] in ("routes", "listeners")))


def read_edit(
    spans: Sequence[Span], services: Mapping[str, Service], gateways: Mapping[str, Gateway], old: str, new: str
) -> tuple[Mapping[str, Service], Mapping[str, Gateway]] | None:
    """Return the services and gateways after an edit of a document without problems; None if the whole is to be read.

    `old` and `new` are the document's texts, and `spans` those of the old one.
    """
    span = _find_edited(spans, old, new)
    value = None if span is None else _read_alone(span, new)
    if span is None or value is None:
        return None
    name = str(span.loc[1])
    try:
        if span.loc[0] == "services":
            service = SERVICE.validate_python(value[0])
            return None if any(advise_service(service)) else ({**services, name: service}, gateways)
        [route] = ROUTES.validate_python(value)
        gateway = _replace_route(gateways[name], span.loc[2:], route)
    except (ValidationError, Mistakes):
        return None
    return None if gateway is None else (services, {**gateways, name: gateway})


def _find_edited(spans: Sequence[Span], old: str, new: str) -> Span | None:
    """Return the span that has all lines which differ; None if there is none, or if lines were added or removed."""
    if not spans or len(new) > MAX_NODES or _has_other_line_ends(new):
        return None
    before, after = old.split("\n"), new.split("\n")
    if len(before) != len(after):
        return None
    differing = [line for line, (was, now) in enumerate(zip(before, after, strict=True)) if was != now]
    if not differing:
        return None
    span = spans[max(0, bisect_right(spans, differing[0], key=lambda one: one.start) - 1)]
    return span if span.start <= differing[0] and differing[-1] < span.end else None


def _read_alone(span: Span, text: str) -> list[Any] | None:
    """Read the lines of a span; return the one value that is there, in a list, or None if it is not so simple.

    What stands before a block item or a block mapping's value cannot change what it means, and it cannot change what
    comes after it: that begins further left, or with the next dash. Exceptions are anchors, `---` and `...`.
    """
    lines = text.split("\n", span.end)[span.start : span.end]
    if any(line.startswith(("---", "...")) for line in lines) or lines[0][: span.column].strip(" "):
        return None
    if span.loc[0] == "services":
        above, way = ["services:"], span.loc
    elif span.loc[2] == "routes":
        above, way = ["gateways:", " a:", "  routes:"], ("gateways", "a", "routes", 0)
    else:
        above, way = ["gateways:", " a:", "  listeners:", "  - routes:"], ("gateways", "a", "listeners", 0, "routes", 0)
    tree = parse_yaml("\n".join([*above, *lines]))
    if not tree.whole or tree.problems or tree.has_anchors:
        return None
    value: Any = tree.value
    for step in way:  # nothing else may be there: it would belong to something above
        if not isinstance(value, dict | list) or isinstance(value, list) != isinstance(step, int):
            return None
        if len(value) != 1 or (isinstance(value, dict) and step not in value):
            return None
        [value] = value.values() if isinstance(value, dict) else value
    line, column, there = find_place(tree.place, way, key=True)
    begins = column - 1 == span.column if span.loc[0] == "services" else lines[0][span.column : span.column + 1] == "-"
    return [value] if there == way and line == len(above) + 1 and begins else None


def _replace_route(gateway: Gateway, loc: Loc, route: Route) -> Gateway | None:
    """Return a gateway with another route at `loc`; None if anything is wrong with it. Raises Mistakes."""
    position = int(loc[-1])
    routes = gateway.routes if loc[0] == "routes" else gateway.listeners[int(loc[1])].routes
    old = routes[position]
    if (old.rate_limit is None) != (route.rate_limit is None):
        return None  # other routes are judged by whether any has one
    # What is said of the other routes stays as it is, except of those that this one covers.
    alone = _put_routes(_cut_routes(gateway), loc, (route,))
    if any(advise_gateway(check_gateway(alone))):
        return None
    now = (*routes[:position], route, *routes[position + 1 :])
    if not has_same_match(old, route) and any(advise_routes((), now)):
        return None
    return _put_routes(gateway, loc, now)


def _cut_routes(gateway: Gateway) -> Gateway:
    """Return a gateway with the first route of each of its lists alone."""
    listeners = tuple(put_values(one, routes=one.routes[:1]) for one in gateway.listeners)
    return put_values(gateway, routes=gateway.routes[:1], listeners=listeners)


def _put_routes(gateway: Gateway, loc: Loc, routes: tuple[Route, ...]) -> Gateway:
    if loc[0] == "routes":
        return put_values(gateway, routes=routes)
    index = int(loc[1])
    listener = put_values(gateway.listeners[index], routes=routes)
    return put_values(gateway, listeners=(*gateway.listeners[:index], listener, *gateway.listeners[index + 1 :]))


def put_values(instance: T, **values: object) -> T:
    """Return a copy with other values, which are valid: they are not validated again, nor is the rest."""
    changed = copy(instance)
    for name, value in values.items():
        object.__setattr__(changed, name, value)
    return changed


def reuse_ends(old: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    """Return the new items; those at the beginning and at the end that equal the old ones are the old ones.

    If all do, it is the old tuple.
    """
    least = min(len(old), len(new))
    pairs = zip(old, new, strict=False)
    first = next((place for place, (was, now) in enumerate(pairs) if was != now), least)
    if first == len(old) == len(new):
        return old
    pairs = zip(reversed(old), reversed(new), strict=False)
    last = next((place for place, (was, now) in enumerate(pairs) if was != now), least)
    last = min(last, least - first)
    return (*old[:first], *new[first : len(new) - last], *old[len(old) - last :])
