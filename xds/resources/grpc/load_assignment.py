"""ClusterLoadAssignment for gRPC's own client: it expresses the catalog's balance by localities and their weights."""

from typing import NamedTuple

from xds.catalog.model.balance import Balance
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.model.service import Protocol, Service
from xds.endpoints.endpoint_set import EndpointSet
from xds.resources.endpoints.load_assignment import (
    EVERYWHERE,
    WEIGHT_SCALE,
    Priorities,
    add_endpoint,
    group_endpoints,
    weigh_groups,
)
from xds.wire import endpoint_pb2
from xds.wire.discovery_pb2 import Locality as WireLocality


class Group(NamedTuple):
    """Endpoints of one priority: those of one locality and its weight, or those of all localities without a weight."""

    locality: Locality
    weight: int | None
    endpoints: list[Endpoint]

    def share(self, *, weighted: bool) -> list[int]:
        """Return the weight of each endpoint in its priority; the endpoints share the group's weight if it has one."""
        own = [one.load_balancing_weight if weighted else 1 for one in self.endpoints]
        return own if self.weight is None else [max(1, self.weight * WEIGHT_SCALE * one // sum(own)) for one in own]


def is_offered_to_grpc(service: Service, endpoints: EndpointSet) -> bool:
    """Whether a service can be offered to gRPC's client.

    TCP services cannot. Services whose endpoints include host names can only with one endpoint, since gRPC does not
    resolve more host names.
    """
    return service.protocol is not Protocol.TCP and (len(endpoints) == 1 or endpoints.is_eds)


def build_grpc_assignment(
    name: str, service: Service, endpoints: EndpointSet, priorities: Priorities = EVERYWHERE
) -> endpoint_pb2.ClusterLoadAssignment:
    """Build localities by which gRPC balances as the catalog states.

    - `weighted` and `random`: each endpoint is a locality with a weight. The locality has the endpoint's address as
      its name, so that a new weight does not move an endpoint to another locality.
    - `round_robin`: all endpoints are one locality. With their real localities, gRPC would choose the locality at
      random, and apply round robin only inside it.
    - `ring_hash` and `maglev`: all endpoints are one locality, with their weights.
    - `least_request`: as `weighted` if any endpoint has a weight, else as `round_robin`.
    - With `locality.weights`, round robin applies in the real localities with their weights. For the other policies
      the endpoints of a locality share its weight.

    Drained and unhealthy endpoints are left out, unless there are no others, since gRPC does not drain endpoints.
    """
    taken = [one for one in endpoints if not one.is_out] or list(endpoints)
    by_weight, hashing = _is_by_weight(service.balance.policy, taken), service.balance.is_hashing
    weighted = service.balance.policy is not Balance.RANDOM
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for priority, groups in enumerate(_group(service, endpoints, priorities)):
        shared = [pair for one in groups for pair in zip(one.endpoints, one.share(weighted=weighted), strict=True)]
        if by_weight:
            for endpoint, share in shared:
                where = Locality(endpoint.region, endpoint.zone, f"{endpoint.address}:{endpoint.port}")
                add_endpoint(_add_locality(message, priority, share, where), endpoint)
        elif hashing:
            ring = _add_locality(message, priority, 1)
            for endpoint, share in shared:
                add_endpoint(ring, endpoint).load_balancing_weight.value = share
        else:
            for group in groups:
                round_robin = _add_locality(message, priority, group.weight or 1, group.locality)
                for endpoint in group.endpoints:
                    add_endpoint(round_robin, endpoint)
    return message


def _group(service: Service, endpoints: EndpointSet, priorities: Priorities) -> list[list[Group]]:
    """Return the groups of each priority that get requests, without drained and unhealthy endpoints."""
    groups = group_endpoints(endpoints, priorities)
    taken = {key: some for key, some in groups.items() if not some[0].is_out} or groups
    found: list[list[Group]] = [[] for _ in {priority for priority, _ in taken}]
    if service.locality.weights is not None:
        for (priority, locality), weight in weigh_groups(service, taken).items():
            if weight:
                found[priority].append(Group(locality, weight, taken[priority, locality]))
        return found
    position = {id(endpoint): number for number, endpoint in enumerate(endpoints)}
    for number, one in enumerate(found):
        members = [endpoint for (priority, _), some in taken.items() if priority == number for endpoint in some]
        one.append(Group(NOWHERE, None, sorted(members, key=lambda endpoint: position[id(endpoint)])))
    return found


def _is_by_weight(balance: Balance, endpoints: list[Endpoint]) -> bool:
    if balance is Balance.LEAST_REQUEST:
        return any(endpoint.weight is not None for endpoint in endpoints)
    return balance in (Balance.RANDOM, Balance.WEIGHTED)


def _add_locality(
    message: endpoint_pb2.ClusterLoadAssignment, priority: int, weight: int, where: Locality = NOWHERE
) -> endpoint_pb2.LocalityLbEndpoints:
    """Add a locality with a weight: gRPC ignores a locality without a weight, but not one without a name."""
    locality = WireLocality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
    group = message.endpoints.add(locality=locality, priority=priority)
    group.load_balancing_weight.value = weight
    return group
