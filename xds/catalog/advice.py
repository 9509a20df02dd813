"""What is legal but surely not meant, in one service or gateway: warnings.

What concerns several services is in `references.py`.
"""

from collections.abc import Iterator, Mapping

from xds.catalog.addresses import normalize_ip
from xds.catalog.model import Balance, Gateway, HealthCheck, Route, Service
from xds.catalog.places import Loc
from xds.catalog.values import format_duration

Advice = tuple[Loc, str]
"""Where, below the service or gateway, and a sentence."""


def advise_service(service: Service) -> Iterator[Advice]:
    """Warn of weights that have no effect, or a balance that has no weights; of checks that overlap."""
    weighed = next((index for index, endpoint in enumerate(service.endpoints) if endpoint.weight is not None), None)
    if weighed is not None and service.balance is not Balance.WEIGHTED:
        loc = ("endpoints", weighed, "weight")
        yield loc, f"has no effect with `balance: {service.balance.value}`: write `balance: weighted`"
    if weighed is None and service.balance is Balance.WEIGHTED and service.endpoints:
        yield ("balance",), "no endpoint has a `weight`, so all get the same share, as with `round_robin`"
    if service.ttl is not None and any(normalize_ip(endpoint.address) is None for endpoint in service.endpoints):
        yield ("ttl",), "has no effect on endpoints with host names, which Envoy resolves by itself"
    if service.health_check is not None:
        yield from _advise_health_check(service.health_check)


def _advise_health_check(check: HealthCheck) -> Iterator[Advice]:
    if check.timeout > check.interval:
        timeout, interval = format_duration(check.timeout), format_duration(check.interval)
        yield ("health_check", "timeout"), f"is {timeout}, longer than the interval of {interval}"


def advise_gateway(gateway: Gateway) -> Iterator[Advice]:
    """Warn of routes that can never match, and of a `*` that is taken literally."""
    earlier = _Routes()
    for index, route in enumerate(gateway.routes):
        covering = earlier.find_covering(route)
        if covering is not None:
            yield ("routes", index), f"can never match: routes[{covering}] takes every request that it would"
        earlier.add(index, route)
        if route.prefix is not None and route.prefix.endswith("*"):
            yield ("routes", index, "prefix"), "ends in a `*`, which has no meaning in a prefix: leave it out"


class _Routes:
    """The routes that come first, found by what they match: a thousand need not each be held against each."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str | None, str, bool], list[tuple[int, Mapping[str, str]]]] = {}
        self._lengths: set[int] = set()

    def add(self, index: int, route: Route) -> None:
        text = route.path if route.path is not None else route.prefix or "/"
        key = (route.host, text, route.path is not None)
        self._routes.setdefault(key, []).append((index, route.headers))
        self._lengths.add(len(text))

    def find_covering(self, route: Route) -> int | None:
        """Find the first route that takes every request that `route` would."""
        text = route.path if route.path is not None else route.prefix or "/"
        candidates = [(text[:length], False) for length in self._lengths if length <= len(text)]
        if route.path is not None:
            candidates.append((text, True))
        return min(
            (
                index
                for host in _covering_hosts(route.host)
                for start, exact in candidates
                for index, headers in self._routes.get((host, start, exact), ())
                if all(name in route.headers and value in ("*", route.headers[name]) for name, value in headers.items())
            ),
            default=None,
        )


def _covering_hosts(host: str | None) -> Iterator[str | None]:
    yield None
    if host is None:
        return
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
