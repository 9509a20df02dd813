"""What gRPC's own xDS client is sent of routes: the part of their words that it knows."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from xds.catalog.model.affinity import Affinity
from xds.catalog.model.resilience import GRPC_CONDITIONS, Retries
from xds.catalog.model.route import Route
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import Endpoints
from xds.resources.grpc.load_assignment import is_offered_to_grpc
from xds.resources.routes.retries import build_back_off
from xds.resources.routes.route import build_shares, encode_end, encode_match
from xds.wire import skeleton_pb2
from xds.wire.envoy.config_route_v3_pb2 import RetryPolicy, RouteAction
from xds.wire.messages import encode, uint32

METHOD = "POST"
"""Every call's."""


def encode_grpc_route(route: Route, services: Mapping[str, Service], endpoints: Endpoints) -> list[bytes]:
    """Encode a route as gRPC knows it; none if no call can match it, or if it leads where gRPC cannot go.

    It matches by path and headers, shares among clusters by weight, and has a timeout and retries. A call that is to
    be redirected, or answered at once, fails.
    """
    if route.query or route.template is not None or (route.method and METHOD not in route.method):
        return []
    match = encode_match(route, ())
    if not route.to:
        return [skeleton_pb2.Route(match=match).SerializeToString() + encode_end(route)]
    if route.subsets or not all(is_offered_to_grpc(services[name], endpoints.of(name)) for name in route.to):
        return []
    first = services[next(iter(route.to))]
    timeout = first.timeouts.request if route.timeout is None else route.timeout
    retries = first.retries if route.retries is None else route.retries.over(first.retries)
    action = _encode_target(route.to, services) + _encode_action(timeout, first.affinity, retries.of_route)
    return [skeleton_pb2.Route(match=match, route=action).SerializeToString()]


def _encode_target(shares: Mapping[str, int], services: Mapping[str, Service]) -> bytes:
    if len(shares) == 1:
        return skeleton_pb2.RouteAction(cluster=next(iter(shares))).SerializeToString()
    return encode(RouteAction(weighted_clusters=build_shares(shares, services)))


@lru_cache(maxsize=4096)
def _encode_action(request: timedelta | None, affinity: Affinity | None, retries: Retries) -> bytes:
    """Encode all of a RouteAction but its cluster. A call's own deadline counts if it is earlier.

    No retries but those by status that the catalog asks for: gRPC knows no others, and UNAVAILABLE is also that of a
    call that broke when an endpoint had begun on it. What no endpoint has seen, gRPC sends again by itself. Of
    affinities it knows a header's, and for the client's address its own channel is meant; a call has no query, and
    cookies are not heeded.
    """
    action = RouteAction()
    statuses = [one for one in dict.fromkeys(retries.on) if one in GRPC_CONDITIONS]
    if statuses and retries.attempts:
        action.retry_policy.CopyFrom(
            RetryPolicy(
                retry_on=",".join(map(str, statuses)),
                num_retries=uint32(retries.attempts),
                retry_back_off=build_back_off(retries),
            )
        )
    if request:
        action.max_stream_duration.CopyFrom(RouteAction.MaxStreamDuration(max_stream_duration=request))
    if affinity is not None and affinity.header is not None:
        header = RouteAction.HashPolicy.Header(header_name=affinity.header)
        action.hash_policy.append(RouteAction.HashPolicy(header=header, terminal=True))
    if affinity is not None and affinity.source:
        channel = RouteAction.HashPolicy.FilterState(key="io.grpc.channel_id")
        action.hash_policy.append(RouteAction.HashPolicy(filter_state=channel, terminal=True))
    return encode(action)
