"""The virtual hosts of a gateway's listener.

In the catalog the first route that matches is used. Envoy chooses the most specific host first, and then the first
route of that virtual host that matches. So each virtual host has the routes of all hosts that cover its host, in the
catalog's order, up to one that takes every request.

Many hosts and many routes for any host multiply. Beyond `MAX_COPIES` there is one virtual host, for any host: there a
route for a host matches the Host header, and each route stands once.
"""

from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from xds.catalog.model.route import Route
from xds.catalog.model.service import Service, has_same_policy
from xds.catalog.raw.fields import sets_raw
from xds.catalog.text.addresses import ANY_HOST, find_covering_hosts
from xds.resources.resource import Resource
from xds.resources.routes.envoy_routes import encode_routes
from xds.wire import skeleton_pb2
from xds.wire.envoy.config_route_v3_pb2 import HeaderMatcher, RouteMatch, VirtualHost
from xds.wire.envoy.type_matcher_v3_pb2 import RegexMatcher, StringMatcher
from xds.wire.messages import encode
from xds.wire.varint import encode_field

MAX_COPIES = 10_000
"""How many routes of wider hosts the virtual hosts of one listener have: about 5 MB to send."""

HOST_HEADER = ":authority"
ROUTES = VirtualHost.ROUTES_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class _Listener:
    """What was encoded for a listener: for each route, by its identity, the field `routes` of a VirtualHost.

    `routes` holds the routes, and `services` those that they name, as they were then. `resource` is its
    RouteConfiguration, made with the `options` too.
    """

    routes: Sequence[Route]
    services: Mapping[str, Service]
    limited: bool
    by_header: bool
    parts: Mapping[int, bytes]
    options: Hashable = None
    resource: Resource | None = None


NO_LISTENER = _Listener((), {}, limited=False, by_header=False, parts={})


@dataclass(slots=True)
class EncodedRoutes:
    """What was encoded last for each listener, by its name.

    A route that did not change, to services that did not change, is not encoded again. Routes are known by identity.
    """

    _listeners: dict[str, _Listener] = field(default_factory=dict)

    def find(
        self, name: str, routes: Sequence[Route], services: Mapping[str, Service], options: Hashable
    ) -> Resource | None:
        """Return the RouteConfiguration of a listener, if the same would be made now."""
        known = self._listeners.get(name, NO_LISTENER)
        same = known.routes is routes and known.options == options and not self._find_changed(name, services)
        return known.resource if same else None

    def keep(self, name: str, options: Hashable, resource: Resource) -> None:
        """Keep the RouteConfiguration that was made of the routes which were encoded last."""
        self._listeners[name] = replace(self._listeners[name], options=options, resource=resource)

    def encode(
        self, name: str, routes: Sequence[Route], services: Mapping[str, Service], *, limited: bool, by_header: bool
    ) -> list[bytes]:
        """Return the encoded routes of a listener. With `by_header` those for a host match the Host header."""
        known = self._listeners.get(name, NO_LISTENER)
        before = known.parts if (known.limited, known.by_header) == (limited, by_header) else {}
        if changed := self._find_changed(name, services):
            kept = (route for route in known.routes if changed.isdisjoint(route.services))
            before = {id(route): before[id(route)] for route in kept if id(route) in before}
        parts = {
            id(route): before[id(route)]
            if id(route) in before
            else _encode(route, services, limited=limited, by_header=by_header)
            for route in routes
        }
        named = {one: services[one] for route in routes for one in route.services}
        self._listeners[name] = _Listener(routes, named, limited, by_header, parts)
        return [parts[id(route)] for route in routes]

    def _find_changed(self, name: str, services: Mapping[str, Service]) -> frozenset[str]:
        """Return the services of a listener that are others now, apart from their endpoints."""
        known = self._listeners.get(name, NO_LISTENER)
        others = {one: services[one] for one, was in known.services.items() if services.get(one, was) is not was}
        changed = {one for one, now in others.items() if not has_same_policy(known.services[one], now)}
        changed |= known.services.keys() - services.keys()
        if others and not changed:  # so that they need not be compared again
            self._listeners[name] = replace(known, services={**known.services, **others})
        return frozenset(changed)

    def forget(self, gateway: str) -> None:
        """Forget the listeners of a gateway."""
        for name in [one for one in self._listeners if one.partition("/")[0] == gateway]:
            del self._listeners[name]


def build_virtual_hosts(
    name: str, routes: Sequence[Route], services: Mapping[str, Service], encoded: EncodedRoutes, *, limited: bool
) -> list[bytes]:
    """Encode the virtual hosts of the listener `name`; `limited` is whether any of its routes has a rate limit."""
    places = find_places(routes)
    parts = encoded.encode(name, routes, services, limited=limited, by_header=places is None)
    if places is None:
        return [_begin(ANY_HOST) + b"".join(parts)]
    return [_begin(host) + b"".join([parts[place] for place in of_host]) for host, of_host in places.items()]


def find_places(routes: Sequence[Route]) -> Mapping[str, Sequence[int]] | None:
    """Return the places of the routes of each virtual host, by its host; None if they are more than `MAX_COPIES`."""
    by_host: dict[str, list[int]] = {}
    ends: dict[str, int] = {}
    lasting: dict[str, list[int]] = {}  # routes that may match what no route of the catalog does, such as CONNECT
    for place, route in enumerate(routes):
        is_raw = sets_raw(route.envoy, "route", "match")
        for host in route.hosts:
            by_host.setdefault(host, []).append(place)
            if is_raw:
                lasting.setdefault(host, []).append(place)
            elif host not in ends and _takes_all(route):
                ends[host] = place
    found: dict[str, list[int]] = {}
    copies = 0
    for host in by_host:
        covering = [one for one in find_covering_hosts(host) if one in by_host]
        end = min((ends[one] for one in covering if one in ends), default=len(routes))
        lengths = {one: bisect_right(by_host[one], end) for one in covering}
        copies += sum(lengths.values()) - lengths[host]
        if copies > MAX_COPIES:
            return None
        # A route with several hosts may cover the host by more than one.
        places = {place for one, length in lengths.items() for place in by_host[one][:length]}
        found[host] = sorted(places.union(*(lasting.get(one, ()) for one in covering)))
    return found


def _takes_all(route: Route) -> bool:
    """Whether a route takes every request for its hosts; without raw fields for its match."""
    if route.path is not None or route.regex is not None or route.template is not None or route.method:
        return False
    return route.prefix in (None, "/") and not (route.headers or route.query)


def _begin(host: str) -> bytes:
    return skeleton_pb2.VirtualHost(name=host, domains=[host]).SerializeToString()


def _encode(route: Route, services: Mapping[str, Service], *, limited: bool, by_header: bool) -> bytes:
    hosts = [match for host in route.host for match in _match_host(host)] if by_header and route.host else [b""]
    encoded = encode_routes(route, services, limited=limited)
    return b"".join(encode_field(ROUTES, one + match) for match in hosts for one in encoded)


@lru_cache(maxsize=4096)
def _match_host(host: str) -> tuple[bytes, bytes]:
    """Encode parts of a Route that match requests for a host, which may be `*.example.com`: without a port, and with.

    A regex for the host itself may be larger than Envoy allows.
    """
    if host.startswith("*."):
        bare = StringMatcher(suffix=host[1:], ignore_case=True)
        with_port = StringMatcher(contains=f"{host[1:]}:", ignore_case=True)
    else:
        bare = StringMatcher(exact=host, ignore_case=True)
        with_port = StringMatcher(prefix=f"{host}:", ignore_case=True)
    port = StringMatcher(safe_regex=RegexMatcher(regex="[^:]+:[0-9]+"))
    return _encode_host_match(bare), _encode_host_match(with_port, port)


def _encode_host_match(*matchers: StringMatcher) -> bytes:
    headers = [HeaderMatcher(name=HOST_HEADER, string_match=matcher) for matcher in matchers]
    return skeleton_pb2.Route(match=encode(RouteMatch(headers=headers))).SerializeToString()
