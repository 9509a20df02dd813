"""ServedEndpoints: the endpoint that each registered instance is, by its checks and by what is served beside them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from xds.endpoints.registrations.book import Book
from xds.endpoints.registrations.changes import Notice, NoticeKind
from xds.endpoints.registrations.check import Check, find_worst
from xds.endpoints.registrations.deadlines import Deadlines
from xds.endpoints.registrations.definitions import CheckKind, Status
from xds.endpoints.registrations.instance import Instance, InstanceKey, Served, describe_endpoint, worsen
from xds.endpoints.registrations.steadiness import Flapping, Guard
from xds.sources.source import InstanceId

ALIVE = (Served.PASSING, Served.WARNING)


@dataclass(slots=True)
class _State:
    """What is known of an instance beside its checks.

    `bare` is what its checks say, and `last_alive` what they said last that was not critical.
    """

    instance_id: InstanceId
    service: str
    bare: Served | None = None
    last_alive: Served | None = None
    flapping: Flapping | None = None


class ServedEndpoints:
    """The endpoints of all instances of a book, which change with their checks and with time."""

    def __init__(self, book: Book, deadlines: Deadlines, *, keep_last_healthy: bool) -> None:
        self._book = book
        self._deadlines = deadlines
        self._keep_last_healthy = keep_last_healthy
        self._states: dict[InstanceKey, _State] = {}
        self._alive: Counter[str] = Counter()
        self._guards: dict[str, Guard] = {}
        self._silent: dict[InstanceKey, float] = {}
        self.endpoints: dict[InstanceId, object] = {}

    def find_silent(self) -> Iterator[tuple[InstanceKey, float]]:
        """Yield the instances with checks that are all critical, and since when."""
        yield from [*self._silent.items()]

    def refresh(self, instance: Instance, now: float, *, said: bool = False) -> None:
        """Serve an instance as its checks say now. `said` is whether somebody said so, and no check found it."""
        key = instance.key
        instance_id = instance.find_id(self._book.own.name)
        state = self._states.get(key)
        if state is not None and state.service != instance.service_key:
            self._leave(key, state, now)
            state = None
        if state is None:
            state = self._states[key] = _State(instance_id, instance.service_key)
        own = self._book.checks_of(key)
        bare = self._judge_checks(instance, own)
        self._note_silence(instance, own)
        before, state.bare = state.bare, bare
        self._alive[state.service] += (bare in ALIVE) - (before in ALIVE)
        if bare in ALIVE:
            if before is Served.CRITICAL and state.last_alive is not None:
                self._note_recovery(instance, state, now)
            state.last_alive = bare
        if self._keep_last_healthy:
            self._note_turn(key, state, before, own, now, said=said)
            self.judge(state.service, now)
        self._publish(instance, state, now)

    def remove(self, instance: Instance, now: float) -> None:
        """Serve an instance no more."""
        key = instance.key
        self._silent.pop(key, None)
        self._leave(key, self._states.pop(key), now)

    def _leave(self, key: InstanceKey, state: _State, now: float) -> None:
        self._alive[state.service] -= state.bare in ALIVE
        if not self._alive[state.service]:
            del self._alive[state.service]
        if state.service in self._guards:
            self._guards[state.service].recover(key)
            self.judge(state.service, now)
        self._deadlines.clear(("damped", key))
        if self.endpoints.pop(state.instance_id, None) is not None:
            self._book.changes.endpoints[state.instance_id] = None

    def _judge_checks(self, instance: Instance, own: list[Check]) -> Served:
        if any(check.kind is CheckKind.MAINTENANCE for check in own):
            return Served.DRAINING
        if instance.node != self._book.own.name:
            own = own + self._book.checks_of((instance.node, ""))
        return worsen(find_worst(own))

    def _note_silence(self, instance: Instance, own: list[Check]) -> None:
        checks = [check for check in own if check.kind is not CheckKind.MAINTENANCE]
        if checks and all(check.status is Status.CRITICAL for check in checks):
            self._silent[instance.key] = max(check.critical_since or instance.registered_at for check in checks)
        else:
            self._silent.pop(instance.key, None)

    def _note_recovery(self, instance: Instance, state: _State, now: float) -> None:
        state.flapping = state.flapping or Flapping()
        was_damped = state.flapping.is_damped(now)
        if state.flapping.recover(now):
            self._deadlines.set(("damped", instance.key), state.flapping.damped_until)
            if not was_damped:
                self._tell(Notice(NoticeKind.FLAPPING, *state.instance_id))

    def undamp(self, key: InstanceKey, now: float) -> None:
        """Serve an instance that has held out."""
        if (instance := self._book.instance(key)) is not None:
            self._publish(instance, self._states[key], now)

    def _note_turn(
        self, key: InstanceKey, state: _State, before: Served | None, own: list[Check], now: float, *, said: bool
    ) -> None:
        guard = self._guards.get(state.service)
        if state.bare is Served.CRITICAL and not said:
            if before in ALIVE:
                guard = guard or self._guards.setdefault(state.service, Guard())
                guard.turn(key, now, max((check.definition.period for check in own), default=0.0))
        elif guard is not None and not (state.bare is Served.CRITICAL and before is Served.CRITICAL):
            guard.recover(key)

    def judge(self, service: str, now: float) -> None:
        """Decide what of a service is served on, and serve what that changes."""
        guard = self._guards.get(service)
        if guard is None:
            return
        was_held = bool(guard.held)
        changed = guard.judge(self._alive[service], now)
        if guard.held:
            self._deadlines.set(("service", service), guard.until)
        if bool(guard.held) != was_held:
            if guard.held:
                left = guard.until - now
                self._tell(Notice(NoticeKind.HELD, service, instances=len(guard.held), seconds=left))
            else:
                self._tell(Notice(NoticeKind.RELEASED, service))
        if guard.is_idle:
            del self._guards[service]
        for key in changed:
            instance = self._book.instance(key)
            if instance is not None and (state := self._states.get(key)) is not None:
                self._publish(instance, state, now)

    def _tell(self, notice: Notice) -> None:
        self._book.changes.notices.append(notice)

    def _publish(self, instance: Instance, state: _State, now: float) -> None:
        """Put what is served of an instance, if it changed."""
        node = self._book.node(instance.node)
        if node is None or state.bare is None:
            return
        endpoint = describe_endpoint(instance.service, node, self._choose(instance.key, state, state.bare, now))
        if endpoint == self.endpoints.get(state.instance_id):
            return
        self._book.changes.endpoints[state.instance_id] = endpoint
        if endpoint is None:
            self.endpoints.pop(state.instance_id, None)
        else:
            self.endpoints[state.instance_id] = endpoint

    def _choose(self, key: InstanceKey, state: _State, bare: Served, now: float) -> Served:
        if bare is Served.CRITICAL:
            guard = self._guards.get(state.service)
            return state.last_alive or bare if guard is not None and key in guard.held else bare
        is_damped = state.flapping is not None and state.flapping.is_damped(now)
        return Served.FLAPPING if bare is Served.PASSING and is_damped else bare
