"""Routes for gRPC's own xDS client, with the fields that it supports."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from xds.catalog.model.affinity import Affinity
from xds.catalog.model.retries import GRPC_CONDITIONS, Retries
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
"""The HTTP method of every gRPC call."""


def encode_grpc_route(route: Route, services: Mapping[str, Service], endpoints: Endpoints) -> list[bytes]:
    """Encode a route for gRPC; return no route if no call can match it, or if gRPC cannot call one of its services.

    It matches by path and headers, splits requests among clusters by weight, and has a timeout and retries. A call
    fails if its route has a redirect or a direct response.
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
    """Encode everything in a RouteAction but its cluster.

    - The timeout: a call's own deadline applies if it is earlier.
    - Retries: only after the gRPC statuses in `retries.on`, since gRPC supports no other conditions. There is no
      default: UNAVAILABLE is also the status of a call that an endpoint began to work on. gRPC itself sends a call
      again if no endpoint has received it.
    - Affinity: by a header, or by the channel in place of the client's address. A call has no query parameters, and
      gRPC ignores cookies.
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
