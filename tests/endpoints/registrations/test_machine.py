"""Random registrations, checks, maintenance, kills, expiry and restarts, against a simple model.

The model has no never-empty guard, no damping and no indexes: those are switched off, or held by what must always be
so.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.endpoints.registrations.registering import OWN, health, one, ttl
from tests.sampling import examples
from xds.endpoints.registrations import steadiness
from xds.endpoints.registrations.book import HEARD_SECONDS
from xds.endpoints.registrations.definitions import Status
from xds.endpoints.registrations.indexes import SERVICES, Topic, about_service
from xds.endpoints.registrations.registrations import LOOK_SECONDS, Registrations, Rules

IDS, SERVICE_NAMES = st.sampled_from("123"), st.sampled_from(["api", "web"])
TTL, EXPIRE_AFTER = 100.0, 500.0
TOPICS = (SERVICES, about_service("api"), about_service("web"))
SERVED = {Status.PASSING: "healthy", Status.WARNING: "degraded", Status.CRITICAL: "unhealthy"}


@dataclass
class Model:
    """What an instance is, in few words: `expires` is when its TTL runs out, if it has a check."""

    service: str
    port: int
    status: Status | None = None
    expires: float = 0.0
    critical_at: float = 0.0
    drains: bool = False
    restarted: bool = field(default=False)

    @property
    def served(self) -> str:
        """How it is served."""
        return "draining" if self.drains else SERVED[self.status or Status.PASSING]


class Machine(RuleBasedStateMachine):
    """One server, its restarts, and a client that asks by index."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.start = 0.0, 1
        self.policy = Rules(expire_after=EXPIRE_AFTER, keep_last_healthy=False)
        self.real = Registrations(OWN, self.start, self.policy)
        self.real.take_changes()
        self.model: dict[str, Model] = {}
        self.seen: dict[Topic, tuple[int, object]] = {}
        self.mesh: dict[tuple[str, str], object] = {}
        self.store: dict[tuple[str, str, str], dict[str, object]] = {}

    @rule(name=IDS, service=SERVICE_NAMES, port=st.integers(1, 3), checked=st.booleans(), again=st.booleans())
    def register(self, name: str, service: str, port: int, *, checked: bool, again: bool) -> None:
        """Register, or register again, perhaps without the check that there is."""
        checks = [ttl(TTL, None, check_id=f"c{name}")] if checked else []
        self.real.register(one(name, *checks, name=service, port=port), self.now, replace_checks=again)
        old = self.model.get(name)
        fresh = Model(service, port)
        if old is not None:
            fresh.drains = old.drains
            if checked or not again:
                fresh.status, fresh.expires, fresh.critical_at = old.status, old.expires, old.critical_at
        if checked:
            fresh.expires = self.now + TTL
            if fresh.status is None:
                fresh.status, fresh.critical_at = Status.CRITICAL, -1.0
        if fresh.critical_at < 0 or (fresh.status is Status.CRITICAL and old is None):
            fresh.critical_at = -self.now - 1  # never set: it counts from the last registration
        self.model[name] = fresh

    @rule(name=IDS)
    def deregister(self, name: str) -> None:
        """Deregister what may not be there."""
        self.real.deregister(name, self.now)
        self.model.pop(name, None)

    @rule(name=IDS, status=st.sampled_from(Status), output=st.sampled_from(["", "x"]))
    def say(self, name: str, status: Status, output: str) -> None:
        """Let an instance with a check say how it is."""
        if (found := self.model.get(name)) is None or found.status is None:
            return
        self.real.set_status(f"c{name}", status, output, self.now)
        if status is Status.CRITICAL and (found.status is not status or found.critical_at < 0):
            found.critical_at = self.now
        found.status, found.expires = status, self.now + TTL

    @rule(name=IDS, enable=st.booleans())
    def maintain(self, name: str, *, enable: bool) -> None:
        """Begin or end maintenance."""
        if name in self.model:
            self.real.set_maintenance(name, self.now, enable=enable)
            self.model[name].drains = enable

    @rule(seconds=st.sampled_from([1.0, 60.0, 99.0, 100.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass. An instance that was killed says nothing meanwhile."""
        end = self.now + seconds
        while (due := self.real.due) is not None and due <= end:
            self.real.tick(due)
        self.now = end
        for found in self.model.values():
            if found.status is not None and found.expires <= end:
                if found.status is not Status.CRITICAL or found.critical_at < 0:
                    found.critical_at = found.expires
                found.status = Status.CRITICAL
        names = health(self.real).keys() | health(self.real, "web").keys()
        for name, found in [*self.model.items()]:
            since = -found.critical_at - 1 if found.critical_at < 0 else found.critical_at
            if found.status is Status.CRITICAL and name not in names:
                assert end - since >= EXPIRE_AFTER - HEARD_SECONDS, "it expired too early"
                del self.model[name]
            elif found.status is Status.CRITICAL:
                assert end - since < EXPIRE_AFTER + LOOK_SECONDS, "it did not expire"

    @rule()
    def restart(self) -> None:
        """Kill the server and start it with what its store has."""
        self.take()
        self.start = self.real.book.indexes.last + 1
        self.real = Registrations(OWN, self.start, self.policy)
        self.real.load(self.store, self.now)
        for found in self.model.values():
            if found.status is not None:
                found.expires = self.now + TTL

    def take(self) -> None:
        """Do what a server does with changes."""
        changes = self.real.take_changes()
        for key, record in changes.write_records().items():
            self.store.pop(key, None)
            if record is not None:
                self.store[key] = record
        for instance, endpoint in changes.endpoints.items():
            self.mesh.pop(instance, None)
            if endpoint is not None:
                self.mesh[instance] = endpoint
        for topic in TOPICS:
            index, listed = self.real.book.indexes.find(topic), self.list(topic)
            if topic in self.seen:
                before, was = self.seen[topic]
                assert index >= before, "an index went back"
                assert listed == was or index > before, "a client that asks with its index would miss a change"
                assert listed == was or topic in changes.topics, "a query that waits would not wake"
            self.seen[topic] = index, listed

    def list(self, topic: Topic) -> object:
        """Return what a query about a topic is answered."""
        book = self.real.book
        if topic == SERVICES:
            return {name: [one.service.tags for one in book.of_service(name)] for name in book.services}
        found = book.of_service(topic[1])
        return [(one.service, [(check.check_id, check.status) for check in book.checks_of(one.key)]) for one in found]

    @invariant()
    def all_is_as_in_the_model(self) -> None:
        """What is served, what was passed on, and what a store has, are the same."""
        self.take()
        for service in ("api", "web"):
            expected = {name: found.served for name, found in self.model.items() if found.service == service}
            assert health(self.real, service) == expected
        assert self.mesh == dict(self.real.endpoints)
        assert {key: one["port"] for key, one in self.mesh.items() if isinstance(one, dict)} == {
            (found.service, name): found.port for name, found in self.model.items()
        }
        assert self.store == dict(self.real.book.dump())


def test_registrations_are_as_a_simple_model_says() -> None:
    """Also after restarts; and blocking queries never miss an index and never go back."""
    before, steadiness.FLAP_WINDOW = steadiness.FLAP_WINDOW, -1.0
    try:
        run_state_machine_as_test(Machine, settings=examples(200))
    finally:
        steadiness.FLAP_WINDOW = before
