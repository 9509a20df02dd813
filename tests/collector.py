"""A collector for tests: it receives OpenTelemetry's spans over OTLP by gRPC, and keeps them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(frozen=True)
class Span:
    """A span and the service that it belongs to. `start` and `end` are in nanoseconds, as time.time_ns() returns."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    start: int
    end: int
    attributes: Mapping[str, Any]


@dataclass
class Collector:
    """The spans received so far, at the port `port` of the loopback interface."""

    port: int = 0
    spans: list[Span] = field(default_factory=list)
    authorities: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        """The address, as it is written in a catalog."""
        return f"127.0.0.1:{self.port}"

    def of(self, service: str) -> list[Span]:
        """Return the spans of one service."""
        return [span for span in self.spans if span.service == service]

    def export(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        """Keep the spans that one client sends."""
        for resource_spans in ExportTraceServiceRequest.FromString(data).resource_spans:
            resource = {one.key: one.value.string_value for one in resource_spans.resource.attributes}
            for scope in resource_spans.scope_spans:
                self.spans += [_read(resource["service.name"], span) for span in scope.spans]
        return ExportTraceServiceResponse().SerializeToString()


def _read(service: str, span: SpanMessage) -> Span:
    attributes = {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in span.attributes
    }
    return Span(
        service,
        span.name,
        SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        attributes,
    )


@contextmanager
def start_collector() -> Iterator[Collector]:
    """Run a collector while the block runs."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(collector.export)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": method}),))
    collector.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector
    finally:
        server.stop(grace=None).wait()
