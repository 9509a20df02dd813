"""Which of a list of routes takes a request, by the rules of Envoy's router, without an Envoy.

A route's raw fields (`envoy`) are not looked into. What a gateway does to a path before its routes see it is
`normalize_path`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from xds.catalog.model.route import Route
from xds.catalog.text.path_template import SEGMENT, SIGNS, VARIABLE
from xds.catalog.text.text_match import ANY, How, TextMatch, Wanted

REQUESTED_METHOD = "access-control-request-method"

KEPT_PLAIN = re.compile(r"%(2[DEde]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])")
"""The percent-encoded forms of letters, digits and `-._~`."""

ESCAPED = re.compile(r'[\x00-\x20"#<>^`{|}\x7f-\xff]')
"""What a path does not have as it is."""

GLOBS = {"*": f"[{SIGNS}]+", "**": f"[/{SIGNS}]*"}
"""The regular expressions for the parts of a template, by Envoy's uri_template_internal.cc."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the routes see it.

    `host` is in small letters and without a port. `path` begins with a slash and has the query. The names of `headers`
    are in small letters; a header that stands in a request several times has its values joined by commas.
    """

    host: str
    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


def find_route(routes: Sequence[Route], request: Request) -> int | None:
    """Return the index of the first route that takes a request; None if none does: Envoy answers 404."""
    return next((index for index, route in enumerate(routes) if takes(route, request)), None)


def takes(route: Route, request: Request) -> bool:
    """Whether a route takes a request, or answers it as the CORS preflight of one."""
    return not any(find_misses(route, request)) or _is_preflight(route, request)


def find_misses(route: Route, request: Request) -> Iterator[str]:
    """Yield the fields of a route that keep it from taking a request, such as `host` and `headers.x-team`."""
    if not route.takes_host(request.host):
        yield "host"
    if route.method and request.method not in route.method:
        yield "method"
    yield from _find_path_misses(route, request.path)
    for name, wanted in route.headers.items():
        if not matches_text(wanted, request.headers.get(name)):
            yield f"headers.{name}"


def _find_path_misses(route: Route, target: str) -> Iterator[str]:
    path, _, query = target.partition("?")
    if route.path is not None and path != route.path:
        yield "path"
    if route.regex is not None and not full_match(route.regex, path):
        yield "regex"
    if route.template is not None and not full_match(build_template_pattern(route.template), path):
        yield "template"
    if route.prefix is not None and not path.startswith(route.prefix):
        yield "prefix"
    parameters = parse_query(query) if route.query else {}
    for name, wanted in route.query.items():
        if not matches_text(wanted, parameters.get(name)):
            yield f"query.{name}"


def _is_preflight(route: Route, request: Request) -> bool:
    """Whether a route with `cors` answers an OPTIONS request that asks for permission for one that the route takes."""
    wanted = request.headers.get(REQUESTED_METHOD)
    if route.cors is None or request.method != "OPTIONS" or wanted is None:
        return False
    if route.method and wanted not in route.method:
        return False
    if not route.takes_host(request.host) or any(_find_path_misses(route, request.path)):
        return False
    return matches_text(route.headers.get("origin", ANY), request.headers.get("origin"))


def matches_text(wanted: Wanted, found: str | None) -> bool:
    """Whether a header's or a parameter's value, None if there is none, is what a route wants."""
    if isinstance(wanted, TextMatch) and wanted.how is How.ABSENT:
        return found is None
    if found is None:
        return False
    if isinstance(wanted, str):
        return wanted in (ANY, found)
    if wanted.how is How.REGEX:
        return full_match(wanted.text, found)
    compare = {How.PREFIX: found.startswith, How.SUFFIX: found.endswith, How.CONTAINS: found.__contains__}
    return compare.get(wanted.how, found.__eq__)(wanted.text)


def parse_query(query: str) -> dict[str, str]:
    """Return the parameters as they stand in the URL; of one that is given several times, the first value."""
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        found.setdefault(name, value)
    return found


def full_match(pattern: str, text: str) -> bool:
    """Whether RE2 matches a whole text with a pattern that the catalog took."""
    return _compile(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> Any:
    import re2  # here, since few commands need it

    return re2.compile(pattern)


@lru_cache(maxsize=4096)
def build_template_pattern(template: str) -> str:
    """Return the regular expression of a route's `template`."""
    if template == "/":
        return "/"
    return "".join(f"/{_build_segment(segment)}" for segment in SEGMENT.findall(template))


def _build_segment(segment: str) -> str:
    """Return the expression of one segment: text, `*`, `**` and a variable, in any order."""
    parts, end = [], 0
    for variable in VARIABLE.finditer(segment):
        parts += [_build_text(segment[end : variable.start()]), "/".join(map(_build_text, _parts_of(variable[2])))]
        end = variable.end()
    return "".join([*parts, _build_text(segment[end:])])


def _parts_of(inner: str | None) -> list[str]:
    return ["*"] if inner is None else inner.split("/")


def _build_text(text: str) -> str:
    return "".join(GLOBS.get(part) or re.escape(part) for part in re.split(r"(\*\*?)", text))


def normalize_path(target: str, *, slashes: bool = True) -> str:
    """Return a path, with its query, as a gateway's routes see it: `..` resolved, letters decoded, `slashes` merged."""
    path, mark, query = target.partition("?")
    path = KEPT_PLAIN.sub(lambda found: chr(int(found[1], 16)), path.replace("\\", "/"))
    segments: list[str] = []
    *folders, last = path.removeprefix("/").split("/")
    for segment in folders:
        _step(segments, segment)
    if last in (".", ".."):
        _step(segments, last)
        last = ""
    path = "/".join(["", *segments, last])
    path = ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", path)
    return merge_slashes(f"{path}{mark}{query}") if slashes else f"{path}{mark}{query}"


def merge_slashes(target: str) -> str:
    """Return a path, with its query, with `/` in place of several slashes."""
    path, mark, query = target.partition("?")
    return f"{re.sub('//+', '/', path)}{mark}{query}"


def _step(segments: list[str], segment: str) -> None:
    if segment == "..":
        del segments[-1:]
    elif segment != ".":
        segments.append(segment)
