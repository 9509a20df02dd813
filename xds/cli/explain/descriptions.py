"""Describes routes and services in the words and fields of the catalog, with the places where they are written."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from xds.catalog.entrances import PlacedRoute
from xds.catalog.model.retries import BackOff, Retries
from xds.catalog.model.route import Route
from xds.catalog.model.route_action import split_target
from xds.catalog.model.service import Protocol, Service
from xds.catalog.model.timeouts import DEFAULT_REQUEST
from xds.catalog.text.durations import format_duration
from xds.catalog.text.text_match import ANY, How, Wanted
from xds.cli.explain.known import Field, Written
from xds.wording import write_flow

CONDITIONS = ("host", "prefix", "path", "regex", "template", "method", "headers", "query")
ENDS = ("to", "redirect", "respond")
"""The fields of a route that its first line tells."""

TOLD_ELSEWHERE = frozenset({"endpoints", "routes", "upstreams", "subsets", "sidecar", "local_port", "retries"})
"""The fields of a service that change no request to it, or that are told with its routes or its endpoints."""


def describe_match(route: Route) -> str:
    """Return which requests a route takes, such as `GET shop.example.com/api… with x-team: a`."""
    wanted = [_describe_value(name, value, ": ") for name, value in route.headers.items()]
    wanted += [f"?{_describe_value(name, value, '=')}" for name, value in route.query.items()]
    words = [", ".join(route.method)] if route.method else []
    words.append(_describe_path(route))
    if wanted:
        words.append(f"with {' and '.join(wanted)}")
    return " ".join(words)


def _describe_path(route: Route) -> str:
    host = ", ".join(route.host)
    if route.path is not None:
        return f"{host}{route.path}"
    if route.regex is not None:
        return f"{f'{host} ' if host else ''}paths that match {route.regex}"
    if route.template is not None:
        return f"{f'{host} ' if host else ''}paths like {route.template}"
    if route.prefix in (None, "/"):
        return f"any path of {host}" if host else "any path"
    return f"{host}{route.prefix}…"


def _describe_value(name: str, wanted: Wanted, sign: str) -> str:
    if wanted == ANY:
        return name
    if isinstance(wanted, str):
        return f"{name}{sign}{wanted}"
    shown = {How.PREFIX: f"{wanted.text}…", How.SUFFIX: f"…{wanted.text}", How.CONTAINS: f"…{wanted.text}…"}
    shown[How.REGEX] = f"/{wanted.text}/"
    return f"no {name}" if wanted.how is How.ABSENT else f"{name}{sign}{shown.get(wanted.how, wanted.text)}"


def describe_answer(placed: PlacedRoute, written: Written) -> str | None:
    """Return how a route without a service answers; None for a route with one."""
    name = "redirect" if placed.route.redirect is not None else "respond" if placed.route.respond is not None else None
    if name is None:
        return None
    found = written.find((*placed.loc, name))
    return f"{name}: {write_flow(found.value)}" if found is not None else name


def describe_handling(placed: PlacedRoute, services: Mapping[str, Service], written: Written) -> Iterator[str]:
    """Yield the fields of a route beside its conditions and its end, then what it takes from its first service."""
    route = placed.route
    own = written.find_fields(placed.loc) if placed.loc[-2] == "routes" else {}
    for name, field in own.items():
        if name not in (*CONDITIONS, *ENDS, "retries"):
            yield f"{name}: {write_flow(field.value)}"
    if not route.to:
        return
    target = split_target(next(iter(route.to)))[0]
    service = services[target]
    if route.timeout is None:
        yield _describe_timeout(service, written.find(("services", target, "timeouts", "request")))
    yield from _describe_retries(route, service, own.get("retries"), written.find(("services", target, "retries")))


def _describe_timeout(service: Service, field: Field | None) -> str:
    if field is not None:
        return f"timeout: {write_flow(field.value)}{_cite(field)}"
    if service.protocol is Protocol.GRPC:
        return "no timeout except the client's own deadline (the default of gRPC)"
    return f"timeout: {format_duration(DEFAULT_REQUEST)} (the default)"


def _describe_retries(route: Route, service: Service, own: Field | None, base: Field | None) -> Iterator[str]:
    retries = service.retries if route.retries is None else route.retries.over(service.retries)
    if not retries.attempts:
        yield f"no retries{_cite(own or base)}"
        return
    cited = _cite(base) if own is None else f" (over those at {base.place})" if base is not None else ""
    yield f"retries: {write_flow(_list_fields(retries))}{cited or ('' if own else ' (the default)')}"
    grpc = service.protocol is Protocol.GRPC
    split = not grpc and not retries.any_method
    if not retries.on:
        reasons = _name_conditions(retries, grpc=grpc, safe=not grpc)
        yield f"  {'of GET, HEAD and OPTIONS: ' if split else ''}on {reasons}"
    if split:
        reasons = _name_conditions(retries, grpc=grpc, safe=False)
        yield f"  of methods that are not safe to repeat, such as POST: {f'on {reasons}' if reasons else 'none'}"


def _name_conditions(retries: Retries, *, grpc: bool, safe: bool) -> str:
    # Imported here, since the module imports Envoy's message classes.
    from xds.resources.routes.retries import find_conditions

    conditions, statuses = find_conditions(retries, grpc=grpc, safe=safe)
    return ", ".join([*filter(None, conditions.split(",")), *map(str, statuses)])


def _list_fields(retries: Retries) -> dict[str, object]:
    """Return the fields that are set, as they are written; not the budget, which is kept for a whole service."""
    found: dict[str, object] = {}
    for one in fields(retries):
        value = getattr(retries, one.name)
        if one.name == "budget" or value in (None, ()):
            continue
        if isinstance(value, BackOff):
            times = {"base": value.base, "max": value.max}
            value = {name: format_duration(time) for name, time in times.items() if time is not None}
        elif one.name == "per_try":
            value = format_duration(value)
        found[one.name] = value
    return found


def describe_service(name: str, service: Service, written: Written) -> Iterator[str]:
    """Yield the fields of a service that change what happens to requests, with their places, then what is on anyway."""
    found = written.find_fields(("services", name))
    for key, field in found.items():
        if key not in TOLD_ELSEWHERE:
            yield f"{key}: {write_flow(field.value)}{_cite(field, path=False)}"
    if "connect" not in (found["timeouts"].value if "timeouts" in found else ()):
        yield f"timeouts: {{connect: {format_duration(service.timeouts.connect)}}} (the default)"
    if "outlier_detection" not in found:
        detection = service.outlier_detection
        words = {
            "consecutive_failures": detection.consecutive_failures,
            "max_ejection_percent": f"{detection.max_ejection_percent:g}%",
        }
        yield f"outlier_detection: {write_flow(words)} (the default)"


def _cite(field: Field | None, *, path: bool = True) -> str:
    if field is None:
        return ""
    return f" ({field.path}, {field.place})" if path else f" ({field.place})"
