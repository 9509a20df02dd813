"""A route's fields that Envoy's HTTP filters perform: faults, rate limits, and which web pages may call.

What must hold between them and a route's other fields is in `route_rules.py`.
"""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.cors_origins import CorsOrigin
from xds.catalog.text.durations import EXPECTED_DURATION, PARTS_OF_SECONDS, AtLeast, format_duration
from xds.catalog.text.field import About, Example, Expected, IfWrong, Moved, Narrowed
from xds.catalog.text.foreign import VALUE, Fields, Here
from xds.catalog.text.http import EXPECTED_HEADER, HEADER_NAME, HEADER_SHAPE, Methods
from xds.catalog.text.meanings import duration, number
from xds.catalog.text.mistake import Mistake, Mistakes, Unsaid
from xds.catalog.text.names import CONFIG, Duration, Wait
from xds.catalog.text.percents import Percent
from xds.wording import show, write_flow

Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]

MIN_PERIOD = 50
"""Envoy's limit on how often a bucket is filled, in milliseconds."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Delay:
    """A wait before the service gets the request."""

    time: Annotated[Wait, Field(description="How long a request waits"), About(envoy="FaultDelay.fixed_delay")]
    percent: Annotated[
        Percent, Field(description="The share of requests that wait"), About(envoy="FaultDelay.percentage")
    ]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Abort:
    """An answer instead of the service's."""

    status: Annotated[
        int,
        Strict(),
        Field(ge=200, le=599, description="The status; gRPC clients get the matching gRPC status"),
        Expected("a status {bounds}"),
        About(envoy="FaultAbort.http_status"),
    ]
    percent: Annotated[
        Percent, Field(description="The share of requests that fail"), About(envoy="FaultAbort.percentage")
    ]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Fault:
    """Faults on purpose, for a share of the requests or for those that ask for one with Envoy's headers."""

    delay: Annotated[
        Delay | None,
        Field(description="Requests that wait"),
        Example({"time": "2s", "percent": "10%"}),
        About(envoy="HTTPFault.delay"),
    ] = None
    abort: Annotated[
        Abort | None,
        Field(description="Requests that fail, also after a delay"),
        Example({"status": 503, "percent": "5%"}),
        About(envoy="HTTPFault.abort"),
    ] = None
    by_header: Annotated[
        bool,
        Strict(),
        Field(
            description="Only requests that ask for a fault, by the headers "
            "x-envoy-fault-delay-request and x-envoy-fault-abort-request"
        ),
        About(envoy="FaultDelay.header_delay, FaultAbort.header_abort"),
    ] = False


def check_fault(fault: Fault) -> Fault:
    """Refuse a fault without any field, and `by_header` beside other fields."""
    given = [field for field in ("delay", "abort") if getattr(fault, field) is not None]
    if not given and not fault.by_header:
        raise Unsaid("is empty: write `delay`, `abort` or `by_header: true` in it")
    if given and fault.by_header:
        raise Mistakes(
            *(Mistake((field,), "the request's headers set it: leave out this or `by_header`") for field in given)
        )
    return fault


RATE = re.compile(r"(?:rate=)?(\d{1,9}) ?(?:/|r/| per )(s|sec|second|m|min|minute|h|hour)", re.ASCII)
PERIODS: Final = {
    **dict.fromkeys(("s", "sec", "second"), "1s"),
    **dict.fromkeys(("m", "min", "minute"), "1m"),
    **dict.fromkeys(("h", "hour"), "1h"),
}


def read_rate(value: object) -> dict[str, object] | None:
    """Return the fields of a limit that is written in one text: `10r/s`, `100 per minute`."""
    found = RATE.fullmatch(value) if isinstance(value, str) else None
    return {"requests": int(found[1]), "per": PERIODS[found[2]]} if found else None


def mend_rate(value: object) -> str:
    """Return the fields of a limit that a text is meant for."""
    found = read_rate(value)
    return f"write {write_flow(found)}" if found else ""


def rate(value: object) -> Fields | None:
    """Read a limit that is written in one text."""
    found = read_rate(value)
    return None if found is None else Fields(found)


def period(value: object) -> str | None:
    """Read a duration, or the name of a unit."""
    return PERIODS.get(value.lower(), duration(value)) if isinstance(value, str) else None


MOVED_LIMIT: Final = Moved(
    {
        **dict.fromkeys(("rps", "requests_per_second"), Here({"requests": VALUE, "per": "1s"}, number)),
        **dict.fromkeys(("rpm", "requests_per_minute"), Here({"requests": VALUE, "per": "1m"}, number)),
        **dict.fromkeys(("rate", "limit"), Here({"requests": ..., "per": ...}, rate)),
        **dict.fromkeys(("unit", "period", "interval", "window"), Here({"per": VALUE}, period)),
    }
)


@dataclass(frozen=True, slots=True, config=CONFIG)
class RateLimit:
    """How many requests one Envoy lets through: a token bucket; each request takes one token."""

    requests: Annotated[
        Count, Field(description="How many tokens come into the bucket"), About(envoy="TokenBucket.tokens_per_fill")
    ]
    per: Annotated[
        Duration,
        AtLeast(MIN_PERIOD),
        EXPECTED_DURATION,
        Field(description="The time in which they come, evenly"),
        About(envoy="TokenBucket.fill_interval"),
    ] = timedelta(seconds=1)
    burst: Annotated[
        Count | None,
        Field(description="How many tokens the bucket holds, and so how many requests can come at once"),
        About(default="as `requests`", envoy="TokenBucket.max_tokens"),
    ] = None


def check_cors_header(value: str) -> str:
    """Refuse a text that is neither a header's name nor `*`, which stands for any."""
    if value != "*" and not HEADER_NAME.fullmatch(value.lower()):
        raise ValueError(f"{show(value)} is not a header's name: letters, digits and - only")
    return value.lower()


def check_age(value: timedelta) -> timedelta:
    """Refuse a time that browsers cannot count."""
    if value % timedelta(seconds=1):
        raise ValueError(f"browsers count in whole seconds, found {format_duration(value)}")
    return value


WHOLE_SECONDS = Narrowed({"not": {"pattern": PARTS_OF_SECONDS}})
CorsHeader = Annotated[str, AfterValidator(check_cors_header), Narrowed(HEADER_SHAPE), EXPECTED_HEADER]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cors:
    """Which web pages of other origins can call (CORS). The gateway answers preflight requests itself."""

    origins: Annotated[
        tuple[CorsOrigin, ...],
        Field(min_length=1, description="The origins whose pages can call; `*` before a domain, or alone for any"),
        Expected("a list of origins", ["https://shop.example.com"]),
        About(envoy="CorsPolicy.allow_origin_string_match"),
    ]
    methods: Annotated[
        Methods,
        Field(description="The methods that pages can use"),
        About(default="the route's", envoy="CorsPolicy.allow_methods"),
    ] = ()
    headers: Annotated[
        tuple[CorsHeader, ...],
        Field(description="The request headers that a page can set; `*` is any"),
        Expected("a list of header names", ["authorization"]),
        About(default="none", envoy="CorsPolicy.allow_headers"),
    ] = ()
    expose: Annotated[
        tuple[CorsHeader, ...],
        Field(description="The response headers that a page can read"),
        Expected("a list of header names", ["x-total"]),
        About(default="none", envoy="CorsPolicy.expose_headers"),
    ] = ()
    max_age: Annotated[
        Annotated[Duration, AfterValidator(check_age), WHOLE_SECONDS, Expected("a duration in whole seconds", "10m")]
        | None,
        Field(description="How long browsers remember the answer"),
        About(default="5s", envoy="CorsPolicy.max_age"),
    ] = None
    credentials: Annotated[
        bool, Strict(), Field(description="Allow the user's cookies"), About(envoy="CorsPolicy.allow_credentials")
    ] = False


def check_cors(cors: Cors) -> Cors:
    """Refuse to let any page act with its visitor's cookies."""
    if cors.credentials and (wide := [index for index, one in enumerate(cors.origins) if one.takes_all]):
        message = "any page could act as whoever visits it: name the origins, or leave out `credentials`"
        raise Mistakes(*(Mistake(("origins", index), message) for index in wide))
    if cors.credentials and "*" in cors.expose:
        raise Mistakes(
            Mistake(("expose", cors.expose.index("*")), "browsers take this literally beside `credentials`: name them")
        )
    return cors


CheckedFault = Annotated[
    Fault,
    AfterValidator(check_fault),
    Example({"abort": {"status": 503, "percent": "5%"}}),
    IfWrong(whole=True, needs=("delay", "abort", "by_header")),
]
CheckedCors = Annotated[
    Cors,
    AfterValidator(check_cors),
    Example({"origins": ["https://shop.example.com"]}),
    IfWrong(whole=True),
]
