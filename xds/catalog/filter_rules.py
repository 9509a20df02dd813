"""What must hold between a route's words for filters and its others, and what of them is surely not meant."""

from collections.abc import Iterator

from xds.catalog.path_template import find_variables
from xds.catalog.places import Loc, show
from xds.catalog.route import Route
from xds.errors import Severity

OF_SERVICES = ("fault", "rate_limit", "cors", "websocket", "grpc_web", "max_body")
"""The words that are for requests that go to a service."""


def check_filters(route: Route) -> list[tuple[Loc, str]]:
    """Refuse words of a route that exclude each other."""
    wrong: list[tuple[Loc, str]] = []
    if route.redirect is not None or route.respond is not None:
        return []  # none of them may be there at all
    if route.websocket and route.max_body is not None:
        wrong.append((("max_body",), "a WebSocket has no end to wait for: leave this or `websocket` out"))
    if route.websocket and route.method and "GET" not in route.method:
        wrong.append((("websocket",), "a WebSocket begins with GET, which the route's `method` leaves out"))
    if route.grpc_web and route.method and "POST" not in route.method:
        wrong.append((("grpc_web",), "a gRPC call is a POST, which the route's `method` leaves out"))
    return wrong


def check_template_words(route: Route) -> list[tuple[Loc, str]]:
    """Refuse a rewrite with variables that the route's template has not, or beside another rewrite of the path."""
    rewrite = route.rewrite
    if rewrite is None or rewrite.template is None:
        return []
    loc: Loc = ("rewrite", "template")
    others = [word for word in ("prefix", "path") if getattr(rewrite, word) is not None]
    wrong: list[tuple[Loc, str]] = [(loc, f"a rewrite has `{word}` or `template`, not both") for word in others]
    if route.template is None:
        return [*wrong, (loc, "is for a route with `template`, whose variables it takes: write `path` here")]
    known = find_variables(route.template)
    missing = [name for name in find_variables(rewrite.template) if name not in known]
    names = ", ".join(known) or "none"
    return wrong + [(loc, f"`{name}` is no variable of the route's `template`: it has {names}") for name in missing]


def advise_filters(route: Route) -> Iterator[tuple[Loc, str]]:
    """Warn of what has less effect, or more, than it seems to."""
    if route.fault is not None:
        if route.fault.by_header:
            yield (
                ("fault", "by_header"),
                "whoever can send requests here can ask for faults: only where no stranger can",
            )
        abort = route.fault.abort
        if abort is not None and abort.status < 400:
            yield ("fault", "abort", "status"), f"{abort.status} tells no client of a failure: write such as 503"
    if route.cors is not None and route.cors.methods and route.method:
        for index, method in enumerate(route.cors.methods):
            if method not in route.method:
                yield ("cors", "methods", index), f"the route takes no {method}: its `method` leaves it out"


def find_protocol_faults(route: Route, service: str, protocol: str) -> Iterator[tuple[Loc, str, Severity]]:
    """Tell which words of a route a service of that protocol cannot be asked for, or suffers from."""
    what = f"{show(service)} is `protocol: {protocol}`"
    if route.websocket and protocol != "http":
        yield ("websocket",), f"{what}: WebSockets go over `protocol: http`", Severity.ERROR
    if route.grpc_web and protocol == "http":
        yield ("grpc_web",), f"{what}: gRPC goes over `protocol: grpc`", Severity.ERROR
    if route.max_body is not None and protocol == "grpc":
        message = f"{what}: a call that streams its requests waits for its own end, and is cut off at the limit"
        yield ("max_body",), message, Severity.WARNING
