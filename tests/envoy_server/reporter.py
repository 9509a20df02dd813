"""A gRPC instance that reports its load out of band (ORCA), and a client that calls it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from google.protobuf.duration_pb2 import Duration

METHOD = "/test.Echo/Who"


class Reporter:
    """One instance. `asked` has the report interval of each stream in seconds, and `utilization` what it reports."""

    def __init__(self, name: str, utilization: float) -> None:
        self.name = name
        self.utilization = utilization
        self.asked: list[float] = []
        self.reports = 0
        self.endpoint = ""

    async def answer(self, _request: bytes, _context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        """Answer with its name, without any load."""
        return self.name.encode()

    async def report(self, request: bytes, _context: "grpc.aio.ServicerContext[bytes, bytes]") -> AsyncIterator[bytes]:
        """Report cpu_utilization and rps_fractional in an OrcaLoadReport until the stream ends."""
        interval = (
            Duration.FromString(request[2:]).ToTimedelta().total_seconds()
        )  # the only field of an OrcaLoadReportRequest
        self.asked.append(interval)
        while True:
            self.reports += 1
            yield struct.pack("<bdbd", 0x09, self.utilization, 0x31, 100.0)
            await asyncio.sleep(interval)


@asynccontextmanager
async def start_reporter(name: str, utilization: float) -> AsyncIterator[Reporter]:
    """Run the instance while the block runs."""
    reporter = Reporter(name, utilization)
    server = grpc.aio.server()
    orca: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "StreamCoreMetrics": grpc.unary_stream_rpc_method_handler(reporter.report)
    }
    echo: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Who": grpc.unary_unary_rpc_method_handler(reporter.answer)}
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("xds.service.orca.v3.OpenRcaService", orca),
            grpc.method_handlers_generic_handler("test.Echo", echo),
        )
    )
    reporter.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield reporter
    finally:
        await server.stop(0)


@asynccontextmanager
async def start_calls(port: int) -> AsyncIterator[list[str]]:
    """Call through a gateway, one call after the other, while the block runs.

    Yield the growing list of who answered.
    """
    answers: list[str] = []

    async def call() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            who: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            while True:
                answers.append((await who(b"", wait_for_ready=True)).decode())

    calls = asyncio.create_task(call())
    try:
        yield answers
    finally:
        calls.cancel()
        await asyncio.gather(calls, return_exceptions=True)
