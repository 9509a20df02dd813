"""Interests: who asked for which resources of a view, so that a change is passed on to those alone.

The index is by type and name. Who asks for all resources of a type stands apart.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from xds.resources.grpc.targets import find_service
from xds.wire import LISTENER

T = TypeVar("T")

Asked = frozenset[str] | None
"""The names that are asked for; None for all."""

MAX_INDEXED = 128
"""How many names a set may have that is in the index. Larger sets are compared with a change one by one: clients share
most of them, and a client that alters a large one all the time does not keep the index busy."""


class Interests(Generic[T]):
    """What each follower of a view asks for. Those who ask for the same of a type are one group of the index."""

    __slots__ = ("_always", "_by_type", "_groups")

    def __init__(self) -> None:
        self._groups: dict[T, dict[str, _Group[T]]] = {}  # of each follower, by type
        self._by_type: dict[str, _OfType[T]] = {}
        self._always: set[T] = set()

    def note(self, who: T, type_url: str, asked: Asked) -> None:
        """Note what a follower asks for of a type."""
        groups = self._groups.setdefault(who, {})
        before = groups.get(type_url)
        if before is not None and before.asked is asked:
            return
        of_type = self._by_type.setdefault(type_url, _OfType(type_url))
        after = groups[type_url] = of_type.get(asked)
        if after is before:
            return
        after.members.add(who)
        if before is not None:
            of_type.leave(before, who)

    def note_always(self, who: T, *, always: bool) -> None:
        """Note whether every change concerns a follower, whatever it asks for."""
        (self._always.add if always else self._always.discard)(who)

    def drop(self, who: T) -> None:
        """Forget a follower."""
        self._always.discard(who)
        for type_url, group in self._groups.pop(who, {}).items():
            self._by_type[type_url].leave(group, who)

    def move(self, who: T, to: "Interests[T]") -> None:
        """Move a follower to another view, with what it asks for."""
        to.note_always(who, always=who in self._always)
        for type_url, group in self._groups.get(who, {}).items():
            to.note(who, type_url, group.asked)
        self.drop(who)

    def find(self, changed: Mapping[str, frozenset[str]]) -> set[T]:
        """Return the followers whom a change of these names, by type, concerns.

        The time grows with the names and with the followers that are found, and hardly with the others.
        """
        found = set(self._always)
        for type_url, names in changed.items():
            if of_type := self._by_type.get(type_url):
                found.update(*(group.members for group in of_type.find(names)))
        return found

    def concerns(self, who: T, changed: Mapping[str, frozenset[str]]) -> bool:
        """Whether a change of these names, by type, concerns a follower."""
        groups = self._groups.get(who, {})
        return who in self._always or any(
            type_url in groups and groups[type_url].wants_any(names) for type_url, names in changed.items()
        )


class _Group(Generic[T]):
    """Those who ask for the same of a type. `keys` are the names of resources by which the index finds them."""

    __slots__ = ("asked", "keys", "members")

    def __init__(self, type_url: str, asked: Asked) -> None:
        self.asked = asked
        self.keys = frozenset[str]() if asked is None else asked
        self.members: set[T] = set()
        if type_url == LISTENER:  # gRPC's own clients ask for them by targets
            self.keys |= {service for name in self.keys if (service := find_service(name)) is not None}

    def wants_any(self, names: frozenset[str]) -> bool:
        return self.asked is None or not names.isdisjoint(self.keys)


class _OfType(Generic[T]):
    """The groups of one type."""

    __slots__ = ("_by_asked", "_by_name", "_compared", "_type_url")

    def __init__(self, type_url: str) -> None:
        self._type_url = type_url
        self._by_asked: dict[Asked, _Group[T]] = {}
        self._by_name: dict[str, set[_Group[T]]] = {}
        self._compared: set[_Group[T]] = set()  # those without end, and of too many names for the index

    def get(self, asked: Asked) -> "_Group[T]":
        group = self._by_asked.get(asked)
        if group is None:
            group = self._by_asked[asked] = _Group(self._type_url, asked)
            if self._is_indexed(group):
                for name in group.keys:
                    self._by_name.setdefault(name, set()).add(group)
            else:
                self._compared.add(group)
        return group

    def leave(self, group: "_Group[T]", who: T) -> None:
        group.members.discard(who)
        if group.members:
            return
        del self._by_asked[group.asked]
        self._compared.discard(group)
        for name in group.keys if self._is_indexed(group) else ():
            self._by_name[name].discard(group)
            if not self._by_name[name]:
                del self._by_name[name]

    def find(self, names: frozenset[str]) -> "Iterator[_Group[T]]":
        yield from (group for group in self._compared if group.wants_any(names))
        for name in self._by_name.keys() & names:
            yield from self._by_name[name]

    def _is_indexed(self, group: "_Group[T]") -> bool:
        return group.asked is not None and len(group.keys) <= MAX_INDEXED
