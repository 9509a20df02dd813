"""What tests of registrations share: one node, and short ways to register."""

from typing import Any

from xds.endpoints.registrations.changes import NoticeKind
from xds.endpoints.registrations.definitions import (
    CheckDefinition,
    Node,
    Registration,
    ServiceDefinition,
    Status,
    name_checks,
)
from xds.endpoints.registrations.registrations import Registrations, Rules

OWN = Node("own", "127.0.0.1")


def make(rules: Rules | None = None) -> Registrations:
    """Make registrations without any instance."""
    made = Registrations(OWN, 1, rules)
    made.take_changes()
    return made


def one(service_id: str, *checks: CheckDefinition, name: str = "api", port: int = 1, **fields: Any) -> Registration:
    """Make a registration at a port of its own."""
    service = ServiceDefinition(service_id, name, address="10.0.0.1", port=port, **fields)
    return Registration(service, name_checks(service, checks))


def ttl(seconds: float = 10.0, status: Status | None = Status.PASSING, **fields: Any) -> CheckDefinition:
    """Make a TTL check, which passes at first."""
    return CheckDefinition(ttl=seconds, status=status, **fields)


def http(status: Status | None = None, **fields: Any) -> CheckDefinition:
    """Make an HTTP check each 10 s."""
    return CheckDefinition(http="http://10.0.0.1/", interval=10.0, status=status, **fields)


def health(registrations: Registrations, service: str = "api") -> dict[str, str]:
    """Return how each endpoint of a service is served."""
    found: dict[str, str] = {}
    for (of, name), endpoint in sorted(registrations.endpoints.items()):
        assert isinstance(endpoint, dict)
        if of == service:
            found[name] = "draining" if endpoint.get("drain") else endpoint.get("health", "healthy")
    return found


def events(registrations: Registrations) -> list[NoticeKind]:
    """Return what is told since the last call."""
    return [notice.kind for notice in registrations.take_changes().notices]
