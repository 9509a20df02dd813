"""The connections between the Envoys and the control plane, which can be cut and frozen."""

import asyncio
from contextlib import suppress
from typing import Final

RETRY_SECONDS: Final = 0.05


class Wire:
    """Passes bytes from a port of loopback to a server at another.

    While there is no server, connections wait for it: an Envoy whose connections are refused tries again ever later.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Accept none any more, and end those that are open."""
        self._server.close()
        self._passing.set()
        self.cut()
        await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        """Pass nothing until `thaw`, and lose nothing."""
        self._passing.clear()

    def thaw(self) -> None:
        """Pass what has come meanwhile, and all that comes."""
        self._passing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes in both directions until one side ends."""
        writers = {writer}
        self._writers |= writers
        while not writer.transport.is_closing():
            try:
                other, upstream = await asyncio.open_connection("127.0.0.1", self._target)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            writers.add(upstream)
            self._writers.add(upstream)
            await asyncio.gather(self._copy(reader, upstream), self._copy(other, writer))
        self._writers -= writers
        for one in writers:
            one.close()
            with suppress(OSError):
                await one.wait_closed()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
