"""ControlPlane: from a source of documents to streams of resources, and the life of both."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from xds.catalog.catalog import Catalog
from xds.catalog.last_good import LastGood, Outcome
from xds.errors import Problem, Severity
from xds.resources.inventory import Inventory, build_inventory
from xds.resources.view import NodeKind
from xds.server.address import ListenAddress, ListenError, check_free
from xds.server.admin import AdminServer
from xds.server.ads import AdsServicer
from xds.server.csds import CsdsServicer
from xds.server.rest import RestServer
from xds.session.limits import Limits
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.sources.files import FileSource
from xds.wire import ADS

OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on one port is a mistake, not a share of the load
    ("grpc.max_concurrent_streams", 1000),  # of one connection
    ("grpc.max_metadata_size", 16 * 2**10),
    ("grpc.keepalive_time_ms", 30_000),  # finds half-open connections
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # what it waits for the answer; keepalive_timeout_ms alone is not enough
    ("grpc.http2.max_pings_without_data", 0),  # as long as the stream is quiet
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # lets clients find them too
    ("grpc.http2.bdp_probe", 0),  # pings that measure the way for large requests: there are none
)

ANYONE = NodeKind("")
"""A caller that the catalog does not name."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What `xds serve` was told: where to listen, what clients may ask for, and the seconds streams have to end."""

    listen: ListenAddress
    limits: Limits = field(default_factory=Limits)
    grace: float = 5.0
    rest: ListenAddress | None = None
    admin: ListenAddress | None = None
    admin_required: bool = True  # else, where its port is in use, the server goes on without it


class ControlPlane:
    """Serves the catalog of one source.

    `start` raises CatalogError when the catalog cannot be served at all, and ListenError when nobody could
    connect; after it, a bad edit changes nothing that is served.
    """

    def __init__(self, source: FileSource, settings: Settings) -> None:
        self._source = source
        self._settings = settings
        self._last_good = LastGood()
        self._health = health.aio.HealthServicer()
        self._reported: tuple[Problem, ...] = ()
        self._refused_files: tuple[str, ...] = ()
        self._admin: AdminServer | None = None
        self._rest: RestServer | None = None
        self.port = settings.listen.port

    async def start(self) -> None:
        """Read the source, then listen: no client ever sees an empty world (rule 35)."""
        started = time.perf_counter()
        check_free(self._settings.listen)
        if self._settings.admin and self._settings.admin_required:
            check_free(self._settings.admin)
        outcome = self._last_good.update(self._source.read())
        catalog = outcome.catalog
        self._report(outcome.problems)
        inventory = build_inventory(catalog)
        store = SnapshotStore(inventory)
        store.acquire(ANYONE)  # makes the types of messages ready: half a second that the first client would wait
        store.release(ANYONE)
        gc.collect()
        gc.freeze()  # the catalog stays: no collection looks through it again
        seconds = time.perf_counter() - started
        log.info("catalog loaded", **_count(catalog), ms=round(seconds * 1000, 1))
        self._ads = AdsServicer(store, self._settings.limits)
        limits = self._settings.limits
        options = (
            *OPTIONS,
            ("grpc.max_receive_message_length", limits.message_bytes),
            # Streams that wait to be taken, as after a restart: gRPC refuses 1,000 and more unless told otherwise.
            ("grpc.server.max_pending_requests", limits.streams),
            ("grpc.server.max_pending_requests_hard_limit", limits.streams),
        )
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers(self._ads.build_handlers())
        if self._settings.listen.is_loopback:
            self._server.add_generic_rpc_handlers((CsdsServicer(self._ads).build_handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in ("", ADS):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        try:
            self.port = self._server.add_insecure_port(str(self._settings.listen))
        except RuntimeError as error:
            raise ListenError(f"cannot listen at {self._settings.listen}: {error}") from None
        await self._start_rest()
        await self._start_admin()
        await self._server.start()
        log.info("serving", address=str(ListenAddress(self._settings.listen.host, self.port)), services=[ADS])

    async def _start_rest(self) -> None:
        if self._settings.rest is not None:
            self._rest = RestServer(self._settings.rest, self._ads, self._settings.limits)
            await self._rest.start()
            log.info("serving", address=str(self._rest.address), services=["REST polling"])

    async def _start_admin(self) -> None:
        if self._settings.admin is None:
            return
        admin = AdminServer(self._settings.admin, self._ads, lambda: self._refused_files)
        try:
            await admin.start()
        except ListenError as error:
            if self._settings.admin_required:
                raise
            log.warning("no admin: `xds status` cannot ask this server; say where by --admin", reason=str(error))
        else:
            self._admin = admin
            log.info("admin", address=str(admin.address))

    async def follow(self) -> None:
        """Take up each change of the source, until cancelled."""
        async for documents in self._source.watch():
            try:
                await self._take(documents)
            except Exception as error:  # a fault of ours must not end what is served; the next edit is taken
                log.error("edit NOT TAKEN, by a fault of xds: what was served is still served", error=repr(error))

    async def stop(self) -> None:
        """Tell health checks, end every stream so that its client looks elsewhere, and close."""
        log.info("stopping", streams=len(list(self._ads.streams())))
        await self._health.enter_graceful_shutdown()
        for stream in self._ads.streams():
            stream.end("the control plane is stopping")
        await self._server.stop(self._settings.grace)
        if self._rest:
            await self._rest.stop()
        if self._admin:
            await self._admin.stop()
        log.info("stopped")

    async def _take(self, documents: Mapping[str, Document | None]) -> None:
        """Serve the catalog with the changed documents in it; of what is bad, go on with the last good state."""
        started = time.perf_counter()
        before = self._ads.store.inventory
        # Off the loop: a large file takes a while, and streams go on meanwhile.
        outcome, inventory = await asyncio.to_thread(self._translate, documents, before)
        self._refused_files = outcome.refused
        new_errors = self._report(outcome.problems)
        if new_errors:
            log.error("edit REFUSED: the last good state of these files is still served", files=list(outcome.refused))
        if not inventory.changed and not inventory.changed_gateways:
            return
        streams = self._ads.publish(inventory)
        log.info(
            "catalog changed",
            changed_files=sorted(documents),
            **_describe_change(before, inventory),
            streams=streams,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )

    def _translate(self, documents: Mapping[str, Document | None], before: Inventory) -> tuple[Outcome, Inventory]:
        outcome = self._last_good.update(documents)
        return outcome, build_inventory(outcome.catalog, before)

    def _report(self, problems: tuple[Problem, ...]) -> bool:
        """Log each problem when it appears, not again while it stays; tell whether an error was among the new."""
        if problems is self._reported:
            return False
        old = frozenset(self._reported)
        new = [problem for problem in problems if problem not in old]
        for problem in new:
            (log.error if problem.severity is Severity.ERROR else log.warning)(str(problem))
        self._reported = problems
        return any(problem.severity is Severity.ERROR for problem in new)


def _count(catalog: Catalog) -> dict[str, int]:
    endpoints = sum(len(service.endpoints) for service in catalog.services.values())
    return {"services": len(catalog.services), "endpoints": endpoints, "gateways": len(catalog.gateways)}


def _describe_change(before: Inventory, after: Inventory) -> dict[str, list[str]]:
    """Name what was added, changed and removed; leave out what is empty."""
    old, new = before.catalog, after.catalog
    names = after.changed | after.changed_gateways
    then = {name for name in names if name in old.services or name in old.gateways}
    now = {name for name in names if name in new.services or name in new.gateways}
    changes = {"added": now - then, "changed": now & then, "removed": then - now}
    return {verb: sorted(some)[:20] for verb, some in changes.items() if some}


async def run(source: FileSource, settings: Settings, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    control_plane = ControlPlane(source, settings)
    await control_plane.start()
    following = asyncio.create_task(control_plane.follow())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    await control_plane.stop()
