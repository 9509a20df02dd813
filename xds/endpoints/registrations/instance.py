"""Instance: a registered instance of a service, and the endpoint of the mesh that it becomes.

The endpoint is a plain value, as an item of a catalog's `endpoints`, and is checked by the same class.
"""

from dataclasses import dataclass
from enum import StrEnum

from xds.endpoints.endpoint_set import REGISTERED
from xds.endpoints.instance import parse_instance
from xds.endpoints.registrations.definitions import Node, ServiceDefinition, Status
from xds.endpoints.registrations.refusal import Refusal
from xds.sources.source import InstanceId

InstanceKey = tuple[str, str]
"""A node's name, and the ID of an instance at that node."""

LOCALITY = ("region", "zone", "sub_zone")


class Served(StrEnum):
    """How an instance is served, which depends on more than its checks: see `steadiness.py`."""

    PASSING = "passing"
    WARNING = "warning"
    CRITICAL = "critical"
    FLAPPING = "flapping"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Instance:
    """A registered instance. `owner` is the client that registered it last."""

    node: str
    service: ServiceDefinition
    owner: str = ""
    registered_at: float = 0.0
    create_index: int = 0
    modify_index: int = 0

    @property
    def key(self) -> InstanceKey:
        """Its node and ID."""
        return self.node, self.service.service_id

    @property
    def service_key(self) -> str:
        """The service's name in the mesh, where it is in small letters."""
        return self.service.name.lower()

    def find_id(self, own_node: str) -> InstanceId:
        """Return the instance's name in the mesh: its ID, after its node's name if that is not `own_node`.

        No two instances of a service have the same name, whatever slashes are in names and IDs.
        """
        service_id = self.service.service_id
        if self.node == own_node and "/" not in service_id:
            return self.service_key, service_id
        node = self.node.replace("%", "%25").replace("/", "%2F")
        return self.service_key, f"{node}/{service_id}"


def describe_endpoint(service: ServiceDefinition, node: Node, served: Served) -> dict[str, object] | None:
    """Return the endpoint that an instance is; None if it has no port, and so takes no requests."""
    if not service.port:
        return None
    warns = served is Served.WARNING
    weight = service.weights.warning if warns else service.weights.passing
    endpoint: dict[str, object] = {"address": service.address or node.address, "port": service.port}
    endpoint["weight"] = max(1, weight)
    endpoint |= {key: service.meta[key] for key in LOCALITY if service.meta.get(key)}
    metadata: dict[str, object] = dict(service.meta)
    if service.tags:
        metadata["tags"] = [*service.tags]
    if metadata:
        endpoint["metadata"] = metadata
    if served is Served.DRAINING:
        endpoint["drain"] = True
    elif served is Served.CRITICAL or not weight:
        endpoint["health"] = "unhealthy"
    elif warns or served is Served.FLAPPING:
        endpoint["health"] = "degraded"
    return endpoint


def check_endpoint(instance: InstanceId, service: ServiceDefinition, node: Node) -> None:
    """Refuse a registration whose endpoint the mesh would not take. Raises Refusal."""
    endpoint = describe_endpoint(service, node, Served.PASSING)
    if endpoint is None:
        return
    found = parse_instance(REGISTERED, instance, endpoint)
    if isinstance(found, tuple):
        field = found[0].path.rpartition(".")[2]
        raise Refusal(f"Invalid service: {field}: {found[0].message}")


def worsen(status: Status) -> Served:
    """Return how an instance with this status is served."""
    return Served(status.value)
