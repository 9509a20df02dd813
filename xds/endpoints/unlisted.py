"""Unlisted services: those that register themselves, and that the catalog does not name, with defaults.

A service is added to the catalog that is served while it has an instance that is registered. A name that is the
catalog's own, also of a gateway, is never added.
"""

from collections.abc import Iterable

from xds.catalog.catalog import Catalog, Mark, Subject, diff_catalogs
from xds.catalog.model.mesh import Unlisted
from xds.catalog.model.service import Protocol, Service
from xds.endpoints.endpoint_set import Endpoints, EndpointSet, find_changes

PROTOCOL = "protocol"
"""The label of an instance that says what an unlisted service speaks."""


class UnlistedServices:
    """Adds to catalogs the services that only `provider` has."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._base = Catalog({}, {})
        self._catalog = self._base
        self._endpoints = Endpoints()
        self._services: dict[str, Service] = {}
        self._mark: Mark[Subject] = Mark()

    def add(self, base: Catalog, endpoints: Endpoints) -> Catalog:
        """Return a catalog with the unlisted services of these endpoints.

        It looks only at what differs from the last call, and returns the same object when nothing does.
        """
        changed = self._update(base, endpoints)
        self._endpoints = endpoints
        if base is self._base and not changed:
            return self._catalog
        put = base.mark.find_since(self._base.mark)
        had_none = self._catalog is self._base
        self._base = base
        if not self._services:
            self._catalog = base
            return base
        is_known = put is not None and not had_none
        self._mark = self._mark.add({*(put or ()), *(("services", name) for name in changed)}) if is_known else Mark()
        services = {**base.services, **self._services}
        self._catalog = Catalog(services, base.gateways, base.problems, self._mark, base.mesh)
        return self._catalog

    def _update(self, base: Catalog, endpoints: Endpoints) -> set[str]:
        """Update the unlisted services, and return the names of those that changed."""
        names: Iterable[str]
        if base.mesh.unlisted is not self._base.mesh.unlisted:
            names = endpoints.by_service.keys() | self._services.keys()
        else:
            names = find_changes(self._endpoints, endpoints).keys()
            if base is not self._base:
                services, gateways = diff_catalogs(self._base, base)
                names = names | services | gateways
        changed: set[str] = set()
        for name in names:
            is_free = name not in base.services and name not in base.gateways
            found = None
            if is_free and base.mesh.unlisted is Unlisted.SERVE:
                found = self._build(endpoints.of(name))
            if found == self._services.get(name):
                continue
            changed.add(name)
            if found is None:
                del self._services[name]
            else:
                self._services[name] = found
        return changed

    def _build(self, endpoints: EndpointSet) -> Service | None:
        """Return the service of endpoints; None if none of them is registered. The first one's protocol counts."""
        for (provider, _), endpoint in endpoints.by_key.items():
            if provider == self._provider:
                word = endpoint.metadata.get(PROTOCOL)
                return SERVICES.get(word if isinstance(word, str) else "", USUAL)
        return None


USUAL = Service()
SERVICES = {protocol.value: Service(protocol=protocol) for protocol in Protocol}
"""One object for each protocol: services that share all policy share their encoded messages."""
