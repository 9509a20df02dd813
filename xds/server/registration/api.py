"""The paths of Consul's HTTP API: which there are, by which methods, and what each does.

What Consul answers was recorded from a real one: `tests/server/registration/consul.jsonl`.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web

from xds.endpoints.registrations.definitions import Node, Registration, Status
from xds.endpoints.registrations.go_json import Warnings
from xds.endpoints.registrations.indexes import (
    CHECKS,
    NODES,
    SERVICES,
    Topic,
    about_instance,
    about_node,
    about_service,
)
from xds.endpoints.registrations.instance import Instance
from xds.endpoints.registrations.reading import CatalogEntry, parse_check, parse_registration, parse_update
from xds.endpoints.registrations.refusal import Refusal
from xds.server.registration.documents import (
    CATALOG_SHAPE,
    CHECK_SHAPE,
    HEALTH_SHAPE,
    NODE_SHAPE,
    SERVICE_SHAPE,
    Documents,
    write_go_json,
)
from xds.server.registration.filters import Shape, parse_filter
from xds.server.registration.peers import place, place_check
from xds.server.registration.query import Query, parse_query, read_enable, read_flag
from xds.server.registration.registry import DATACENTER, Registry
from xds.server.registration.tokens import Grant

MOST_WARNED = 1000
"""Of so many unknown fields each is logged once."""

STATUS_CODES: Final = {"passing": 200, "warning": 429, "critical": 503, "maintenance": 503}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a path: what stands after the path's prefix, and who asks."""

    request: web.Request
    name: str
    body: bytes
    peer: str
    owner: str
    grant: Grant

    @property
    def query(self) -> Query:
        """Its parameters. Raises Refusal."""
        return parse_query(self.request.query, DATACENTER)


Action = Callable[[Call], Awaitable[web.Response] | web.Response]
"""Answers a call. Raises Refusal."""


@dataclass(frozen=True, slots=True)
class Path:
    """What a path does, and by which method."""

    method: str
    act: Action


class Api:
    """The paths, exact ones and those that end with a name, and what each does with a registry."""

    def __init__(self, registry: Registry, address: Callable[[], str]) -> None:
        self._registry = registry
        self._registrations = registry.registrations
        self._book = registry.registrations.book
        self._documents = Documents(self._book, DATACENTER)
        self._own = self._book.own.name
        self._address = address
        self._warned: set[str] = set()
        self.exact: Mapping[str, Path] = {
            "/v1/agent/service/register": Path("PUT", self._register),
            "/v1/agent/services": Path("GET", self._list_agent_services),
            "/v1/agent/checks": Path("GET", self._list_agent_checks),
            "/v1/agent/check/register": Path("PUT", self._register_check),
            "/v1/agent/members": Path("GET", lambda call: _answer(call, [self._documents.describe_member()])),
            "/v1/agent/self": Path("GET", lambda call: _answer(call, self._documents.describe_self())),
            "/v1/catalog/register": Path("PUT", self._register_entry),
            "/v1/catalog/deregister": Path("PUT", self._deregister_entry),
            "/v1/catalog/datacenters": Path("GET", lambda call: _answer(call, [DATACENTER])),
            "/v1/catalog/nodes": Path("GET", self._list_nodes),
            "/v1/catalog/services": Path("GET", self._list_services),
            "/v1/status/leader": Path("GET", lambda call: _answer(call, self._address())),
            "/v1/status/peers": Path("GET", lambda call: _answer(call, [self._address()])),
        }
        self.prefixes: Mapping[str, Path] = {
            "/v1/agent/service/deregister/": Path("PUT", self._deregister),
            "/v1/agent/service/maintenance/": Path("PUT", self._maintain),
            "/v1/agent/service/": Path("GET", self._describe_agent_service),
            "/v1/agent/check/deregister/": Path("PUT", self._deregister_check),
            "/v1/agent/check/pass/": Path("PUT", lambda call: self._set_status(call, Status.PASSING)),
            "/v1/agent/check/warn/": Path("PUT", lambda call: self._set_status(call, Status.WARNING)),
            "/v1/agent/check/fail/": Path("PUT", lambda call: self._set_status(call, Status.CRITICAL)),
            "/v1/agent/check/update/": Path("PUT", self._update_check),
            "/v1/agent/health/service/name/": Path("GET", self._ask_health_by_name),
            "/v1/agent/health/service/id/": Path("GET", self._ask_health_by_id),
            "/v1/catalog/service/": Path("GET", self._list_entries),
            "/v1/health/service/": Path("GET", self._list_health),
            "/v1/health/checks/": Path("GET", self._list_checks_of_service),
            "/v1/health/node/": Path("GET", self._list_checks_of_node),
            "/v1/health/state/": Path("GET", self._list_checks_in_state),
        }

    def find(self, path: str) -> tuple[Path, str] | None:
        """Return what a path does, and the name that it ends with."""
        if (found := self.exact.get(path)) is not None:
            return found, ""
        prefix = max((one for one in self.prefixes if path.startswith(one)), key=len, default="")
        return (self.prefixes[prefix], path[len(prefix) :]) if prefix else None

    # What changes something.

    def _register(self, call: Call) -> web.Response:
        warnings = Warnings()
        registration = place(parse_registration(call.body, warnings), call.peer)
        self._check_grant(call, registration)
        replace_checks = read_flag(call.request.query, "replace-existing-checks")
        self._registrations.register(registration, self._registry.now(), call.owner, replace_checks=replace_checks)
        return self._done(call, warnings)

    def _check_grant(self, call: Call, registration: Registration, node: str = "") -> None:
        """Refuse to register a service, or to take another's ID, without the right to change it. Raises Refusal."""
        call.grant.check_service(registration.service.name)
        self._check_grant_of(call, (node or self._own, registration.service.service_id))

    def _check_grant_of(self, call: Call, key: tuple[str, str]) -> None:
        if (instance := self._book.instance(key)) is not None:
            call.grant.check_service(instance.service.name)

    def _done(self, call: Call, warnings: Warnings | None = None) -> web.Response:
        """Pass the change on, and answer. A field that is not known is logged once."""
        self._registry.publish()
        for unknown in warnings.unknown if warnings else ():
            if unknown not in self._warned and len(self._warned) < MOST_WARNED:
                self._warned.add(unknown)
                path = call.request.path
                log.warning("field ignored: a registration has what xds does not know", field=unknown[:200], path=path)
        return web.Response()

    def _deregister(self, call: Call) -> web.Response:
        if not call.name:
            raise Refusal("ServiceID missing", 500)
        self._check_grant_of(call, (self._own, call.name))
        self._registrations.deregister(call.name, self._registry.now())
        return self._done(call)

    def _maintain(self, call: Call) -> web.Response:
        if not call.name:
            raise Refusal("Missing service ID")
        enable, reason = read_enable(call.request.query), call.request.query.get("reason", "")
        self._check_grant_of(call, (self._own, call.name))
        self._registrations.set_maintenance(call.name, self._registry.now(), enable=enable, reason=reason[:1000])
        return self._done(call)

    def _register_check(self, call: Call) -> web.Response:
        warnings = Warnings()
        check, service_id = parse_check(call.body, warnings)
        if service_id:
            self._check_grant_of(call, (self._own, service_id))
        else:
            call.grant.check_all()
        self._registrations.register_check(place_check(check, call.peer), service_id, self._registry.now())
        return self._done(call, warnings)

    def _check_grant_of_check(self, call: Call, node: str, check_id: str) -> None:
        check = self._book.check((node, check_id))
        if check is not None and check.service_id:
            call.grant.check_service(check.service_name)
        elif check is not None:
            call.grant.check_all()

    def _deregister_check(self, call: Call) -> web.Response:
        if not call.name:
            raise Refusal("CheckID missing", 500)
        self._check_grant_of_check(call, self._own, call.name)
        self._registrations.deregister_check(call.name, self._registry.now())
        return self._done(call)

    def _set_status(self, call: Call, status: Status, output: str | None = None) -> web.Response:
        output = call.request.query.get("note", "") if output is None else output
        self._check_grant_of_check(call, self._own, call.name)
        self._registrations.set_status(call.name, status, output, self._registry.now())
        return self._done(call)

    def _update_check(self, call: Call) -> web.Response:
        return self._set_status(call, *parse_update(call.body))

    def _register_entry(self, call: Call) -> web.Response:
        warnings = Warnings()
        entry, now = CatalogEntry(call.body, warnings, DATACENTER), self._registry.now()
        if not entry.node.name or not (entry.node.address or entry.node.name == self._own):
            raise Refusal("Must provide node and address", 500)
        if entry.service is None or any(not service_id for _, service_id, _ in entry.checks):
            call.grant.check_all()
        if entry.service is not None:
            self._check_grant(call, Registration(entry.service), entry.node.name)
        for _, service_id, _ in entry.checks:
            self._check_grant_of(call, (entry.node.name, service_id))
        self._put_entry(entry, call, now)
        return _answer(call, data=True, response=self._done(call, warnings))

    def _put_entry(self, entry: CatalogEntry, call: Call, now: float) -> None:
        known = self._book.node(entry.node.name)
        if known is None and self._book.node_count > self._registrations.rules.max_per_owner:
            raise Refusal("there are too many nodes", 429)
        self._registrations.put_node(_merge_nodes(known, entry.node), now)
        if entry.service is not None:
            registration = Registration(entry.service)
            self._registrations.register(registration, now, call.owner, entry.node.name)
        for check, service_id, output in entry.checks:
            self._registrations.put_outside_check(entry.node.name, check, service_id, output, now)

    def _deregister_entry(self, call: Call) -> web.Response:
        entry, now = CatalogEntry(call.body, Warnings(), DATACENTER), self._registry.now()
        node = entry.node.name
        if not node:
            raise Refusal("Must provide node", 500)
        if entry.service_id:
            self._check_grant_of(call, (node, entry.service_id))
            self._registrations.deregister(entry.service_id, now, node)
        elif entry.check_id:
            self._check_grant_of_check(call, node, entry.check_id)
            self._registrations.deregister_check(entry.check_id, now, node)
        else:
            call.grant.check_all()
            self._registrations.remove_node(node, now)
        return _answer(call, data=True, response=self._done(call))

    # What the agent says: it knows what is registered at the own node, and does not wait.

    def _list_agent_services(self, call: Call) -> web.Response:
        services = (self._documents.describe_agent_service(one.service) for one in self._book.at_node(self._own))
        found = _filter(call.query, SERVICE_SHAPE, services)
        return _answer(call, {one["ID"]: one for one in found})

    def _list_agent_checks(self, call: Call) -> web.Response:
        checks = (self._documents.describe_check(one, at_agent=True) for one in self._book.checks_at(self._own))
        found = _filter(call.query, CHECK_SHAPE, checks)
        return _answer(call, {one["CheckID"]: one for one in found})

    async def _describe_agent_service(self, call: Call) -> web.Response:
        key, query = (self._own, call.name), call.query

        def find() -> tuple[Instance | None, str]:
            instance = self._book.instance(key)
            return instance, "" if instance is None else self._documents.find_hash(instance.service)

        if query.hash and find()[0] is not None:
            await self._wait(about_instance(*key), query, lambda: find()[1] != query.hash)
        instance, content_hash = find()
        if instance is None:
            raise Refusal(f"unknown service ID: {call.name}", 404)
        document = {**self._documents.describe_agent_service(instance.service), "ContentHash": content_hash}
        response = _answer(call, document)
        response.headers["X-Consul-ContentHash"] = content_hash
        return response

    def _ask_health_by_name(self, call: Call) -> web.Response:
        instances = [one for one in self._book.of_service(call.name) if one.node == self._own]
        found = [self._documents.describe_agent_health(one) for one in instances]
        if not found:
            return self._answer_health(call, f"ServiceName {call.name} Not Found", [], 404)
        status = max((status for status, _ in found), key=[*STATUS_CODES].index)
        return self._answer_health(call, status, [document for _, document in found], STATUS_CODES[status])

    def _ask_health_by_id(self, call: Call) -> web.Response:
        instance = self._book.instance((self._own, call.name))
        if instance is None:
            reason = f"ServiceId {call.name} not found"
            return self._answer_health(call, reason, reason, 404)
        status, document = self._documents.describe_agent_health(instance)
        return self._answer_health(call, status, document, STATUS_CODES[status])

    def _answer_health(self, call: Call, status: str, document: object, code: int) -> web.Response:
        if call.request.query.get("format") == "text":
            return web.Response(text=status, status=code)
        return _answer(call, document, status=code)

    # What the catalog says: questions about it can wait for a change.

    async def _wait(self, topic: Topic, query: Query, is_due: Callable[[], bool]) -> None:
        seconds = query.wait + random.uniform(0.0, query.wait / 16)  # noqa: S311 so that not all ask again at once
        await self._registry.waiting.wait(topic, seconds, is_due)

    async def _answer_about(
        self, call: Call, topic: Topic, shape: Shape, build: Callable[[Query], Any]
    ) -> web.Response:
        """Answer with what `build` returns: at once, or when the topic has a later index than the client knows."""
        query, find_index = call.query, self._book.indexes.find
        test = parse_filter(query.filter, shape) if query.filter.strip() else None
        if query.index:
            await self._wait(topic, query, lambda: find_index(topic) > query.index)
        index, document = find_index(topic), build(query)
        if test is not None and isinstance(document, list):
            document = [one for one in document if test(one)]
        response = _answer(call, document)
        response.headers["X-Consul-Index"] = str(index)
        response.headers["X-Consul-KnownLeader"] = "true"
        response.headers["X-Consul-LastContact"] = "0"
        response.headers["X-Consul-Effective-Consistency"] = query.consistency
        return response

    async def _list_nodes(self, call: Call) -> web.Response:
        return await self._answer_about(
            call, NODES, NODE_SHAPE, lambda _: [self._documents.describe_node(node) for node in self._book.nodes]
        )

    async def _list_services(self, call: Call) -> web.Response:
        return await self._answer_about(call, SERVICES, {}, lambda _: self._documents.list_tags())

    async def _list_entries(self, call: Call) -> web.Response:
        name = _require_name(call)

        def build(query: Query) -> object:
            found = _with_tags(self._book.of_service(name), query.tags)
            return [self._documents.describe_entry(one) for one in found]

        return await self._answer_about(call, about_service(name), CATALOG_SHAPE, build)

    async def _list_health(self, call: Call) -> web.Response:
        name = _require_name(call)

        def build(query: Query) -> object:
            found = _with_tags(self._book.of_service(name), query.tags)
            passing = (one for one in found if not query.passing or self._documents.is_passing(one))
            return [self._documents.describe_health(one) for one in passing]

        return await self._answer_about(call, about_service(name), HEALTH_SHAPE, build)

    async def _list_checks_of_service(self, call: Call) -> web.Response:
        name = _require_name(call)

        def build(_: Query) -> object:
            checks = (check for one in self._book.of_service(name) for check in self._book.checks_of(one.key))
            return [self._documents.describe_check(check) for check in checks]

        return await self._answer_about(call, about_service(name), CHECK_SHAPE, build)

    async def _list_checks_of_node(self, call: Call) -> web.Response:
        def build(_: Query) -> object:
            if self._book.node(call.name) is None:
                return []
            return self._documents.list_checks(self._book.checks_at(call.name), call.name)

        return await self._answer_about(call, about_node(call.name), CHECK_SHAPE, build)

    async def _list_checks_in_state(self, call: Call) -> web.Response:
        def build(_: Query) -> object:
            found = self._documents.list_checks(self._book.checks)
            return [one for one in found if call.name in ("any", one["Status"])]

        return await self._answer_about(call, CHECKS, CHECK_SHAPE, build)


def _merge_nodes(known: Node | None, given: Node) -> Node:
    """Return a node as it is registered again: what is not given stays."""
    if known is None:
        return given
    return Node(
        known.name,
        given.address or known.address,
        given.node_id or known.node_id,
        given.meta or known.meta,
        given.tagged_addresses or known.tagged_addresses,
    )


def _require_name(call: Call) -> str:
    if not call.name:
        raise Refusal("Missing service name")
    return call.name


def _with_tags(instances: Iterable[Instance], tags: Sequence[str]) -> list[Instance]:
    """Return the instances that have all of these tags, in any case."""
    wanted = {tag.lower() for tag in tags if tag}
    return [one for one in instances if wanted <= {tag.lower() for tag in one.service.tags}]


def _filter(query: Query, shape: Shape, documents: Iterable[Any]) -> Iterable[Any]:
    if not query.filter.strip():
        return documents
    test = parse_filter(query.filter, shape)
    return (one for one in documents if test(one))


def _answer(call: Call, data: object, status: int = 200, response: web.Response | None = None) -> web.Response:
    """Return a document as the answer."""
    response = response or web.Response(status=status)
    response.content_type = "application/json"
    response.text = write_go_json(data, pretty="pretty" in call.request.query)
    return response
