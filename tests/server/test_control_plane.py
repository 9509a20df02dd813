"""How the control plane goes on between edits."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from tests.server.serving import make_catalog
from xds.cli.demo.processes import await_until
from xds.server import following as following_module
from xds.server.address import ListenAddress
from xds.server.control_plane import ControlPlane, Settings
from xds.sources.document import Document
from xds.sources.files.watch import FileSource


class FaultySource(FileSource):
    """A source that first yields a value that no source may yield, and then a good edit, and so on."""

    watches = 0

    async def watch(self) -> AsyncGenerator[dict[str, Document | None], None]:
        """Yield both values, and end; when it is called again, fail in several ways."""
        self.watches += 1
        if self.watches == 2:
            raise OSError(24, "Too many open files")
        if self.watches == 3:
            raise asyncio.CancelledError
        if self.watches == 4:
            raise ExceptionGroup("a task group", [RuntimeError("of a watcher")])
        if self.watches == 5:
            yield {"last.yaml": Document("last.yaml", b"services: {c: {}}")}
            await asyncio.Event().wait()
        yield {"catalog.yaml": cast("Document", object())}
        yield {"other.yaml": Document("other.yaml", b"services: {b: {}}")}


async def test_nothing_that_a_source_does_stops_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server still serves what it served, takes the next edit, and shows nobody a traceback.

    Where the source fails or ends, it is watched again.
    """
    monkeypatch.setattr(following_module, "RETRY_SECONDS", 0.01)
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(make_catalog("a"))
    source = FaultySource(catalog)
    control_plane = ControlPlane(source, Settings(ListenAddress("127.0.0.1", 0)))
    await control_plane.start()
    following = asyncio.create_task(control_plane.follow())
    try:
        services = {"a", "b", "c"}
        await await_until(lambda: {*control_plane._ads.store.inventory.catalog.services} == services, 10)
        assert source.watches == 5
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.wait({following})
        await control_plane.stop()
