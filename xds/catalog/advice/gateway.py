"""Warnings about one gateway and its listeners: what is legal but has no effect, or not the effect that it seems to."""

from collections.abc import Iterator, Sequence

from xds.catalog.advice.routes import advise_routes
from xds.catalog.model.gateway import Certificate, Gateway
from xds.catalog.model.route import Route
from xds.catalog.text.addresses import covers_host
from xds.catalog.text.mistake import Mistake, warning


def advise_gateway(gateway: Gateway) -> Iterator[Mistake]:
    """Warn of routes that can never match, of a `*` that is taken literally, and of what listeners make useless."""
    yield from advise_routes((), gateway.routes)
    for index, listener in enumerate(gateway.listeners):
        yield from advise_routes(("listeners", index), listener.routes)
    yield from advise_listeners(gateway)


def advise_listeners(gateway: Gateway) -> Iterator[Mistake]:
    """Warn of routes that no client comes to, for want of a certificate or of a listener, and of endless redirects."""
    if gateway.routes and gateway.listeners and all(listener.routes for listener in gateway.listeners):
        yield warning(("routes",), "has no effect: every listener has routes of its own")
    for loc, listener in gateway.find_listeners():
        if listener.tls is None or listener.tls.passthrough:
            continue
        if listener.http3 and listener.proxy_protocol:
            yield warning(
                (*loc, "http3"), "UDP has no PROXY protocol: over HTTP/3 everybody's address is the load balancer's"
            )
        below = loc if listener.routes else ()
        for index, route in enumerate(listener.routes or gateway.routes):
            if route.host is not None and not _is_covered(route.host, listener.tls.certificates):
                message = f"no certificate of port {listener.port} is for this host: its clients are refused there"
                yield warning((*below, "routes", index, "host"), message)
            if route.redirect is not None and _stays(route):
                message = f"leads from port {listener.port}, which is https already, to itself, without end"
                yield warning((*below, "routes", index, "redirect"), message)


def _is_covered(host: str, certificates: Sequence[Certificate]) -> bool:
    """Whether any client that names such a host is shown a certificate."""
    return any(not one.hosts or any(covers_host(known, host) for known in one.hosts) for one in certificates)


def _stays(route: Route) -> bool:
    """Whether a redirect changes nothing but the scheme."""
    to = route.redirect
    return to is not None and to.https and (to.host, to.port, to.prefix, to.path) == (None,) * 4
