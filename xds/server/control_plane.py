"""ControlPlane: reads a source of documents, serves the resources built from it, and applies each change.

This module starts, connects and stops the parts of the server. How a stream is served is in `streams`, `protocols` and
`workers`; how documents become a catalog is in `xds.catalog`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from xds.catalog.assembly.workspace import Outcome
from xds.catalog.model.mesh import Strangers
from xds.endpoints.endpoint_set import CATALOG
from xds.errors import CatalogError, Problem, Severity
from xds.resources.inventory import Inventory, without_assignments
from xds.server.address import ListenAddress, ListenError, check_free
from xds.server.admin.server import AdminServer
from xds.server.clients.documents import AppliedState, HeldRemoval, Json, describe_files, write_time
from xds.server.descriptors import read_open_files
from xds.server.failures import Edit, Failures
from xds.server.following import follow
from xds.server.held_state import HeldState
from xds.server.instances import Instances, Updates
from xds.server.observe.counters import CatalogCounters
from xds.server.observe.spans import Span, make_spans
from xds.server.protocols.discovery import OPTIONS, DiscoveryServer, build_servicer
from xds.server.protocols.rest import RestServer
from xds.server.registration.server import make_registration_server
from xds.server.settings import Settings
from xds.server.state import State, StateError, StateFile, StateWriter
from xds.server.translation import DOCUMENTS, Translation
from xds.server.workers.leader import WorkerPool
from xds.sources.document import Document
from xds.sources.source import DocumentSource, InstanceSource
from xds.wire import ADS

__all__ = ["OPTIONS", "ControlPlane", "Settings", "run"]

log = structlog.get_logger()

MAX_LOGGED = 20
"""How many problems of instances one change writes to the log. Of the others it writes the number."""


class ControlPlane:
    """Serves the catalog of one source, with the endpoints of other sources.

    The constructor raises SpansError when `settings.otlp` is set and OpenTelemetry's SDK is not installed. `start`
    raises CatalogError when the catalog has an error and no last good state is stored in `state`, and ListenError when
    the server cannot listen at an address. Once it has started, a bad edit does not change what is served.
    """

    def __init__(
        self,
        source: DocumentSource,
        settings: Settings,
        instance_sources: Sequence[InstanceSource] = (),
        state: StateFile | None = None,
    ) -> None:
        self._source = source
        self._registry = make_registration_server(settings)
        if self._registry is not None:
            instance_sources = (*instance_sources, self._registry.registry)
        self._instances = Instances(instance_sources, self._apply_instances)
        self._settings = settings
        self._source_names = tuple(source.name for source in instance_sources)
        self._state = state
        self._state_writer: StateWriter | None = None
        self._held_state = None if state is None else HeldState(state.path.with_suffix(".held"))
        self._change_lock = asyncio.Lock()
        self._reported: tuple[Problem, ...] = ()
        self._applied: AppliedState
        self._counters = CatalogCounters()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._failures = Failures()
        self._released: dict[str, str] = {}  # how removals of instances were confirmed, by id
        self._admin: AdminServer | None = None
        self._rest: RestServer | None = None
        self._spans = make_spans(settings.otlp, settings.listen)
        self._translation = Translation(self._spans, self._counters, self._source_names)
        self.port = settings.listen.port

    async def start(self) -> None:
        """Read the source, then listen.

        The server listens only once it has a catalog, so that no client is served an empty one (rule 35).
        """
        started = time.perf_counter()
        check_free(self._settings.listen)
        if self._settings.admin and self._settings.admin_required:
            check_free(self._settings.admin)
        if self._settings.registry:
            check_free(self._settings.registry)
        with self._spans.open("load"):
            stored = self._read_state()
            with self._spans.open("read"):
                documents = self._source.read(stored.documents)
            gone = dict.fromkeys(stored.documents.keys() - documents.keys())
            before = self._translation.build_stored() if stored.documents else None
            outcome, inventory, _ = self._translation.take_documents({**gone, **documents}, before)
        self._count_load(outcome, documents)
        self._report(outcome.problems)
        is_restored = bool(outcome.refused or outcome.held)
        if is_restored:
            age = timedelta(seconds=round(max(0.0, time.time() - stored.good_at)))
            log.error(
                "the last good state from disk is served, and not the catalog as it is now",
                files=[*outcome.refused, *(outcome.held.files if outcome.held else ())],
                age=str(age),
                stored_at=write_time(stored.good_at),
            )
        restored_from = stored.good_at if is_restored else None
        self._applied = AppliedState(self._source.digest, time.time(), restored_from=restored_from)
        self._failures.digest = self._source.digest
        self._note_outcome(outcome, self._source.digest, self._applied.at)
        past = [] if before is None else [before if not self._source_names else without_assignments(before)]
        self._ads = build_servicer(inventory, self._settings, past)
        if self._held_state:
            self._held_state.begin(self._ads.shared.memories)
        seconds = time.perf_counter() - started
        log.info("catalog loaded", **_count(inventory), ms=round(seconds * 1000, 1))
        _tell_of_strangers(inventory)
        self._streams = (WorkerPool if self._settings.workers > 1 else DiscoveryServer)(self._ads, self._settings)
        await self._start_rest()
        await self._start_admin()
        self.port = await self._streams.start()
        log.info("serving", address=str(ListenAddress(self._settings.listen.host, self.port)), services=[ADS])
        if self._registry is not None:
            await self._registry.start()
            log.info("registry", address=str(self._registry.address))
            log.warning("what is registered is kept in memory: it is lost when the server ends")
        self._tell_limits()
        if self._state is not None:
            self._state_writer = StateWriter(self._state, stored)
            self._store()

    def _tell_limits(self) -> None:
        connections = self._settings.connection_shares.grpc
        log.info(
            "limits",
            open_files=read_open_files(),
            connections=connections,
            connections_per_address=self._settings.connections_per_address or max(1, connections // 2),
        )

    def _read_state(self) -> State:
        """Return the last good state that is stored, after it was taken; an empty one if there is none to use."""
        try:
            if (stored := self._state.read() if self._state else None) is not None:
                self._translation.last_good.update(stored.documents, time.monotonic())
                return stored
        except StateError as error:
            reason = str(error)
        except CatalogError as error:
            reason = f"has mistakes for this version of xds: {error.problems[0]}"
        except Exception as error:  # a bug in xds, for which the catalog must not stay unserved
            reason = repr(error)
        else:
            return State({}, 0.0)
        self._translation = Translation(self._spans, self._counters, self._source_names)
        log.error(
            "the stored last good state is not used", file=str(self._state.path if self._state else ""), reason=reason
        )
        return State({}, 0.0)

    async def _start_rest(self) -> None:
        if self._settings.rest is not None:
            self._rest = RestServer(self._settings.rest, self._ads, self._settings.limits)
            await self._rest.start()
            log.info("serving", address=str(self._rest.address), services=["REST polling"])

    async def _start_admin(self) -> None:
        if self._settings.admin is None:
            return
        admin = AdminServer(
            self._settings.admin, self._ads, self._describe_applied, self._streams.ask, self._counters, self
        )
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
            if self._registry is not None:
                group.create_task(self._registry.registry.keep_time())
            group.create_task(self._follow_documents())

    async def _follow_documents(self) -> None:
        """Apply the edits of the source. When it fails, what is served stays, and it is watched again after a wait."""

        def tell(reason: str) -> None:
            log.error("the catalog cannot be watched: what was read is still served", reason=reason)

        await follow(self._source.watch, self._take_edit, tell)

    async def _take_edit(self, documents: Mapping[str, Document | None]) -> None:
        # What the source says of its state is about these documents until it is asked for the next.
        edit = Edit(documents, self._source.digest, self._source.noticed_at, time.time())
        try:
            with self._spans.open("reload") as span:
                span.set_attribute("xds.files", len(documents))
                async with self._change_lock:
                    await self._apply_edit(edit, span)
        except Exception as error:  # a bug in xds must not stop the server; the next edit is tried as usual
            self._counters.loads["failed"] += 1
            log.error(
                "edit NOT APPLIED, a bug in xds: the state before is still served",
                files=sorted(documents),
                error=repr(error),
            )

    async def stop(self) -> None:
        """Report NOT_SERVING to health checks, end every stream so that clients reconnect elsewhere, and close."""
        if self._timer:
            self._timer.cancel()
        for task in [*self._tasks]:
            task.cancel()
        if self._registry is not None:
            await self._registry.stop()
        await self._streams.stop()
        if self._rest:
            await self._rest.stop()
        if self._admin:
            await self._admin.stop()
        await self._spans.stop()
        if self._held_state:
            await self._held_state.stop()
        if self._state_writer:
            await self._state_writer.stop()
        log.info("stopped")

    def describe_held(self) -> list[Json]:
        """Return what is held, with the differences of files. It takes a while: call it in a thread."""
        last_good, served = self._translation.last_good, self._applied.collect()
        return [
            {**one.describe(), "files": describe_files(one.files, served, last_good.get)} for one in self._applied.held
        ]

    async def confirm(self, held_ids: Sequence[str]) -> tuple[str, ...] | None:
        """Let go what is held, and push it; return None, and do nothing, unless all of these are held now.

        Return the files whose removals do not go yet, since what is left has mistakes without them.
        """
        async with self._change_lock:
            held = [one for one in self._applied.held if one.id in held_ids]
            if {one.id for one in held} != {*held_ids}:
                return None
            for held_id in held_ids:
                self._translation.last_good.confirm(held_id)
            await self._go_on(frozenset(held_ids))
            refused = {*self._applied.refused_files, *self._applied.failed_files}
            return tuple(name for one in held for name in one.files if name in refused)

    async def _wake(self) -> None:
        """Do what is due: try again what failed, and let go what is confirmed by time."""
        try:
            async with self._change_lock:
                await self._go_on()
        except Exception as error:  # a bug in xds must not stop the server
            log.error("edit NOT APPLIED, a bug in xds: the state before is still served", files=[], error=repr(error))

    async def _go_on(self, confirmed: frozenset[str] = frozenset()) -> None:
        now = time.monotonic()
        retried = self._failures.take(now)
        with self._spans.open("reload") as span:
            edit = Edit(retried, self._failures.digest, time.monotonic_ns(), self._applied.at)
            await self._apply_edit(edit, span)
        before = self._ads.store.inventory
        after = _seconds(before.catalog.mesh.confirm_after)
        self._released = self._translation.release_instances(after, confirmed)
        await self._apply_translated(await asyncio.to_thread(self._translation.take_instances, [], before))

    async def _apply_edit(self, edit: Edit, span: Span) -> None:
        """Apply changed documents, by name (None: deleted); a document with an error keeps its last good state."""
        failed = await self._apply_documents(edit.documents, edit, span)
        for name, error in failed.items():
            self._counters.loads["failed"] += 1
            if self._failures.add(name, edit.documents.get(name), error):
                log.error("edit NOT APPLIED, a bug in xds: the state before is still served", files=[name], error=error)
        self._failures.settle(edit.documents.keys() - failed.keys(), edit.digest, time.monotonic())
        # Only after the push: when a reader sees this digest, the status of each client is about this state.
        outcome = self._translation.last_good.outcome
        digest = self._failures.correct(edit.digest, self._translation.last_good.get)
        self._note_outcome(outcome, digest, edit.read_at)
        self._store()

    async def _apply_documents(
        self, documents: Mapping[str, Document | None], edit: Edit, span: Span
    ) -> dict[str, str]:
        """Apply documents together; those that meet a bug in xds are found, and returned with the error."""
        before = self._ads.store.inventory
        state = self._translation.last_good.save()
        started = time.perf_counter()
        try:
            # In a thread: a large file takes a while, and the event loop must keep serving streams.
            translated = await asyncio.to_thread(self._translation.take_documents, documents, before)
            await self._apply_outcome(translated, documents, edit, span, started)
        except Exception as error:  # of the documents together, not necessarily of each
            await asyncio.to_thread(self._translation.go_back, state)
            if not documents:
                raise
            if len(documents) == 1:
                return dict.fromkeys(documents, repr(error))
            names = list(documents)
            failed: dict[str, str] = {}
            for part in (names[: len(names) // 2], names[len(names) // 2 :]):
                failed |= await self._apply_documents({name: documents[name] for name in part}, edit, span)
            return failed
        return {}

    async def _apply_outcome(
        self,
        translated: tuple[Outcome, Inventory, list[Problem]],
        documents: Mapping[str, Document | None],
        edit: Edit,
        span: Span,
        started: float,
    ) -> None:
        outcome, inventory, problems = translated
        before = self._ads.store.inventory
        if inventory.changed or inventory.changed_gateways or inventory.mesh_changed:
            streams = await self._push(inventory, edit.noticed_at)
            log.info(
                "catalog changed",
                changed_files=sorted({*documents, *outcome.taken}),
                **_describe_change(before, inventory),
                streams=streams,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
        if documents:
            self._count_load(outcome, documents)
        new_errors = self._report(outcome.problems)
        _log_problems(problems)
        if new_errors:
            span.set_attribute("error.type", "CatalogError")
        refused = {*outcome.refused}
        if refused - {*self._applied.refused_files} or (new_errors and refused & documents.keys()):
            log.error("edit REFUSED: the last good state of these files is still served", files=list(outcome.refused))
        if inventory.mesh_changed and inventory.catalog.mesh.strangers != before.catalog.mesh.strangers:
            _tell_of_strangers(inventory)

    def _note_outcome(self, outcome: Outcome, digest: str, read_at: float) -> None:
        """Note what is served and what is not, tell what is held, and set the timer for what becomes due."""
        held = list(self._translation.find_held_instances())
        if (one := outcome.held) is not None:
            since = time.time() - (time.monotonic() - one.since)
            held.insert(0, HeldRemoval(one.id, DOCUMENTS, one.files, one.services, one.gateways, 0, since, one.reason))
        was = self._applied
        held_files = outcome.held.files if outcome.held else ()
        self._report_ended(held, outcome)
        self._report_held(held, by_save=self._source.yield_again(held_files) >= {*held_files})
        _tell_of_mended(was.refused_files, [*outcome.refused, *self._failures.names, *held_files])
        is_good = not (outcome.refused or outcome.held)
        self._applied = AppliedState(
            digest,
            read_at,
            outcome.refused,
            self._failures.names,
            tuple(held),
            restored_from=None if is_good else was.restored_from,
            providers=self._translation.providers.states,
            collect=self._translation.last_good.collect_served(),
        )
        self._set_timer(outcome)

    def _report_ended(self, held: Sequence[HeldRemoval], outcome: Outcome) -> None:
        """Log what was held and is not any more, and how it was confirmed."""
        now, released = {one.id for one in held}, self._released
        waits = {*outcome.refused, *self._failures.names, *(outcome.held.files if outcome.held else ())}
        self._released = {}
        for one in self._applied.held:
            if one.id in now:
                continue
            confirmed = {name: how for name in one.files if (how := outcome.taken.get(name))}
            files = {"files": list(confirmed or one.files)}
            what = files if one.source == DOCUMENTS else {"source": one.source, "instances": one.instances}
            if by := {*confirmed.values(), *([released[one.id]] if one.id in released else [])}:
                log.info("removal confirmed", by=", ".join(sorted(by)), held=one.id, **what)
            elif not {*one.files} & waits:
                log.info("removal not held any more: what it was about has changed again", held=one.id, **what)

    def _report_held(self, held: Sequence[HeldRemoval], *, by_save: bool) -> None:
        """Log what is held once, when it is new. `by_save` is whether a second save of the files would confirm it."""
        known = {one.id for one in self._applied.held}
        for one in held:
            if one.id not in known:
                removed = [*one.services, *one.gateways][:MAX_LOGGED]
                if one.source != DOCUMENTS:
                    log.error(
                        "removal of endpoints HELD: confirm it with `xds apply --yes`",
                        reason=one.reason,
                        source=one.source,
                        instances=one.instances,
                        removed=removed,
                        held=one.id,
                    )
                    continue
                log.error(
                    "removal HELD: restore the files, or confirm it with `xds apply --yes`",
                    reason=one.reason,
                    second_save="confirms it too" if by_save else "does not confirm it",
                    files=list(one.files),
                    removed=removed,
                    held=one.id,
                )

    def _set_timer(self, outcome: Outcome) -> None:
        """Have `_wake` called when something is due."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        after = _seconds(outcome.catalog.mesh.confirm_after)
        times = [due for due in (self._translation.find_due(after), self._failures.due) if due is not None]
        if times:
            loop = asyncio.get_running_loop()
            delay = max(0.0, min(times) - time.monotonic()) + 0.01
            self._timer = loop.call_later(delay, lambda: self._start_task(self._wake()))

    def _start_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _store(self) -> None:
        """Have the state that is served stored, and whether all of it is the catalog's own."""
        if self._state_writer is not None:
            applied = self._applied
            waits = (
                applied.refused_files or applied.failed_files or any(one.source == DOCUMENTS for one in applied.held)
            )
            self._state_writer.put(applied.collect, is_good=not waits)

    def _describe_applied(self) -> AppliedState:
        failure = self._state_writer.failure if self._state_writer else None
        return replace(self._applied, unfinished_files=self._source.unfinished, state_failure=failure)

    async def _apply_instances(self, updates: Updates) -> None:
        """Apply updates of instances; a problem of one instance does not stop the others from being served."""
        noticed_at = time.monotonic_ns()
        try:
            async with self._change_lock:
                before = self._ads.store.inventory
                translated = await asyncio.to_thread(self._translation.take_instances, updates, before)
                await self._apply_translated(translated, noticed_at)
        except Exception as error:  # a bug of ours must not end what is served
            self._counters.loads["failed"] += 1
            log.error("endpoints NOT APPLIED, a bug in xds: the state before is still served", error=repr(error))

    async def _apply_translated(
        self, translated: tuple[Inventory, list[Problem]], noticed_at: int | None = None
    ) -> None:
        """Push the endpoints that changed, and tell the problems and what is held."""
        inventory, problems = translated
        noticed_at = time.monotonic_ns() if noticed_at is None else noticed_at
        _log_problems(problems)
        if inventory.changed:
            streams = await self._push(inventory, noticed_at)
            ms = round((time.monotonic_ns() - noticed_at) / 1e6, 1)
            log.debug("endpoints changed", changed=sorted(inventory.changed)[:20], streams=streams, ms=ms)
        self._applied = replace(self._applied, providers=self._translation.providers.states)
        held = {one.id for one in self._translation.find_held_instances()}
        if held != {one.id for one in self._applied.held if one.source != DOCUMENTS}:
            self._note_outcome(self._translation.last_good.outcome, self._applied.digest, self._applied.at)

    async def _push(self, inventory: Inventory, noticed_at: int) -> int:
        """Push an inventory to every stream; return the number of streams that it changes something for."""
        with self._spans.open("push") as push:
            streams = await self._streams.publish(inventory)
            push.set_attribute("xds.streams", streams)
        if streams:
            self._start_task(self._observe_propagation(noticed_at))
        return streams

    async def _observe_propagation(self, noticed_at: int) -> None:
        """Observe how long a change took, from when the saved file was noticed until the last client answered."""
        with self._spans.open("accept"):
            answered_at = await self._streams.wait_for_answers()
        if answered_at is not None:
            self._counters.propagation.observe(answered_at - noticed_at)

    def _count_load(self, outcome: Outcome, documents: Collection[str]) -> None:
        """Count an edit by its result."""
        held = outcome.held.files if outcome.held else ()
        results = [("refused", outcome.refused), ("held", held)]
        result = next((word for word, files in results if any(name in files for name in documents)), "accepted")
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


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _tell_of_strangers(inventory: Inventory) -> None:
    if inventory.catalog.mesh.strangers is Strangers.SERVE:
        log.warning("strangers are served: nodes of clusters without a name in the catalog may call every service")


def _tell_of_mended(before: Iterable[str], now: Iterable[str]) -> None:
    """Log the files that were refused and are not any more: nothing else is logged if they are what is served."""
    if mended := sorted({*before} - {*now}):
        log.info("edit taken: what was refused is mended", files=mended)


def _log_problem(problem: Problem) -> None:
    write = log.error if problem.severity is Severity.ERROR else log.warning
    write(str(problem), problem=problem)


def _log_problems(problems: Sequence[Problem]) -> None:
    """Log the problems of instances, MAX_LOGGED at most, and the number of the others."""
    for problem in problems[:MAX_LOGGED]:
        _log_problem(problem)
    if len(problems) > MAX_LOGGED:
        log.error("more instances have problems", more=len(problems) - MAX_LOGGED)


def _count(inventory: Inventory) -> dict[str, int]:
    catalog = inventory.catalog
    return {
        "services": len(catalog.services),
        "endpoints": inventory.count_endpoints()[CATALOG],
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


async def run(
    source: DocumentSource, settings: Settings, stopping: asyncio.Event, state: StateFile | None = None
) -> None:
    """Serve until `stopping` is set. Raises what `ControlPlane` and its `start` raise."""
    control_plane = ControlPlane(source, settings, state=state)
    await control_plane.start()
    following = asyncio.create_task(control_plane.follow())
    following.add_done_callback(_tell_end)
    await stopping.wait()
    following.cancel()
    await asyncio.wait({following})
    await control_plane.stop()


def _tell_end(following: asyncio.Task[None]) -> None:
    """Log that edits are not followed any more, which is a bug in xds: what is served stays."""
    if not following.cancelled():
        log.error("edits are NOT FOLLOWED any more, a bug in xds", error=repr(following.exception()))
