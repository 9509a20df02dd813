"""Warnings about one gateway and its listeners: fields that are valid but have no effect, or an unexpected one."""

from collections.abc import Iterator, Sequence

from xds.catalog.advice.raw import advise_raw_gateway
from xds.catalog.advice.routes import advise_routes
from xds.catalog.model.gateway import Certificate, Gateway
from xds.catalog.model.route import Route
from xds.catalog.raw.fields import sets_raw
from xds.catalog.text.addresses import covers_host
from xds.catalog.text.mistake import Mistake, warning


def advise_gateway(gateway: Gateway) -> Iterator[Mistake]:
    """Yield the warnings about a gateway's routes and about its listeners."""
    yield from advise_routes((), gateway.routes)
    for index, listener in enumerate(gateway.listeners):
        yield from advise_routes(("listeners", index), listener.routes)
    yield from advise_listeners(gateway)
    yield from advise_raw_gateway(gateway)


def advise_listeners(gateway: Gateway) -> Iterator[Mistake]:
    """Yield warnings about routes that no listener or certificate lets clients reach, and about endless redirects."""
    if gateway.routes and gateway.listeners and all(listener.routes for listener in gateway.listeners):
        yield warning(("routes",), "has no effect: every listener has routes of its own")
    for loc, listener in gateway.find_listeners():
        if listener.tls is None or listener.tls.passthrough:
            continue
        if listener.http3 and listener.proxy_protocol:
            yield warning(
                (*loc, "http3"), "UDP has no PROXY protocol: over HTTP/3 all clients have the load balancer's address"
            )
        below = loc if listener.routes else ()
        for index, route in enumerate(listener.routes or gateway.routes):
            for host in route.host:
                if not _is_covered(host, listener.tls.certificates):
                    message = f"no certificate of port {listener.port} covers {host}: its clients are refused there"
                    yield warning((*below, "routes", index, "host"), message)
            changed = sets_raw(route.envoy, "route", "match", "redirect")
            if route.redirect is not None and not changed and _only_changes_scheme(route):
                message = f"redirects port {listener.port}, which is https already, to itself: an endless loop"
                yield warning((*below, "routes", index, "redirect"), message)


def _is_covered(host: str, certificates: Sequence[Certificate]) -> bool:
    """Whether a certificate is for this host, or for every host."""
    return any(not one.hosts or any(covers_host(known, host) for known in one.hosts) for one in certificates)


def _only_changes_scheme(route: Route) -> bool:
    """Whether a redirect changes nothing but the scheme."""
    to = route.redirect
    return to is not None and to.https and (to.host, to.port, to.prefix, to.path) == (None,) * 4
