"""Entrances: where a node of the mesh takes requests, and the routes that it then tries, in their order.

A node is known by its `node.cluster`: a gateway, the sidecar of a service, or a stranger. A gRPC client has
the routes of a sidecar, and no listener.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass

from xds.catalog.catalog import Catalog
from xds.catalog.matching import merge_slashes, normalize_path
from xds.catalog.model.gateway import ALL_IPV4, Listener, Tls
from xds.catalog.model.listener_options import HttpOptions
from xds.catalog.model.mesh import Strangers
from xds.catalog.model.route import Route
from xds.catalog.model.service import Protocol, Service
from xds.catalog.model.sidecar import USUAL_SIDECAR
from xds.catalog.text.mistake import Loc
from xds.wording import join_host_and_port

SIDECAR_LISTENER = "sidecar"
"""The name of a sidecar's listener for HTTP, and of its RouteConfiguration. A gateway's begin with its own name."""

PLAIN_HTTP = HttpOptions()
"""How a listener reads HTTP if the catalog does not say."""


@dataclass(frozen=True, slots=True)
class PlacedRoute:
    """A route, and where it stands in the catalog; the route of a service to itself stands where the service does.

    `number` is its place in its list, from 1; that to the service itself is the last.
    """

    loc: Loc
    number: int
    route: Route


@dataclass(frozen=True, slots=True)
class Entrance:
    """A listener, or one host of a sidecar's listener, and its routes.

    `listener` is the name of Envoy's Listener. `host` is the only host that its routes are for; None is any. `is_open`
    is whether strangers can come: their paths are normalized. `is_tcp` is whether connections are not looked into: the
    first route, by the host in SNI, has them. A gRPC client has no address: its `port` is 0.
    """

    listener: str
    address: tuple[str, ...]
    port: int
    loc: Loc
    routes: tuple[PlacedRoute, ...]
    host: str | None = None
    tls: Tls | None = None
    is_tcp: bool = False
    is_open: bool = False
    http: HttpOptions = PLAIN_HTTP

    @property
    def where(self) -> str:
        """Where it listens, as in `10.0.0.1:8080, [::1]:8080`."""
        return ", ".join(join_host_and_port(one, self.port) for one in self.address) or "the client itself"

    def see_path(self, path: str) -> str:
        """Return a request's path as the routes see it."""
        if self.is_tcp:
            return path
        slashes = self.http.merges_slashes(edge=self.is_open)
        if self.http.normalizes_path(edge=self.is_open):
            return normalize_path(path, slashes=slashes)
        return merge_slashes(path) if slashes else path


def find_entrances(catalog: Catalog, cluster: str, *, grpc: bool = False) -> Iterator[Entrance]:
    """Yield the entrances of the nodes with a `node.cluster`; "" stands for a node that may call every service.

    A cluster that the catalog does not name has none, unless the catalog serves strangers.
    """
    gateway = catalog.gateways.get(cluster)
    if gateway is None:
        own = catalog.services.get(cluster)
        if own is None and cluster and catalog.mesh.strangers is not Strangers.SERVE:
            return
        named = catalog.services if own is None or own.upstreams is None else own.upstreams
        yield from _find_sidecar(catalog, sorted(named), cluster, own, grpc=grpc)
    elif grpc:
        yield from _find_sidecar(catalog, sorted(gateway.services), cluster, None, grpc=True)
    else:
        base = ("gateways", cluster)
        for loc, (below, routes, listener) in zip(
            (loc for loc, _ in gateway.find_listeners()), gateway.find_routes(), strict=True
        ):
            placed = tuple(
                PlacedRoute((*base, *below, "routes", index), index + 1, route) for index, route in enumerate(routes)
            )
            name = cluster if not gateway.listeners else f"{cluster}/{name_listener(listener)}"
            targets = (catalog.services.get(service) for service in (routes[0].services if routes else ()))
            is_tcp = any(target is not None and target.protocol is Protocol.TCP for target in targets)
            yield Entrance(
                name,
                listener.address,
                listener.port,
                (*base, *loc),
                placed,
                tls=listener.tls,
                is_tcp=is_tcp,
                is_open=True,
                http=gateway.http,
            )


def _find_sidecar(
    catalog: Catalog, names: Iterable[str], cluster: str, own: Service | None, *, grpc: bool
) -> Iterator[Entrance]:
    sidecar = USUAL_SIDECAR if own is None else own.sidecar
    for name in names:
        service = catalog.services[name]
        loc = ("services", name)
        if service.protocol is Protocol.TCP:
            if service.local_port is not None and not grpc and name != cluster:
                direct = PlacedRoute(loc, 1, Route(to={name: 1}))
                yield Entrance(f"tcp/{name}", ("127.0.0.1",), service.local_port, loc, (direct,), is_tcp=True)
            continue
        completed = enumerate(complete_routes(name, service), 1)
        placed = [PlacedRoute((*loc, "routes", number - 1), number, one) for number, one in completed]
        placed.append(PlacedRoute(loc, len(placed) + 1, Route(to={name: 1})))
        if grpc:
            yield Entrance(name, (), 0, loc, tuple(placed), host=name)
        else:
            place = (sidecar.listen.address,), sidecar.listen.port
            yield Entrance(SIDECAR_LISTENER, *place, loc, tuple(placed), host=name, http=sidecar.http)


def complete_routes(name: str, service: Service) -> Iterator[Route]:
    """Yield a service's own routes. A route without `to`, `redirect` or `respond` gets the service itself as `to`."""
    for route in service.routes:
        if route.to or route.redirect is not None or route.respond is not None:
            yield route
        else:
            completed = copy(route)  # the other fields are valid already, so it need not be validated again
            object.__setattr__(completed, "to", {name: 1})
            yield completed


def name_listener(listener: Listener) -> str:
    """Return the name of one of several listeners: the port, with the first address if that is not the default."""
    first, *_ = listener.address
    return str(listener.port) if first == ALL_IPV4 else f"{first}:{listener.port}"
