"""The server's own spans, for whoever asks for them: what becomes of an edit from its reading to its last answer.

OpenTelemetry's SDK makes them, which is an extra (`pip install 'xds[otlp]'`). Without `--otlp` it is not even imported.
"""

import asyncio
import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog

from xds import __version__
from xds.server.address import ListenAddress

SHUTDOWN_SECONDS = 3.0
"""How long the last spans may take to reach a collector; a server that stops waits no longer."""

log = structlog.get_logger()


class SpansError(Exception):
    """Spans cannot be made; the message says what to do."""


class Span(Protocol):
    """What is under way: what became of it is told by attributes."""

    def set_attribute(self, key: str, value: str | int | list[str], /) -> object:
        """Say something of it."""
        ...


class Spans(Protocol):
    """Makes spans; each is a child of the one that is open."""

    def open(self, name: str) -> AbstractContextManager[Span]:
        """Make a span that lasts as long as the block."""
        ...

    async def stop(self) -> None:
        """Send what there is, and end."""
        ...


class NoSpans:
    """Makes none."""

    def open(self, _name: str) -> AbstractContextManager[Span]:
        """Do nothing around the block."""
        return NOTHING

    def set_attribute(self, _key: str, _value: str | int | list[str], /) -> None:
        """Keep nothing."""

    async def stop(self) -> None:
        """Have nothing to send."""


NO_SPANS = NoSpans()
NOTHING: AbstractContextManager[Span] = nullcontext(NO_SPANS)


class OtlpSpans:
    """Sends spans to the collector at `host:port`, over OTLP by gRPC, in a thread of the SDK's."""

    def __init__(self, collector: str, listen: ListenAddress) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise SpansError(f"--otlp needs OpenTelemetry's SDK ({error}): pip install 'xds[otlp]'") from None
        _take_log()
        said = {"service.name": "xds", "service.version": __version__, "service.instance.id": str(listen)}
        self._provider = TracerProvider(resource=Resource.create(said), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=collector, insecure=True, timeout=SHUTDOWN_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("xds", __version__)

    def open(self, name: str) -> AbstractContextManager[Span]:
        """Make a span that lasts as long as the block."""
        return self._tracer.start_as_current_span(name)

    async def stop(self) -> None:
        """Send what there is, for a moment: a collector that is gone holds up nobody."""
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS + 1):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            log.warning("the last spans did not reach the collector")


class _IntoLog(logging.Handler):
    """Logs what the SDK has to say as everything else is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        log.warning("spans", reason=record.getMessage())


def _take_log() -> None:
    sdk = logging.getLogger("opentelemetry")
    sdk.handlers = [_IntoLog(logging.WARNING)]
    sdk.propagate = False


def make_spans(collector: str | None, listen: ListenAddress) -> Spans:
    """Make what makes spans; raises SpansError when it is asked for and cannot be."""
    return NO_SPANS if collector is None else OtlpSpans(collector, listen)
