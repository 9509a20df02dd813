"""Listeners by the targets of gRPC clients: `xds:///greeter:50051` is the service `greeter`, whatever the port.

A client asks for a Listener with the text of its target as name. So each mapping of a gRPC client's Listeners also
finds what stands under the service's name. Its keys are the services alone.
"""

from typing import TypeVar

from xds.resources.grpc.client import build_listener
from xds.resources.resource import Resource
from xds.wording import split_host_and_port

V = TypeVar("V")


def find_service(target: str) -> str | None:
    """Return the name in front of a target's port; None for a target without a port."""
    parts = split_host_and_port(target)
    return parts[0] if parts else None


class ByTarget(dict[str, V]):
    """A mapping by service that finds the targets of the service too."""

    def copy(self) -> "ByTarget[V]":
        """Return a copy of the same class."""
        return type(self)(self)

    def derive(self, target: str, service: str) -> V:
        """Return the value for a target with a port; here that of the service."""
        return self[service]

    def __missing__(self, target: str) -> V:
        service = find_service(target)
        if service is None or not super().__contains__(service):
            raise KeyError(target)
        return self.derive(target, service)

    def __contains__(self, target: object) -> bool:
        return super().__contains__(target) or (
            isinstance(target, str) and (service := find_service(target)) is not None and super().__contains__(service)
        )

    def get(self, target: str, default: V | None = None) -> V | None:  # type: ignore[override]
        """Return the value for a service or a target of it."""
        try:
            return self[target]
        except KeyError:
            return default


class Listeners(ByTarget[Resource]):
    """A gRPC client's Listeners."""

    def derive(self, target: str, service: str) -> Resource:
        """Return the Listener with the target's name."""
        return build_listener(target, service)
