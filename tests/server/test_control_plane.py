"""How the control plane goes on between edits."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

from tests.server.serving import make_catalog
from xds.cli.demo.processes import await_until
from xds.server.address import ListenAddress
from xds.server.control_plane import ControlPlane, Settings
from xds.sources.document import Document
from xds.sources.files.watch import FileSource


class FaultySource(FileSource):
    """A source that first yields a value that no source may yield, and then a good edit."""

    async def watch(self) -> AsyncGenerator[dict[str, Document | None], None]:
        """Yield both values and then nothing more."""
        yield {"catalog.yaml": cast("Document", object())}
        yield {"other.yaml": Document("other.yaml", b"services: {b: {}}")}


async def test_a_fault_in_xds_does_not_stop_the_server(tmp_path: Path) -> None:
    """The server still serves what it served, takes the next edit, and shows nobody a traceback."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(make_catalog("a"))
    control_plane = ControlPlane(FaultySource(catalog), Settings(ListenAddress("127.0.0.1", 0)))
    await control_plane.start()
    following = asyncio.create_task(control_plane.follow())
    await await_until(following.done, 10)
    assert following.exception() is None
    assert set(control_plane._ads.store.inventory.catalog.services) == {"a", "b"}
    await control_plane.stop()
