"""Book: what is registered, by node, by ID and by service, and the index of each; without rules about health.

Every change goes through its methods, so that indexes and the records for a store cannot be forgotten.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from xds.endpoints.registrations.changes import Changes
from xds.endpoints.registrations.check import Check, CheckKey
from xds.endpoints.registrations.definitions import Node
from xds.endpoints.registrations.indexes import (
    CHECKS,
    NODES,
    SERVICES,
    Indexes,
    Topic,
    about_instance,
    about_node,
    about_service,
)
from xds.endpoints.registrations.instance import Instance, InstanceKey
from xds.endpoints.registrations.plain import write_plain

HEARD_SECONDS = 60.0
"""How often it is recorded that an instance registered again, for those that do so all the time."""


class Book:
    """Nodes, instances and checks. A check without a `service_id` is of its node."""

    def __init__(self, own: Node, start: int) -> None:
        self.own = own
        self.indexes = Indexes(start)
        self.changes = Changes()
        self.owners: Counter[str] = Counter()  # the number of instances of each client
        self._nodes: dict[str, Node] = {}
        self._node_indexes: dict[str, tuple[int, int]] = {}
        self._instances: dict[InstanceKey, Instance] = {}
        self._by_service: dict[str, dict[InstanceKey, Instance]] = {}
        self._by_node: dict[str, dict[str, Instance]] = {}
        self._checks: dict[CheckKey, Check] = {}
        self._checks_of: dict[InstanceKey, set[str]] = {}
        self.put_node(own)

    def node(self, name: str) -> Node | None:
        """Return a node by its name."""
        return self._nodes.get(name)

    def node_indexes(self, name: str) -> tuple[int, int]:
        """Return the indexes at which a node came and changed last."""
        return self._node_indexes[name]

    @property
    def nodes(self) -> list[Node]:
        """All nodes by name."""
        return [node for _, node in sorted(self._nodes.items())]

    @property
    def node_count(self) -> int:
        """The number of nodes."""
        return len(self._nodes)

    def instance(self, key: InstanceKey) -> Instance | None:
        """Return an instance."""
        return self._instances.get(key)

    @property
    def instances(self) -> Iterable[Instance]:
        """All instances."""
        return self._instances.values()

    @property
    def services(self) -> list[str]:
        """The names of all services, in small letters."""
        return sorted(self._by_service)

    def of_service(self, name: str) -> list[Instance]:
        """Return a service's instances by node and ID. The name counts in any case."""
        return [one for _, one in sorted(self._by_service.get(name.lower(), {}).items())]

    def at_node(self, name: str) -> list[Instance]:
        """Return the instances at a node by ID."""
        return [one for _, one in sorted(self._by_node.get(name, {}).items())]

    def check(self, key: CheckKey) -> Check | None:
        """Return a check."""
        return self._checks.get(key)

    @property
    def checks(self) -> list[Check]:
        """All checks by node and ID."""
        return [one for _, one in sorted(self._checks.items())]

    def checks_of(self, key: InstanceKey) -> list[Check]:
        """Return an instance's checks by ID; those of a node for an ID of ""."""
        return [self._checks[key[0], check_id] for check_id in sorted(self._checks_of.get(key, ()))]

    def checks_at(self, node: str) -> list[Check]:
        """Return the checks of a node and of its instances by ID."""
        keys = [(node, ""), *((node, service_id) for service_id in self._by_node.get(node, ()))]
        return sorted((one for key in keys for one in self.checks_of(key)), key=lambda one: one.check_id)

    def put_node(self, node: Node) -> None:
        """Add or change a node."""
        if self._nodes.get(node.name) == node:
            return
        concerned = [about_service(one.service.name) for one in self.at_node(node.name)]
        index = self._touch({NODES, about_node(node.name), *concerned})
        created, _ = self._node_indexes.get(node.name, (index, index))
        self._nodes[node.name] = node
        self._node_indexes[node.name] = created, index
        if node.name != self.own.name:
            self.changes.records["node", node.name, ""] = node

    def remove_node(self, name: str) -> None:
        """Remove a node that has nothing any more."""
        del self._nodes[name], self._node_indexes[name]
        self._by_node.pop(name, None)
        self._touch({NODES, about_node(name)})
        self.indexes.forget(about_node(name))
        self.changes.records["node", name, ""] = None

    def put_instance(self, instance: Instance) -> None:
        """Add or change an instance. The same again, but for who registered it and when, moves no index."""
        key, old = instance.key, self._instances.get(instance.key)
        if old is None or old.service != instance.service:
            topics = {SERVICES, about_service(instance.service.name), about_instance(*key)}
            if old is not None and old.service_key != instance.service_key:
                self._leave_service(old)
                topics.add(about_service(old.service.name))
            index = self._touch(topics)
            instance = replace(instance, create_index=old.create_index if old else index, modify_index=index)
        else:
            is_soon = instance.registered_at - old.registered_at < HEARD_SECONDS
            at = old.registered_at if is_soon else instance.registered_at
            instance = replace(instance, registered_at=at, create_index=old.create_index, modify_index=old.modify_index)
        self._set_owner(old.owner if old else "", instance.owner)
        self._instances[key] = instance
        self._by_service.setdefault(instance.service_key, {})[key] = instance
        self._by_node.setdefault(key[0], {})[key[1]] = instance
        if old is not None and old.service_key not in self._by_service:
            self.indexes.forget(about_service(old.service.name))
        if old != instance:
            self.changes.records["instance", *key] = instance

    def remove_instance(self, instance: Instance) -> None:
        """Remove an instance that has no checks any more."""
        key = instance.key
        del self._instances[key], self._by_node[key[0]][key[1]]
        self._leave_service(instance)
        self._set_owner(instance.owner, "")
        service, one = about_service(instance.service.name), about_instance(*key)
        self._touch({SERVICES, service, one})
        self.indexes.forget(one)
        if instance.service_key not in self._by_service:
            self.indexes.forget(service)
        self.changes.records["instance", *key] = None

    def _leave_service(self, instance: Instance) -> None:
        of_service = self._by_service[instance.service_key]
        del of_service[instance.key]
        if not of_service:
            del self._by_service[instance.service_key]

    def _set_owner(self, before: str, now: str) -> None:
        if before == now:
            return
        for owner, difference in ((before, -1), (now, 1)):
            if owner:
                self.owners[owner] += difference
                if not self.owners[owner]:
                    del self.owners[owner]

    def put_check(self, check: Check) -> Check:
        """Add or change a check, and return it with its indexes. An output alone moves none."""
        key, old = check.key, self._checks.get(check.key)
        if old is None or not _is_shown_alike(old, check):
            index = self._touch(self._topics_of(check))
            check = replace(check, create_index=old.create_index if old else index, modify_index=index)
        else:
            check = replace(check, create_index=old.create_index, modify_index=old.modify_index)
        if old is not None and old.service_id != check.service_id:
            self._leave_instance(old)
        self._checks[key] = check
        self._checks_of.setdefault((check.node, check.service_id), set()).add(check.check_id)
        if old != check:
            self.changes.records["check", *key] = check
        return check

    def beat(self, check: Check) -> None:
        """Replace a check by one that differs in nothing that anybody sees or a store needs."""
        self._checks[check.key] = check

    def remove_check(self, check: Check) -> None:
        """Remove a check."""
        del self._checks[check.key]
        self._leave_instance(check)
        self._touch(self._topics_of(check))
        self.changes.records["check", *check.key] = None

    def _leave_instance(self, check: Check) -> None:
        of_instance = self._checks_of[check.node, check.service_id]
        of_instance.remove(check.check_id)
        if not of_instance:
            del self._checks_of[check.node, check.service_id]

    def _topics_of(self, check: Check) -> set[Topic]:
        topics = {CHECKS, about_node(check.node)}
        if check.service_id:
            return topics | {about_service(check.service_name)}
        return topics | {about_service(one.service.name) for one in self.at_node(check.node)}

    def _touch(self, topics: set[Topic]) -> int:
        self.changes.topics |= topics
        return self.indexes.raise_(topics)

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        taken, self.changes = self.changes, Changes()
        return taken

    def dump(self) -> Iterator[tuple[tuple[str, str, str], dict[str, object]]]:
        """Yield all records, as a store would have them."""
        for node in self.nodes:
            if node.name != self.own.name:
                yield ("node", node.name, ""), write_plain(node)
        for instance in self._instances.values():
            yield ("instance", *instance.key), write_plain(instance)
        for check in self._checks.values():
            yield ("check", *check.key), write_plain(check)


def _is_shown_alike(old: Check, new: Check) -> bool:
    """Whether the catalog shows the same of two states of a check."""
    return (old.status, old.definition.name, old.definition.notes, old.service_id, old.service_name) == (
        new.status,
        new.definition.name,
        new.definition.notes,
        new.service_id,
        new.service_name,
    ) and (old.service_tags, old.kind) == (new.service_tags, new.kind)
