"""Snapshot: all resources of one node view at one moment, by type and name; and the change from one to the next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from xds.resources.mentions import AddressKey, find_addresses
from xds.resources.resource import Resource
from xds.wire import LISTENER


@dataclass(frozen=True, slots=True, weakref_slot=True)
class TypeSnapshot:
    """The resources of one type, by name, and the checksum of their versions.

    A gRPC client's Listeners are in mappings that also find a service by a target with a port (`ByTarget`).

    `versions` are the versions of these resources. `ttls` are the TTLs of those that have one, in milliseconds.
    `shared` holds results computed from this snapshot that streams share, such as encoded responses (see
    `session.batch`). Only `resources` and `checksum` count for equality.
    """

    resources: dict[str, Resource] = field(default_factory=dict)
    checksum: int = 0
    versions: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    ttls: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    shared: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def version(self) -> str:
        """The version of the whole type: 16 hexadecimal digits, the same on every server with the same resources.

        It is the sum of the resources' content hashes, so a change of one resource among a thousand costs one addition.
        """
        return f"{self.checksum:016x}"

    def replace(self, updates: Mapping[str, Resource | None]) -> "TypeSnapshot":
        """Return the snapshot after `updates` by name, in which None means a removed resource."""
        resources, versions, ttls = self.resources.copy(), self.versions.copy(), dict(self.ttls)
        for name, resource in updates.items():
            ttls.pop(name, None)
            if resource is None:
                resources.pop(name, None)
                versions.pop(name, None)
                continue
            resources[name] = resource
            versions[name] = resource.version
            if resource.ttl_ms:
                ttls[name] = resource.ttl_ms
        return TypeSnapshot(resources, self.next_checksum(updates), versions, ttls)

    def next_checksum(self, updates: Mapping[str, Resource | None]) -> int:
        """Return the checksum after `updates`. The time grows with their number only."""
        checksum = self.checksum
        for name, resource in updates.items():
            if before := self.resources.get(name):
                checksum -= int(before.version, 16)
            if resource is not None:
                checksum += int(resource.version, 16)
        return checksum % 2**64


NO_RESOURCES = TypeSnapshot()
"""No resources."""


class TypeSnapshotPool:
    """The TypeSnapshots in use, by content.

    Views with the same resources of a type share one TypeSnapshot and its shared results. For example, the sidecars of
    a mesh with tracing differ in their listeners only, and share their clusters, endpoints and routes.
    """

    def __init__(self) -> None:
        self._by_content: WeakValueDictionary[tuple[str, int, type], TypeSnapshot] = WeakValueDictionary()

    def replace(self, type_url: str, before: TypeSnapshot, updates: Mapping[str, Resource | None]) -> TypeSnapshot:
        """Return the TypeSnapshot after `updates`, which is an existing one if one has the same version.

        In that case the time grows with the number of updates only.
        """
        key = type_url, before.next_checksum(updates), type(before.resources)
        found = self._by_content.get(key)
        if found is None:
            found = self._by_content[key] = before.replace(updates)
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The resources that nodes of one view are served, by type.

    `is_unknown` is whether nobody knows what these nodes are. Then there are no resources, and a client that comes with
    some keeps them: it may be a gateway that was renamed before the server was started again.
    """

    types: Mapping[str, TypeSnapshot]
    is_unknown: bool = False

    def of(self, type_url: str) -> TypeSnapshot:
        """Return the resources of one type; no resources for an unknown type."""
        return self.types.get(type_url, NO_RESOURCES)

    def replace(
        self, updates: Mapping[str, Mapping[str, Resource | None]], pool: TypeSnapshotPool | None = None
    ) -> "Snapshot":
        """Return the snapshot after `updates` by type and name (None: removed). Other types keep their TypeSnapshot."""
        replace = (pool or TypeSnapshotPool()).replace
        changed = {
            type_url: replace(type_url, self.of(type_url), names) for type_url, names in updates.items() if names
        }
        return Snapshot({**self.types, **changed}, self.is_unknown)


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """A view's new snapshot, and the names that were added, changed or removed since the one before, by type.

    `retained` are the removed resources that a client may still need until it has what takes their place (make before
    break). `transitional` is the new snapshot including `retained`. `before` is the one before. `pool` is where the
    view's TypeSnapshots come from.
    """

    snapshot: Snapshot
    names: Mapping[str, frozenset[str]]
    retained: Mapping[str, Mapping[str, Resource]]
    transitional: Snapshot
    before: Snapshot
    pool: TypeSnapshotPool | None = field(default=None, compare=False, repr=False)


def make_change(
    before: Snapshot, updates: Mapping[str, Mapping[str, Resource | None]], pool: TypeSnapshotPool | None = None
) -> SnapshotChange | None:
    """Return the change from `before` by `updates` (by type and name, None: removed), or None without updates."""
    names = {type_url: frozenset(of_type) for type_url, of_type in updates.items() if of_type}
    if not names:
        return None
    snapshot = before.replace(updates, pool)
    retained = {type_url: _find_retained(type_url, of_type, before, snapshot) for type_url, of_type in names.items()}
    retained = {type_url: of_type for type_url, of_type in retained.items() if of_type}
    transitional = snapshot.replace(retained, pool) if retained else snapshot
    return SnapshotChange(snapshot, names, retained, transitional, before, pool)


def _find_retained(type_url: str, names: frozenset[str], before: Snapshot, after: Snapshot) -> Mapping[str, Resource]:
    """Return the removed resources among `names`. Of listeners, only those that others take the place of."""
    was, now = before.of(type_url).resources, after.of(type_url).resources
    removed = {name: was[name] for name in names if name in was and name not in now}
    if type_url != LISTENER or not removed:
        return removed
    new = [now[name] for name in names if name in now]
    return without_taken_addresses(removed, new) if new else {}


def without_taken_addresses(listeners: Mapping[str, Resource], new: Iterable[Resource]) -> Mapping[str, Resource]:
    """Return the listeners whose addresses no new one has. Envoy refuses a listener at an address that is in use."""
    taken: frozenset[AddressKey] = frozenset().union(*map(find_addresses, new))
    return {name: listener for name, listener in listeners.items() if taken.isdisjoint(find_addresses(listener))}
