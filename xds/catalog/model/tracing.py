"""The words of tracing: where every Envoy sends its spans, and of how many requests."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.addresses import ADDRESS_PATTERN, explain_address, split_address
from xds.catalog.text.names import CONFIG
from xds.catalog.text.percents import SHARE_SHAPE, parse_share
from xds.catalog.text.shapes import ShortOrFull

OTLP_PORT: Final = 4317
"""Where collectors listen for gRPC, if nobody says otherwise."""

USUAL_SAMPLE: Final = 1.0
"""Percent: enough to see how a mesh behaves, and little enough for its collector, whatever the load."""


def check_collector(value: str) -> str:
    """Write "host:port" in one way."""
    if (parts := split_address(value)) is None:
        raise ValueError(explain_address(value).replace(":5000", f":{OTLP_PORT}"))
    host, port = parts
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


COLLECTOR: dict[str, Any] = {"type": "string", "pattern": ADDRESS_PATTERN, "examples": ["collector:4317"]}
COLLECTOR_SHAPE = WithJsonSchema(COLLECTOR)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Tracing:
    """OpenTelemetry's spans of requests, sent over OTLP by gRPC; an address alone is short for `otlp`."""

    otlp: Annotated[
        str,
        AfterValidator(check_collector),
        COLLECTOR_SHAPE,
        Field(description='the collector, as each Envoy reaches it: "host:port", without TLS'),
    ]
    sample: Annotated[
        Annotated[float, BeforeValidator(parse_share), SHARE_SHAPE] | None,
        Field(description="how many of the requests that begin a trace, by chance; 1% when left out"),
    ] = None

    @property
    def percent(self) -> float:
        """How many of the requests that begin a trace."""
        return USUAL_SAMPLE if self.sample is None else self.sample

    @property
    def collector(self) -> tuple[str, int]:
        """The collector's host and port."""
        host, _, port = self.otlp.rpartition(":")
        return host.strip("[]"), int(port)


def parse_tracing(value: object) -> object:
    """Turn an address into the mapping that it is short for."""
    return {"otlp": value} if isinstance(value, str) and ":" in value else value


TRACING_SHAPE = ShortOrFull(COLLECTOR)

ShortTracing = Annotated[Tracing, BeforeValidator(parse_tracing), TRACING_SHAPE]
