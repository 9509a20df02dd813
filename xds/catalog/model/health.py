"""Health: active checks, the statuses that they expect, and outlier detection."""

import dataclasses
import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema

from xds.catalog.text.addresses import check_host_header
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import CONFIG, PathAndQuery, Wait
from xds.wording import show

Threshold = Annotated[int, Strict(), Field(ge=1, le=1000)]


@dataclass(frozen=True, slots=True)
class Statuses:
    """HTTP statuses from `first` to `last`, both among them."""

    first: int
    last: int


STATUSES_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^[1-5][0-9]{2}( ?- ?[1-5][0-9]{2})?$", "examples": ["200-299"]},
        ]
    }
)


def parse_statuses(value: object) -> object:
    """Turn 404, or "200-299", into the first and the last status."""
    if isinstance(value, int | str) and (matched := STATUSES.fullmatch(str(value))):
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if 100 <= first <= last <= 599:
            return {"first": first, "last": last}
    raise ValueError(f"expected a status from 100 to 599, or a range such as 200-299, found {show(value)}")


@dataclass(frozen=True, slots=True, config=CONFIG)
class HealthCheck:
    """An active check, made by every Envoy that calls the service: by `http`, `grpc` or `tcp`."""

    http: Annotated[PathAndQuery | None, Field(description="path that answers 200 when the endpoint is well")] = None
    grpc: Annotated[
        Annotated[str, StringConstraints(max_length=256, pattern=r"^[!-~]*$")] | None,
        Field(description='what gRPC\'s health service is asked for; "" is all of the server'),
    ] = None
    tcp: Annotated[bool, Strict(), Field(description="it is enough that a connection can be made")] = False
    expect: Annotated[
        tuple[Annotated[Statuses, BeforeValidator(parse_statuses), STATUSES_SHAPE], ...],
        Field(max_length=100, description="for http: the statuses that are well; 200 when left out"),
    ] = ()
    host: Annotated[
        Annotated[str, AfterValidator(check_host_header)] | None,
        Field(description="for http and grpc: the Host that is asked for; the service's name when left out"),
    ] = None
    interval: Annotated[Wait, Field(description="from one check to the next")] = timedelta(seconds=10)
    timeout: Annotated[Wait, Field(description="how long to wait for the answer")] = timedelta(seconds=2)
    interval_jitter: Annotated[
        int, Strict(), Field(ge=0, le=100, description="percent by which a check may come later, by chance")
    ] = 10
    unhealthy_interval: Annotated[
        Wait | None, Field(description="from one check of an unwell endpoint to the next; `interval` if left out")
    ] = None
    healthy_threshold: Annotated[Threshold, Field(description="good answers in a row to be well again")] = 2
    unhealthy_threshold: Annotated[Threshold, Field(description="bad answers in a row to be unwell")] = 2


@dataclass(frozen=True, slots=True, config=CONFIG)
class OutlierDetection:
    """When an endpoint is taken out for a while, by what real requests to it came to; `off` is never."""

    enabled: Annotated[bool, Strict(), Field(description="false is the same as `outlier_detection: off`")] = True
    consecutive_failures: Annotated[
        Threshold, Field(description="so many in a row: it cannot be reached, or answers 502, 503 or 504")
    ] = 5
    consecutive_5xx: Annotated[
        Threshold | None, Field(description="so many in a row of any 5xx; when left out, 500 and 501 do not count")
    ] = None
    interval: Annotated[Wait | None, Field(description="how often it is looked who may come back; 10s if left out")] = (
        None
    )
    base_ejection_time: Annotated[
        Wait | None, Field(description="for how long, times how often it was out; 30s if left out, 5m at most")
    ] = None
    max_ejection_percent: Annotated[
        int, Strict(), Field(ge=1, le=100, description="how many of the endpoints may be out at once")
    ] = 50


STATUSES = re.compile(r"(\d{3})(?: ?- ?(\d{3}))?", re.ASCII)


def parse_outlier_detection(value: object) -> object:
    """Turn `off` into the mapping that it is short for."""
    return {"enabled": False} if value == "off" else value


@dataclasses.dataclass(frozen=True, slots=True)
class OutlierShape:
    """Outlier detection is a mapping, or `off`."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": ["off"]}, handler(schema)]}


OUTLIER_SHAPE = OutlierShape()


def check_health_check(check: HealthCheck) -> HealthCheck:
    """Refuse a check that is made in no way or in several, and what belongs to another way."""
    ways = [("http", check.http is not None), ("grpc", check.grpc is not None), ("tcp", check.tcp)]
    given = [way for way, is_given in ways if is_given]
    if not given:
        raise ValueError("says not how: write one of http, grpc and tcp, such as {http: /health}")
    wrong: list[tuple[Loc, str]] = [
        ((way,), f"a check is made by `{given[0]}` or by `{way}`, not both") for way in given[1:]
    ]
    if check.expect and given[0] != "http":
        wrong.append((("expect",), f"is for `http`: a check by `{given[0]}` has no statuses"))
    if check.host is not None and given[0] == "tcp":
        wrong.append((("host",), "is for `http` and `grpc`: a check by `tcp` asks for nothing"))
    if wrong:
        raise Mistake(*wrong)
    return check
