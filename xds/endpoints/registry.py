"""Registry: the endpoints of every service from every provider, updated by changes and published as `Endpoints`.

The time of an update depends on the number of changes. The registry does not need a service's policy: it keeps the
instances of a service that is not in the catalog until the catalog has it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from xds.catalog.catalog import Catalog, Mark, diff_catalogs
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.service import Service
from xds.endpoints.brake import takes_too_much
from xds.endpoints.endpoint_set import (
    CATALOG,
    NO_ENDPOINTS,
    REGISTERED,
    Change,
    Endpoints,
    EndpointSet,
    Key,
    collect,
    collect_catalog,
    diff,
)
from xds.sources.source import InstanceId

Address = tuple[str, int]
NO_CHANGES: Final[Mapping[Key, Endpoint | None]] = {}


class Registry:
    """Takes changes from providers. `publish` returns the endpoints after these changes, as an immutable object."""

    def __init__(self) -> None:
        self._catalog = Catalog({}, {})
        self._sets: dict[str, EndpointSet] = {}
        self._members: dict[str, _Members] = {}  # of services with other providers than the catalog
        self._by_provider: dict[str, set[tuple[str, Key]]] = {}
        self._counts: dict[str, Counter[str]] = {}  # of instances, by provider and service
        self._held: dict[str, frozenset[tuple[str, Key]]] = {}
        self._pending: dict[str, dict[Key, Endpoint | None]] = {}
        self._withheld: dict[str, Mapping[str, int]] = {}
        self._put: set[Change] = set()
        self._mark: Mark[Change] = Mark()

    def put_catalog(self, catalog: Catalog) -> None:
        """Apply the endpoints in the catalog, by what differs from the previous catalog."""
        changed, _ = diff_catalogs(self._catalog, catalog)
        self._catalog = catalog
        for name in changed:
            self._update_service(name)
            service = catalog.services.get(name)
            now = NO_ENDPOINTS if service is None else collect_catalog(service.endpoints)
            if (members := self._members.get(name)) is not None:
                members.apply_policy(service)
                members.put_catalog(now)
                self._count_withheld(name, members)
                now = members.collect()
            was = self._sets.get(name, NO_ENDPOINTS)
            if keys := diff(was.by_key, now.by_key):
                self._put.update((name, key) for key in keys)
                self._set(name, now)

    def put(
        self,
        provider: str,
        changes: Mapping[InstanceId, Endpoint | None],
        *,
        full: bool = False,
        refused: frozenset[InstanceId] = frozenset(),
        share: float | None = None,
    ) -> None:
        """Apply changes of a provider's instances, None for a removed one; `full` if these are all its instances.

        Instances that were `refused` keep their last valid endpoint. Where too many would go, by `share` in percent
        (see `brake.py`; None: never), none goes: they are held until they come back, `release` is called, or fewer are
        gone.
        """
        known = self._by_provider.setdefault(provider, set())
        counts = self._counts.setdefault(provider, Counter())
        come = {(service, (provider, name)) for (service, name), one in changes.items() if one is not None}
        gone = {(service, (provider, name)) for service, name in changes} - come
        gone |= self._held.pop(provider, frozenset())
        if full:
            gone |= known - {(service, (provider, name)) for service, name in (*changes, *refused)}
        gone = (gone & known) - come
        new = come - known
        if gone and share is not None and takes_too_much(counts, _count(gone), _count(new), share):
            self._held[provider] = frozenset(gone)
        else:
            self._remove(provider, gone)
        for (service, name), endpoint in changes.items():
            if endpoint is not None:
                self._pending.setdefault(service, {})[provider, name] = endpoint
        known |= new
        counts.update(_count(new))

    @property
    def held(self) -> Mapping[str, frozenset[tuple[str, Key]]]:
        """The instances that providers removed and that are served nevertheless, by provider: service and key."""
        return self._held.copy()

    def explain_held(self, provider: str) -> str:
        """Return in words for the operator why instances of a provider are held."""
        held, counts = _count(self._held[provider]), self._counts[provider]
        emptied = sum(number >= counts[service] for service, number in held.items())
        if emptied == len(counts):
            return "the source has no instance any more of what is served"
        return f"{emptied} of {len(counts)} services of the source would have no instance"

    def release(self, provider: str) -> None:
        """Remove the instances of a provider that are held."""
        self._remove(provider, self._held.pop(provider, frozenset()))

    def _remove(self, provider: str, gone: AbstractSet[tuple[str, Key]]) -> None:
        for service, key in gone:
            self._pending.setdefault(service, {})[key] = None
        self._by_provider[provider] -= gone
        counts = self._counts[provider]
        counts.subtract(_count(gone))
        for service in {service for service, _ in gone}:
            if counts[service] <= 0:
                del counts[service]

    def publish(self) -> Endpoints:
        """Return the current endpoints of all services, after the pending changes of each service are applied."""
        for name in [*self._pending]:
            self._update_service(name)
        if self._put:
            self._mark = self._mark.add(self._put)
            self._put = set()
        return Endpoints(self._sets.copy(), self._mark)

    def _update_service(self, name: str) -> None:
        """Apply the pending changes of one service."""
        pending = self._pending.pop(name, NO_CHANGES)
        if not pending:
            return
        members = self._members.get(name)
        was = self._sets.get(name, NO_ENDPOINTS)
        if members is None:
            service = self._catalog.services.get(name)
            members = self._members[name] = _Members(was, service)
        changes = members.put(pending)
        self._count_withheld(name, members)
        if members.has_catalog_alone:
            del self._members[name]
        changes = {key: endpoint for key, endpoint in changes.items() if was.by_key.get(key) != endpoint}
        if changes:
            self._put.update((name, key) for key in changes)
            self._set(name, was.replace(changes))

    @property
    def withheld(self) -> Mapping[str, Mapping[str, int]]:
        """The number of withheld instances by service and provider: see `_Members`.

        Only services that changed are counted again.
        """
        return self._withheld.copy()

    def is_closed(self, service: str) -> bool:
        """Whether a service takes no instances that register themselves."""
        members = self._members.get(service)
        return members is not None and not members.takes_registered

    def _count_withheld(self, name: str, members: "_Members") -> None:
        if counts := members.count_withheld() if members.may_withhold else None:
            self._withheld[name] = counts
        else:
            self._withheld.pop(name, None)

    def _set(self, name: str, now: EndpointSet) -> None:
        if now.by_key:
            self._sets[name] = now
        else:
            self._sets.pop(name, None)


class _Members:
    """The endpoints of one service from all providers, and the keys of each address.

    Several instances may have the same address, but clients accept an address only once in a ClusterLoadAssignment.
    The instance with the first key in order is served: so the catalog has precedence.

    Where the policy `needs_host_names`, instances with an IP address are withheld: Envoy would trust any certificate of
    the authority for them. Of the catalog's own endpoints `service_rules.py` refuses such. Instances that register
    themselves are withheld where the policy lists endpoints and does not say that it takes them.
    """

    def __init__(self, catalog: EndpointSet, service: Service | None) -> None:
        self.apply_policy(service)
        self._endpoints: dict[Key, Endpoint] = {}
        self._by_address: dict[Address, set[Key]] = {}
        self._catalog: EndpointSet = NO_ENDPOINTS
        self.put_catalog(catalog)

    def apply_policy(self, service: Service | None) -> None:
        """Apply what a service's policy says of instances; None if the catalog has no such service."""
        self.needs_host_names = service is not None and service.needs_host_names
        self.takes_registered = service is None or service.takes_registered

    @property
    def may_withhold(self) -> bool:
        """Whether instances may be withheld."""
        return self.needs_host_names or not self.takes_registered

    def put_catalog(self, catalog: EndpointSet) -> None:
        """Replace the catalog's endpoints."""
        for key in self._catalog.by_key:
            self._remove(key)
        for key, endpoint in catalog.by_key.items():
            self._add(key, endpoint)
        self._catalog = catalog

    def put(self, changes: Mapping[Key, Endpoint | None]) -> dict[Key, Endpoint | None]:
        """Apply changes, and return the changes of the endpoints that are served."""
        concerned: set[Key] = set()
        for key, endpoint in changes.items():
            old = self._endpoints.get(key)
            if old is not None and endpoint is not None and _address(old) == _address(endpoint):
                self._endpoints[key] = endpoint
                concerned.add(key)
                continue
            if old is not None:
                concerned |= self._remove(key)
            if endpoint is not None:
                concerned |= self._add(key, endpoint)
        return {key: self._endpoints[key] if self._is_served(key) else None for key in concerned}

    def collect(self) -> EndpointSet:
        """Return the endpoints that are served, in order."""
        others = sorted(key for key in self._endpoints if key[0] != CATALOG and self._is_served(key))
        return collect((key, self._endpoints[key]) for key in (*self._catalog.by_key, *others))

    def _add(self, key: Key, endpoint: Endpoint) -> set[Key]:
        """Add an endpoint, and return the keys that have its address."""
        self._endpoints[key] = endpoint
        keys = self._by_address.setdefault(_address(endpoint), set())
        keys.add(key)
        return keys

    def _remove(self, key: Key) -> set[Key]:
        """Remove an endpoint, and return the keys that had its address."""
        address = _address(self._endpoints.pop(key))
        keys = self._by_address[address]
        keys.remove(key)
        if not keys:
            del self._by_address[address]
        return {key, *keys}

    @property
    def has_catalog_alone(self) -> bool:
        """Whether no other provider has an instance of the service."""
        return len(self._endpoints) == len(self._catalog)

    def count_withheld(self) -> Mapping[str, int]:
        """Return the number of withheld instances of each provider that has any."""
        return Counter(key[0] for key, endpoint in self._endpoints.items() if self._is_withheld(key, endpoint))

    def _is_withheld(self, key: Key, endpoint: Endpoint) -> bool:
        if key[0] == REGISTERED and not self.takes_registered:
            return True
        return self.needs_host_names and key[0] != CATALOG and endpoint.is_ip

    def _is_served(self, key: Key) -> bool:
        endpoint = self._endpoints.get(key)
        if endpoint is None or self._is_withheld(key, endpoint):
            return False
        keys = self._by_address[_address(endpoint)]
        return len(keys) == 1 or min(keys) == key


def _count(instances: Iterable[tuple[str, Key]]) -> "Counter[str]":
    """Return the number of instances of each service."""
    return Counter(service for service, _ in instances)


def _address(endpoint: Endpoint) -> Address:
    return endpoint.address, endpoint.port
