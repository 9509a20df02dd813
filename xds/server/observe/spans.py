"""The server's own OpenTelemetry spans (`--otlp`): an edit from its reading until the last client has answered.

OpenTelemetry's SDK is an extra (`pip install 'xds-control-plane[otlp]'`). Without `--otlp` it is not imported.
"""

import asyncio
import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog

from xds import __version__
from xds.server.address import ListenAddress
from xds.wording import write_install

SHUTDOWN_SECONDS = 3.0
"""How long a server that stops waits until the last spans have reached the collector."""

log = structlog.get_logger()


class SpansError(Exception):
    """Spans cannot be made. The message says what to do."""


class Span(Protocol):
    """An open span."""

    def set_attribute(self, key: str, value: str | int | list[str], /) -> object:
        """Set an attribute of the span."""
        ...


class Spans(Protocol):
    """Makes spans. A new span is a child of the span that is open."""

    def open(self, name: str) -> AbstractContextManager[Span]:
        """Return a context manager whose span lasts as long as its block."""
        ...

    async def stop(self) -> None:
        """Send the remaining spans, and end."""
        ...


class NoSpans:
    """Makes no spans, where `--otlp` is not given."""

    def open(self, _name: str) -> AbstractContextManager[Span]:
        """Do nothing around the block."""
        return NO_SPAN

    def set_attribute(self, _key: str, _value: str | int | list[str], /) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


NO_SPANS = NoSpans()
NO_SPAN: AbstractContextManager[Span] = nullcontext(NO_SPANS)


class OtlpSpans:
    """Sends spans to the collector at `host:port` with OTLP over gRPC, in a thread of the SDK.

    Raises SpansError when the SDK is not installed.
    """

    def __init__(self, collector: str, listen: ListenAddress) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise SpansError(f"--otlp needs OpenTelemetry's SDK ({error}): {write_install('otlp')}") from None
        _redirect_sdk_log()
        attributes = {"service.name": "xds", "service.version": __version__, "service.instance.id": str(listen)}
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=collector, insecure=True, timeout=SHUTDOWN_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("xds", __version__)

    def open(self, name: str) -> AbstractContextManager[Span]:
        """Return a context manager whose span lasts as long as its block."""
        return self._tracer.start_as_current_span(name)

    async def stop(self) -> None:
        """Send the remaining spans. A collector that does not answer delays the stop by a few seconds at most."""
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS + 1):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            log.warning("the last spans did not reach the collector")


class _SdkLogHandler(logging.Handler):
    """Writes the SDK's log messages to the log of xds."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        log.warning("spans", reason=record.getMessage())


def _redirect_sdk_log() -> None:
    sdk = logging.getLogger("opentelemetry")
    sdk.handlers = [_SdkLogHandler(logging.WARNING)]
    sdk.propagate = False


def make_spans(collector: str | None, listen: ListenAddress) -> Spans:
    """Return what makes spans: nothing when `collector` is None. Raises SpansError when the SDK is not installed."""
    return NO_SPANS if collector is None else OtlpSpans(collector, listen)
