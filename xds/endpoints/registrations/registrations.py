"""Registrations: takes what clients and checks say, and keeps what is registered and what is served of it.

Each method that changes something is given the time. `take_changes` returns what came of it, and `due` is when `tick`
has something to do: TTLs that run out, instances that are removed, and instances that are served otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xds.endpoints.registrations.book import Book
from xds.endpoints.registrations.changes import Changes, Notice, NoticeKind, RecordKey
from xds.endpoints.registrations.check import Check, CheckKey, cut_output
from xds.endpoints.registrations.deadlines import Deadlines
from xds.endpoints.registrations.definitions import (
    MAX_CHECKS,
    CheckDefinition,
    CheckKind,
    Node,
    Registration,
    Status,
)
from xds.endpoints.registrations.instance import Instance, InstanceKey, check_endpoint
from xds.endpoints.registrations.plain import read_check, read_instance, read_node
from xds.endpoints.registrations.refusal import Refusal
from xds.endpoints.registrations.served import ServedEndpoints
from xds.sources.source import InstanceId

LOOK_SECONDS = 30.0
"""How often instances are looked for that are to be removed."""

EXPIRE_AFTER = 72 * 3600.0
MAX_PER_OWNER = 20_000

MAINTENANCE = "_service_maintenance:"
NO_REASON = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator may choose.

    `expire_after` is after how many seconds without a check that passes an instance is removed; 0 for never.
    `max_per_owner` is how many instances one client may register. `keep_last_healthy` is whether instances of which
    most turn critical at once are served on for a while.
    """

    expire_after: float = EXPIRE_AFTER
    max_per_owner: int = MAX_PER_OWNER
    keep_last_healthy: bool = True


class Registrations:
    """What is registered at `own`, the node of those who name none, and at other nodes.

    `start` is an index above all that a server before this one gave to its clients.
    """

    def __init__(self, own: Node, start: int = 1, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.book = Book(own, start)
        self._deadlines = Deadlines()
        self._served = ServedEndpoints(self.book, self._deadlines, keep_last_healthy=self.rules.keep_last_healthy)
        self._removable: set[CheckKey] = set()  # critical checks that remove their instance after a while
        self._own = own.name

    @property
    def endpoints(self) -> Mapping[InstanceId, object]:
        """All endpoints that are served now."""
        return self._served.endpoints

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        return self.book.take_changes()

    def load(self, records: Mapping[RecordKey, dict[str, Any]], now: float) -> None:
        """Take the records of an earlier process. Everything is as healthy as it was, until its next check."""
        kinds: dict[str, list[dict[str, Any]]] = {"node": [], "instance": [], "check": []}
        for (kind, _, _), plain in records.items():
            kinds[kind].append(plain)
        for plain in kinds["node"]:
            self.book.put_node(read_node(plain))
        for plain in kinds["instance"]:
            self.book.put_instance(read_instance(plain))
        for plain in kinds["check"]:
            self._put_check(read_check(plain), now)
        for instance in self.book.instances:
            self._served.refresh(instance, now, said=True)
        self._begin_to_look(now)
        self.book.take_changes()

    def register(
        self,
        registration: Registration,
        now: float,
        owner: str = "",
        node: str = "",
        *,
        replace_checks: bool = False,
    ) -> None:
        """Register an instance with its checks, or change it. Raises Refusal.

        Checks that it had before and that are not named stay, unless they are to be replaced.
        """
        node = node or self._own
        service = registration.service
        key = node, service.service_id
        old = self.book.instance(key)
        has_room = old is not None and old.owner == owner
        if owner and not has_room and self.book.owners[owner] >= self.rules.max_per_owner:
            raise Refusal(f"a client may register {self.rules.max_per_owner} instances at most", 429)
        instance = Instance(node, service, owner, now)
        at = self.book.node(node)
        assert at is not None  # noqa: S101 the caller has put it
        check_endpoint(instance.find_id(self._own), service, at)
        definitions = [self._find_name(key, check) for check in registration.checks]
        named = {check.check_id for check in definitions}
        self._check_number(key, named, replaces=replace_checks)
        self.book.put_instance(instance)
        for check in self.book.checks_of(key):
            if replace_checks and check.check_id not in named and check.kind is not CheckKind.MAINTENANCE:
                self._remove_check(check)
            elif check.service_name != service.name:
                self.book.put_check(replace(check, service_name=service.name))
        for definition in definitions:
            self._register_check(definition, instance, now)
        self._served.refresh(instance, now, said=True)
        self._begin_to_look(now)

    def _check_number(self, key: InstanceKey, named: set[str], *, replaces: bool = False) -> None:
        """Refuse more checks of an instance, or of a node by itself, than it may have. Raises Refusal."""
        kept = set() if replaces else {check.check_id for check in self.book.checks_of(key)}
        if len(kept | named) > MAX_CHECKS and not named <= kept:
            raise Refusal(f"an instance, or a node by itself, may have {MAX_CHECKS} checks at most", 429)

    def _find_name(self, key: InstanceKey, check: CheckDefinition) -> CheckDefinition:
        """Return a check with an ID that is no other instance's: a check of one changes the health of no other."""
        other = self.book.check((key[0], check.check_id))
        if other is None or other.service_id == key[1]:
            return check
        if check.kind is CheckKind.TTL:
            raise Refusal(
                f'Invalid check: CheckID "{check.check_id}" is that of another service ID, "{other.service_id}"'
            )
        return replace(check, check_id=f"{check.check_id}:{key[1]}")

    def _register_check(self, definition: CheckDefinition, instance: Instance, now: float) -> None:
        status = definition.status or Status.CRITICAL
        service = instance.service
        self._add_check(Check(instance.node, definition, service.service_id, service.name, service.tags, status), now)

    def _add_check(self, fresh: Check, now: float) -> None:
        old = self.book.check(fresh.key)
        self._put_check(old.register_again(fresh) if old else fresh, now)

    def _put_check(self, check: Check, now: float) -> None:
        check = self.book.put_check(check)
        if check.definition.removal_after and check.status is Status.CRITICAL and check.has_run:
            self._removable.add(check.key)
        else:
            self._removable.discard(check.key)
        if check.kind is CheckKind.TTL:
            self._deadlines.set(("ttl", check.key), now + check.definition.ttl)

    def _remove_check(self, check: Check) -> None:
        self.book.remove_check(check)
        self._removable.discard(check.key)
        self._deadlines.clear(("ttl", check.key))

    def deregister(self, service_id: str, now: float, node: str = "") -> None:
        """Remove an instance and its checks; nothing if there is none. No other instance changes."""
        if (instance := self.book.instance((node or self._own, service_id))) is not None:
            self._remove(instance, now)

    def _remove(self, instance: Instance, now: float) -> None:
        for check in self.book.checks_of(instance.key):
            self._remove_check(check)
        self.book.remove_instance(instance)
        self._served.remove(instance, now)

    def set_maintenance(self, service_id: str, now: float, *, enable: bool, reason: str = "") -> None:
        """Drain an instance, or end that. Raises Refusal for an unknown one."""
        instance = self.book.instance((self._own, service_id))
        if instance is None:
            raise Refusal(f'No service registered with ID "{service_id}"', 404)
        check_id = MAINTENANCE + service_id
        present = self.book.check((self._own, check_id))
        if enable and present is None:
            name = "Service Maintenance Mode"
            definition = CheckDefinition(check_id, name, reason or NO_REASON, maintenance=True)
            self._register_check(definition, instance, now)
        elif not enable and present is not None:
            self._remove_check(present)
        self._served.refresh(instance, now, said=True)

    def register_check(self, definition: CheckDefinition, service_id: str, now: float) -> None:
        """Register a check of an instance, or of the own node, which changes no instance's health. Raises Refusal."""
        other = self.book.check((self._own, definition.check_id))
        if other is not None and other.service_id != service_id:
            raise Refusal(f'CheckID "{definition.check_id}" is that of another service ID, "{other.service_id}"')
        self._check_number((self._own, service_id), {definition.check_id})
        if not service_id:
            status = definition.status or Status.CRITICAL
            self._add_check(Check(self._own, definition, status=status), now)
            return
        instance = self.book.instance((self._own, service_id))
        if instance is None:
            raise Refusal(f'ServiceID "{service_id}" does not exist', 500)
        self._register_check(definition, instance, now)
        self._served.refresh(instance, now, said=True)

    def deregister_check(self, check_id: str, now: float, node: str = "") -> None:
        """Remove a check; nothing if there is none."""
        if (check := self.book.check((node or self._own, check_id))) is not None:
            self._remove_check(check)
            self._refresh_instances(check, now, said=True)

    def set_status(self, check_id: str, status: Status, output: str, now: float) -> None:
        """Set the status of a TTL check, as its own instance says. Raises Refusal."""
        check = self.book.check((self._own, check_id))
        if check is None or check.kind is not CheckKind.TTL:
            raise Refusal(f'CheckID "{check_id}" does not have associated TTL', 500)
        if check.has_run and (check.status, check.output) == (status, cut_output(output)):
            self._deadlines.set(("ttl", check.key), now + check.definition.ttl)
            return
        self._put_check(check.set(status, output, now), now)
        self._refresh_instances(check, now, said=True)

    def observe(self, key: CheckKey, status: Status, output: str, now: float) -> None:
        """Take the result of a check that was run; nothing if it is not registered any more."""
        if (check := self.book.check(key)) is None:
            return
        after = check.observe(status, output, now)
        if (after.status, after.output, after.has_run) == (check.status, check.output, check.has_run):
            self.book.beat(after)
            return
        self._put_check(after, now)
        self._refresh_instances(after, now)

    def put_node(self, node: Node, now: float) -> None:
        """Add or change a node that is not the own one."""
        if node.name == self._own:
            return
        self.book.put_node(node)
        for instance in self.book.at_node(node.name):
            self._served.refresh(instance, now, said=True)

    def put_outside_check(
        self, node: str, definition: CheckDefinition, service_id: str, output: str, now: float
    ) -> None:
        """Take a check with its status, which somebody else runs, of an instance or a node. Raises Refusal."""
        instance = self.book.instance((node, service_id)) if service_id else None
        if service_id and instance is None:
            raise Refusal(f"Unknown service ID '{service_id}' for check", 500)
        self._check_number((node, service_id), {definition.check_id})
        status = definition.status or Status.CRITICAL
        name, tags = (instance.service.name, instance.service.tags) if instance else ("", ())
        fresh = Check(node, definition, service_id, name, tags, status).set(status, output, now)
        fresh = replace(fresh, shown_output=fresh.output)
        other = self.book.check(fresh.key)
        if node == self._own and other is not None and (other.service_id != service_id or other.kind is not fresh.kind):
            raise Refusal(f'CheckID "{definition.check_id}" is that of a service of this agent')
        self._put_check(fresh, now)
        self._refresh_instances(fresh, now, said=True)

    def remove_node(self, name: str, now: float) -> None:
        """Remove a node with everything there. Raises Refusal for the own one."""
        if name == self._own:
            raise Refusal("this node is the server's own: name a ServiceID or a CheckID")
        if self.book.node(name) is None:
            return
        for instance in self.book.at_node(name):
            self._remove(instance, now)
        for check in self.book.checks_of((name, "")):
            self._remove_check(check)
        self.book.remove_node(name)

    def _refresh_instances(self, check: Check, now: float, *, said: bool = False) -> None:
        """Serve the instances whose health a check is a part of."""
        if check.service_id:
            instance = self.book.instance((check.node, check.service_id))
            concerned = [] if instance is None else [instance]
        else:
            concerned = [] if check.node == self._own else self.book.at_node(check.node)
        for one in concerned:
            self._served.refresh(one, now, said=said)

    @property
    def due(self) -> float | None:
        """When to call `tick` next, at the latest; None: when something is registered."""
        return self._deadlines.next

    def tick(self, now: float) -> None:
        """Do what is due."""
        for key in self._deadlines.take(now):
            match key:
                case ("ttl", (str(node), str(check_id))):
                    self._expire_ttl((node, check_id), now)
                case "look":
                    self._look(now)
                case ("service", str(name)):
                    self._served.judge(name, now)
                case ("damped", (str(node), str(service_id))):
                    self._served.undamp((node, service_id), now)

    def _expire_ttl(self, key: CheckKey, now: float) -> None:
        check = self.book.check(key)
        if check is None:
            return
        last = f" (last output before timeout follows): {check.output}" if check.output else ""
        if check.output.startswith("TTL expired"):
            last = check.output.removeprefix("TTL expired")
        self._put_check(check.set(Status.CRITICAL, f"TTL expired{last}", now), now)
        self._deadlines.clear(("ttl", key))
        self._refresh_instances(check, now)

    def _begin_to_look(self, now: float) -> None:
        if not self._deadlines.has("look"):
            self._deadlines.set("look", now + LOOK_SECONDS)

    def _look(self, now: float) -> None:
        """Remove instances whose checks say so, and those of which nothing good was heard for long."""
        for key in sorted(self._removable):
            check = self.book.check(key)
            if check is None or check.critical_since is None:
                continue
            if now - check.critical_since >= check.definition.removal_after:
                self._remove_silent(
                    (check.node, check.service_id), now, "a check says so: DeregisterCriticalServiceAfter"
                )
        if self.rules.expire_after:
            for instance_key, since in self._served.find_silent():
                if now - since >= self.rules.expire_after:
                    self._remove_silent(instance_key, now, "no check of it has passed for so long")
        if any(True for _ in self.book.instances):
            self._deadlines.set("look", now + LOOK_SECONDS)

    def _remove_silent(self, key: InstanceKey, now: float, reason: str) -> None:
        instance = self.book.instance(key)
        if instance is None:
            return
        self._remove(instance, now)
        service, name = instance.find_id(self._own)
        self.book.changes.notices.append(Notice(NoticeKind.REMOVED, service, name, reason))
