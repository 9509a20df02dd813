"""ClusterLoadAssignment for gRPC's own client: the catalog's balance, said by localities and their weights."""

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
    """Endpoints of one priority: those of one locality with its weight, or all of them as one list without."""

    locality: Locality
    weight: int | None
    endpoints: list[Endpoint]

    def share(self, *, weighted: bool) -> list[int]:
        """Give the weight of each endpoint among all of the priority; they share that of the group, if it has one."""
        own = [one.load_balancing_weight if weighted else 1 for one in self.endpoints]
        return own if self.weight is None else [max(1, self.weight * WEIGHT_SCALE * one // sum(own)) for one in own]


def is_offered_to_grpc(service: Service, endpoints: EndpointSet) -> bool:
    """Whether gRPC's client can be told of a service.

    It cannot of TCP services, and of those whose endpoints are host names, unless it is one alone: gRPC resolves no
    more.
    """
    return service.protocol is not Protocol.TCP and (len(endpoints) == 1 or endpoints.is_eds)


def build_grpc_assignment(
    name: str, service: Service, endpoints: EndpointSet, priorities: Priorities = EVERYWHERE
) -> endpoint_pb2.ClusterLoadAssignment:
    """Build localities such that gRPC's choice between and within them is the catalog's balance.

    `weighted` and `random`: a locality for each endpoint, named after its address, so that an edited weight moves no
    endpoint. `round_robin`: one for all. By their real localities, turns would be taken in each
    alone, and chance would choose between them. Hashing: one for all too, in which it heeds weights. `least_request`
    is the next best: by weight if there are any, else in turn. With `locality.weights` the real localities are
    what takes turns, each with its weight, and endpoints by chance or hash share it.

    Endpoints that the operator has taken out are left out, unless they are all that there is: gRPC drains nothing.
    """
    taken = [one for one in endpoints if not one.is_out] or list(endpoints)
    by_chance, hashing = _is_by_chance(service.balance.policy, taken), service.balance.is_hashing
    weighted = service.balance.policy is not Balance.RANDOM
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for priority, groups in enumerate(_group(service, endpoints, priorities)):
        shared = [pair for one in groups for pair in zip(one.endpoints, one.share(weighted=weighted), strict=True)]
        if by_chance:
            for endpoint, share in shared:
                where = Locality(endpoint.region, endpoint.zone, f"{endpoint.address}:{endpoint.port}")
                add_endpoint(_add_locality(message, priority, share, where), endpoint)
        elif hashing:
            ring = _add_locality(message, priority, 1)
            for endpoint, share in shared:
                add_endpoint(ring, endpoint).load_balancing_weight.value = share
        else:
            for group in groups:
                turns = _add_locality(message, priority, group.weight or 1, group.locality)
                for endpoint in group.endpoints:
                    add_endpoint(turns, endpoint)
    return message


def _group(service: Service, endpoints: EndpointSet, priorities: Priorities) -> list[list[Group]]:
    """Give the groups of each priority, of whom the operator has not taken out; none that is to get no requests."""
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


def _is_by_chance(balance: Balance, endpoints: list[Endpoint]) -> bool:
    if balance is Balance.LEAST_REQUEST:
        return any(endpoint.weight is not None for endpoint in endpoints)
    return balance in (Balance.RANDOM, Balance.WEIGHTED)


def _add_locality(
    message: endpoint_pb2.ClusterLoadAssignment, priority: int, weight: int, where: Locality = NOWHERE
) -> endpoint_pb2.LocalityLbEndpoints:
    """A locality without a name is one too, but one without a weight is dropped in silence."""
    locality = WireLocality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
    group = message.endpoints.add(locality=locality, priority=priority)
    group.load_balancing_weight.value = weight
    return group
