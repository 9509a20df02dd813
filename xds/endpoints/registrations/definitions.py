"""What a client registers: a service's instance and its checks, with the fields of Consul's definitions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

OUTPUT_SIZE = 4096
"""How much of a check's output is kept, in characters."""

MAX_CHECKS = 64
"""How many checks an instance, or a node by itself, may have."""

SHORTEST_INTERVAL = 1.0
"""A shorter interval between checks counts as this one, in seconds."""

SHORTEST_REMOVAL = 60.0
"""A shorter `DeregisterCriticalServiceAfter` counts as this one, in seconds."""


class Status(StrEnum):
    """The status of a check, or of an instance."""

    PASSING = "passing"
    WARNING = "warning"
    CRITICAL = "critical"


STATUSES: Final = frozenset(Status)
WORST_LAST: Final = (Status.PASSING, Status.WARNING, Status.CRITICAL)


class CheckKind(StrEnum):
    """Who sets the status of a check, and how."""

    HTTP = "http"
    TCP = "tcp"
    GRPC = "grpc"
    TTL = "ttl"
    MAINTENANCE = "maintenance"
    OUTSIDE = ""  # whoever registered it in the catalog API


@dataclass(frozen=True, slots=True)
class CheckDefinition:
    """A check as it was registered. Durations are in seconds, 0 for none."""

    check_id: str = ""
    name: str = ""
    notes: str = ""
    status: Status | None = None
    http: str = ""
    tcp: str = ""
    grpc: str = ""
    ttl: float = 0.0
    interval: float = 0.0
    timeout: float = 0.0
    method: str = ""
    body: str = ""
    header: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    grpc_use_tls: bool = False
    deregister_after: float = 0.0
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0
    maintenance: bool = False

    @property
    def kind(self) -> CheckKind:
        """Who sets its status."""
        if self.maintenance:
            return CheckKind.MAINTENANCE
        for kind, found in ((CheckKind.HTTP, self.http), (CheckKind.TCP, self.tcp), (CheckKind.GRPC, self.grpc)):
            if found:
                return kind
        return CheckKind.TTL if self.ttl else CheckKind.OUTSIDE

    @property
    def period(self) -> float:
        """How long nothing may be known of it: its interval, or its TTL."""
        return max(self.interval, SHORTEST_INTERVAL) if self.interval else self.ttl

    @property
    def removal_after(self) -> float:
        """After how many seconds in critical its instance is removed; 0 for never."""
        return max(self.deregister_after, SHORTEST_REMOVAL) if self.deregister_after > 0 else 0.0


@dataclass(frozen=True, slots=True)
class TaggedAddress:
    """An address of an instance for clients of a certain network, such as `wan`."""

    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of an instance by its status."""

    passing: int = 1
    warning: int = 1


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """An instance of a service as it was registered, without its checks. Without an address it has its node's."""

    service_id: str
    name: str
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    address: str = ""
    port: int = 0
    tagged_addresses: Mapping[str, TaggedAddress] = field(default_factory=dict)
    weights: Weights = field(default_factory=Weights)
    enable_tag_override: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """An instance with the checks that are registered together with it."""

    service: ServiceDefinition
    checks: tuple[CheckDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that instances are registered at."""

    name: str
    address: str = ""
    node_id: str = ""
    meta: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tagged_addresses: Mapping[str, str] = field(default_factory=lambda: NOTHING)


def name_checks(service: ServiceDefinition, checks: tuple[CheckDefinition, ...]) -> tuple[CheckDefinition, ...]:
    """Return checks of an instance with the IDs and names that Consul gives to those without."""
    named = []
    for number, check in enumerate(checks, start=1):
        suffix = f":{number}" if len(checks) > 1 else ""
        check_id = check.check_id or f"service:{service.service_id}{suffix}"
        named.append(replace(check, check_id=check_id, name=check.name or f"Service '{service.name}' check"))
    return tuple(named)
