"""What nodes refused and drain, on disk, beside the last good state: after a restart, they begin with what worked.

One file for each catalog's path, which is replaced as a whole when a node refuses something or no longer does, and when
a drain begins or ends.
"""

import asyncio
import base64
import json
import os
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from xds.catalog.model.locality import Locality
from xds.resources.resource import Resource
from xds.resources.view import NodeKind
from xds.server.streams.memories import Memories, NodeStream
from xds.session.memory import Drain, Memory
from xds.session.subscription import Nack
from xds.wording import write_json

FORMAT = 1
"""The number of the file's format: a file of another is not used."""

REST = 20
"""How many times as long as a write took nothing is written after it. What changes meanwhile is written together."""

log = structlog.get_logger()


class HeldState:
    """The file with the memories that outlive the process. A failure to write it is logged once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: Mapping[NodeStream, Memory] = {}
        self._is_due = False
        self._writing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._has_failed = False

    def begin(self, memories: Memories) -> None:
        """Read the file into `memories`, and write it again when they change. A file that is damaged is not used."""
        self._memories = memories
        try:
            self._written = _read(self.path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("what nodes refused before the restart is not known", file=str(self.path), reason=repr(error))
        memories.learn(self._written)
        if nodes := sorted({key.node_id for key, memory in self._written.items() if memory.refused}):
            log.warning("nodes that refused a part of the catalog begin with what worked", nodes=nodes[:20])
        memories.listeners.append(self._on_change)

    async def stop(self) -> None:
        """Write what waits."""
        self._stopping.set()
        if self._writing is not None:
            await self._writing

    def _on_change(self, _key: NodeStream, _memory: Memory | None) -> None:
        self._is_due = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._is_due:
            self._is_due = False
            memories, started = self._memories.lasting, time.monotonic()
            try:
                if memories != self._written:
                    await asyncio.to_thread(_write, self.path, memories)
                    self._written, self._has_failed = memories, False
            except OSError as error:
                if not self._has_failed:
                    log.warning(
                        "what nodes refused cannot be stored: name a folder with --data, or write --no-data",
                        file=str(self.path),
                        reason=error.strerror or repr(error),
                    )
                self._has_failed = True
            with suppress(TimeoutError):
                async with asyncio.timeout(REST * (time.monotonic() - started)):
                    await self._stopping.wait()


def _read(path: Path) -> Mapping[NodeStream, Memory]:
    """Return the memories in a file; none if there is no file. Raises OSError, and others if the file is damaged."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                raise PermissionError("the file belongs to another user")
            found: Any = json.load(file)
    except FileNotFoundError:
        return {}
    if found["format"] != FORMAT:
        return {}
    resources = [
        Resource(name, version, base64.b64decode(body), ttl) for name, version, body, ttl in found["resources"]
    ]

    def take(numbers: Mapping[str, list[int]]) -> Mapping[str, Mapping[str, Resource]]:
        return {t: {resources[number].name: resources[number] for number in of} for t, of in numbers.items()}

    return {
        NodeStream(one["id"], NodeKind(one["cluster"], one["grpc"], Locality(*one["locality"])), one["stream"]): Memory(
            one["refused"],
            {t: frozenset(names) for t, names in one["unserved"].items()},
            take(one["older"]),
            take(one["removed"]),
            tuple(Nack(type_url, message, tuple(names)) for type_url, message, names in one["nacks"]),
            tuple(
                Drain(number, tuple(resources[one] for one in of), until) for number, of, until in one.get("drains", ())
            ),
        )
        for one in found["nodes"]
    }


def _write(path: Path, memories: Mapping[NodeStream, Memory]) -> None:
    """Replace the file, or delete it if there is nothing to keep. Raises OSError."""
    if not memories:
        path.unlink(missing_ok=True)
        return
    numbers: dict[tuple[str, str, str], int] = {}
    resources: list[Resource] = []

    def put_all(of_type: Collection[Resource], type_url: str = "") -> list[int]:
        """Return the number of each resource: many nodes have the same."""
        for one in of_type:
            if (key := (type_url, one.name, one.version)) not in numbers:
                numbers[key] = len(resources)
                resources.append(one)
        return [numbers[type_url, one.name, one.version] for one in of_type]

    def put(of_types: Mapping[str, Mapping[str, Resource]]) -> Mapping[str, list[int]]:
        return {type_url: put_all(of_type.values(), type_url) for type_url, of_type in of_types.items()}

    nodes = [
        {
            "id": key.node_id,
            "cluster": key.kind.cluster,
            "grpc": key.kind.grpc,
            "locality": [*key.kind.locality],
            "stream": key.type_url,
            "refused": memory.refused,
            "unserved": {t: sorted(names) for t, names in memory.unserved.items()},
            "older": put(memory.older),
            "removed": put(memory.removed),
            "nacks": [[nack.type_url, nack.message, nack.resource_names] for nack in memory.nacks],
            "drains": [[drain.number, put_all(drain.resources), drain.until] for drain in memory.drains],
        }
        for key, memory in memories.items()
    ]
    encoded = [[one.name, one.version, base64.b64encode(one.body).decode(), one.ttl_ms] for one in resources]
    content = write_json({"format": FORMAT, "resources": encoded, "nodes": nodes}).encode()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # with mode 0600
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
