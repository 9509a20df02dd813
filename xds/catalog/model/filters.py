"""A route's words that Envoy's HTTP filters perform: faults, a limit of the rate, and who may call from web pages.

What must hold between them and a route's other words is in `filter_rules.py`.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.cors_origins import ORIGIN_SHAPE, Origin, parse_origin
from xds.catalog.text.durations import format_duration
from xds.catalog.text.http import HEADER_NAME, METHODS_SHAPE, check_method
from xds.catalog.text.mistake import Mistake
from xds.catalog.text.names import CONFIG, Duration, Wait, parse_list
from xds.catalog.text.percents import PERCENT_SHAPE, check_percent
from xds.wording import show

Percent = Annotated[float, BeforeValidator(check_percent), PERCENT_SHAPE]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]

MIN_PERIOD = timedelta(milliseconds=50)
"""Envoy's limit on how often a bucket is filled."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Delay:
    """A wait before the service is asked."""

    time: Annotated[Wait, Field(description="how long")]
    percent: Annotated[Percent, Field(description="how many of the requests")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Abort:
    """An answer in the service's place."""

    status: Annotated[int, Strict(), Field(ge=200, le=599, description="the status; for gRPC the one that it means")]
    percent: Annotated[Percent, Field(description="how many of the requests")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Fault:
    """Faults on purpose, for a share of the requests, or for those that ask for one by Envoy's headers."""

    delay: Annotated[Delay | None, Field(description="requests that wait")] = None
    abort: Annotated[Abort | None, Field(description="requests that fail; some of those that waited, too")] = None
    by_header: Annotated[
        bool,
        Strict(),
        Field(description="none but what a request asks for: x-envoy-fault-delay-request, x-envoy-fault-abort-request"),
    ] = False


def check_fault(fault: Fault) -> Fault:
    """Refuse a fault that is none, and one by header that says more."""
    given = [word for word in ("delay", "abort") if getattr(fault, word) is not None]
    if not given and not fault.by_header:
        raise ValueError("says nothing: write `delay`, `abort` or `by_header: true` in it")
    if given and fault.by_header:
        raise Mistake(
            *(((word,), "the request says it by its headers: leave this or `by_header` out") for word in given)
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

    requests: Annotated[Count, Field(description="how many tokens are put in")]
    per: Annotated[Duration, AfterValidator(check_period), Field(description="in which time, evenly")] = timedelta(
        seconds=1
    )
    burst: Annotated[
        Count | None, Field(description="how many the bucket holds, and so how many requests at once; as `requests`")
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


Origins = tuple[Annotated[Origin, PlainValidator(parse_origin), ORIGIN_SHAPE], ...]
Headers = tuple[Annotated[str, AfterValidator(check_cors_header)], ...]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cors:
    """Which web pages of other origins may call (CORS): the gateway answers browsers that ask beforehand."""

    origins: Annotated[Origins, Field(min_length=1, description="whose pages; `*` in front of a domain, or for any")]
    methods: Annotated[
        tuple[Annotated[str, AfterValidator(check_method)], ...],
        BeforeValidator(parse_list),
        METHODS_SHAPE,
        Field(description="by which methods; when left out, the route's"),
    ] = ()
    headers: Annotated[Headers, Field(description="request headers that the page may set; `*` is any")] = ()
    expose: Annotated[Headers, Field(description="response headers that the page may read")] = ()
    max_age: Annotated[
        Annotated[Duration, AfterValidator(check_age)] | None,
        Field(description="how long browsers need not ask again; 5 s if left out"),
    ] = None
    credentials: Annotated[bool, Strict(), Field(description="with the user's cookies")] = False


def check_cors(cors: Cors) -> Cors:
    """Refuse to let any page act with its visitor's cookies."""
    if cors.credentials and (wide := [index for index, one in enumerate(cors.origins) if one.takes_all]):
        message = "any page could act as whoever visits it: name the origins, or leave out `credentials`"
        raise Mistake(*((("origins", index), message) for index in wide))
    if cors.credentials and "*" in cors.expose:
        raise Mistake(
            (("expose", cors.expose.index("*")), "browsers take this literally beside `credentials`: name them")
        )
    return cors
