"""The HTTP filters that every HTTP listener has before its router: off, until a route turns one on.

So an edit that makes a route need a filter changes routes alone: no listener is built anew, and no connection drained.
"""

from functools import lru_cache

from envoy_data_plane.envoy.extensions.filters.http.buffer.v3 import Buffer
from envoy_data_plane.envoy.extensions.filters.http.cors.v3 import Cors
from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import HttpFault
from envoy_data_plane.envoy.extensions.filters.http.grpc_web.v3 import GrpcWeb
from envoy_data_plane.envoy.extensions.filters.http.local_ratelimit.v3 import LocalRateLimit
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.google.protobuf import Any

CORS = "envoy.filters.http.cors"
LOCAL_RATE_LIMIT = "envoy.filters.http.local_ratelimit"
FAULT = "envoy.filters.http.fault"
GRPC_WEB = "envoy.filters.http.grpc_web"
BUFFER = "envoy.filters.http.buffer"

STAT_PREFIX = "routes"
"""Envoy counts what it limited as `routes.http_local_rate_limit.rate_limited`."""


@lru_cache(maxsize=1)
def build_dormant_filters() -> tuple[HttpFilter, ...]:
    """Build the filters in the order in which a request meets them.

    CORS comes first, so that pages can read what the others answer, and that no browser's question is limited.
    """
    filters = {
        CORS: Any.pack(Cors()),
        LOCAL_RATE_LIMIT: Any.pack(LocalRateLimit(stat_prefix=STAT_PREFIX)),
        FAULT: Any.pack(HttpFault()),
        GRPC_WEB: Any.pack(GrpcWeb()),
        BUFFER: Any.pack(Buffer(max_request_bytes=1)),  # which Envoy wants, and every route has its own
    }
    return tuple(HttpFilter(name=name, typed_config=config, disabled=True) for name, config in filters.items())
