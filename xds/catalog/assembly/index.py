"""An index of definitions, references and ports, for the checks of services and gateways against each other.

An `Index` is updated by one service or gateway at a time. Each update returns the subjects that have to be checked
again.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, TypeVar

from xds.catalog.catalog import Subject
from xds.catalog.model.endpoint import WithRegistered
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.mesh import MeshValue
from xds.catalog.model.retries import Retries
from xds.catalog.model.route import Route
from xds.catalog.model.service import Protocol, Service
from xds.catalog.text.envoy_version import Version, read_oldest
from xds.catalog.text.mistake import Loc

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Policy(NamedTuple):
    """A service's policy for its requests: the timeouts, the retries and the Host header.

    `falls_over` is whether all of its endpoints can count as unhealthy at once.
    """

    grpc: bool
    request: timedelta | None
    idle: timedelta | None
    retries: Retries
    host: str | None
    falls_over: bool


class SoundRoutes(NamedTuple):
    """A list of a gateway's routes, and those of them for requests in which nothing is wrong, by their identity."""

    routes: Sequence[Route]
    sound: Mapping[int, Route]

    def has_all(self, routes: Sequence[Route]) -> bool:
        """Whether these are the routes, and nothing is wrong in any."""
        return routes is self.routes and len(self.sound) == len(routes)


class Index:
    """The services and gateways of all fragments, and which subjects refer to each service.

    `owners` has the fragments that define a subject, valid or not. `referrers` has the subjects that name a service in
    `upstreams`, routes or raw fields. `open_callers` are the services without `upstreams`, which may call all services.
    `broken` has the subjects with mistakes, and for each the locations whose values are not known. `sound` has what was
    found right in each gateway, beside the services as they are.
    """

    def __init__(self, oldest: Version | None = None) -> None:
        self._oldest = oldest
        self.services: dict[str, Service] = {}
        self.gateways: dict[str, Gateway] = {}
        self.mesh: dict[str, MeshValue] = {}
        self.owners: dict[Subject, set[str]] = {}
        self.broken: dict[Subject, frozenset[Loc]] = {}
        self.referrers: dict[str, set[Subject]] = {}
        self.open_callers: set[str] = set()
        self.local_ports: dict[int, set[str]] = {}
        self.sidecar_ports: dict[int, set[str]] = {}
        self.subset_owners: dict[str, set[str]] = {}
        self.sound: dict[str, Mapping[Loc, SoundRoutes]] = {}

    def get(self, subject: Subject) -> Service | Gateway | MeshValue | None:
        """Return a service, a gateway or the value of a field of the mesh; None if there is none."""
        kind, name = subject
        if kind == "mesh":
            return self.mesh.get(name)
        return self.services.get(name) if kind == "services" else self.gateways.get(name)

    def put_owner(self, subject: Subject, source: str, *, owns: bool) -> set[Subject]:
        """Record whether a fragment defines `subject`; return the subjects to check again."""
        kind, name = subject
        before = subject in self.owners
        (_add if owns else _discard)(self.owners, subject, source)
        concerned = {subject} if kind == "mesh" else {("services", name), ("gateways", name)}
        if kind == "services" and before != (subject in self.owners):
            concerned |= self.referrers.get(name, set())
            self.sound.clear()
        return concerned

    def put_service(self, name: str, service: Service | None, broken: frozenset[Loc] | None = None) -> set[Subject]:
        """Add, replace or remove (None) a service; return the subjects to check again."""
        old, before = self.services.get(name), self._describe(name)
        if old is service and broken == self.broken.get(("services", name)):
            return set()
        callers = self._describe_callers()
        concerned: set[Subject] = set()
        if old is not None:
            self.open_callers.discard(name)
            concerned |= self._put_ports(name, old, _discard)
        self._put_broken(("services", name), broken)
        if service is not None:
            self.services[name] = service
            if service.upstreams is None:
                self.open_callers.add(name)
            concerned |= self._put_ports(name, service, _add)
        else:
            self.services.pop(name, None)
        if before != self._describe(name):
            concerned |= self.referrers.get(name, set())
            self.sound.clear()
        concerned |= self._put_subsets(name, old, service)
        named, names = (
            _find_named(one) - {name} | {*(one.upstreams or ())} if one else set() for one in (old, service)
        )
        return concerned | self._put_targets(("services", name), named, names) | self._diff_callers(callers)

    def put_gateway(self, name: str, gateway: Gateway | None, broken: frozenset[Loc] | None = None) -> set[Subject]:
        """Add, replace or remove (None) a gateway; return the subjects to check again."""
        self._put_broken(("gateways", name), broken)
        callers = self._describe_callers()
        old = self.gateways.pop(name, None)
        if gateway is not None:
            self.gateways[name] = gateway
        else:
            self.sound.pop(name, None)
        before, after = (one.needed if one else () for one in (old, gateway))
        return self._put_targets(("gateways", name), before, after) | self._diff_callers(callers)

    @property
    def oldest_envoy(self) -> Version | None:
        """The oldest Envoy of the mesh; None if nobody says it."""
        written = self.mesh.get("envoy")
        if self._oldest is None and isinstance(written, str):
            return read_oldest(written)
        return self._oldest

    def put_mesh(self, field: str, value: MeshValue | None) -> set[Subject]:
        """Set, replace or remove (None) a field of the mesh; return the subjects to check again."""
        before = self.oldest_envoy
        if value is None:
            self.mesh.pop(field, None)
        else:
            self.mesh[field] = value
        return {("mesh", field)} if before == self.oldest_envoy else {*self.owners}

    def is_known(self, subject: Subject, loc: Loc) -> bool:
        """Whether the value at `loc` of a service or gateway is known: no mistake is there, or above it."""
        broken = self.broken.get(subject)
        return broken is None or not any(loc[:depth] in broken for depth in range(len(loc) + 1))

    def is_tcp(self, name: str) -> bool:
        """Whether a service is known to have `protocol: tcp`."""
        service = self.services.get(name)
        return bool(service and service.protocol is Protocol.TCP and self.is_known(("services", name), ("protocol",)))

    def protocol(self, name: str) -> Protocol | None:
        """Return a service's protocol; None while it is not known."""
        service = self.services.get(name)
        return service.protocol if service and self.is_known(("services", name), ("protocol",)) else None

    def lacks(self, name: str, field: str) -> bool:
        """Whether a service without mistakes has no `local_port`, or no `endpoints`."""
        service = self.services.get(name)
        lacks = service and not getattr(service, field) and not isinstance(getattr(service, field), WithRegistered)
        return bool(lacks and ("services", name) not in self.broken)

    def may_call(self, caller: str, name: str) -> bool:
        """Whether the sidecar of the service `caller` may call another service."""
        upstreams = self.services[caller].upstreams
        return caller != name and (upstreams is None or name in upstreams)

    def is_called(self, name: str) -> bool:
        """Whether anything may call a service. Without any reference to a service, this is true for all services."""
        return not self.referrers or name in self.referrers or len(self.open_callers) > (name in self.open_callers)

    def _put_broken(self, subject: Subject, broken: frozenset[Loc] | None) -> None:
        if broken is not None:
            self.broken[subject] = broken
        else:
            self.broken.pop(subject, None)

    def policy(self, name: str) -> Policy | None:
        """Return a service's policy for its requests; None while the service has mistakes."""
        service = self.services.get(name)
        if service is None or ("services", name) in self.broken:
            return None
        grpc, timeouts = service.protocol is Protocol.GRPC, service.timeouts
        outliers = service.outlier_detection
        falls_over = service.health_check is not None or (outliers.enabled and outliers.max_ejection_percent == 100)
        host = service.requested_host
        return Policy(grpc, timeouts.request, timeouts.idle, service.retries.of_route, host, falls_over)

    def subsets(self, name: str) -> frozenset[str] | None:
        """Return a service's subsets; None while they are not known."""
        service = self.services.get(name)
        known = service is not None and self.is_known(("services", name), ("subsets",))
        return frozenset(service.subsets) if service is not None and known else None

    def _describe(self, name: str) -> tuple[object, ...]:
        """Return everything about a service that the checks of its referrers depend on."""
        known = self.lacks(name, "endpoints"), self.is_tcp(name), self.lacks(name, "local_port")
        return *known, self.policy(name), self.protocol(name), self.subsets(name)

    def _put_ports(
        self, name: str, service: Service, put: Callable[[dict[int, set[str]], int, str], None]
    ) -> set[Subject]:
        put(self.sidecar_ports, service.sidecar.listen.port, name)
        ports = {service.sidecar.listen.port}
        if service.local_port is not None:
            put(self.local_ports, service.local_port, name)
            ports.add(service.local_port)
        return {("services", peer) for port in ports for peer in self.local_ports.get(port, ())}

    def _put_subsets(self, name: str, old: Service | None, service: Service | None) -> set[Subject]:
        """Record a service's subsets; return the subjects that name a subset as if it were a service."""
        before, after = (one.subsets.keys() if one else set() for one in (old, service))
        for subset in before - after:
            _discard(self.subset_owners, subset, name)
        for subset in after - before:
            _add(self.subset_owners, subset, name)
        return {one for subset in before ^ after for one in self.referrers.get(subset, ())}

    def _put_targets(self, subject: Subject, before: Iterable[str], after: Iterable[str]) -> set[Subject]:
        old, new = set(before), set(after)
        for name in old - new:
            _discard(self.referrers, name, subject)
        for name in new - old:
            _add(self.referrers, name, subject)
        return {("services", name) for name in old ^ new}

    def _describe_callers(self) -> tuple[bool, frozenset[str] | None]:
        """Return what `is_called` depends on, for the services without referrers."""
        return bool(self.referrers), frozenset(self.open_callers) if len(self.open_callers) < 2 else None

    def _diff_callers(self, before: tuple[bool, frozenset[str] | None]) -> set[Subject]:
        if self._describe_callers() == before:
            return set()
        return {("services", name) for name in self.services if name not in self.referrers}


def _find_named(service: Service) -> set[str]:
    """Return the services that a service's routes and raw fields name."""
    return {*service.routed, *(cluster.name for _, cluster in service.raw_clusters)}


def _add(sets: dict[K, set[V]], key: K, value: V) -> None:
    sets.setdefault(key, set()).add(value)


def _discard(sets: dict[K, set[V]], key: K, value: V) -> None:
    if values := sets.get(key):
        values.discard(value)
        if not values:
            del sets[key]
