"""The connections to a service: how many there are, how long they are kept, and how broken ones are found.

`advice/upstream.py` warns about fields that do not suit a protocol.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.durations import PARTS_OF_SECONDS, format_duration
from xds.catalog.text.field import About, Expected, Narrowed
from xds.catalog.text.names import CONFIG, Duration, Wait

MAX_COUNT = 2**32 - 1
KERNEL_SECONDS = 32767
"""Linux's limit on keepalive's times, in seconds."""

Count = Annotated[int, Strict(), Field(ge=1, le=MAX_COUNT)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class CircuitBreakers:
    """How much each Envoy sends to a service at once. Anything above gets 503 immediately."""

    connections: Annotated[
        Count | None,
        Field(description="Connections"),
        About(default="1024", envoy="CircuitBreakers.Thresholds.max_connections"),
    ] = None
    pending_requests: Annotated[
        Count | None,
        Field(description="Requests that wait for a connection"),
        About(default="1024", envoy="CircuitBreakers.Thresholds.max_pending_requests"),
    ] = None
    requests: Annotated[
        Count | None,
        Field(description="Running requests"),
        About(default="1024", envoy="CircuitBreakers.Thresholds.max_requests"),
    ] = None
    retries: Annotated[
        Annotated[int, Strict(), Field(ge=0, le=MAX_COUNT)] | None,
        Field(description="Running retries, instead of the budget"),
        About(default="the budget of `retries`", envoy="CircuitBreakers.Thresholds.max_retries"),
    ] = None


def mend_circuit_breakers(value: object) -> str:
    """Return what to write for no limits: Envoy always has some."""
    return "Envoy always has limits: raise them, as in {requests: 100000}" if value in ("off", False) else ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class ConnectionPool:
    """The connections that each Envoy keeps to a service's endpoints."""

    max_requests_per_connection: Annotated[
        Count | None,
        Field(description="A connection is closed after this many requests"),
        About(default="no limit", envoy="HttpProtocolOptions.max_requests_per_connection"),
    ] = None
    max_connection_duration: Annotated[
        Wait | None,
        Field(description="A connection takes no more requests after this time"),
        About(default="no limit", envoy="HttpProtocolOptions.max_connection_duration"),
    ] = None
    idle_timeout: Annotated[
        Duration | None,
        Field(description="How long a connection without requests is kept; `0s` means forever"),
        About(default="1h", envoy="HttpProtocolOptions.idle_timeout"),
    ] = None
    max_concurrent_streams: Annotated[
        Annotated[int, Strict(), Field(ge=1, le=2**31 - 1)] | None,
        Field(description="For `http2` and `grpc`: requests at once on one connection"),
        About(default="Envoy's own", envoy="Http2ProtocolOptions.max_concurrent_streams"),
    ] = None


def check_seconds(value: timedelta) -> timedelta:
    """Refuse a time that the kernel does not count."""
    if value % timedelta(seconds=1) or not 1 <= value.total_seconds() <= KERNEL_SECONDS:
        found = format_duration(value)
        raise ValueError(f"expected whole seconds, from 1s to {KERNEL_SECONDS}s as the kernel counts, found {found}")
    return value


NO_TIME = "^[^1-9]*$"
TOO_MANY_SECONDS = (
    r"^0*[1-9][0-9]+(\.[0-9]+)?h"
    r"|^0*(3276[89]|327[7-9][0-9]|32[89][0-9]{2}|3[3-9][0-9]{3}|[4-9][0-9]{4}|[1-9][0-9]{5,})(\.[0-9]+)?s"
)
Seconds = Annotated[
    Duration,
    AfterValidator(check_seconds),
    Narrowed({"not": {"pattern": f"{PARTS_OF_SECONDS}|{NO_TIME}|{TOO_MANY_SECONDS}"}}),
    Expected(f"whole seconds, from 1s to {KERNEL_SECONDS}s", "10s", "1m30s"),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Keepalive:
    """How Envoy finds connections that died without notice: by TCP probes, and for http2 and grpc by pings."""

    idle: Annotated[
        Seconds,
        Field(description="The first probe comes after this time without a byte"),
        About(envoy="TcpKeepalive.keepalive_time"),
    ] = timedelta(seconds=60)
    interval: Annotated[
        Seconds, Field(description="The time between two probes"), About(envoy="TcpKeepalive.keepalive_interval")
    ] = timedelta(seconds=10)
    probes: Annotated[
        int,
        Strict(),
        Field(ge=1, le=127, description="This many unanswered probes end the connection"),
        About(envoy="TcpKeepalive.keepalive_probes"),
    ] = 3
    ping_interval: Annotated[
        Wait | None,
        Field(description="For `http2` and `grpc`: the time between two pings"),
        About(default="no pings", envoy="KeepaliveSettings.interval"),
    ] = None
    ping_timeout: Annotated[
        Wait, Field(description="How long to wait for the answer to a ping"), About(envoy="KeepaliveSettings.timeout")
    ] = timedelta(seconds=5)
