"""Tracing: where every Envoy sends its spans, and of how many requests."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.address_patterns import ADDRESS_SHAPE
from xds.catalog.text.addresses import explain_address, split_address
from xds.catalog.text.field import About, Alone, Example, Expected
from xds.catalog.text.names import CONFIG
from xds.catalog.text.percents import Percent
from xds.wording import join_host_and_port, split_host_and_port

OTLP_PORT: Final = 4317
"""The port where collectors listen for gRPC by default."""

USUAL_SAMPLE: Final = 1.0
"""Percent: enough to see how a mesh behaves, and little load for the collector."""


def without_tls(fields: Mapping[str, object], listens: str) -> str:
    """Return that spans are sent in plain text, in place of a scheme that stands for TLS."""
    return ", with a port where it listens without TLS" if "tls" in fields else listens


def check_collector(value: str) -> str:
    """Write "host:port" in one way."""
    if (parts := split_address(value)) is None:
        raise explain_address(value, OTLP_PORT, beside=without_tls, ports={})
    host, port = parts
    return join_host_and_port(host, port)


def is_address(value: object) -> bool:
    """Whether a value is perhaps an address, not a word such as `on`."""
    return isinstance(value, str) and ":" in value


Collector = Annotated[
    str,
    AfterValidator(check_collector),
    WithJsonSchema(ADDRESS_SHAPE),
    Expected('"host:port" of the collector', f"collector:{OTLP_PORT}"),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Tracing:
    """OpenTelemetry spans of requests, sent by OTLP over gRPC; the short form is the address in `otlp`."""

    otlp: Annotated[
        Collector,
        Field(description="The collector, as each Envoy reaches it: OTLP over gRPC, without TLS"),
        About(envoy="OpenTelemetryConfig.grpc_service"),
    ]
    sample: Annotated[
        Percent | None,
        Field(description="Of the requests that begin a trace, this share is kept, at random"),
        About(default=f"{USUAL_SAMPLE:g}%", envoy="HttpConnectionManager.Tracing.random_sampling"),
    ] = None

    @property
    def percent(self) -> float:
        """The share of the requests that begin a trace."""
        return USUAL_SAMPLE if self.sample is None else self.sample

    @property
    def collector(self) -> tuple[str, int]:
        """The collector's host and port."""
        if (parts := split_host_and_port(self.otlp)) is None:  # which `check_collector` excludes
            raise ValueError(self.otlp)
        return parts


ShortTracing = Annotated[
    Tracing, Alone("otlp", takes=is_address), Example({"otlp": f"collector:{OTLP_PORT}", "sample": "10%"})
]
