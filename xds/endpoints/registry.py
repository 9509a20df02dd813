"""Registry: the endpoints of every service from every provider, as changes come in, and the moments that are served.

A change costs what it changes. It says nothing of policy: instances of a service that the catalog does not have wait
here until it does.
"""

from collections.abc import Mapping
from typing import Final

from xds.catalog.catalog import Catalog, Mark, diff_catalogs
from xds.catalog.model.endpoint import Endpoint
from xds.endpoints.endpoint_set import (
    CATALOG,
    NO_ENDPOINTS,
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
    """Takes changes from providers; `publish` returns what they come to. It changes; what it gives out does not."""

    def __init__(self) -> None:
        self._catalog = Catalog({}, {})
        self._sets: dict[str, EndpointSet] = {}
        self._members: dict[str, _Members] = {}  # of the services that any provider but the catalog answers for
        self._by_provider: dict[str, set[tuple[str, Key]]] = {}
        self._pending: dict[str, dict[Key, Endpoint | None]] = {}
        self._put: set[Change] = set()
        self._mark: Mark[Change] = Mark()

    def put_catalog(self, catalog: Catalog) -> None:
        """Take the endpoints that stand in the catalog; of the one before only what differs is looked at."""
        changed, _ = diff_catalogs(self._catalog, catalog)
        self._catalog = catalog
        for name in changed:
            self._update_service(name)
            service = catalog.services.get(name)
            now = NO_ENDPOINTS if service is None else collect_catalog(service.endpoints)
            if (members := self._members.get(name)) is not None:
                members.put_catalog(now)
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
    ) -> None:
        """Take changes of a provider's instances, None for one that is gone; `full` if these are all that it has.

        What is known of instances that were `refused` stays.
        """
        known = self._by_provider.setdefault(provider, set())
        if full:
            gone = known - {(service, (provider, name)) for service, name in (*changes, *refused)}
            for service, key in gone:
                self._pending.setdefault(service, {})[key] = None
            known -= gone
        for (service, name), endpoint in changes.items():
            key = (provider, name)
            self._pending.setdefault(service, {})[key] = endpoint
            if endpoint is None:
                known.discard((service, key))
            else:
                known.add((service, key))

    def publish(self) -> Endpoints:
        """Return the endpoints of all services as they are now; what changed of one service is merged first."""
        for name in [*self._pending]:
            self._update_service(name)
        if self._put:
            self._mark = self._mark.add(self._put)
            self._put = set()
        return Endpoints(self._sets.copy(), self._mark)

    def _update_service(self, name: str) -> None:
        """Take what is pending of one service."""
        pending = self._pending.pop(name, NO_CHANGES)
        if not pending:
            return
        members = self._members.get(name)
        was = self._sets.get(name, NO_ENDPOINTS)
        if members is None:
            members = self._members[name] = _Members(was)
        changes = members.put(pending)
        changes = {key: endpoint for key, endpoint in changes.items() if was.by_key.get(key) != endpoint}
        if changes:
            self._put.update((name, key) for key in changes)
            self._set(name, was.replace(changes))

    def _set(self, name: str, now: EndpointSet) -> None:
        if now.by_key:
            self._sets[name] = now
        else:
            self._sets.pop(name, None)


class _Members:
    """All that providers say of one service, and who speaks for each address.

    Two instances may have one address, which no client takes twice in one assignment: the first key in order counts, so
    that what the catalog says of an address wins.
    """

    def __init__(self, catalog: EndpointSet) -> None:
        self._endpoints: dict[Key, Endpoint] = {}
        self._by_address: dict[Address, set[Key]] = {}
        self._catalog: EndpointSet = NO_ENDPOINTS
        self.put_catalog(catalog)

    def put_catalog(self, catalog: EndpointSet) -> None:
        """Take the endpoints that the catalog has now."""
        for key in self._catalog.by_key:
            self._remove(key)
        for key, endpoint in catalog.by_key.items():
            self._add(key, endpoint)
        self._catalog = catalog

    def put(self, changes: Mapping[Key, Endpoint | None]) -> dict[Key, Endpoint | None]:
        """Take changes, and return those of the endpoints that count."""
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
        """Return the endpoints that count, in order."""
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

    def _is_served(self, key: Key) -> bool:
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            return False
        keys = self._by_address[_address(endpoint)]
        return len(keys) == 1 or min(keys) == key


def _address(endpoint: Endpoint) -> Address:
    return endpoint.address, endpoint.port
