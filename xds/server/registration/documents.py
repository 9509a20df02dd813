"""The documents of Consul's API: what is registered, as its clients read it."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from xds.endpoints.registrations.book import Book
from xds.endpoints.registrations.check import Check, find_worst
from xds.endpoints.registrations.definitions import CheckKind, Node, ServiceDefinition, Status
from xds.endpoints.registrations.indexes import Topic
from xds.endpoints.registrations.instance import Instance
from xds.wording import escape_json

Json = dict[str, Any]

SPOKEN_VERSION: Final = "1.7.0"
"""The version of Consul whose API this is: some clients ask."""

TEXT_MAP = {"*": "text"}
WEIGHTS = {"Passing": "number", "Warning": "number"}
ADDRESSES = {"*": {"Address": "text", "Port": "number"}}
CHECK_SHAPE: Final = {
    **dict.fromkeys(
        ("Node", "CheckID", "Name", "Status", "Notes", "Output", "ServiceID", "ServiceName", "Type"), "text"
    ),
    "ServiceTags": ["text"],
}
SERVICE_SHAPE: Final = {
    "ID": "text",
    "Service": "text",
    "Tags": ["text"],
    "Meta": TEXT_MAP,
    "Address": "text",
    "Port": "number",
    "TaggedAddresses": ADDRESSES,
    "Weights": WEIGHTS,
    "EnableTagOverride": "flag",
}
NODE_SHAPE: Final = {
    **dict.fromkeys(("ID", "Node", "Address", "Datacenter"), "text"),
    "TaggedAddresses": TEXT_MAP,
    "Meta": TEXT_MAP,
}
HEALTH_SHAPE: Final = {"Node": NODE_SHAPE, "Service": SERVICE_SHAPE, "Checks": [CHECK_SHAPE]}
CATALOG_SHAPE: Final = {
    **NODE_SHAPE,
    "NodeMeta": TEXT_MAP,
    **dict.fromkeys(("ServiceKind", "ServiceID", "ServiceName", "ServiceAddress"), "text"),
    "ServiceTags": ["text"],
    "ServiceTaggedAddresses": ADDRESSES,
    "ServiceWeights": WEIGHTS,
    "ServiceMeta": TEXT_MAP,
    "ServicePort": "number",
    "ServiceEnableTagOverride": "flag",
}

ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def write_go_json(document: object, *, pretty: bool = False) -> str:
    """Return JSON as Go writes it, which escapes the characters of HTML."""
    separators = None if pretty else (",", ":")
    text = json.dumps(document, ensure_ascii=False, indent=4 if pretty else None, separators=separators)
    return escape_json(text.translate(ESCAPES)) + ("\n" if pretty else "")


class Documents:
    """Writes the documents about what is in a book, in a datacenter of this name."""

    def __init__(self, book: Book, datacenter: str) -> None:
        self._book = book
        self.datacenter = datacenter

    def describe_node(self, node: Node) -> Json:
        """Describe a node."""
        created, modified = self._book.node_indexes(node.name)
        tagged = dict(node.tagged_addresses) or {"lan": node.address, "wan": node.address}
        return {
            "ID": node.node_id,
            "Node": node.name,
            "Address": node.address,
            "Datacenter": self.datacenter,
            "TaggedAddresses": tagged,
            "Meta": dict(node.meta),
            "CreateIndex": created,
            "ModifyIndex": modified,
        }

    def describe_member(self) -> Json:
        """Describe the server as the one member of a cluster."""
        own = self._book.own
        tags = {"build": f"{SPOKEN_VERSION}:", "dc": self.datacenter, "id": own.node_id, "role": "consul", "vsn": "2"}
        versions = {"ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2}
        delegates = {"DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4}
        return {"Name": own.name, "Addr": own.address, "Port": 0, "Tags": tags, "Status": 1, **versions, **delegates}

    def describe_self(self) -> Json:
        """Describe the server."""
        own = self._book.own
        config = {
            "Datacenter": self.datacenter,
            "NodeName": own.name,
            "NodeID": own.node_id,
            "Revision": "",
            "Server": True,
            "Version": SPOKEN_VERSION,
        }
        return {"Config": config, "Member": self.describe_member(), "Meta": dict(own.meta)}

    def describe_check(self, check: Check, *, at_agent: bool = False) -> Json:
        """Describe a check: for the catalog with the output of its last change, at the agent with the last one."""
        return {
            "Node": check.node,
            "CheckID": check.check_id,
            "Name": check.definition.name,
            "Status": check.status.value,
            "Notes": check.definition.notes,
            "Output": check.output if at_agent else check.shown_output,
            "ServiceID": check.service_id,
            "ServiceName": check.service_name,
            "ServiceTags": [*check.service_tags],
            "Type": check.kind.value,
            "Definition": {},
            "CreateIndex": 0 if at_agent else check.create_index,
            "ModifyIndex": 0 if at_agent else check.modify_index,
        }

    def _describe_alive(self) -> Json:
        """Describe the check that Consul has of each node with an agent."""
        own = self._book.own
        created, _ = self._book.node_indexes(own.name)
        return {
            "Node": own.name,
            "CheckID": "serfHealth",
            "Name": "Serf Health Status",
            "Status": "passing",
            "Notes": "",
            "Output": "Agent alive and reachable",
            "ServiceID": "",
            "ServiceName": "",
            "ServiceTags": [],
            "Type": "",
            "Definition": {},
            "CreateIndex": created,
            "ModifyIndex": created,
        }

    def describe_agent_service(self, service: ServiceDefinition) -> Json:
        """Describe an instance as the agent has it."""
        document: Json = {
            "ID": service.service_id,
            "Service": service.name,
            "Tags": [*service.tags],
            "Meta": dict(service.meta),
            "Port": service.port,
            "Address": service.address,
            "TaggedAddresses": _describe_addresses(service),
            "Weights": {"Passing": service.weights.passing, "Warning": service.weights.warning},
            "EnableTagOverride": service.enable_tag_override,
        }
        return {key: value for key, value in document.items() if value is not None}

    def describe_health(self, instance: Instance) -> Json:
        """Describe an instance with its node and checks."""
        service, node = instance.service, self._node_of(instance)
        document: Json = {
            "ID": service.service_id,
            "Service": service.name,
            "Tags": [*service.tags],
            "Address": service.address,
            "TaggedAddresses": _describe_addresses(service),
            "Meta": dict(service.meta) or None,
            "Port": service.port,
            "Weights": {"Passing": service.weights.passing, "Warning": service.weights.warning},
            "EnableTagOverride": service.enable_tag_override,
            "Proxy": {"MeshGateway": {}, "Expose": {}},
            "Connect": {},
            "CreateIndex": instance.create_index,
            "ModifyIndex": instance.modify_index,
        }
        if document["TaggedAddresses"] is None:
            del document["TaggedAddresses"]
        return {"Node": self.describe_node(node), "Service": document, "Checks": self._describe_checks(instance)}

    def _describe_checks(self, instance: Instance) -> list[Json]:
        of_node = [] if self._is_own(instance.node) else self._book.checks_of((instance.node, ""))
        checks = [self.describe_check(one) for one in (*of_node, *self._book.checks_of(instance.key))]
        return [self._describe_alive(), *checks] if self._is_own(instance.node) else checks

    def describe_entry(self, instance: Instance) -> Json:
        """Describe an instance as the catalog has it."""
        service, node = instance.service, self.describe_node(self._node_of(instance))
        document: Json = {
            **{key: node[key] for key in ("ID", "Node", "Address", "Datacenter", "TaggedAddresses")},
            "NodeMeta": node["Meta"],
            "ServiceKind": "",
            "ServiceID": service.service_id,
            "ServiceName": service.name,
            "ServiceTags": [*service.tags],
            "ServiceAddress": service.address,
            "ServiceTaggedAddresses": _describe_addresses(service),
            "ServiceWeights": {"Passing": service.weights.passing, "Warning": service.weights.warning},
            "ServiceMeta": dict(service.meta),
            "ServicePort": service.port,
            "ServiceEnableTagOverride": service.enable_tag_override,
            "ServiceProxy": {"MeshGateway": {}, "Expose": {}},
            "ServiceConnect": {},
            "CreateIndex": instance.create_index,
            "ModifyIndex": instance.modify_index,
        }
        return {key: value for key, value in document.items() if value is not None}

    def list_tags(self) -> dict[str, list[str]]:
        """Return the tags of each service by its name."""
        tags: dict[str, dict[str, None]] = {}
        for name in self._book.services:
            for instance in self._book.of_service(name):
                tags.setdefault(instance.service.name, {}).update(dict.fromkeys(instance.service.tags))
        return {name: [*found] for name, found in sorted(tags.items())}

    def list_checks(self, checks: Iterable[Check], node: str = "") -> list[Json]:
        """Describe checks, by ID, with that of the own node's agent where that is meant."""
        found = [self.describe_check(check) for check in checks]
        if not node or self._is_own(node):
            found.append(self._describe_alive())
        return sorted(found, key=lambda one: (one["Node"], one["CheckID"]))

    def describe_agent_health(self, instance: Instance) -> tuple[str, Json]:
        """Return the status of an instance in a word, and its document with its checks."""
        checks = self._book.checks_of(instance.key)
        in_maintenance = any(check.kind is CheckKind.MAINTENANCE for check in checks)
        status = "maintenance" if in_maintenance else find_worst(checks).value
        listed = [self.describe_check(check, at_agent=True) for check in checks]
        service = self.describe_agent_service(instance.service)
        return status, {"AggregatedStatus": status, "Service": service, "Checks": listed}

    def find_hash(self, service: ServiceDefinition) -> str:
        """Return the hash of what the agent says of an instance."""
        text = json.dumps(self.describe_agent_service(service), sort_keys=True).encode(errors="replace")
        return hashlib.blake2b(text, digest_size=8).hexdigest()

    def is_passing(self, instance: Instance) -> bool:
        """Whether nothing of an instance warns or is critical."""
        return all(one["Status"] == Status.PASSING for one in self._describe_checks(instance))

    def find_index(self, topic: Topic) -> int:
        """Return the index of what a query is about."""
        return self._book.indexes.find(topic)

    def _node_of(self, instance: Instance) -> Node:
        node = self._book.node(instance.node)
        assert node is not None  # noqa: S101 an instance is at a node that there is
        return node

    def _is_own(self, node: str) -> bool:
        return node == self._book.own.name


def _describe_addresses(service: ServiceDefinition) -> Json | None:
    tagged = service.tagged_addresses
    return {key: {"Address": one.address, "Port": one.port} for key, one in tagged.items()} or None
