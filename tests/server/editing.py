"""A control plane in this process with its admin interface, whose catalog a test edits in a folder."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server import providing
from tests.server.providing import MemorySource
from xds.cli.demo.envoy_admin import http_get
from xds.server.address import ListenAddress
from xds.server.control_plane import ControlPlane, Settings
from xds.server.state import StateFile

EDGE = "gateways: {edge: {port: 8080, routes: [{to: s0}]}}\n"
JSON = {"Content-Type": "application/json"}


def write(*names: str, weight: int = 1) -> str:
    """Return the text of services."""
    endpoints = f"[{{address: '127.0.0.1:5000', weight: {weight}}}]"
    return "services:\n" + "".join(f"  {name}: {{balance: weighted, endpoints: {endpoints}}}\n" for name in names)


@dataclass
class Editing:
    """A running control plane and the folder of its catalog."""

    control_plane: ControlPlane
    folder: Path

    def save(self, **files: str | None) -> None:
        """Save files, or delete those that are None."""
        for name, text in files.items():
            path = self.folder / f"{name}.yaml"
            if text is None:
                path.unlink()
            else:
                fresh = path.with_name(f".{name}")
                fresh.write_text(text)
                fresh.replace(path)

    @property
    def address(self) -> str:
        """The address of the admin interface."""
        admin = self.control_plane._admin
        assert admin is not None
        return str(admin.address)

    @property
    def served(self) -> list[str]:
        """The services and gateways that are served."""
        catalog = self.control_plane._ads.store.inventory.catalog
        return sorted([*catalog.services, *catalog.gateways])

    async def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Return the status and the document of an answer."""

        def call() -> tuple[int, Any]:
            connection = http.client.HTTPConnection(self.address, timeout=10)
            try:
                connection.request(method, path, headers=headers or {})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            finally:
                connection.close()

        return await asyncio.to_thread(call)

    async def scrape(self) -> set[str]:
        """Return the lines of the metrics."""
        _, text = await asyncio.to_thread(http_get, self.address, "/metrics", 10.0)
        return {*text.splitlines()}

    async def status(self) -> Any:
        """Return the status."""
        return (await self.ask("/status"))[1]

    async def until(self, found: Callable[[Any], object]) -> Any:
        """Wait until the status is as wanted, and return it."""
        async with asyncio.timeout(15):
            while True:
                status = await self.status()
                if found(status):
                    return status
                await asyncio.sleep(0.02)

    async def confirm(self) -> tuple[int, Any]:
        """Confirm all that is held."""
        held = (await self.status())["held"]
        query = "&".join(f"id={one['id']}" for one in held)
        return await self.ask(f"/apply?{query}", "POST", JSON)


@asynccontextmanager
async def editing(
    folder: Path, files: dict[str, str], *sources: MemorySource, data: Path | None = None, workers: int = 1
) -> AsyncIterator[Editing]:
    """Serve a folder of files. `data` is the folder of the last good state."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    async with running(folder, sources, data, workers) as control_plane:
        yield Editing(control_plane, folder)


@asynccontextmanager
async def running(
    folder: Path, sources: Sequence[MemorySource] = (), data: Path | None = None, workers: int = 1
) -> AsyncIterator[ControlPlane]:
    """Serve a folder as it is."""
    settings = Settings(ListenAddress("127.0.0.1", 0), admin=ListenAddress("127.0.0.1", 0), workers=workers)
    state = StateFile(data, folder) if data else None
    async with providing.running(folder, sources, settings, state) as control_plane:
        yield control_plane
