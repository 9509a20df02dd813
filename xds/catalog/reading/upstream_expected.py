"""What the words of balance, tries, limits and the outside want: parts of the tables of `mistakes.py`."""

from typing import Final

from xds.catalog.model.balance import Balancing, ClientSideWeighted, LeastRequest, Maglev, Plain, RingHash, SlowStart
from xds.catalog.model.resilience import BackOff, Budget, CircuitBreakers, ConnectionPool, Keepalive, Retries
from xds.catalog.model.upstream import UpstreamTls

UPSTREAM_CLASSES: Final[dict[str, type]] = {
    "balance": Balancing,
    "round_robin": Plain,
    "random": Plain,
    "weighted": Plain,
    "least_request": LeastRequest,
    "ring_hash": RingHash,
    "maglev": Maglev,
    "client_side_weighted": ClientSideWeighted,
    "slow_start": SlowStart,
    "retries": Retries,
    "budget": Budget,
    "back_off": BackOff,
    "circuit_breakers": CircuitBreakers,
    "connection_pool": ConnectionPool,
    "keepalive": Keepalive,
    "services.tls": UpstreamTls,
}

DURATION = "a duration in h, m, s and ms, such as 10s, 250ms or 1m30s"
COUNT = "a whole number from 1 to 4294967295"
COUNT_OR_NONE = "a whole number from 0 to 4294967295"
FRACTION = "a number from 0 to 1000"
RING = "a whole number from 1 to 8388608"
FILE = "a path on Envoy's machine that begins with /"
NAME_ALONE = "nothing but its name, as in `balance: random`"

UPSTREAM_EXPECTED: Final = {
    "round_robin": NAME_ALONE,
    "random": NAME_ALONE,
    "weighted": NAME_ALONE,
    "least_request": "a mapping, such as {choices: 3}",
    "choices": "a whole number from 2 to 100",
    "active_request_bias": FRACTION,
    "ring_hash": "a mapping, such as {minimum_ring_size: 4096}",
    "minimum_ring_size": RING,
    "maximum_ring_size": RING,
    "maglev": "a mapping, such as {table_size: 65537}",
    "table_size": "a prime number from 2 to 5000011",
    "client_side_weighted": "a mapping, such as {blackout_period: 10s}",
    "blackout_period": DURATION,
    "weight_expiration_period": DURATION,
    "weight_update_period": DURATION,
    "error_utilization_penalty": FRACTION,
    "metric_names": "a list of metrics, such as [named_metrics.queue]",
    "metric_names[]": "a metric's name, such as named_metrics.queue",
    "slow_start": "a duration, or a mapping such as {window: 30s}",
    "window": DURATION,
    "aggression": "a number from 0.01 to 1000",
    "min_weight_percent": "a number from 0 to 100",
    "interval_jitter": "a whole number from 0 to 100, in percent",
    "unhealthy_interval": DURATION,
    "retries": "a whole number from 0 to 10, or a mapping such as {attempts: 3}",
    "attempts": "a whole number from 0 to 10",
    "on": "a list of reasons and statuses, such as [connect-failure, 503]",
    "on[]": "a reason to try again, or a status",
    "any_method": "true or false",
    "per_try": DURATION,
    "budget": "a mapping, such as {percent: 20, min: 3}",
    "min": COUNT_OR_NONE,
    "back_off": "a mapping, such as {base: 25ms}",
    "base": DURATION,
    "max": DURATION,
    "avoid_previous": "true or false",
    "circuit_breakers": "a mapping, such as {requests: 1000}",
    "circuit_breakers.retries": COUNT_OR_NONE,
    "connections": COUNT,
    "pending_requests": COUNT,
    "circuit_breakers.requests": COUNT,
    "connection_pool": "a mapping, such as {idle_timeout: 1m}",
    "max_requests_per_connection": COUNT,
    "max_connection_duration": DURATION,
    "idle_timeout": DURATION,
    "max_concurrent_streams": "a whole number from 1 to 2147483647",
    "keepalive": "a mapping, such as {idle: 60s}",
    "keepalive.idle": DURATION,
    "probes": "a whole number from 1 to 127",
    "ping_interval": DURATION,
    "ping_timeout": DURATION,
    "services.tls": "true, or a mapping such as {ca: /etc/ssl/shop.pem}",
    "sni": 'a host, as in "api.example.com"',
    "ca": FILE,
    "subject_alt_names": "a list of hosts, such as [api.example.com]",
    "subject_alt_names[]": 'a host or an IP address, as in "api.example.com"',
    "alpn": "a list, such as [h2]",
    "alpn[]": "a protocol's name, such as h2",
    "dns": "one of {}",
}

UPSTREAM_NUMBERS: Final = (
    "attempts",
    "min",
    "circuit_breakers.retries",
    "connections",
    "pending_requests",
    "circuit_breakers.requests",
    "max_requests_per_connection",
    "max_concurrent_streams",
    "probes",
    "choices",
    "active_request_bias",
    "minimum_ring_size",
    "maximum_ring_size",
    "table_size",
    "error_utilization_penalty",
    "aggression",
    "min_weight_percent",
    "interval_jitter",
)

UPSTREAM_LISTS: Final = ("subject_alt_names", "alpn", "metric_names")
