"""What is legal but surely not meant, in one service or gateway: warnings.

What concerns several services is in `references.py`.
"""

from collections.abc import Iterator, Mapping, Sequence

from xds.catalog.addresses import normalize_ip
from xds.catalog.filter_rules import advise_filters
from xds.catalog.listener_rules import advise_listeners
from xds.catalog.locality_rules import DEFAULT_PANIC_THRESHOLD, advise_locality
from xds.catalog.model import Affinity, Gateway, Health, HealthCheck, OutlierDetection, Service
from xds.catalog.path_template import find_start
from xds.catalog.places import Loc
from xds.catalog.policies import HASHING, RAMPING, WEIGHING, Balance
from xds.catalog.route import Route
from xds.catalog.subsets import advise_subsets
from xds.catalog.text_match import Wanted, covers
from xds.catalog.upstream_advice import advise_route_retries, advise_upstream
from xds.catalog.values import format_duration

Advice = tuple[Loc, str]
"""Where, below the service or gateway, and a sentence."""

MAX_EJECTION_PERCENT = OutlierDetection().max_ejection_percent
"""What holds when it is not stated."""

ALL_OUT = "every endpoint is drained or unhealthy: Envoy then sends requests to all of them, as if none were"
NONE_LEFT = "every endpoint is drained or unhealthy: with `panic_threshold: 0` every request fails"


def advise_service(service: Service) -> Iterator[Advice]:
    """Warn of what has no effect with the balance, or what the balance lacks; of checks that overlap."""
    policy = service.balance.policy
    balance = policy.value
    weighed = next((index for index, endpoint in enumerate(service.endpoints) if endpoint.weight is not None), None)
    if weighed is not None and policy not in WEIGHING:
        loc = ("endpoints", weighed, "weight")
        yield loc, f"has no effect with `balance: {balance}`: write `balance: weighted`"
    if weighed is None and policy is Balance.WEIGHTED and service.endpoints:
        yield ("balance",), "no endpoint has a `weight`, so all get the same share, as with `round_robin`"
    if service.affinity is None and policy in HASHING:
        remedy = "{source: true}" if service.protocol == "tcp" else "{header: x-user}"
        yield ("balance",), f"without `affinity` requests go anywhere by chance: write such as `affinity: {remedy}`"
    if service.affinity is not None:
        yield from _advise_affinity(service, service.affinity)
    if service.slow_start is not None and policy not in RAMPING:
        yield (
            ("slow_start",),
            f"has no effect with `balance: {balance}`: it is for round_robin, weighted, least_request and "
            "client_side_weighted",
        )
    if service.endpoints and all(one.drain or one.health is Health.UNHEALTHY for one in service.endpoints):
        yield ("endpoints",), NONE_LEFT if service.panic_threshold == 0 else ALL_OUT
    if service.ttl is not None and any(normalize_ip(endpoint.address) is None for endpoint in service.endpoints):
        yield ("ttl",), "has no effect on endpoints with host names, which Envoy resolves by itself"
    yield from advise_locality(service)
    yield from advise_upstream(service)
    yield from _advise_outlier_detection(service)
    if service.health_check is not None:
        yield from _advise_health_check(service.health_check)
    yield from advise_subsets(service)
    yield from advise_routes((), service.routes)


def _advise_affinity(service: Service, affinity: Affinity) -> Iterator[Advice]:
    policy = service.balance.policy
    if policy not in HASHING:
        message = f"has no effect with `balance: {policy.value}`: write `balance: maglev` or `ring_hash`"
        yield ("affinity",), message
    if affinity.cookie is not None and affinity.cookie.ttl is not None and affinity.source:
        yield ("affinity", "source"), "never counts: where the cookie is missing, Envoy sets it, since it has a `ttl`"


def _advise_outlier_detection(service: Service) -> Iterator[Advice]:
    detection = service.outlier_detection
    threshold = DEFAULT_PANIC_THRESHOLD if service.panic_threshold is None else service.panic_threshold
    most, ejected = 100 - threshold, detection.max_ejection_percent
    if detection.enabled and ejected > most:
        message = f"when more than {most}% are out, Envoy sends requests to all of them again"
        if ejected == MAX_EJECTION_PERCENT:
            yield (
                ("panic_threshold",),
                f"{message}, and outlier detection may take out {ejected}%: write {100 - ejected}",
            )
        else:
            remedy = f"write {most} or less" if most else "lower `panic_threshold`"
            yield ("outlier_detection", "max_ejection_percent"), f"{message}: {remedy}"
    if detection.consecutive_5xx is not None and service.protocol == "tcp":
        yield ("outlier_detection", "consecutive_5xx"), "has no effect with `protocol: tcp`, which has no statuses"


def _advise_health_check(check: HealthCheck) -> Iterator[Advice]:
    if check.timeout > check.interval:
        timeout, interval = format_duration(check.timeout), format_duration(check.interval)
        yield ("health_check", "timeout"), f"is {timeout}, longer than the interval of {interval}"


def advise_gateway(gateway: Gateway) -> Iterator[Advice]:
    """Warn of routes that can never match, of a `*` that is taken literally, and of what listeners make useless."""
    yield from advise_routes((), gateway.routes)
    for index, listener in enumerate(gateway.listeners):
        yield from advise_routes(("listeners", index), listener.routes)
    yield from advise_listeners(gateway)


def advise_routes(loc: Loc, routes: Sequence[Route]) -> Iterator[Advice]:
    """Warn of what one list of routes, below `loc`, says in vain."""
    earlier = _Routes()
    for index, route in enumerate(routes):
        covering = earlier.find_covering(route)
        if covering is not None:
            yield (*loc, "routes", index), f"can never match: routes[{covering}] takes every request that it would"
        earlier.add(index, route)
        for word, message in _advise_route(route):
            yield (*loc, "routes", index, word), message
        for below, message in advise_filters(route):
            yield (*loc, "routes", index, *below), message
        for below, message in advise_route_retries(route):
            yield (*loc, "routes", index, *below), message


def _advise_route(route: Route) -> Iterator[tuple[str, str]]:
    """Warn of a `*` that is taken literally, of a share that is none, and of a redirect that comes back."""
    if route.prefix is not None and route.prefix.endswith("*"):
        yield "prefix", "ends in a `*`, which has no meaning in a prefix: leave it out"
    if route.regex is not None and route.regex.endswith("$") and not route.regex.endswith("\\$"):
        yield "regex", "ends in a `$`, which says nothing: the whole path is to match in any case"
    elif route.regex is not None and not set(route.regex) & set(".[(*+?{|\\^"):
        yield "regex", "has nothing but plain text: write `path`"
    if route.redirect is not None and _comes_back(route):
        yield "redirect", "leads to a request that this route takes again, without end"


def _comes_back(route: Route) -> bool:
    """Tell whether the client's next request is for the same host and a path that the route takes too."""
    to = route.redirect
    if to is None or to.https or to.port is not None or to.host not in (None, route.host):
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
    """The routes that come first, found by what they match: a thousand need not each be held against each."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str | None, str, str], list[tuple[int, Route]]] = {}
        self._lengths: set[int] = set()

    def add(self, index: int, route: Route) -> None:
        kind, text = _describe_path(route)
        self._routes.setdefault((route.host, kind, text), []).append((index, route))
        if kind == "prefix":
            self._lengths.add(len(text))

    def find_covering(self, route: Route) -> int | None:
        """Find the first route that takes every request that `route` would."""
        kind, text = _describe_path(route)
        # What every path that it matches begins with, as far as is known.
        known = "/" if kind == "regex" else find_start(text) if kind == "template" else text
        candidates = [("prefix", known[:length]) for length in self._lengths if length <= len(known)]
        if kind != "prefix":
            candidates.append((kind, text))
        return min(
            (
                index
                for host in _covering_hosts(route.host)
                for candidate in candidates
                for index, earlier in self._routes.get((host, *candidate), ())
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
    """Tell whether a route wants nothing of a request's method, headers and query that another does not."""
    if earlier.method and not (route.method and set(route.method) <= set(earlier.method)):
        return False
    return _wants_less(earlier.headers, route.headers) and _wants_less(earlier.query, route.query)


def _wants_less(earlier: Mapping[str, Wanted], later: Mapping[str, Wanted]) -> bool:
    return all(name in later and covers(value, later[name]) for name, value in earlier.items())


def _covering_hosts(host: str | None) -> Iterator[str | None]:
    yield None
    if host is None:
        return
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
