"""Plain values of what is registered, as JSON holds them, for a store: written without defaults, and read again.

What a value lacks has its default. So a store can be read after a field was added.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from xds.endpoints.registrations.check import Check
from xds.endpoints.registrations.definitions import (
    CheckDefinition,
    Node,
    ServiceDefinition,
    Status,
    TaggedAddress,
    Weights,
)
from xds.endpoints.registrations.instance import Instance

Plain = dict[str, Any]

NOT_KEPT = ("create_index", "modify_index", "successes", "failures")
"""Fields that begin anew in each process."""


def write_plain(value: object) -> Any:
    """Return a value as JSON holds it."""
    if is_dataclass(value):
        parts = ((one, getattr(value, one.name)) for one in fields(value))
        return {
            one.name: write_plain(part) for one, part in parts if part != _default(one) and one.name not in NOT_KEPT
        }
    if isinstance(value, Mapping):
        return {key: write_plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [write_plain(one) for one in value]
    return value.value if isinstance(value, Status) else value


def _default(one: "Field[Any]") -> object:
    return one.default_factory() if one.default_factory is not MISSING else one.default


def _read_check_definition(plain: Plain) -> CheckDefinition:
    header = {key: tuple(values) for key, values in plain.get("header", {}).items()}
    status = Status(plain["status"]) if plain.get("status") else None
    return CheckDefinition(**{**plain, "header": header, "status": status})


def read_check(plain: Plain) -> Check:
    """Return the check that a plain value is of."""
    found = {**plain, "definition": _read_check_definition(plain["definition"])}
    found["service_tags"] = tuple(plain.get("service_tags", ()))
    found["status"] = Status(plain.get("status", Status.CRITICAL))
    return Check(**found)


def read_instance(plain: Plain) -> Instance:
    """Return the instance that a plain value is of."""
    service = dict(plain["service"])
    service["tags"] = tuple(service.get("tags", ()))
    tagged = service.get("tagged_addresses", {})
    service["tagged_addresses"] = {key: TaggedAddress(**one) for key, one in tagged.items()}
    service["weights"] = Weights(**service.get("weights", {}))
    return Instance(**{**plain, "service": ServiceDefinition(**service)})


def read_node(plain: Plain) -> Node:
    """Return the node that a plain value is of."""
    return Node(**plain)
