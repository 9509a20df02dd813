"""ControlPlane: reads a source of documents, serves the resources built from it, and applies each change.

This module starts, connects and stops the parts of the server. How a stream is served is in `streams`, `protocols` and
`workers`; how documents become a catalog is in `xds.catalog`.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from xds.catalog.assembly.workspace import LastGood, Outcome
from xds.endpoints.instance import parse_update
from xds.endpoints.registry import Registry
from xds.errors import Problem, Severity
from xds.resources.inventory import Inventory, build_inventory
from xds.server.address import ListenAddress, ListenError, check_free
from xds.server.admin.server import AdminServer
from xds.server.clients.documents import AppliedState
from xds.server.instances import Instances, Updates
from xds.server.observe.counters import CatalogCounters
from xds.server.observe.spans import Span, make_spans
from xds.server.protocols.discovery import OPTIONS, DiscoveryServer, build_servicer
from xds.server.protocols.rest import RestServer
from xds.server.settings import Settings
from xds.server.workers.leader import WorkerPool
from xds.sources.document import Document
from xds.sources.source import DocumentSource, InstanceId, InstanceSource
from xds.wire import ADS

__all__ = ["OPTIONS", "ControlPlane", "Settings", "run"]

log = structlog.get_logger()

MAX_TOLD = 20
"""How many problems of instances one change writes to the log; of the others the number."""


class ControlPlane:
    """Serves the catalog of one source, with the endpoints of other sources.

    The constructor raises SpansError when `settings.otlp` is set and OpenTelemetry's SDK is not installed. `start`
    raises CatalogError when the catalog has an error, and ListenError when the server cannot listen at an address. Once
    it has started, a bad edit does not change what is served.
    """

    def __init__(
        self, source: DocumentSource, settings: Settings, instance_sources: Sequence[InstanceSource] = ()
    ) -> None:
        self._source = source
        self._instances = Instances(instance_sources, self._apply_instances)
        self._settings = settings
        self._last_good = LastGood()
        self._registry = Registry()
        self._refused: dict[str, dict[InstanceId, tuple[Problem, ...]]] = {}
        self._withheld: Mapping[str, int] = {}
        self._change_lock = asyncio.Lock()
        self._reported: tuple[Problem, ...] = ()
        self._applied: AppliedState
        self._counters = CatalogCounters()
        self._observing: set[asyncio.Task[None]] = set()
        self._admin: AdminServer | None = None
        self._rest: RestServer | None = None
        self._spans = make_spans(settings.otlp, settings.listen)
        self.port = settings.listen.port

    async def start(self) -> None:
        """Read the source, then listen.

        The server listens only once it has a catalog, so that no client is served an empty one (rule 35).
        """
        started = time.perf_counter()
        check_free(self._settings.listen)
        if self._settings.admin and self._settings.admin_required:
            check_free(self._settings.admin)
        with self._spans.open("load"):
            with self._spans.open("read"):
                documents = self._source.read()
            outcome, inventory = self._translate(documents, None)
        self._count_load("accepted")
        self._report(outcome.problems)
        self._applied = AppliedState(self._source.digest, time.time())
        self._ads = build_servicer(inventory, self._settings)
        seconds = time.perf_counter() - started
        log.info("catalog loaded", **_count(inventory), ms=round(seconds * 1000, 1))
        self._streams = (WorkerPool if self._settings.workers > 1 else DiscoveryServer)(self._ads, self._settings)
        await self._start_rest()
        await self._start_admin()
        self.port = await self._streams.start()
        log.info("serving", address=str(ListenAddress(self._settings.listen.host, self.port)), services=[ADS])

    async def _start_rest(self) -> None:
        if self._settings.rest is not None:
            self._rest = RestServer(self._settings.rest, self._ads, self._settings.limits)
            await self._rest.start()
            log.info("serving", address=str(self._rest.address), services=["REST polling"])

    async def _start_admin(self) -> None:
        if self._settings.admin is None:
            return
        admin = AdminServer(self._settings.admin, self._ads, lambda: self._applied, self._streams.ask, self._counters)
        try:
            await admin.start()
        except ListenError as error:
            if self._settings.admin_required:
                raise
            log.warning("no admin: `xds status` cannot ask this server; set an address with --admin", reason=str(error))
        else:
            self._admin = admin
            log.info("admin", address=str(admin.address))

    async def follow(self) -> None:
        """Apply each change of the sources, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._instances.follow())
            group.create_task(self._follow_documents())

    async def _follow_documents(self) -> None:
        async for documents in self._source.watch():
            try:
                with self._spans.open("reload") as span:
                    span.set_attribute("xds.files", len(documents))
                    await self._apply(documents, span)
            except Exception as error:  # a bug in xds must not stop the server; the next edit is tried as usual
                self._count_load("failed")
                log.error("edit NOT APPLIED, a bug in xds: the state before is still served", error=repr(error))

    async def stop(self) -> None:
        """Report NOT_SERVING to health checks, end every stream so that clients reconnect elsewhere, and close."""
        for observing in self._observing:
            observing.cancel()
        await self._streams.stop()
        if self._rest:
            await self._rest.stop()
        if self._admin:
            await self._admin.stop()
        await self._spans.stop()
        log.info("stopped")

    async def _apply(self, documents: Mapping[str, Document | None], span: Span) -> None:
        """Apply changed documents, by name (None: deleted); a document with an error keeps its last good state."""
        async with self._change_lock:
            await self._apply_documents(documents, span)

    async def _apply_documents(self, documents: Mapping[str, Document | None], span: Span) -> None:
        started, noticed_at, read_at = time.perf_counter(), self._source.noticed_at, time.time()
        before = self._ads.store.inventory
        # In a thread: a large file takes a while, and the event loop must keep serving streams.
        outcome, inventory = await asyncio.to_thread(self._translate, documents, before)
        if documents:
            self._count_load("refused" if any(name in outcome.refused for name in documents) else "accepted")
        new_errors = self._report(outcome.problems)
        if new_errors:
            span.set_attribute("error.type", "CatalogError")
            log.error("edit REFUSED: the last good state of these files is still served", files=list(outcome.refused))
        if inventory.changed or inventory.changed_gateways or inventory.mesh_changed:
            streams = await self._push(inventory, noticed_at)
            log.info(
                "catalog changed",
                changed_files=sorted(documents),
                **_describe_change(before, inventory),
                streams=streams,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
        # Only after the push: when a reader sees this digest, the status of each client is about this state.
        self._applied = AppliedState(self._source.digest, read_at, outcome.refused)

    async def _apply_instances(self, updates: Updates) -> None:
        """Apply updates of instances; a problem of one instance does not stop the others from being served."""
        noticed_at = time.monotonic_ns()
        try:
            async with self._change_lock:
                before = self._ads.store.inventory
                inventory, problems = await asyncio.to_thread(self._translate_instances, updates, before)
                for problem in problems[:MAX_TOLD]:
                    _log_problem(problem)
                if len(problems) > MAX_TOLD:
                    log.error("more instances have problems", more=len(problems) - MAX_TOLD)
                if inventory.changed:
                    streams = await self._push(inventory, noticed_at)
                    ms = round((time.monotonic_ns() - noticed_at) / 1e6, 1)
                    log.debug("endpoints changed", changed=sorted(inventory.changed)[:20], streams=streams, ms=ms)
        except Exception as error:  # a bug of ours must not end what is served
            self._count_load("failed")
            log.error("endpoints NOT APPLIED, a bug in xds: the state before is still served", error=repr(error))

    def _translate_instances(self, updates: Updates, before: Inventory) -> tuple[Inventory, list[Problem]]:
        """Return the inventory after some updates, and the problems that were not known before."""
        problems: list[Problem] = []
        for provider, update in updates:
            parsed = parse_update(provider, update)
            self._registry.put(provider, parsed.endpoints, full=update.full, refused=frozenset(parsed.refused))
            known = self._refused.setdefault(provider, {})
            for instance, found in parsed.refused.items():
                problems += () if known.get(instance) == found else found
            mended = known.keys() if update.full else update.instances
            self._refused[provider] = {name: one for name, one in known.items() if name not in mended} | parsed.refused
        endpoints = self._registry.publish()
        problems += self._find_newly_withheld()
        return build_inventory(before.catalog, endpoints, before), problems

    def _find_newly_withheld(self) -> list[Problem]:
        """Return a problem for each service of which more instances are withheld than were told."""
        withheld = self._registry.withheld
        problems = [
            Problem(
                "endpoints",
                0,
                0,
                f"services.{name}.tls",
                f"{count} instances with an IP address are not served, since nothing says which name their certificate "
                "must have: write `sni` or `subject_alt_names`",
            )
            for name, count in withheld.items()
            if count > self._withheld.get(name, 0)
        ]
        self._withheld = withheld
        return problems

    async def _push(self, inventory: Inventory, noticed_at: int) -> int:
        """Push an inventory to every stream; return the number of streams that it changes something for."""
        with self._spans.open("push") as push:
            streams = await self._streams.publish(inventory)
            push.set_attribute("xds.streams", streams)
        if streams:
            observing = asyncio.create_task(self._observe_propagation(noticed_at))
            self._observing.add(observing)
            observing.add_done_callback(self._observing.discard)
        return streams

    async def _observe_propagation(self, noticed_at: int) -> None:
        """Observe how long a change took, from when the saved file was noticed until the last client answered."""
        with self._spans.open("accept"):
            answered_at = await self._streams.wait_for_answers()
        if answered_at is not None:
            self._counters.propagation.observe(answered_at - noticed_at)

    def _translate(
        self, documents: Mapping[str, Document | None], before: Inventory | None
    ) -> tuple[Outcome, Inventory]:
        started = time.monotonic_ns()
        with self._spans.open("check"):
            outcome = self._last_good.update(documents)
        parsed = time.monotonic_ns()
        with self._spans.open("build"):
            self._registry.put_catalog(outcome.catalog)
            inventory = build_inventory(outcome.catalog, self._registry.publish(), before)
        self._counters.parses.observe(parsed - started)
        self._counters.builds.observe(time.monotonic_ns() - parsed)
        return outcome, inventory

    def _count_load(self, result: str) -> None:
        self._counters.loads[result] += 1
        if result == "accepted":
            self._counters.accepted_at = time.time()

    def _report(self, problems: tuple[Problem, ...]) -> bool:
        """Log each problem once, when it first appears; return whether any new problem is an error."""
        if problems is self._reported:
            return False
        old = frozenset(self._reported)
        new = [problem for problem in problems if problem not in old]
        self._counters.problems = Counter(problem.severity.value for problem in problems)
        for problem in new:
            _log_problem(problem)
        self._reported = problems
        return any(problem.severity is Severity.ERROR for problem in new)


def _log_problem(problem: Problem) -> None:
    write = log.error if problem.severity is Severity.ERROR else log.warning
    write(str(problem), problem=problem)


def _count(inventory: Inventory) -> dict[str, int]:
    catalog = inventory.catalog
    return {
        "services": len(catalog.services),
        "endpoints": inventory.count_endpoints(),
        "gateways": len(catalog.gateways),
    }


def _describe_change(before: Inventory, after: Inventory) -> dict[str, list[str]]:
    """Return the names that were added, changed and removed (20 of each at most), without empty lists."""
    old, new = before.catalog, after.catalog
    names = after.changed | after.changed_gateways
    then = {name for name in names if name in old.services or name in old.gateways}
    now = {name for name in names if name in new.services or name in new.gateways}
    mesh = {"mesh"} if after.mesh_changed else set()
    changes = {"added": now - then, "changed": now & then | mesh, "removed": then - now}
    return {verb: sorted(some)[:20] for verb, some in changes.items() if some}


async def run(source: DocumentSource, settings: Settings, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set. Raises what `ControlPlane` and its `start` raise."""
    control_plane = ControlPlane(source, settings)
    await control_plane.start()
    following = asyncio.create_task(control_plane.follow())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    await control_plane.stop()
