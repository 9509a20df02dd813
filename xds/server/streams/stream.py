"""Stream: one client's gRPC stream, joined to its session."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog

from xds.errors import PeerError
from xds.server.observe.client_log import Crowd, describe_node
from xds.server.observe.counters import Tally
from xds.server.streams.pacing import Turns
from xds.server.streams.propagation import Propagation
from xds.session.session import Response, Session
from xds.session.subscription import Nack
from xds.wire import short_type

Context = grpc.aio.ServicerContext[bytes, bytes]

STAGE_SECONDS = 5.0
"""How long a stage of a change waits for the client to accept the one before (rule 32)."""

ANSWER_SECONDS = 30.0
"""How long a client may leave a response unanswered, read or not, at least; after twice that its stream has ended."""

LARGE_REQUEST = 2**12
"""From how many bytes on a request waits for its turn: ACKs and changes of a subscription are smaller."""

ABORT_SECONDS = 4.0
"""How long the last word to a client may take; one that does not read would keep it for ever."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Common:
    """What a process's streams have in common.

    `tally` counts what goes over them.
    """

    tally: Tally = field(default_factory=Tally)
    turns: Turns = field(default_factory=Turns)
    connected: Crowd = field(default_factory=lambda: Crowd("sidecar connected", "more sidecars connected"))
    gone: Crowd = field(default_factory=lambda: Crowd("sidecar gone", "more sidecars gone"))


class Stream:
    """Reads requests, writes responses, and tells the log what an operator should know.

    A push and an answer may want to write at one time; gRPC takes one message at a time, so the first to come writes
    for both. The outbox is short: a session lets out one response a type until it is answered.
    """

    __slots__ = (
        "_answers",
        "_common",
        "_context",
        "_ending",
        "_heartbeat",
        "_heartbeat_ms",
        "_outbox",
        "_owed",
        "_push_task",
        "_ready_at",
        "_stage",
        "_task",
        "_timed_wait",
        "_unanswered",
        "_writing",
        "connected_at",
        "nacked_at",
        "pushed_at",
        "session",
    )

    def __init__(self, context: Context, session: Session[Any], common: Common) -> None:
        self.session = session
        self._context = context
        self._common = common
        self._outbox: deque[Response] = deque()
        self._ready_at = 0  # when the first of the outbox was made, as time.monotonic_ns()
        self._owed: list[Propagation] = []  # changes that the client has not answered
        self._writing = False
        self._timed_wait = 0
        self._stage: asyncio.TimerHandle | None = None
        self._answers: asyncio.TimerHandle | None = None
        self._unanswered: set[str] = set()
        self._heartbeat: asyncio.TimerHandle | None = None
        self._heartbeat_ms = 0
        self._ending: str | None = None
        self.connected_at = time.time()
        self.pushed_at: dict[str, float] = {}  # by type_url, as time.time()
        self.nacked_at: dict[str, float] = {}
        self._task = asyncio.current_task()

    async def serve(self) -> None:
        """Answer requests until the client goes, breaks the protocol, or `end` is called."""
        try:
            while isinstance(data := await self._context.read(), bytes):  # else it is EOF
                if len(data) > LARGE_REQUEST:
                    await self._common.turns.wait()
                self._take(data)
                await self._drain()
        except PeerError as error:
            log.warning("stream refused", peer=self._context.peer(), status=error.status, reason=str(error))
            await self._context.abort(grpc.StatusCode[error.status], str(error))
        except asyncio.CancelledError:
            if self._ending is None:
                raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ABORT_SECONDS):
                    await self._context.abort(grpc.StatusCode.UNAVAILABLE, self._ending)
            raise
        finally:
            for timer in (self._stage, self._answers, self._heartbeat):
                if timer is not None:
                    timer.cancel()
            for propagation in self._owed:
                propagation.on_gone()
            if self.session.node is not None:
                seconds = round(time.time() - self.connected_at, 1)
                self._common.gone.tell(self.session.node, seconds=seconds)

    def _take(self, data: bytes) -> None:
        introduced = self.session.node is not None
        step = self.session.on_request(data)
        if (node := self.session.node) is not None and not introduced:
            self._common.connected.tell(node, variant=self.session.variant.name)
        if step.nack:
            self._log_nack(step.nack)
        if step.unknown_type is not None:
            log.warning("a type that xds does not serve", **self._who(), type_url=step.unknown_type)
        self._put(step.responses)
        self._keep_time()
        if self._owed and self.session.is_settled:
            for propagation in self._owed:
                propagation.on_answered()
            self._owed.clear()

    def _put(self, responses: list[Response]) -> None:
        if not self._outbox:
            self._ready_at = time.monotonic_ns()
        self._outbox.extend(responses)

    @property
    def peer(self) -> str:
        """The client's address, as gRPC writes it."""
        return self._context.peer()

    def push(self, responses: list[Response]) -> None:
        """Send without waiting: a client that does not read delays nobody but itself."""
        self._put(responses)
        self._keep_time()
        if self._outbox and not self._writing and self._ending is None:
            self._push_task = asyncio.get_running_loop().create_task(self._drain())

    def await_answer(self, propagation: Propagation) -> None:
        """Tell when the client has answered all that it is sent by a change, and by those before."""
        if not self.session.is_settled:
            propagation.wait()
            self._owed.append(propagation)

    def end(self, reason: str) -> None:
        """End the stream with UNAVAILABLE, so that the client looks for another server.

        A write that is broken off would leave no way to say so: it may end first, if it does so soon.
        """
        self._ending = reason
        if self._writing:
            asyncio.get_running_loop().call_later(ABORT_SECONDS, self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _keep_time(self) -> None:
        """Have a wait of the session's end in time; it is told apart from a later one by its number."""
        if self.session.waits and self.session.waits != self._timed_wait:
            self._timed_wait = self.session.waits
            if self._stage is not None:
                self._stage.cancel()
            self._stage = asyncio.get_running_loop().call_later(STAGE_SECONDS, self._on_timeout, self._timed_wait)
        if self.session.heartbeat_ms != self._heartbeat_ms:
            self._await_heartbeat()
        if self._answers is None:
            self._await_answers()

    def _await_answers(self) -> None:
        """End the stream of a client that leaves unanswered what it left unanswered one period ago."""
        unanswered = {one.in_flight.nonce for one in self.session.subscriptions.values() if one.in_flight is not None}
        self._answers = None
        if unanswered & self._unanswered:
            log.warning("no answer at all, ending the stream", **self._who(), seconds=ANSWER_SECONDS)
            self.end(f"a response has been unanswered for {ANSWER_SECONDS:g} s")
        elif unanswered:
            self._answers = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._await_answers)
        self._unanswered = unanswered

    def _on_timeout(self, wait: int) -> None:
        if self.session.waits == wait:
            log.warning("no answer in time, going on", **self._who(), seconds=STAGE_SECONDS)
            self.push(self.session.on_timeout())

    def _await_heartbeat(self) -> None:
        """Have the next heartbeat in time; it is told how long that was, since a process may have been stopped."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        loop = asyncio.get_running_loop()
        self._heartbeat_ms = self.session.heartbeat_ms
        self._heartbeat = None
        if self._heartbeat_ms:
            self._heartbeat = loop.call_later(self._heartbeat_ms / 1000, self._on_heartbeat, loop.time())

    def _on_heartbeat(self, since: float) -> None:
        elapsed = asyncio.get_running_loop().time() - since
        self._await_heartbeat()
        self.push(self.session.on_heartbeat(elapsed * 1000))

    async def _drain(self) -> None:
        if self._writing:
            return
        self._writing = True
        try:
            while self._outbox and self._ending is None:
                response = self._outbox.popleft()
                await self._context.write(response.body)
                self.pushed_at[response.type_url] = time.time()
                taken = time.monotonic_ns() - self._ready_at
                self._common.tally.count_push(response.type_url, response.reason, len(response.body), taken)
        except (grpc.aio.BaseError, asyncio.InvalidStateError):
            self._outbox.clear()  # the client is gone; `serve` is told so by its own read
        finally:
            self._writing = False
        if self._ending is not None:
            self._cancel()

    def _who(self) -> dict[str, str]:
        return describe_node(self.session.node) if self.session.node else {}

    def _log_nack(self, nack: Nack) -> None:
        self.nacked_at[nack.type_url] = time.time()
        cluster = self.session.node.cluster if self.session.node else ""
        self._common.tally.count_nacks(nack.type_url, cluster)
        log.error(
            "NACK",
            **self._who(),
            type=short_type(nack.type_url),
            resources=list(nack.resource_names[:10]),
            resource_count=len(nack.resource_names),
            message=nack.message,
        )
