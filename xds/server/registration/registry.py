"""Registry: the registrations of a running server, its clock, and where their changes go.

It is a source of endpoints: what is registered is served as the endpoints of the provider `registered`.
"""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncGenerator

import structlog

from xds.endpoints.endpoint_set import REGISTERED
from xds.endpoints.registrations.changes import Notice, NoticeKind
from xds.endpoints.registrations.definitions import Node
from xds.endpoints.registrations.registrations import Registrations, Rules
from xds.server.registration.waiting import Waiting
from xds.sources.source import InstanceId, InstanceUpdate

DATACENTER = "dc1"

log = structlog.get_logger()


class Registry:
    """Keeps registrations in memory. `address` is that of the server's own node.

    After each change of `registrations`, `publish` is to be called.
    """

    def __init__(self, address: str = "127.0.0.1", rules: Rules | None = None) -> None:
        name = socket.gethostname() or "xds"
        node_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        own = Node(name, address, node_id, {"consul-network-segment": ""})
        self._began = time.time() - time.monotonic()
        # Clients keep indexes over a restart: with this start they do not go back, below 1,000 changes a second.
        start = int(time.time() * 1000)
        self.registrations = Registrations(own, start, rules)
        self.registrations.take_changes()
        self.waiting = Waiting()
        self._watches: set[_Watch] = set()
        self._changed = asyncio.Event()

    @property
    def name(self) -> str:
        """The provider's name."""
        return REGISTERED

    def now(self) -> float:
        """Return the time, in seconds since the epoch, by a clock that is never set back."""
        return self._began + time.monotonic()

    def publish(self) -> None:
        """Pass on what changed: to queries that wait, to the mesh, and to the log."""
        changes = self.registrations.take_changes()
        self.waiting.wake(changes.topics)
        if changes.endpoints:
            for watch in self._watches:
                watch.put(changes.endpoints)
        for notice in changes.notices:
            _tell(notice)
        self._changed.set()

    async def watch(self) -> AsyncGenerator[InstanceUpdate]:
        """Yield all endpoints, and then those that change. Each removal was asked for, or is due."""
        watch = _Watch()
        self._watches.add(watch)
        try:
            yield InstanceUpdate(dict(self.registrations.endpoints), full=True, asked=True)
            while True:
                yield InstanceUpdate(await watch.take(), asked=True)
        finally:
            self._watches.discard(watch)

    async def keep_time(self) -> None:
        """Do what is due, until cancelled."""
        while True:
            self._changed.clear()
            due = self.registrations.due
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - self.now())):
                    await self._changed.wait()
            except TimeoutError:
                self._tick()

    def _tick(self) -> None:
        try:
            self.registrations.tick(self.now())
        except Exception as error:  # a bug in xds must not stop the server
            log.error("registry failed to do what is due, a bug in xds", error=repr(error))
        self.publish()


def _tell(notice: Notice) -> None:
    service, instance = notice.service, notice.instance
    match notice.kind:
        case NoticeKind.REMOVED:
            reason = notice.reason
            log.warning("instance removed: it was critical for too long", service=service, id=instance, reason=reason)
        case NoticeKind.FLAPPING:
            log.warning("instance comes and goes: it is degraded until it holds out", service=service, id=instance)
        case NoticeKind.HELD:
            log.error(
                "most of a service turned critical at once: it is served on as it was",
                service=service,
                instances=notice.instances,
                in_seconds=round(notice.seconds),
            )
        case NoticeKind.RELEASED:
            log.info("service is served by its checks again", service=service)


class _Watch:
    """What changed since one who watches looked last."""

    def __init__(self) -> None:
        self._pending: dict[InstanceId, object | None] = {}
        self._arrived = asyncio.Event()

    def put(self, endpoints: dict[InstanceId, object | None]) -> None:
        """Add changes: the last one of an endpoint counts."""
        self._pending |= endpoints
        self._arrived.set()

    async def take(self) -> dict[InstanceId, object | None]:
        """Wait for changes, and return them."""
        await self._arrived.wait()
        self._arrived.clear()
        taken, self._pending = self._pending, {}
        return taken
