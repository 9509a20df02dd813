"""Health: active checks, the statuses that they expect, and outlier detection."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.model.upstream import ShortCheckTls
from xds.catalog.text.addresses import HostHeader
from xds.catalog.text.field import About, Example, Expected, IfWrong, Moved, Words
from xds.catalog.text.foreign import VALUE, Here
from xds.catalog.text.http_meanings import asked, check_kind, mend_asked, mend_connected, mend_grpc, read_asked
from xds.catalog.text.meanings import duration, items, number, scheme, seconds
from xds.catalog.text.mistake import Mistake, Mistakes, Unsaid
from xds.catalog.text.names import CONFIG, PathAndQuery, Port, Wait
from xds.catalog.text.percents import Percentage
from xds.wording import show, write_flow

Threshold = Annotated[int, Strict(), Field(ge=1, le=1000)]


@dataclass(frozen=True, slots=True)
class Statuses:
    """HTTP statuses from `first` to `last`, including both."""

    first: int
    last: int


STATUSES_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^[1-5][0-9]{2}( ?- ?[1-5][0-9]{2})?$"},
        ]
    }
)


def parse_statuses(value: object) -> object:
    """Turn 404, or "200-299", into the first and the last status."""
    if isinstance(value, int | str) and (matched := STATUSES.fullmatch(str(value))):
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if 100 <= first <= last <= 599:
            return {"first": first, "last": last}
    raise ValueError(f"expected {EXPECTED_STATUSES.words}, found {show(value)}")


EXPECTED_STATUSES = Expected("a status from 100 to 599, or a range such as 200-299", "200-299", 404)
ExpectedStatuses = Annotated[
    Statuses, BeforeValidator(parse_statuses), STATUSES_SHAPE, EXPECTED_STATUSES, IfWrong(stand_in=200)
]
GrpcService = Annotated[
    str,
    StringConstraints(max_length=256, pattern=r"^[!-~]*$"),
    Expected('what to ask gRPC\'s health service for, or ""', mend=mend_grpc),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class HealthCheck:
    """An active check, made by every Envoy that calls the service: by `http`, `grpc` or `tcp`."""

    http: Annotated[
        Annotated[PathAndQuery, Expected(mend=mend_asked)] | None,
        Field(description="By HTTP: the path to ask for"),
        About(envoy="HealthCheck.http_health_check.path"),
        IfWrong(stand_in="/"),
    ] = None
    grpc: Annotated[
        GrpcService | None,
        Field(description='By gRPC: the name that gRPC\'s health service is asked for; "" is the whole server'),
        About(envoy="HealthCheck.grpc_health_check.service_name"),
        IfWrong(stand_in=""),
    ] = None
    tcp: Annotated[
        bool,
        Strict(),
        Expected(mend=mend_connected),
        Field(description="By TCP: a connection is enough"),
        About(envoy="HealthCheck.tcp_health_check"),
    ] = False
    expect: Annotated[
        tuple[ExpectedStatuses, ...],
        Field(max_length=100, description="For `http`: the statuses of a healthy endpoint"),
        Expected("a list of statuses", ["200-299", 404]),
        About(default="200", envoy="HealthCheck.http_health_check.expected_statuses"),
    ] = ()
    host: Annotated[
        HostHeader | None,
        Field(description="For `http` and `grpc`: the Host header of the check"),
        About(default="the service's `host`, or its name", envoy="HealthCheck.http_health_check.host"),
    ] = None
    port: Annotated[
        Port | None,
        Field(description="The port of the checks"),
        About(default="the endpoint's own", envoy="Endpoint.HealthCheckConfig.port_value"),
    ] = None
    tls: Annotated[
        ShortCheckTls,
        Field(description="Whether the checks use TLS, and how; `off` is plain text"),
        About(default="as for requests", envoy="HealthCheck.transport_socket_match_criteria"),
    ] = None
    interval: Annotated[Wait, Field(description="The time between two checks"), About(envoy="HealthCheck.interval")] = (
        timedelta(seconds=10)
    )
    timeout: Annotated[
        Wait, Field(description="How long a check waits for its answer"), About(envoy="HealthCheck.timeout")
    ] = timedelta(seconds=2)
    interval_jitter: Annotated[
        Annotated[int, Percentage(0, 100)],
        Field(description="How much later a check can come, at random, so that Envoys do not all check at once"),
        About(envoy="HealthCheck.interval_jitter_percent"),
    ] = 10
    unhealthy_interval: Annotated[
        Wait | None,
        Field(description="The time between two checks of an unhealthy endpoint"),
        About(default="`interval`", envoy="HealthCheck.unhealthy_interval"),
    ] = None
    healthy_threshold: Annotated[
        Threshold,
        Field(description="How many good answers in a row make an endpoint healthy"),
        About(envoy="HealthCheck.healthy_threshold"),
    ] = 2
    unhealthy_threshold: Annotated[
        Threshold,
        Field(description="How many bad answers in a row make an endpoint unhealthy"),
        About(envoy="HealthCheck.unhealthy_threshold"),
    ] = 2


@dataclass(frozen=True, slots=True, config=CONFIG)
class OutlierDetection:
    """When failures of real requests take an endpoint out for a while; `off` turns it off."""

    enabled: Annotated[bool, Strict(), Field(description="`false` is the same as `outlier_detection: off`")] = True
    consecutive_failures: Annotated[
        Threshold,
        Field(description="How many failures in a row take an endpoint out: no connection, or 502, 503 or 504"),
        About(envoy="OutlierDetection.consecutive_gateway_failure"),
    ] = 5
    consecutive_5xx: Annotated[
        Threshold | None,
        Field(description="How many answers of any 5xx in a row take an endpoint out"),
        About(default="none: 500 and 501 do not count", envoy="OutlierDetection.consecutive_5xx"),
    ] = None
    interval: Annotated[
        Wait | None,
        Field(description="How often Envoy checks which endpoints can come back"),
        About(default="10s", envoy="OutlierDetection.interval"),
    ] = None
    base_ejection_time: Annotated[
        Wait | None,
        Field(
            description="How long an endpoint is out, times how often it was out; at most 5m, or this time if longer"
        ),
        About(default="30s", envoy="OutlierDetection.base_ejection_time"),
    ] = None
    max_ejection_percent: Annotated[
        Annotated[int, Percentage(1, 100)],
        Field(description="How many of the endpoints can be out at once"),
        About(envoy="OutlierDetection.max_ejection_percent"),
    ] = 50


ShortOutlierDetection = Annotated[
    OutlierDetection, Words({"off": {"enabled": False}}), Example({"consecutive_failures": 5})
]


STATUSES = re.compile(r"(\d{3})(?: ?- ?(\d{3}))?", re.ASCII)


def check_health_check(check: HealthCheck) -> HealthCheck:
    """Refuse a check with none or several of `http`, `grpc` and `tcp`, and fields that belong to another of them."""
    ways = [("http", check.http is not None), ("grpc", check.grpc is not None), ("tcp", check.tcp)]
    given = [way for way, is_given in ways if is_given]
    if not given:
        raise Unsaid("has no kind: write one of http, grpc and tcp, such as {http: /health}")
    mistakes: list[Mistake] = [
        Mistake((way,), f"a check is made by `{given[0]}` or by `{way}`, not both") for way in given[1:]
    ]
    if check.expect and given[0] != "http":
        mistakes.append(Mistake(("expect",), f"is for `http`: a check by `{given[0]}` has no statuses"))
    if check.host is not None and given[0] == "tcp":
        mistakes.append(Mistake(("host",), "is for `http` and `grpc`: a check by `tcp` asks for nothing"))
    if mistakes:
        raise Mistakes(*mistakes)
    return check


def mend_check(value: object) -> str:
    """Return the check that a line of HAProxy's, `GET /health`, or a URL is meant for."""
    path = re.fullmatch(r"(?:GET|HEAD|OPTIONS) (/\S*).*", value) if isinstance(value, str) else None
    found = {"http": path[1]} if path else read_asked(value)
    return f"write {write_flow(found)}" if found else ""


def statuses(value: object) -> object:
    """Read one status, or a list of them."""
    return items(value) if isinstance(value, list | str) else [value]


CheckedHealthCheck = Annotated[
    HealthCheck,
    AfterValidator(check_health_check),
    Expected("", {"http": "/health"}, mend=mend_check),
    Moved(
        {
            **dict.fromkeys(("path", "url", "uri", "endpoint", "httpget", "httpchk"), Here({"http": VALUE}, asked)),
            **dict.fromkeys(("rise", "success_threshold"), Here({"healthy_threshold": VALUE}, number)),
            **dict.fromkeys(("fall", "failure_threshold", "max_fails"), Here({"unhealthy_threshold": VALUE}, number)),
            **dict.fromkeys(("inter", "period", "every"), Here({"interval": VALUE}, duration)),
            "periodseconds": Here({"interval": VALUE}, seconds),
            "timeoutseconds": Here({"timeout": VALUE}, seconds),
            "scheme": Here({"tls": VALUE}, scheme),
            **dict.fromkeys(("status", "statuses", "expected_statuses", "code"), Here({"expect": VALUE}, statuses)),
            **dict.fromkeys(("type", "kind", "protocol"), Here({"http": ...}, check_kind)),
        }
    ),
    IfWrong(needs=("http", "grpc", "tcp")),
]
