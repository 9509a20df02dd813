"""Finds what happens to one request at one node: the entrance, the route, the targets, or why there is none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xds.catalog.entrances import Entrance, PlacedRoute, find_entrances
from xds.catalog.matching import Request, find_misses, find_route
from xds.catalog.model.gateway import Tls
from xds.catalog.text.addresses import covers_host
from xds.cli.explain.descriptions import describe_match
from xds.cli.explain.explanation import ClusterExplanation, Route, explain_route, explain_targets
from xds.cli.explain.known import Known
from xds.cli.route.asked import SCHEMES, Asked
from xds.wording import find_nearest, join_or

SHOWN = 8
"""How many routes that do not take a request are told."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A route that does not take the request, and the fields of the catalog that keep it from that."""

    field: str
    place: str
    match: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What happens to a request.

    `listener` is the address at which it arrives, and None if it arrives nowhere. `path` is the path as the routes see
    it. `route` is None if none takes it. `verdict` says what happens then, and `status` is the status of the answer
    that Envoy itself gives, if it does. `misses` are the nearest of the routes that do not take it.
    """

    url: str
    method: str
    node: Mapping[str, Any]
    listener: str | None
    path: str
    route: Route | None
    choices: tuple[ClusterExplanation, ...]
    status: int | None
    verdict: str
    notes: tuple[str, ...]
    misses: tuple[Miss, ...]

    @property
    def is_answered(self) -> bool:
        """Whether a route takes it that has an endpoint to send it to, or an answer."""
        reached = any(one.percent for choice in self.choices for one in choice.endpoints)
        return self.route is not None and (reached or self.route.answer is not None)


def find(asked: Asked, known: Known) -> Finding:
    """Return what happens to a request at the node."""
    entrances = list(find_entrances(known.catalog, known.node["cluster"], grpc=known.node["grpc"]))
    stranger = known.explain_stranger()
    if stranger is not None and not entrances:
        return _finish(asked, known, None, asked.path, None, None, stranger, [])
    notes = [] if stranger is None else [stranger]
    entrance = _choose_entrance(asked, known, entrances)
    if isinstance(entrance, _Nowhere):
        return _finish(asked, known, None, asked.path, None, entrance.status, entrance.words, notes)
    path = entrance.see_path(asked.path)
    if path != asked.path:
        notes.append(f"the routes see the path {path}")
    placed, misses = _choose_route(asked, known, entrance, path)
    if placed is None:
        words = "no route takes it" if not entrance.is_tcp else "no route takes its host"
        status = None if entrance.is_tcp else 404
        return _finish(asked, known, entrance, path, None, status, words, notes, misses)
    if "match" in getattr(placed.route.envoy.get("route"), "names", ()):
        notes.append("the route's own `envoy` fields change what it matches: this is not looked into")
    return _finish(asked, known, entrance, path, placed, None, "", notes)


def _finish(
    asked: Asked,
    known: Known,
    entrance: Entrance | None,
    path: str,
    placed: PlacedRoute | None,
    status: int | None,
    verdict: str,
    notes: Sequence[str],
    misses: tuple[Miss, ...] = (),
) -> Finding:
    route = None if placed is None or entrance is None else explain_route(entrance, placed, known)
    choices = () if route is None else explain_targets([route], known)
    listener = None if entrance is None else _write_address(entrance)
    if route is not None and not route.answer and not any(one.percent for one in _endpoints(choices)):
        status, verdict = 503, "no endpoint can get it"
    return Finding(
        asked.url, asked.method, known.node, listener, path, route, choices, status, verdict, tuple(notes), misses
    )


def _endpoints(choices: Sequence[ClusterExplanation]) -> Iterator[Any]:
    return (one for choice in choices for one in choice.endpoints)


def _write_address(entrance: Entrance) -> str:
    return entrance.where


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """The request arrives nowhere: in words, and the status of the answer if there is one."""

    words: str
    status: int | None = None


def _choose_entrance(asked: Asked, known: Known, entrances: Sequence[Entrance]) -> Entrance | _Nowhere:
    if known.node["cluster"] not in known.catalog.gateways or known.node["grpc"]:
        return _choose_host(asked, known, entrances)
    port = asked.port or SCHEMES[asked.scheme]
    found = [one for one in entrances if one.port == port]
    if not found and not asked.port:  # something in front has the usual port, and this listens at another
        encrypted = asked.scheme == "https"
        found = [one for one in entrances if (one.tls is not None) == encrypted] or list(entrances)
    if len(found) != 1:
        listening = join_or(f"{one.port}{' (TLS)' if one.tls else ''}" for one in entrances)
        where = f"listens at {listening}"
        if found:
            return _Nowhere(f"{known.name} {where}: write the port in the URL")
        return _Nowhere(f"no connection: {known.name} {where}, not at {port}")
    return _check_tls(asked, found[0]) or found[0]


def _check_tls(asked: Asked, entrance: Entrance) -> _Nowhere | None:
    tls = entrance.tls
    if asked.scheme == "http" and tls is not None:
        return _Nowhere(f"no answer: port {entrance.port} expects TLS: write https://")
    if asked.scheme == "https" and tls is None and not entrance.is_tcp:
        return _Nowhere(f"no connection: port {entrance.port} has no `tls`: write http://")
    if asked.scheme == "https" and tls is not None and not _has_certificate(tls, asked.host):
        return _Nowhere(f"no connection: no certificate of port {entrance.port} is for the host {asked.host}")
    return None


def _has_certificate(tls: Tls, host: str) -> bool:
    if tls.passthrough:
        return True
    return any(not one.hosts or any(covers_host(name, host) for name in one.hosts) for one in tls.certificates)


def _choose_host(asked: Asked, known: Known, entrances: Sequence[Entrance]) -> Entrance | _Nowhere:
    """Choose the host of a sidecar, or the listener of a TCP service, which the URL names as its host."""
    by_name = {one.host or str(one.loc[1]): one for one in entrances}
    if (found := by_name.get(asked.host)) is not None:
        return found
    if asked.host in known.catalog.services:
        reason = f"{asked.host} is not among the `upstreams` of {known.node['cluster']}"
        if known.catalog.services[asked.host].local_port is None and asked.host not in by_name:
            reason += ", or it is TCP without a `local_port`"
        return _Nowhere(reason, 404)
    near = find_nearest(asked.host, by_name)
    hint = f": did you mean http://{near}/?" if near is not None else ""
    return _Nowhere(f"{known.name} knows no service {asked.host}{hint}", 404)


def _choose_route(
    asked: Asked, known: Known, entrance: Entrance, path: str
) -> tuple[PlacedRoute | None, tuple[Miss, ...]]:
    if entrance.is_tcp:
        return _choose_connection(asked, entrance), ()
    headers = dict(asked.headers)
    if entrance.is_open:
        headers["x-forwarded-proto"] = "https" if entrance.tls is not None else "http"
    request = Request(asked.host, path, asked.method, headers)
    index = find_route([placed.route for placed in entrance.routes], request)
    if index is not None:
        return entrance.routes[index], ()
    missed = [(tuple(find_misses(placed.route, request)), placed) for placed in entrance.routes]
    missed.sort(key=lambda one: len(one[0]))
    return None, tuple(_describe_miss(placed, fields, known) for fields, placed in missed[:SHOWN])


def _describe_miss(placed: PlacedRoute, fields: tuple[str, ...], known: Known) -> Miss:
    found = known.written.find(placed.loc)
    path, place = ("", "") if found is None else (found.path, found.place)
    return Miss(path, place, describe_match(placed.route), fields)


def _choose_connection(asked: Asked, entrance: Entrance) -> PlacedRoute | None:
    """Choose by the host in SNI, where the most specific host wins; without TLS passed through, there is one route."""
    if entrance.tls is None or not entrance.tls.passthrough:
        return entrance.routes[0]
    takes = [one for one in entrance.routes if one.route.takes_host(asked.host)]
    return next(iter(takes), None)
