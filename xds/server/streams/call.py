"""Call: what a stream needs of gRPC's context, so that nothing touches a context after its end.

In grpcio some methods of a context, such as `peer`, read freed memory once the call has ended.
"""

import asyncio

import grpc

Context = grpc.aio.ServicerContext[bytes, bytes]


class CallEndedError(Exception):
    """The call has ended: nothing can be read or written."""


class Call:
    """One client's call. What does not change is read when it begins; after `end`, it has no context any more."""

    __slots__ = ("_context", "peer")

    def __init__(self, context: Context) -> None:
        self._context: Context | None = context
        self.peer = context.peer()
        """The client's address in gRPC's form, such as `ipv4:10.0.0.3:4711`."""

    def end(self) -> None:
        """Let go the context. Call it when the method that serves the call returns."""
        self._context = None

    async def read(self) -> bytes | None:
        """Return the next message, or None at the end. Raises CallEndedError."""
        data = await self._get().read()
        return data if isinstance(data, bytes) else None  # at the end it is grpc.aio.EOF

    async def write(self, message: bytes) -> None:
        """Send a message. Raises CallEndedError when the client is gone."""
        try:
            await self._get().write(message)
        except (grpc.aio.BaseError, asyncio.InvalidStateError) as error:
            raise CallEndedError from error

    async def abort(self, status: grpc.StatusCode, reason: str) -> None:
        """End the call with this status, by an exception. Raises CallEndedError when it has ended."""
        await self._get().abort(status, reason)

    def _get(self) -> Context:
        if self._context is None:
            raise CallEndedError
        return self._context
