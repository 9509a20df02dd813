"""A route's fields that Envoy's HTTP filters perform: faults, a limit of the rate, and who may call from web pages.

What must hold between them and a route's other fields is in `route_rules.py`.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.cors_origins import CorsOrigin
from xds.catalog.text.durations import format_duration
from xds.catalog.text.field import About, Example, Expected, IfWrong
from xds.catalog.text.http import EXPECTED_HEADER, HEADER_NAME, Methods
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, Duration, Wait
from xds.catalog.text.percents import Percent
from xds.wording import show

Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]

MIN_PERIOD = timedelta(milliseconds=50)
"""Envoy's limit on how often a bucket is filled."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Delay:
    """A wait before the service is asked."""

    time: Annotated[Wait, Field(description="how long"), About(envoy="FaultDelay.fixed_delay")]
    percent: Annotated[Percent, Field(description="how many of the requests"), About(envoy="FaultDelay.percentage")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Abort:
    """An answer in the service's place."""

    status: Annotated[
        int,
        Strict(),
        Field(ge=200, le=599, description="the status; for gRPC the one that it means"),
        Expected("a status {bounds}"),
        About(envoy="FaultAbort.http_status"),
    ]
    percent: Annotated[Percent, Field(description="how many of the requests"), About(envoy="FaultAbort.percentage")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Fault:
    """Faults on purpose, for a share of the requests, or for those that ask for one by Envoy's headers."""

    delay: Annotated[
        Delay | None,
        Field(description="requests that wait"),
        Example({"time": "2s", "percent": "10%"}),
        About(envoy="HTTPFault.delay"),
    ] = None
    abort: Annotated[
        Abort | None,
        Field(description="requests that fail; some of those that waited, too"),
        Example({"status": 503, "percent": "5%"}),
        About(envoy="HTTPFault.abort"),
    ] = None
    by_header: Annotated[
        bool,
        Strict(),
        Field(description="none but what a request asks for: x-envoy-fault-delay-request, x-envoy-fault-abort-request"),
        About(envoy="FaultDelay.header_delay, FaultAbort.header_abort"),
    ] = False


def check_fault(fault: Fault) -> Fault:
    """Refuse a fault that is none, and one by header that says more."""
    given = [word for word in ("delay", "abort") if getattr(fault, word) is not None]
    if not given and not fault.by_header:
        raise ValueError("says nothing: write `delay`, `abort` or `by_header: true` in it")
    if given and fault.by_header:
        raise Mistakes(
            *(Mistake((word,), "the request says it by its headers: leave this or `by_header` out") for word in given)
        )
    return fault


def check_period(value: timedelta) -> timedelta:
    """Refuse a time in which Envoy cannot count requests."""
    if value < MIN_PERIOD:
        raise ValueError(f"must be {format_duration(MIN_PERIOD)} or more, found {format_duration(value)}")
    return value


@dataclass(frozen=True, slots=True, config=CONFIG)
class RateLimit:
    """How many requests one Envoy lets through: a bucket of tokens, one for each request."""

    requests: Annotated[
        Count, Field(description="how many tokens are put in"), About(envoy="TokenBucket.tokens_per_fill")
    ]
    per: Annotated[
        Duration,
        AfterValidator(check_period),
        Field(description="in which time, evenly"),
        About(envoy="TokenBucket.fill_interval"),
    ] = timedelta(seconds=1)
    burst: Annotated[
        Count | None,
        Field(description="how many the bucket holds, and so how many requests at once"),
        About(default="as `requests`", envoy="TokenBucket.max_tokens"),
    ] = None


def check_cors_header(value: str) -> str:
    """Refuse what is no header's name, nor `*` for any."""
    if value != "*" and not HEADER_NAME.fullmatch(value.lower()):
        raise ValueError(f"{show(value)} is not a header's name: letters, digits and - only")
    return value.lower()


def check_age(value: timedelta) -> timedelta:
    """Refuse what browsers cannot count."""
    if value % timedelta(seconds=1):
        raise ValueError(f"browsers count in whole seconds, found {format_duration(value)}")
    return value


CorsHeader = Annotated[str, AfterValidator(check_cors_header), EXPECTED_HEADER]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cors:
    """Which web pages of other origins may call (CORS): the gateway answers browsers that ask beforehand."""

    origins: Annotated[
        tuple[CorsOrigin, ...],
        Field(min_length=1, description="whose pages; `*` in front of a domain, or for any"),
        Expected("a list of origins", ["https://shop.example.com"]),
        About(envoy="CorsPolicy.allow_origin_string_match"),
    ]
    methods: Annotated[
        Methods,
        Field(description="by which methods"),
        About(default="the route's", envoy="CorsPolicy.allow_methods"),
    ] = ()
    headers: Annotated[
        tuple[CorsHeader, ...],
        Field(description="request headers that the page may set; `*` is any"),
        Expected("a list of header names", ["authorization"]),
        About(default="none", envoy="CorsPolicy.allow_headers"),
    ] = ()
    expose: Annotated[
        tuple[CorsHeader, ...],
        Field(description="response headers that the page may read"),
        Expected("a list of header names", ["x-total"]),
        About(default="none", envoy="CorsPolicy.expose_headers"),
    ] = ()
    max_age: Annotated[
        Annotated[Duration, AfterValidator(check_age), Expected("a duration in whole seconds", "10m")] | None,
        Field(description="how long browsers need not ask again"),
        About(default="5s", envoy="CorsPolicy.max_age"),
    ] = None
    credentials: Annotated[
        bool, Strict(), Field(description="with the user's cookies"), About(envoy="CorsPolicy.allow_credentials")
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
    IfWrong(whole=True),
]
CheckedCors = Annotated[
    Cors,
    AfterValidator(check_cors),
    Example({"origins": ["https://shop.example.com"]}),
    IfWrong(whole=True),
]
