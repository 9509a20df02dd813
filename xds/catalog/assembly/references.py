"""The checks of references between services and gateways, which may be in different files."""

from collections.abc import Iterable, Iterator, Sequence

from xds.catalog.advice.exposure import HTTPS
from xds.catalog.assembly.index import Index, Policy, SoundRoutes
from xds.catalog.catalog import Subject
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.retries import Retries
from xds.catalog.model.route import MATCHES, Route, given
from xds.catalog.model.route_action import split_target
from xds.catalog.model.service import Protocol, Service
from xds.catalog.raw.clusters import NamedCluster
from xds.catalog.text.addresses import SIDECAR
from xds.catalog.text.mistake import Ground, Loc, Mistake, warning
from xds.catalog.versions import advise_versions
from xds.errors import Severity
from xds.wording import Nearest, find_nearest, show

ONLY_SERVICES = "an Envoy has clusters only of the catalog's services"


def check_subject(index: Index, subject: Subject, nearest: Nearest) -> Iterator[Mistake]:
    """Yield the mistakes of one service or gateway that depend on others."""
    kind, name = subject
    if kind == "services" and (service := index.services.get(name)):
        yield from _check_service(index, name, service, nearest)
    elif kind == "gateways" and (gateway := index.gateways.get(name)):
        yield from _check_gateway(index, name, gateway, nearest)
    oldest, value = index.oldest_envoy, index.get(subject)
    if oldest is not None and value is not None:
        yield from advise_versions(subject, value, oldest)


def _check_service(index: Index, name: str, service: Service, nearest: Nearest) -> Iterator[Mistake]:
    for position, upstream in enumerate(service.upstreams or ()):
        loc = ("upstreams", position)
        if not index.is_known(("services", name), loc):
            continue
        yield from _check_target(index, loc, upstream, nearest)
        if index.is_tcp(upstream) and index.lacks(upstream, "local_port") and upstream != name:
            message = f"{show(upstream)} is `protocol: tcp` without `local_port`: no sidecar has a listener for it"
            yield warning(loc, message)
    yield from _check_own_routes(index, name, service, nearest)
    yield from _check_raw_clusters(index, ("services", name), service.raw_clusters, nearest)
    if service.local_port is not None:
        yield from _check_local_port(index, name, service.local_port)
    if service.endpoints and not index.is_called(name):
        message = "nothing calls this service: no route and no `upstreams` names it"
        yield Mistake((), message, Severity.WARNING, ground=Ground.ALL_SERVICES)


def _check_own_routes(index: Index, name: str, service: Service, nearest: Nearest) -> Iterator[Mistake]:
    """Yield the mistakes of a service's own routes, which callers' sidecars apply: to requests, not to connections."""
    for position, route in enumerate(service.routes):
        loc: Loc = ("routes", position)
        for below, target in route.references.items():
            if not index.is_known(("services", name), (*loc, *below)):
                continue
            if target != name:
                yield from _check_target(index, (*loc, *below), target, nearest, backed=_is_backed(route, below))
                if index.is_tcp(target):
                    message = f"{show(target)} is `protocol: tcp`: it takes connections, not requests"
                    yield Mistake((*loc, *below), message)
            if below[0] == "to":
                yield from _check_protocol(index, loc, route, target)
        if route.to is None and index.is_known(("services", name), loc):
            yield from _check_protocol(index, loc, route, name)
        if index.is_known(("services", name), (*loc, "to")):
            yield from _check_subsets(index, loc, route)
            yield from _check_policies(index, loc, route)
            yield from _check_fallback(index, loc, route, name)


def _check_subsets(index: Index, loc: Loc, route: Route) -> Iterator[Mistake]:
    """Yield a mistake for each subset that a route names and its service does not have."""
    for below, (service, subset) in route.subsets.items():
        known = index.subsets(service)
        if known is None or subset in known:
            continue
        near = find_nearest(subset, known)
        hint = f"did you mean `{service}/{near}`?" if near else f"it has {', '.join(sorted(known)[:10])}"
        has = f"has no subset {show(subset)}: {hint}" if known else "has no `subsets`"
        yield Mistake((*loc, *below), f"{show(service)} {has}")


def _check_local_port(index: Index, name: str, port: int) -> Iterator[Mistake]:
    others = sorted(index.local_ports[port] - {name})
    if others:
        yield Mistake(("local_port",), f"{port} is the local port of {show(others[0])} too: each needs its own")
    if port == SIDECAR.port:
        yield Mistake(("local_port",), f"{port} is the port of the sidecars themselves")
    else:
        callers = (caller for caller in index.sidecar_ports.get(port, ()) if index.may_call(caller, name))
        if caller := min(callers, default=None):
            message = f"{port} is the port of the sidecar of {show(caller)}, which calls this service"
            yield Mistake(("local_port",), message)


def _check_gateway(index: Index, name: str, gateway: Gateway, nearest: Nearest) -> Iterator[Mistake]:
    yield from _check_listeners(index, name, gateway)
    yield from _check_raw(index, gateway)
    yield from _check_raw_clusters(index, ("gateways", name), gateway.raw_clusters, nearest)
    known, found = index.sound.get(name, {}), dict[Loc, SoundRoutes]()
    for loc, routes in gateway.route_lists:
        before = known.get(loc, NOTHING_SOUND)
        if before.has_all(routes):
            found[loc] = before
            continue
        sound: dict[int, Route] = {}
        for position, route in enumerate(routes):
            mistakes: list[Mistake] = []
            if id(route) not in before.sound:
                mistakes = list(_check_gateway_route(index, name, (*loc, position), route, nearest))
                yield from mistakes
            if id(route) in before.sound or not (mistakes or any(map(index.is_tcp, route.services))):
                sound[id(route)] = route
        found[loc] = SoundRoutes(routes, sound)
    index.sound[name] = {} if ("gateways", name) in index.broken else found


NOTHING_SOUND = SoundRoutes((), {})


def _check_gateway_route(index: Index, name: str, loc: Loc, route: Route, nearest: Nearest) -> Iterator[Mistake]:
    for below, target in route.references.items():
        if not index.is_known(("gateways", name), (*loc, *below)):
            continue
        yield from _check_target(index, (*loc, *below), target, nearest, backed=_is_backed(route, below))
        if not index.is_tcp(target):
            if below[0] == "to":
                yield from _check_protocol(index, loc, route, target)
            continue
        if below != ("to",):
            what = "it takes connections, not requests"
            if below != ("fallback",):
                what = "its connections cannot be split or mirrored"
            message = f"{show(target)} is `protocol: tcp`: {what}"
            yield Mistake((*loc, *below), message)
    if index.is_known(("gateways", name), (*loc, "to")):
        yield from _check_subsets(index, loc, route)
        yield from _check_policies(index, loc, route)
        yield from _check_fallback(index, loc, route)


def _check_protocol(index: Index, loc: Loc, route: Route, target: str) -> Iterator[Mistake]:
    """Yield the mistakes of a route's fields that do not fit its service's protocol, as far as that is known."""
    protocol = index.protocol(target)
    if protocol is not None:
        for found in check_protocol(route, target, protocol.value):
            yield found.below(loc)


def _check_raw_clusters(
    index: Index, subject: Subject, clusters: Iterable[tuple[Loc, NamedCluster]], nearest: Nearest
) -> Iterator[Mistake]:
    """Yield a mistake for each cluster in raw fields that is no service, and a warning for one that gRPC cannot use."""
    for loc, cluster in clusters:
        if not index.is_known(subject, loc):
            continue
        for found in _check_target(index, loc, cluster.name, nearest):
            near = ": did you mean" in found.message or found.severity is Severity.WARNING
            yield found if near else found._replace(message=f"{found.message}: {ONLY_SERVICES}")
        protocol = index.protocol(cluster.name)
        if cluster.grpc and protocol not in (None, Protocol.GRPC, Protocol.HTTP2):
            message = f"{show(cluster.name)} is `protocol: {protocol}`, and gRPC goes over HTTP/2: all calls fail"
            yield warning(loc, message)


def _check_listeners(index: Index, name: str, gateway: Gateway) -> Iterator[Mistake]:
    """Yield a mistake where a listener that forwards connections has routes for requests, or the reverse."""
    found: dict[Mistake, None] = {}
    of = "listener" if gateway.listeners else "gateway"
    for (place, _), (loc, routes, listener) in zip(gateway.find_listeners(), gateway.find_routes(), strict=True):
        if not index.is_known(("gateways", name), (*place, "tls")):
            continue
        if listener.port == HTTPS and listener.tls is None and _has_requests(index, routes) and not gateway.envoy:
            message = f"{HTTPS} is the port of https, and clients get plain text there: add `tls`"
            found[warning((*place, "port"), message)] = None
        passthrough = listener.tls is not None and listener.tls.passthrough
        known = NOTHING_SOUND if passthrough else index.sound.get(name, {}).get((*loc, "routes"), NOTHING_SOUND)
        for position, route in enumerate(() if known.has_all(routes) else routes):
            if id(route) in known.sound:
                continue
            below: Loc = (*loc, "routes", position)
            if len(route.to or ()) != 1 or not index.is_known(("gateways", name), (*below, "to")):
                continue
            [target] = (split_target(one)[0] for one in route.to or {})
            if passthrough and index.protocol(target) not in (None, Protocol.TCP):
                what = f"{show(target)} is not `protocol: tcp`, and with `tls: passthrough` no request can be read"
                found[Mistake((*below, "to"), what)] = None
            elif not passthrough and index.is_tcp(target):
                found |= dict.fromkeys(_check_tcp_route(below, route, target, of, alone=len(routes) == 1))
                if listener.http3:
                    found[Mistake((*place, "http3"), f"{show(target)} is `protocol: tcp`, which is not HTTP")] = None
    yield from found


def _has_requests(index: Index, routes: Sequence[Route]) -> bool:
    """Whether a listener takes requests: it forwards no connections, and no service of its routes is unknown."""
    return all(index.protocol(name) not in (None, Protocol.TCP) for route in routes for name in route.services)


def _check_raw(index: Index, gateway: Gateway) -> Iterator[Mistake]:
    """Yield a warning about raw fields of messages that a gateway does not have, if it only forwards connections."""
    targets = [next((one for route in routes for one in route.services), "") for _, routes, _ in gateway.find_routes()]
    target = targets[0]
    for message_name in gateway.envoy:
        if message_name != "listener" and all(map(index.is_tcp, targets)):
            message = f"has no effect: {show(target)} is `protocol: tcp`, and a gateway to it has only a listener"
            yield warning(("envoy", message_name), message)


def _check_policies(index: Index, loc: Loc, route: Route) -> Iterator[Mistake]:
    """Yield a warning where a route's services have different policies, since a route in Envoy has only one."""
    first, *others = route.to or {"": 1}
    services = {target: split_target(target)[0] for target in (first, *others)}
    policies = {target: policy for target, name in services.items() if (policy := index.policy(name))}
    if first not in policies:
        return
    for other in others:
        if other in policies and (fields := _compare(route, policies[first], policies[other])):
            what = f"{' and '.join(fields)} than {show(services[first])}"
            message = f"has other {what}: the route uses those of its first service"
            yield warning((*loc, "to", other), message)


def _check_fallback(index: Index, loc: Loc, route: Route, own: str = "") -> Iterator[Mistake]:
    """Yield what is wrong with a route's fallback; `own` is the service that a route without an end leads to."""
    if route.fallback is None:
        return
    targets = route.to or {own: 1}
    if [*targets] == [own] == [route.fallback]:
        yield Mistake((*loc, "fallback"), "is the service that the route leads to: name another one")
        return
    for target in targets:
        policy = index.policy(target)
        if target != route.fallback and policy is not None and not policy.falls_over:
            message = (
                f"{show(target)} counts as down only while it has no endpoints: "
                "write its `health_check`, or `outlier_detection: {max_ejection_percent: 100}`"
            )
            yield warning((*loc, "fallback"), message)


def _is_backed(route: Route, below: Loc) -> bool:
    """Whether the place in a route names a target that has a fallback."""
    return route.fallback is not None and below[0] == "to"


def _compare(route: Route, first: Policy, other: Policy) -> list[str]:
    """Return the fields that differ in two services' policies, without those that the route itself sets."""
    fields = []
    if first.grpc != other.grpc:
        fields.append("`protocol`")
    if (first.request != other.request and route.timeout is None) or first.idle != other.idle:
        fields.append("`timeouts`")
    own = route.retries or Retries()
    if own.over(first.retries) != own.over(other.retries):
        fields.append("`retries`")
    if first.host != other.host and (route.rewrite is None or route.rewrite.host is None):
        fields.append("`host`")
    return fields


def _check_tcp_route(loc: Loc, route: Route, target: str, of: str, *, alone: bool) -> Iterator[Mistake]:
    what = f"{show(target)} is `protocol: tcp`"
    if not alone:
        yield Mistake((*loc, "to"), f"{what}: a route to it must be the {of}'s only one")
    for field in given(route):
        if field in MATCHES:
            yield Mistake((*loc, field), f"{what}: its connections have no {field} to match, leave this out")
        elif field != "to":
            yield Mistake((*loc, field), f"{what}: its connections are passed on as they are, leave this out")


def _check_target(index: Index, loc: Loc, name: str, nearest: Nearest, *, backed: bool = False) -> Iterator[Mistake]:
    """Yield what is wrong with a service that is named; one that is `backed` need not have endpoints."""
    if ("services", name) not in index.owners:
        subset = _find_subset(index, loc, name)
        message = f"there is no service {show(name)}{subset or nearest.suggest(name)}"
        yield Mistake(loc, message, ground=Ground.ALL_NAMES)
    elif index.lacks(name, "endpoints") and not backed:
        message = f"{show(name)} has no endpoints: requests to it fail"
        yield Mistake(loc, message, Severity.WARNING, ground=Ground.ALL_ENDPOINTS)


def _find_subset(index: Index, loc: Loc, name: str) -> str:
    """Return the end of a message, which suggests the subset that a route perhaps means; "" for none."""
    owners = index.subset_owners.get(name) if "to" in loc and "mirror" not in loc else None
    return f": did you mean `{min(owners)}/{name}`?" if owners else ""


def check_protocol(route: Route, service: str, protocol: str) -> Iterator[Mistake]:
    """Yield the mistakes and warnings about fields of a route that do not fit a service of that protocol."""
    what = f"{show(service)} is `protocol: {protocol}`"
    if route.websocket and protocol != "http":
        yield Mistake(("websocket",), f"{what}: WebSockets go over `protocol: http`")
    if route.grpc_web and protocol == "http":
        yield Mistake(("grpc_web",), f"{what}: gRPC goes over `protocol: grpc`")
    if route.max_body is not None and protocol == "grpc":
        message = f"{what}: a call that streams its requests is sent only when it ends, and fails above the limit"
        yield warning(("max_body",), message)
