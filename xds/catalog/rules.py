"""What must hold among the parts of one endpoint list, route or service: validators used by `model.py`.

What must hold among services is in `references.py`; what is legal but surely not meant is in `advice.py`.
"""

from typing import TYPE_CHECKING

from xds.catalog.places import Loc, show
from xds.catalog.values import Mistake

if TYPE_CHECKING:
    from xds.catalog.model import Endpoint, Route, Service

MAX_WEIGHT = 2**32 - 1
"""Envoy's limit on an endpoint's weight, and on the sum over a locality (endpoint_components.proto)."""


def check_endpoints(endpoints: "tuple[Endpoint, ...]") -> "tuple[Endpoint, ...]":
    """Refuse an address and port given twice, and weights whose sum Envoy cannot hold."""
    wrong: list[tuple[Loc, str]] = []
    first: dict[tuple[str, int], int] = {}
    weight = 0
    for index, endpoint in enumerate(endpoints):
        weight += endpoint.weight or 1
        earlier = first.setdefault((endpoint.address, endpoint.port), index)
        if earlier != index:
            host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
            wrong.append(((index,), f"{host}:{endpoint.port} is given twice: first as endpoints[{earlier}]"))
    if weight > MAX_WEIGHT:
        wrong.append(((), f"the endpoints' weights sum up to {weight}: Envoy takes {MAX_WEIGHT} at most"))
    if wrong:
        raise Mistake(*wrong)
    return endpoints


def check_upstreams(upstreams: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a service named twice."""
    first: dict[str, int] = {}
    wrong: list[tuple[Loc, str]] = [
        ((index,), f"{show(name)} is given twice: first as upstreams[{first[name]}]")
        for index, name in enumerate(upstreams)
        if first.setdefault(name, index) != index
    ]
    if wrong:
        raise Mistake(*wrong)
    return upstreams


def check_route(route: "Route") -> "Route":
    """Refuse a route with both a prefix and an exact path."""
    if route.prefix is not None and route.path is not None:
        raise Mistake((("path",), "a route has `prefix` or `path`, not both"))
    return route


def check_service(service: "Service") -> "Service":
    """Refuse a local port for a service whose requests the sidecar tells apart by their host."""
    if service.local_port is not None and service.protocol != "tcp":
        raise Mistake(
            (("local_port",), f"is for `protocol: tcp`: {service.protocol.value} callers use the sidecar's own port")
        )
    return service
