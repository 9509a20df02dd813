"""EndpointSet: the endpoints of one service from all providers, in a fixed order, with facts about all of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from xds.catalog.catalog import Mark
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.locality import Locality
from xds.catalog.model.service import Service

CATALOG: Final = ""
"""The name of the catalog as a provider. Its endpoints come first, in the catalog's order."""

REGISTERED: Final = "registered"
"""The name of the provider of instances that register themselves."""

Key = tuple[str, str]
"""An endpoint's provider, and its name in that provider, which is unique within the service."""


@dataclass(frozen=True, slots=True)
class EndpointSet:
    """The endpoints of one service by key.

    The catalog's endpoints come first, in the catalog's order. The others follow, sorted by key. So the order depends
    only on the endpoints, not on the sequence of changes, and equal sets are encoded to equal bytes on every replica.
    `host_names` is the number of endpoints whose address is a host name, and `located` that of those with a locality.
    """

    by_key: Mapping[Key, Endpoint] = field(default_factory=dict)
    host_names: int = 0
    located: int = 0

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.by_key.values())

    def __len__(self) -> int:
        return len(self.by_key)

    @property
    def is_eds(self) -> bool:
        """Whether EDS can serve the endpoints: all addresses are IP addresses."""
        return not self.host_names

    @property
    def localities(self) -> tuple[Locality, ...]:
        """The localities of the endpoints that are neither drained nor unhealthy, each once, in order."""
        return tuple(dict.fromkeys(one.locality for one in self if not one.is_out))

    def replace(self, changes: Mapping[Key, Endpoint | None]) -> "EndpointSet":
        """Return the set after `changes`, in which None removes an endpoint.

        The time depends on the number of changes, except for a copy of the mapping, and a sort if there are new keys.
        """
        by_key, host_names, located, new = dict(self.by_key), self.host_names, self.located, False
        for key, endpoint in changes.items():
            old = by_key.get(key)
            if old is not None:
                host_names -= not old.is_ip
                located -= old.is_located
            if endpoint is None:
                by_key.pop(key, None)
                continue
            host_names += not endpoint.is_ip
            located += endpoint.is_located
            new = new or old is None
            by_key[key] = endpoint
        if new:
            by_key = {key: by_key[key] for key in sorted(by_key, key=_rank)}
        return EndpointSet(by_key, host_names, located)


def _rank(key: Key) -> Key:
    return key if key[0] != CATALOG else (CATALOG, "")


def collect(endpoints: Iterable[tuple[Key, Endpoint]]) -> EndpointSet:
    """Return the set of endpoints that are already in its order."""
    by_key = dict(endpoints)
    host_names = sum(not one.is_ip for one in by_key.values())
    return EndpointSet(by_key, host_names, sum(one.is_located for one in by_key.values()))


def collect_catalog(endpoints: Iterable[Endpoint]) -> EndpointSet:
    """Return the set of a service's endpoints in the catalog, whose addresses are unique."""
    return collect(((CATALOG, one.host_and_port), one) for one in endpoints)


NO_ENDPOINTS: Final = EndpointSet()

Change = tuple[str, Key]
"""A service and the key of one of its endpoints."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of all services at one moment.

    `mark` finds the changes since an earlier moment of the same registry; equality ignores it.
    """

    by_service: Mapping[str, EndpointSet] = field(default_factory=dict)
    mark: Mark[Change] = field(default_factory=Mark, compare=False, repr=False)

    def of(self, service: str) -> EndpointSet:
        """Return a service's endpoints; an empty set for a service without endpoints."""
        return self.by_service.get(service, NO_ENDPOINTS)


def collect_services(services: Mapping[str, Service]) -> Endpoints:
    """Return the endpoints of services in the catalog, without those of other providers."""
    return Endpoints({name: collect_catalog(service.endpoints) for name, service in services.items()})


def find_changes(old: Endpoints, new: Endpoints) -> Mapping[str, frozenset[Key]]:
    """Return the keys whose endpoints may differ, by service.

    Between two moments of one registry it looks only at the changes that were put; otherwise it compares everything.
    """
    put = new.mark.find_since(old.mark)
    if put is not None:
        found: dict[str, set[Key]] = {}
        for service, key in put:
            found.setdefault(service, set()).add(key)
        return {service: frozenset(keys) for service, keys in found.items()}
    changes: dict[str, frozenset[Key]] = {}
    for service in old.by_service.keys() | new.by_service.keys():
        was, now = old.of(service).by_key, new.of(service).by_key
        if was is not now and (keys := diff(was, now)):
            changes[service] = keys
    return changes


def diff(was: Mapping[Key, Endpoint], now: Mapping[Key, Endpoint]) -> frozenset[Key]:
    """Return the keys of endpoints that were added, changed, moved in the order or removed."""
    if not was or not now:
        return frozenset(was or now)
    keys = {key for key in was.keys() | now.keys() if was.get(key) is not now.get(key) and was.get(key) != now.get(key)}
    if not keys and [*was] != [*now]:
        keys = {*was, *now}
    return frozenset(keys)
