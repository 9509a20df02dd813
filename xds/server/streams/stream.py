"""Stream: connects one client's gRPC stream to its session.

The stream reads and writes bytes, keeps the session's timers and writes the log. What to answer is the session's
decision.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import structlog

from xds.errors import PeerError
from xds.resources.view import kind_of
from xds.server.observe.client_log import ClientLog, describe_node
from xds.server.observe.counters import StreamCounters
from xds.server.observe.repeats import RepeatLog
from xds.server.observe.unnamed import TwinLog, UnnamedLog
from xds.server.streams.call import Call, CallEndedError
from xds.server.streams.faults import Faults
from xds.server.streams.memories import Memories, NodeStream
from xds.server.streams.metering import MESSAGE_COST, REFUSED_COST, STREAM_BURST, STREAM_RATE, Address, Meter, cost_of
from xds.server.streams.pacing import RequestPacer
from xds.server.streams.propagation import Propagation
from xds.session.memory import Memory
from xds.session.order import Alarm, Pause
from xds.session.session import Response, Session
from xds.session.subscription import Nack
from xds.snapshot.served import Place
from xds.snapshot.snapshot import SnapshotChange
from xds.wire import short_type
from xds.wire.discovery_pb2 import Node

STAGE_SECONDS = 5.0
"""How long one stage of a change waits until the client has accepted the stage before (rule 32)."""

ANSWER_SECONDS = 30.0
"""How long a client may leave a response unanswered. The check runs once per period, so it ends the stream after one to
two periods."""

DRAIN_SECONDS = 600
"""How long Envoy drains connections by default (`--drain-time-s`)."""

FIRST_REQUEST_SECONDS = 15.0
"""How long a stream may wait for its first request. A client sends one when it opens the stream."""

LARGE_REQUEST = 2**12
"""The size in bytes above which a request waits for its turn. ACKs and changes of a subscription are smaller."""

LONGEST_NAME = 256
"""How many characters of a resource's name are in the log."""

ABORT_SECONDS = 4.0
"""How long the server waits to send the final status. A client that does not read would keep it waiting for ever."""

log = structlog.get_logger()

Prepare = Callable[[Node, str], Awaitable[None]]
"""Builds what the snapshot of a node at an address takes long for."""


@dataclass(slots=True)
class SharedState:
    """What all streams of a process share: the counters, the limit on large requests, and the log of clients.

    `drain_seconds` is how long Envoys drain the connections of a listener that changed or went. `propagation` is that
    of the change which is being pushed.
    """

    drain_seconds: float = DRAIN_SECONDS
    counters: StreamCounters = field(default_factory=StreamCounters)
    pacer: RequestPacer = field(default_factory=RequestPacer)
    connected: ClientLog = field(default_factory=lambda: ClientLog("sidecar connected", "more sidecars connected"))
    gone: ClientLog = field(default_factory=lambda: ClientLog("sidecar gone", "more sidecars gone"))
    memories: Memories = field(default_factory=Memories)
    repeats: RepeatLog = field(default_factory=RepeatLog)
    unnamed: UnnamedLog = field(default_factory=UnnamedLog)
    twins: TwinLog = field(default_factory=TwinLog)
    faults: Faults = field(default_factory=lambda: Faults(time.monotonic))
    propagation: Propagation | None = None


class Stream:
    """Reads requests, writes responses, and logs what an operator should know.

    A push and an answer may need to write at the same time, but gRPC accepts one message at a time. So responses go to
    an outbox, and the task that writes already writes all of it. The outbox stays short: a session has one unanswered
    response per type.
    """

    __slots__ = (
        "_address",
        "_alarms",
        "_answer_timer",
        "_call",
        "_drain_ends",
        "_ending",
        "_heartbeat_ms",
        "_heartbeat_timer",
        "_memory",
        "_meter",
        "_nacked",
        "_outbox",
        "_place",
        "_prepare",
        "_propagations",
        "_push_task",
        "_ready_at",
        "_recalled",
        "_shared",
        "_task",
        "_timed_wait",
        "_unanswered",
        "_wait_timer",
        "_writing",
        "connected_at",
        "nacked_at",
        "pushed_at",
        "session",
    )

    def __init__(
        self, call: Call, session: Session[Any], shared: SharedState, address: Address, prepare: Prepare
    ) -> None:
        self.session = session
        self._prepare = prepare
        self._address = address
        self._meter = Meter(STREAM_BURST, STREAM_RATE, time.monotonic())
        self._call = call
        self._shared = shared
        self._place: Place | None = None  # once the node is known
        self._outbox: deque[Response] = deque()
        self._ready_at = 0  # when the first response in the outbox was made, as time.monotonic_ns()
        self._propagations: list[Propagation] = []  # the changes that the client has not answered yet
        self._writing = False
        self._timed_wait = 0
        self._wait_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._alarms: dict[Alarm, asyncio.TimerHandle] = {}
        self._drain_ends: dict[int, float] = {}  # by number, as time.time(): the next stream may be after a restart
        self._unanswered: set[str] = set()
        self._heartbeat_timer: asyncio.TimerHandle | None = None
        self._heartbeat_ms = 0
        self._ending: str | None = None
        self._nacked: set[str] = set()  # the types with a NACK that was logged and is not settled yet
        self._memory: Memory | None = None  # what the next stream of the node begins with
        self._recalled = False  # whether this one began with a memory, which is to be replaced
        self.connected_at = time.time()
        self.pushed_at: dict[str, float] = {}  # by type_url, as time.time()
        self.nacked_at: dict[str, float] = {}
        self._task = asyncio.current_task()

    async def serve(self) -> None:
        """Answer requests until the client closes the stream, breaks the protocol, or `end` is called."""
        try:
            data = await self._read_first()
            while data is not None:
                await self._wait_for_turn(data)
                if not await self._answer(data):
                    await self._call.abort(grpc.StatusCode.INTERNAL, "a bug in xds: its log has the error")
                    return
                data = b""  # a request of a thousand names is not kept until the next one
                await self._drain()
                data = await self._call.read()
        except PeerError as error:
            self._shared.repeats.tell(
                self._address.host,
                log.warning,
                "stream refused",
                peer=self.peer,
                status=error.status,
                reason=str(error),
            )
            await self._call.abort(grpc.StatusCode[error.status], str(error))
        except asyncio.CancelledError:
            if self._ending is None:
                raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ABORT_SECONDS):
                    await self._call.abort(grpc.StatusCode.UNAVAILABLE, self._ending)
            raise
        finally:
            for timer in (self._wait_timer, self._answer_timer, self._heartbeat_timer, *self._alarms.values()):
                if timer is not None:
                    timer.cancel()
            for propagation in self._propagations:
                propagation.on_gone()
            if self.session.node is not None:
                self._shared.memories.end(self._name(self.session.node), self)
                seconds = round(time.time() - self.connected_at, 1)
                self._shared.gone.log_client(self.session.node, seconds=seconds)

    async def _read_first(self) -> bytes | None:
        """Return the first request, or None at the end. Raises PeerError when it does not come."""
        try:
            async with asyncio.timeout(FIRST_REQUEST_SECONDS):
                return await self._call.read()
        except TimeoutError:
            raise PeerError("DEADLINE_EXCEEDED", f"no request within {FIRST_REQUEST_SECONDS:g} s") from None

    async def _wait_for_turn(self, data: bytes) -> None:
        """Wait as long as the stream or its address has used up its allowance, and until others had their turn.

        Raises PeerError for a request that is refused. It waits as well, else new streams could repeat it at will.
        """
        is_large, refusal = len(data) > LARGE_REQUEST, None
        if is_large and self.session.is_repeat(data):
            cost = MESSAGE_COST
        else:
            try:
                cost = cost_of(len(data), self.session.check(data))
            except PeerError as error:
                refusal, cost = error, min(REFUSED_COST, len(data))
        now = time.monotonic()
        if seconds := max(self._meter.take(cost, now), self._address.meter.take(cost, now)):
            await asyncio.sleep(seconds)
        if is_large:
            await self._shared.pacer.wait(self._address.host, cost)
        if refusal is not None:
            raise refusal

    async def _answer(self, data: bytes) -> bool:
        """Answer a request; return whether that worked. After a bug in xds it is logged, and is part of the status."""
        request = self.session.parse(data)
        kind = None if self.session.node is not None else kind_of(request.node)  # the session shortens the node
        try:
            if kind is not None:
                await self._prepare(request.node, self._address.host)
            self._on_request(request)
        except PeerError:
            raise
        except Exception as error:
            if kind is not None:
                self._shared.faults.note(kind)
            self._shared.repeats.tell(
                self._address.host,
                log.error,
                "a request failed for a client, a bug in xds: its stream is ended",
                **describe_node(self.session.node or request.node),
                error=repr(error),
            )
            return False
        if kind is not None:
            self._shared.faults.mend(kind)
        return True

    def _on_request(self, request: Any) -> None:
        had_node = self.session.node is not None
        result = self.session.on_parsed(request)
        if (node := self.session.node) is not None and not had_node:
            self._shared.connected.log_client(node, variant=self.session.variant.name)
        if result.nack:
            self._log_nack(result.nack)
        if result.unknown_type is not None:
            self._shared.repeats.tell(
                self._who(),
                log.warning,
                "a client asked for a type that xds does not serve",
                **self._describe_node(),
                type_url=result.unknown_type,
            )
        self._put(result.responses)
        self._note_state()
        if self._propagations and self.session.is_settled:
            for propagation in self._propagations:
                propagation.on_answered()
            self._propagations.clear()

    def _put(self, responses: list[Response]) -> None:
        if not self._outbox:
            self._ready_at = time.monotonic_ns()
        self._outbox.extend(responses)

    @property
    def peer(self) -> str:
        """The client's address in gRPC's form, such as `ipv4:10.0.0.3:4711`."""
        return self._call.peer

    def send(self, responses: list[Response]) -> None:
        """Send responses without waiting, so that a client that does not read delays no other client."""
        self._put(responses)
        self._note_state()
        if self._outbox and not self._writing and self._ending is None:
            self._push_task = asyncio.get_running_loop().create_task(self._drain())

    def enter(self, place: Place) -> None:
        """Follow the changes of a place: that of the client's node."""
        self._place = place
        place.follow(self)

    def leave(self) -> Place | None:
        """Follow no changes any more; return the place."""
        place, self._place = self._place, None
        if place is not None:
            place.leave(self)
        return place

    def on_change(self, change: SnapshotChange) -> bool:
        """Send what a change of the view means for the client; return whether it asked for any of it.

        After a bug in xds the stream ends, since it lacks a part of the change, and others get it nevertheless.
        """
        try:
            responses = self.session.on_change(change)
        except Exception as error:
            log.error(
                "a change failed for a client, a bug in xds: its stream is ended",
                **self._describe_node(),
                error=repr(error),
            )
            self.end("a change could not be sent")
            return False
        if responses is None:
            return False
        self.send(responses)
        propagation = self._shared.propagation
        if propagation is not None and not self.session.is_settled:
            propagation.add_stream()
            self._propagations.append(propagation)
        return True

    def _note_state(self) -> None:
        """Note what follows from the session's state after an event."""
        self._note_interests()
        self._update_timers()
        self._note_nacks()
        self._remember()

    def _note_interests(self) -> None:
        """Note which changes concern the client."""
        if self._place is not None:
            for one in self.session.subscriptions.values():
                self._place.note(self, one.type_url, None if one.wildcard else one.names)
            self._place.note_always(self, always=self.session.overrides)

    def end(self, reason: str) -> None:
        """End the stream with status UNAVAILABLE, so that the client connects to another server.

        Cancelling a write would make it impossible to send the status. So a write in progress may finish first, within
        ABORT_SECONDS.
        """
        self._ending = reason
        if self._writing:
            asyncio.get_running_loop().call_later(ABORT_SECONDS, self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _update_timers(self) -> None:
        """Start the timers that the session needs now. The number of a wait distinguishes it from a later wait."""
        if self.session.waits and self.session.waits != self._timed_wait:
            self._timed_wait = self.session.waits
            if self._wait_timer is not None:
                self._wait_timer.cancel()
            self._wait_timer = asyncio.get_running_loop().call_later(STAGE_SECONDS, self._on_timeout, self._timed_wait)
        for alarm in self.session.take_alarms():
            seconds = self._find_rest(alarm.number) if alarm.pause is Pause.DRAIN else STAGE_SECONDS
            self._alarms[alarm] = asyncio.get_running_loop().call_later(seconds, self._on_alarm, alarm)
        if self.session.heartbeat_ms != self._heartbeat_ms:
            self._await_heartbeat()
        if self._answer_timer is None:
            self._check_unanswered()

    def _find_rest(self, drain: int) -> float:
        """Return how many seconds a drain goes on, which begins now or has begun on an earlier stream."""
        now, longest = time.time(), self._shared.drain_seconds
        until = self._drain_ends.setdefault(drain, now + longest)
        return min(max(until - now, 0.0), longest)

    def _check_unanswered(self) -> None:
        """End the stream if a response that was unanswered one period ago is still unanswered."""
        unanswered = {one.in_flight.nonce for one in self.session.subscriptions.values() if one.in_flight is not None}
        self._answer_timer = None
        if unanswered & self._unanswered:
            log.warning(
                "a response stays unanswered: the stream is ended", **self._describe_node(), seconds=ANSWER_SECONDS
            )
            self.end(f"a response has been unanswered for {ANSWER_SECONDS:g} s")
        elif unanswered:
            self._answer_timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._check_unanswered)
        self._unanswered = unanswered

    def _on_alarm(self, alarm: Alarm) -> None:
        del self._alarms[alarm]
        if alarm.pause is Pause.DRAIN:
            del self._drain_ends[alarm.number]
        self.send(self.session.on_alarm(alarm))

    def _on_timeout(self, wait: int) -> None:
        if self.session.waits != wait:
            return
        if not self.session.is_settled:
            log.warning("no answer in time, going on", **self._describe_node(), seconds=STAGE_SECONDS)
        self.send(self.session.on_timeout())

    def _await_heartbeat(self) -> None:
        """Start the timer of the next heartbeat.

        The heartbeat measures the time that really passed, since the process may have been suspended.
        """
        if self._heartbeat_timer is not None:
            self._heartbeat_timer.cancel()
        loop = asyncio.get_running_loop()
        self._heartbeat_ms = self.session.heartbeat_ms
        self._heartbeat_timer = None
        if self._heartbeat_ms:
            self._heartbeat_timer = loop.call_later(self._heartbeat_ms / 1000, self._on_heartbeat, loop.time())

    def _on_heartbeat(self, since: float) -> None:
        elapsed = asyncio.get_running_loop().time() - since
        self._await_heartbeat()
        self.send(self.session.on_heartbeat(elapsed * 1000))

    async def _drain(self) -> None:
        if self._writing:
            return
        self._writing = True
        try:
            while self._outbox and self._ending is None:
                response = self._outbox.popleft()
                await self._call.write(response.body)
                self.pushed_at[response.type_url] = time.time()
                nanoseconds = time.monotonic_ns() - self._ready_at
                self._shared.counters.count_push(response.type_url, response.reason, len(response.body), nanoseconds)
        except CallEndedError:
            self._outbox.clear()  # the client is gone; the read in `serve` ends too
        finally:
            self._writing = False
        if self._ending is not None:
            self._cancel()

    def _who(self) -> str:
        """Return the node's id, by which the log counts its lines."""
        return self.session.node.id if self.session.node else self.peer

    def _describe_node(self) -> dict[str, str]:
        return describe_node(self.session.node) if self.session.node else {}

    def recall(self, node: Node) -> Memory | None:
        """Return what the node's stream begins with: what worked when it refused a part of an edit, and its drains."""
        memory = self._shared.memories.recall(self._name(node))
        self._recalled = memory is not None
        if memory is not None and memory.drains:
            now = time.time()
            memory = replace(memory, drains=tuple(drain for drain in memory.drains if drain.until > now))
            self._drain_ends = {drain.number: drain.until for drain in memory.drains}
        return memory

    def _remember(self) -> None:
        """Note what the node's next stream is to begin with, if that has changed."""
        memory, node = self.session.remember(), self.session.node
        if memory is not None and memory.drains:
            drains = [replace(drain, until=self._drain_ends[drain.number]) for drain in memory.drains]
            memory = replace(memory, drains=tuple(drains))
        if node is not None and (self._recalled or memory != self._memory):
            self._memory, self._recalled = memory, False
            self._shared.memories.put(self._name(node), memory, self)

    def _name(self, node: Node) -> NodeStream:
        return NodeStream(node.id, kind_of(node), self.session.type_url)

    def _note_nacks(self) -> None:
        """Log each type whose NACK is settled: the client accepted another version, or what it refused was reverted.

        A NACK may be of an earlier stream.
        """
        subscriptions = self.session.subscriptions
        self._nacked.update(one.type_url for one in subscriptions.values() if one.nack is not None)
        if not self._nacked:
            return
        for type_url in [one for one in self._nacked if subscriptions[one].nack is None]:
            self._nacked.discard(type_url)
            log.info("NACK settled", **self._describe_node(), type=short_type(type_url))

    def _log_nack(self, nack: Nack) -> None:
        self._nacked.add(nack.type_url)
        self.nacked_at[nack.type_url] = time.time()
        cluster = self.session.node.cluster if self.session.node else ""
        self._shared.counters.count_nacks(nack.type_url, cluster)
        self._shared.repeats.tell(
            self._who(),
            log.error,
            "NACK",
            **self._describe_node(),
            type=short_type(nack.type_url),
            resources=[name[:LONGEST_NAME] for name in nack.resource_names[:10]],
            resource_count=len(nack.resource_names),
            message=nack.message,
        )
