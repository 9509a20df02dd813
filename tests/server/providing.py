"""A source of endpoints in memory, and a control plane in this process that follows it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from xds.server.address import ListenAddress
from xds.server.control_plane import ControlPlane, Settings
from xds.server.state import StateFile
from xds.sources.files.watch import FileSource
from xds.sources.source import InstanceUpdate


class MemorySource:
    """Yields the updates that a test puts into it, and raises the exceptions."""

    def __init__(self, name: str = "memory") -> None:
        self._name = name
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self.watched = 0

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self._name

    def put(self, update: object) -> None:
        """Make the source yield this update or raise this exception next."""
        self._queue.put_nowait(update)

    def say(self, instances: dict[tuple[str, str], object | None], *, full: bool = False) -> None:
        """Make the source yield an update."""
        self.put(InstanceUpdate(instances, full))

    async def watch(self) -> AsyncGenerator[InstanceUpdate]:
        """Yield updates without end."""
        self.watched += 1
        while True:
            update = await self._queue.get()
            if isinstance(update, BaseException):
                raise update
            yield update


@asynccontextmanager
async def provided(folder: Path, catalog: str, *sources: MemorySource, workers: int = 1) -> AsyncIterator[ControlPlane]:
    """Serve a catalog file and the endpoints of these sources on a free loopback port."""
    path = folder / "catalog.yaml"
    path.write_text(catalog)
    async with running(path, sources, Settings(ListenAddress("127.0.0.1", 0), workers=workers)) as control_plane:
        yield control_plane


@asynccontextmanager
async def running(
    path: Path, sources: Sequence[MemorySource], settings: Settings, state: StateFile | None = None
) -> AsyncIterator[ControlPlane]:
    """Serve a catalog and follow it until the end of the block."""
    control_plane = ControlPlane(FileSource(path), settings, sources, state)
    await control_plane.start()
    following = asyncio.create_task(control_plane.follow())
    try:
        yield control_plane
    finally:
        following.cancel()
        await asyncio.wait({following})
        await control_plane.stop()
