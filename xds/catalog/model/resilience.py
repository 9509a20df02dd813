"""What keeps a service's trouble from spreading: tries, limits, connections; in the service's words and a route's.

What suits which protocol is told in `advice.py`.
"""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.durations import format_duration
from xds.catalog.text.mistake import Mistake
from xds.catalog.text.names import CONFIG, Duration, Wait
from xds.catalog.text.percents import PERCENT_SHAPE, check_percent
from xds.catalog.text.shapes import ShortOrFull
from xds.wording import show, suggest

MAX_COUNT = 2**32 - 1
KERNEL_SECONDS = 32767
"""Linux's limit on keepalive's times, in seconds."""

Count = Annotated[int, Strict(), Field(ge=1, le=MAX_COUNT)]


def parse_conditions(value: object) -> object:
    """Turn one reason alone into the list that it is short for."""
    return [value] if isinstance(value, str | int) else value


def parse_condition(value: object) -> str | int:
    """Check one reason to try again: Envoy's word for it, or a status."""
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    if isinstance(value, str) and value in (*HTTP_CONDITIONS, *GRPC_CONDITIONS):
        return value
    near = suggest(value, [*HTTP_CONDITIONS, *GRPC_CONDITIONS]) if isinstance(value, str) else ""
    hint = near or f": words are {', '.join((*HTTP_CONDITIONS, *GRPC_CONDITIONS))}"
    raise ValueError(f"expected a reason to try again or a status from 100 to 599, found {show(value)}{hint}")


@dataclass(frozen=True, slots=True, config=CONFIG)
class Budget:
    """How many tries more a service's running requests may be."""

    percent: Annotated[
        float, BeforeValidator(check_percent), PERCENT_SHAPE, Field(description="of the running requests")
    ] = 50.0
    min: Annotated[int, Strict(), Field(ge=0, le=MAX_COUNT, description="so many in any case")] = 20


@dataclass(frozen=True, slots=True, config=CONFIG)
class BackOff:
    """How long is waited before another try: by chance up to `base`, then 3 times that, 7 times, and so on to `max`."""

    base: Annotated[Wait, Field(description="before the second try")]
    max: Annotated[Wait | None, Field(description="before any try; ten times `base` when left out")] = None


def check_back_off(back_off: BackOff) -> BackOff:
    """Refuse a longest wait that is shorter than the first, as Envoy does."""
    if back_off.max is not None and back_off.max < back_off.base:
        raise Mistake((("max",), f"is less than `base`, which is {format_duration(back_off.base)}"))
    return back_off


GRPC_CONDITIONS = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")

HTTP_CONDITIONS = (
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "envoy-ratelimited",
)

CONDITION_SHAPE: dict[str, Any] = {
    "anyOf": [{"enum": [*HTTP_CONDITIONS, *GRPC_CONDITIONS]}, {"type": "integer", "minimum": 100, "maximum": 599}]
}
CONDITIONS_SHAPE = WithJsonSchema({"anyOf": [CONDITION_SHAPE, {"type": "array", "items": CONDITION_SHAPE}]})


@dataclass(frozen=True, slots=True, config=CONFIG)
class Retries:
    """Whether and how a failed request is tried again; in short form, the `attempts`.

    What is left out in a route is as the service says.
    """

    attempts: Annotated[
        Annotated[int, Strict(), Field(ge=0, le=10)] | None,
        Field(description="how often, beside the first try; 2 when left out"),
    ] = None
    on: Annotated[
        tuple[Annotated[str | int, PlainValidator(parse_condition)], ...],
        BeforeValidator(parse_conditions),
        CONDITIONS_SHAPE,
        Field(description="after what; a broken connection, 502, 503 and 504 when left out"),
    ] = ()
    any_method: Annotated[
        Annotated[bool, Strict()] | None,
        Field(description="all of `on` counts for POST and other methods that may not be repeated too"),
    ] = None
    per_try: Annotated[Wait | None, Field(description="how long one try may take; all of the time when left out")] = (
        None
    )
    budget: Annotated[Budget | None, Field(description="a service's own: how many tries more at once")] = None
    back_off: Annotated[
        Annotated[BackOff, AfterValidator(check_back_off)] | None,
        Field(description="the wait before each other try; {base: 25ms} when left out"),
    ] = None
    avoid_previous: Annotated[
        Annotated[bool, Strict()] | None, Field(description="at another endpoint, if there is one; true if left out")
    ] = None

    def over(self, base: "Retries") -> "Retries":
        """Give these words, and those of `base` that are left out here."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(base, **{name: value for name, value in found.items() if value not in (None, ())})

    @property
    def of_route(self) -> Self:
        """What of it a route decides: not the budget, which is kept over all routes."""
        return self if self.budget is None else replace(self, budget=None)


USUAL_RETRIES: Final = Retries(attempts=2)
"""What a service has that says nothing of them."""


def parse_retries(value: object) -> object:
    """Turn the attempts alone into the mapping that they are short for."""
    return {"attempts": value} if isinstance(value, str | int | float) else value


def complete_retries(retries: Retries) -> Retries:
    """Give a service its attempts where it says nothing of them."""
    return retries if retries.attempts is not None else replace(retries, attempts=USUAL_RETRIES.attempts)


RETRIES_SHAPE = ShortOrFull({"type": "integer", "minimum": 0, "maximum": 10})

Tries = Annotated[Retries, BeforeValidator(parse_retries), RETRIES_SHAPE]


@dataclass(frozen=True, slots=True, config=CONFIG)
class CircuitBreakers:
    """How much at once each Envoy lets through to a service: what is more is answered 503 at once."""

    connections: Annotated[Count | None, Field(description="1024 when left out")] = None
    pending_requests: Annotated[Count | None, Field(description="waiting for a connection; 1024 when left out")] = None
    requests: Annotated[Count | None, Field(description="running; 1024 when left out")] = None
    retries: Annotated[
        Annotated[int, Strict(), Field(ge=0, le=MAX_COUNT)] | None,
        Field(description="running tries more, in place of the budget"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class ConnectionPool:
    """The connections that each Envoy keeps to a service's endpoints."""

    max_requests_per_connection: Annotated[
        Count | None, Field(description="then it is closed; no limit when left out")
    ] = None
    max_connection_duration: Annotated[
        Wait | None, Field(description="then it takes no more requests; no limit when left out")
    ] = None
    idle_timeout: Annotated[
        Duration | None, Field(description="how long it is kept without requests; 1h when left out, 0s is for ever")
    ] = None
    max_concurrent_streams: Annotated[
        Annotated[int, Strict(), Field(ge=1, le=2**31 - 1)] | None,
        Field(description="for http2 and grpc: requests at once on one connection"),
    ] = None


def check_seconds(value: timedelta) -> timedelta:
    """Refuse a time that the kernel does not count."""
    if value % timedelta(seconds=1) or not 1 <= value.total_seconds() <= KERNEL_SECONDS:
        found = format_duration(value)
        raise ValueError(f"expected whole seconds, from 1s to {KERNEL_SECONDS}s as the kernel counts, found {found}")
    return value


Seconds = Annotated[Duration, AfterValidator(check_seconds)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Keepalive:
    """How connections that went dead in silence are found: by TCP's probes, and for http2 and grpc by pings."""

    idle: Annotated[Seconds, Field(description="without a byte, then the first probe")] = timedelta(seconds=60)
    interval: Annotated[Seconds, Field(description="from probe to probe")] = timedelta(seconds=10)
    probes: Annotated[int, Strict(), Field(ge=1, le=127, description="so many unanswered end the connection")] = 3
    ping_interval: Annotated[
        Wait | None, Field(description="for http2 and grpc: from ping to ping; none when left out")
    ] = None
    ping_timeout: Annotated[Wait, Field(description="how long to wait for a ping's answer")] = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Timeouts:
    """How long a caller waits; `request` is for the whole answer, retries included. `0s` is without end."""

    connect: Annotated[Wait, Field(description="for a connection to be made")] = timedelta(seconds=1)
    request: Annotated[Duration | None, Field(description="default 15s; for grpc, what the client's deadline says")] = (
        None
    )
    idle: Annotated[Duration | None, Field(description="without a byte either way; default 5m, for tcp 1h")] = None
