"""Snapshot: all resources of one node view at one moment, by type and name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from xds.resources.resource import Resource
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT


@dataclass(frozen=True, slots=True, weakref_slot=True)
class TypeSnapshot:
    """The resources of one type, by name, and the checksum of their versions.

    `versions` are the same resources' versions, and `ttls` the milliseconds of those that have a time to live.
    `shared` is the place of what was worked out from it once for every stream that wants the same, as encoded
    responses; it goes when the snapshot goes. It, and what follows from the resources, has no part in equality.
    """

    resources: Mapping[str, Resource] = field(default_factory=dict)
    checksum: int = 0
    versions: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    ttls: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    shared: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def version(self) -> str:
        """The version of the whole: 16 hexadecimal digits, equal wherever the resources are equal.

        It is a sum of content hashes, so that a change of one resource among a thousand costs one addition.
        """
        return f"{self.checksum:016x}"

    def replace(self, updates: Mapping[str, Resource | None]) -> "TypeSnapshot":
        """Give the snapshot after `updates`, in which None stands for a resource that is gone."""
        resources, versions, ttls = dict(self.resources), dict(self.versions), dict(self.ttls)
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
        return TypeSnapshot(resources, self.sum_up(updates), versions, ttls)

    def sum_up(self, updates: Mapping[str, Resource | None]) -> int:
        """Give the checksum after `updates`, in time that grows with these alone."""
        checksum = self.checksum
        for name, resource in updates.items():
            if before := self.resources.get(name):
                checksum -= int(before.version, 16)
            if resource is not None:
                checksum += int(resource.version, 16)
        return checksum % 2**64


NOTHING = TypeSnapshot()


class Pool:
    """The TypeSnapshots in use, by content: views that hold the same of a type share one, and all that follows from it.

    Sidecars that differ in their listeners alone, as those of a traced mesh do, have their clusters, endpoints and
    routes in common.
    """

    def __init__(self) -> None:
        self._by_content: WeakValueDictionary[tuple[str, int], TypeSnapshot] = WeakValueDictionary()

    def replace(self, type_url: str, before: TypeSnapshot, updates: Mapping[str, Resource | None]) -> TypeSnapshot:
        """Give the one after `updates`; where another view holds the same, the time grows with these alone.

        The same is what has the same version, as for clients.
        """
        key = type_url, before.sum_up(updates)
        found = self._by_content.get(key)
        if found is None:
            found = self._by_content[key] = before.replace(updates)
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The resources that nodes of one view are served, by type."""

    types: Mapping[str, TypeSnapshot]

    def of(self, type_url: str) -> TypeSnapshot:
        """Give the resources of one type; none of a type that is unknown."""
        return self.types.get(type_url, NOTHING)

    def replace(self, updates: Mapping[str, Mapping[str, Resource | None]], pool: Pool | None = None) -> "Snapshot":
        """Give the snapshot after `updates` by type and name; a type that they leave out is shared."""
        replace = (pool or Pool()).replace
        changed = {
            type_url: replace(type_url, self.of(type_url), names) for type_url, names in updates.items() if names
        }
        return Snapshot({**self.types, **changed})


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """A view's new snapshot, and the names that were added, changed or removed since the one before, by type.

    `retained` are the clusters and assignments that are gone, as they were: a client that still has routes to
    them needs them until it has the new routes (make before break). `made` is the snapshot with them in it.
    """

    snapshot: Snapshot
    names: Mapping[str, frozenset[str]]
    retained: Mapping[str, Mapping[str, Resource]]
    made: Snapshot


def make_change(
    before: Snapshot, updates: Mapping[str, Mapping[str, Resource | None]], pool: Pool | None = None
) -> SnapshotChange | None:
    """Apply updates by type and name to a snapshot; None when there are none."""
    names = {type_url: frozenset(of_type) for type_url, of_type in updates.items() if of_type}
    if not names:
        return None
    snapshot = before.replace(updates, pool)
    retained = {
        type_url: {
            name: before.of(type_url).resources[name]
            for name in names.get(type_url, ())
            if name in before.of(type_url).resources and name not in snapshot.of(type_url).resources
        }
        for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT)
    }
    retained = {type_url: of_type for type_url, of_type in retained.items() if of_type}
    return SnapshotChange(snapshot, names, retained, snapshot.replace(retained, pool) if retained else snapshot)
