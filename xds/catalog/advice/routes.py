"""Warnings about a list of routes: routes that can never match, fields without effect, and endless redirects."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from xds.catalog.model.retries import Retries
from xds.catalog.model.route import Route
from xds.catalog.raw.fields import sets_raw
from xds.catalog.text.addresses import find_covering_hosts
from xds.catalog.text.durations import format_duration
from xds.catalog.text.http_meanings import NAMES, wanted
from xds.catalog.text.mistake import Loc, Mistake, warning
from xds.catalog.text.path_template import find_start
from xds.catalog.text.text_match import Wanted, covers
from xds.wording import show_line, write_flow

VARIABLE = re.compile(r"(?<=/)(?:\{(\w+)\}|:([A-Za-z_]\w*))(?=/|$)", re.ASCII)
"""A variable of a template, and the way in which other programs write one, as a whole segment."""


def advise_routes(loc: Loc, routes: Sequence[Route]) -> Iterator[Mistake]:
    """Yield the warnings about one list of routes, which is below `loc`."""
    earlier = _Routes()
    for index, route in enumerate(routes):
        if not sets_raw(route.envoy, "route", "match"):  # else it matches other requests than its fields say
            covering = earlier.find_covering(route)
            if covering is not None:
                message = f"can never match: routes[{covering}] matches all of its requests"
                yield warning((*loc, "routes", index), message)._replace(see=(*loc, "routes", covering))
            earlier.add(index, route)
        for found in (*_advise_route(route), *advise_filters(route), *advise_route_retries(route)):
            yield found.below((*loc, "routes", index))


def _advise_wanted(route: Route) -> Iterator[Mistake]:
    """Yield warnings about conditions that are written as a mapping of one header's name and value."""
    for field, what, found in (("headers", "headers", route.headers), ("query", "parameters", route.query)):
        meant = (
            wanted(found) if found.keys() & {*NAMES} and all(isinstance(one, str) for one in found.values()) else None
        )
        if meant and not meant.keys() & found.keys():
            names = " and ".join(f"`{name}`" for name in found)
            yield warning(
                (field,), f"asks for {what} of the names {names}: for `{next(iter(meant))}` write {write_flow(meant)}"
            )


def _advise_variables(route: Route) -> Iterator[Mistake]:
    """Yield warnings about what stands for a variable elsewhere, and here for itself."""
    for field, text in (("prefix", route.prefix), ("path", route.path), ("template", route.template)):
        found = VARIABLE.search(text or "")
        if found is None or (field == "template" and found[0].startswith("{")):
            continue
        template = VARIABLE.sub(lambda one: f"{{{one[1] or one[2]}}}", text or "")
        rest = f"{'' if template.endswith('/') else '/'}**" if field == "prefix" else ""
        yield warning((field,), f"{show_line(found[0])} is no variable here: write `template: {template}{rest}`")


def _advise_route(route: Route) -> Iterator[Mistake]:
    """Yield warnings about a path with special characters that have no meaning, and about an endless redirect."""
    yield from _advise_wanted(route)
    yield from _advise_variables(route)
    if route.prefix is not None and route.prefix.endswith("*"):
        yield warning(("prefix",), "ends in a `*`, which has no meaning in a prefix: leave it out")
    if route.path is not None and route.path.endswith("*"):
        yield warning(("path",), "ends in a `*`, which has no meaning in a path: write `prefix`, or a `template`")
    if route.regex is not None and route.regex.endswith("$") and not route.regex.endswith("\\$"):
        yield warning(("regex",), "ends in a `$`, which has no effect: a regex always matches the whole path")
    elif route.regex is not None and re.search(r"/\*(?:$|/)", route.regex):
        yield warning(("regex",), "has a `*` after a slash, which repeats the slash: for any text write `.*`")
    elif route.regex is not None and not set(route.regex) & set(".[(*+?{|\\^"):
        yield warning(("regex",), "is plain text: write `path`")
    changed = sets_raw(route.envoy, "route", "match", "redirect")
    if route.redirect is not None and not changed and _redirects_to_itself(route):
        yield warning(("redirect",), "leads to a request that this route redirects again: an endless loop")


def _redirects_to_itself(route: Route) -> bool:
    """Whether the client's next request is for the same host and a path that the route matches too."""
    to = route.redirect
    if to is None or to.https or to.port is not None or to.host not in (None, *route.host):
        return False
    if route.method and "GET" not in route.method and to.code in (301, 302, 303):
        return False  # the next request is a GET
    start = route.prefix or "/"
    if to.path is not None:
        path = to.path.partition("?")[0]
        other = (route.path, route.regex, route.template) != (None,) * 3
        return path == route.path or (not other and path.startswith(start))
    return to.prefix is None or to.prefix.startswith(start)


class _Routes:
    """The earlier routes, by what they match: so that a route need not be compared with all of them."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, str], list[tuple[int, Route]]] = {}
        self._lengths: set[int] = set()

    def add(self, index: int, route: Route) -> None:
        kind, text = _describe_path(route)
        for host in route.hosts:
            self._routes.setdefault((host, kind, text), []).append((index, route))
        if kind == "prefix":
            self._lengths.add(len(text))

    def find_covering(self, route: Route) -> int | None:
        """Return the index of a route that matches every request that `route` matches; None without one.

        A route with several hosts may have one for each: then the last of these.
        """
        found = [self._find_covering(route, host) for host in route.hosts]
        return None if None in found else max(index for index in found if index is not None)

    def _find_covering(self, route: Route, host: str) -> int | None:
        """Return the index of the first route that matches every request for `host` that `route` matches."""
        kind, text = _describe_path(route)
        # The known text that every path which the route matches begins with.
        known = "/" if kind == "regex" else find_start(text) if kind == "template" else text
        candidates = [("prefix", known[:length]) for length in self._lengths if length <= len(known)]
        if kind != "prefix":
            candidates.append((kind, text))
        return min(
            (
                index
                for covering in find_covering_hosts(host)
                for candidate in candidates
                for index, earlier in self._routes.get((covering, *candidate), ())
                if _covers(earlier, route)
            ),
            default=None,
        )


def _describe_path(route: Route) -> tuple[str, str]:
    if route.path is not None:
        return "path", route.path
    if route.template is not None:
        return "template", route.template
    return ("regex", route.regex) if route.regex is not None else ("prefix", route.prefix or "/")


def _covers(earlier: Route, route: Route) -> bool:
    """Whether every method, header and query that `route` matches is matched by `earlier` too."""
    if earlier.method and not (route.method and set(route.method) <= set(earlier.method)):
        return False
    return _wants_less(earlier.headers, route.headers) and _wants_less(earlier.query, route.query)


def _wants_less(earlier: Mapping[str, Wanted], later: Mapping[str, Wanted]) -> bool:
    return all(name in later and covers(value, later[name]) for name, value in earlier.items())


def advise_filters(route: Route) -> Iterator[Mistake]:
    """Yield warnings about a route's faults and CORS that have another effect than expected."""
    if route.fault is not None:
        if route.fault.by_header:
            yield warning(
                ("fault", "by_header"),
                "every client can request faults with a header: set it only where you trust all clients",
            )
        abort = route.fault.abort
        if abort is not None and abort.status < 400:
            yield warning(
                ("fault", "abort", "status"), f"{abort.status} is not an error: write an error's status, such as 503"
            )
    if route.cors is not None and route.cors.methods and route.method:
        for index, method in enumerate(route.cors.methods):
            if method not in route.method:
                yield warning(("cors", "methods", index), f"the route does not match {method}: add it to `method`")


def advise_route_retries(route: Route) -> Iterator[Mistake]:
    """Yield a warning if one try of a route's requests may take as long as all tries together."""
    if route.retries is not None and route.timeout is not None:
        yield from advise_per_try(route.retries, route.timeout, "`timeout`")


def advise_per_try(retries: Retries, request: timedelta | None, field: str) -> Iterator[Mistake]:
    """Yield a warning if one try may take as long as all tries together, which `field` limits to `request`."""
    if retries.per_try is not None and request and retries.per_try >= request:
        message = f"has no effect: {field} ends all tries after {format_duration(request)}"
        yield warning(("retries", "per_try"), message)
