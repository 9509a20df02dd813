"""A route's RetryPolicy: the conditions, the number, the endpoints and the back-off of retries."""

from xds.catalog.model.retries import Retries
from xds.wire.envoy.config_route_v3_pb2 import RetryPolicy
from xds.wire.envoy.extensions_retry_host_previous_hosts_v3_pb2 import PreviousHostsPredicate
from xds.wire.messages import pack, uint32

RETRY_ON_ANY_METHOD = "connect-failure,refused-stream,reset-before-request"
RETRY_ON_SAFE_METHOD = "connect-failure,refused-stream,reset,gateway-error"
NOT_STARTED = (*RETRY_ON_ANY_METHOD.split(","), "envoy-ratelimited")
"""Conditions under which no endpoint can have begun to work on the request."""

BROAD = frozenset({"5xx", "gateway-error", "reset"})
"""Conditions that include all broken connections, also those that break before the request is sent."""


def build_retry_policy(retries: Retries, *, grpc: bool, safe: bool) -> RetryPolicy | None:
    """Build the policy for requests that are `safe` to repeat, or for the others; None if there are no retries."""
    conditions, statuses = find_conditions(retries, grpc=grpc, safe=safe)
    if not conditions or not retries.attempts:
        return None
    policy = RetryPolicy(
        retry_on=conditions,
        retriable_status_codes=statuses,
        num_retries=uint32(retries.attempts),
        per_try_timeout=retries.per_try,
        retry_back_off=build_back_off(retries),
    )
    if retries.avoid_previous is not False:
        other = RetryPolicy.RetryHostPredicate(
            name="envoy.retry_host_predicates.previous_hosts", typed_config=pack(PreviousHostsPredicate())
        )
        policy.retry_host_predicate.append(other)
        policy.host_selection_retry_max_attempts = 5
    return policy


def build_back_off(retries: Retries) -> RetryPolicy.RetryBackOff | None:
    """Build the back-off between tries; None means Envoy's default."""
    if (back_off := retries.back_off) is None:
        return None
    return RetryPolicy.RetryBackOff(base_interval=back_off.base, max_interval=back_off.max)


def find_conditions(retries: Retries, *, grpc: bool, safe: bool) -> tuple[str, list[int]]:
    """Return the value of `retry_on`, and the statuses for `retriable_status_codes`."""
    safe = safe or bool(retries.any_method)
    if not retries.on:
        return RETRY_ON_SAFE_METHOD if safe else RETRY_ON_ANY_METHOD, []
    names = [one for one in dict.fromkeys(retries.on) if isinstance(one, str)]
    if not safe and not grpc:
        names = [one for one in NOT_STARTED if one in names or (one != "envoy-ratelimited" and BROAD & {*names})]
        return ",".join(names), []
    statuses = [one for one in dict.fromkeys(retries.on) if isinstance(one, int)]
    return ",".join([*names, "retriable-status-codes"] if statuses else names), statuses
