"""Random catalogs, edits, refusals, lost and late messages, and reconnects: in the end, the client has the current
resources.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.sampling import examples
from tests.session.client import Contents
from tests.session.wire import Wire
from xds.session import batch
from xds.session.batch import LARGE
from xds.session.subscription import Nack, Subscription
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION

CLUSTERS = ["a", "b", "c"]
ROUTES = ["r", "s"]
WORD = st.sampled_from(["1", "2", "3", "bad"])


@st.composite
def worlds(draw: st.DrawFn) -> Contents:
    """Generate a catalog in which every reference has a target."""
    clusters = draw(st.lists(st.sampled_from(CLUSTERS), unique=True, max_size=3))
    routes = draw(st.lists(st.sampled_from(ROUTES), unique=True, max_size=2)) if clusters else []
    targets = {route: draw(st.sampled_from(clusters)) for route in routes}
    listeners = draw(st.lists(st.just("l"), max_size=1)) if routes else []
    return {
        CLUSTER: {name: draw(WORD) for name in clusters},
        CLUSTER_LOAD_ASSIGNMENT: {name: draw(WORD) for name in clusters},
        LISTENER: {name: f"{draw(WORD)} refs:{','.join(sorted(routes))}" for name in listeners},
        ROUTE_CONFIGURATION: {name: f"{draw(WORD)} refs:{target}" for name, target in targets.items()},
    }


class Machine(RuleBasedStateMachine):
    """One wire with one variant."""

    variant = ""

    @initialize(world=worlds(), eager=st.booleans())
    def begin(self, world: Contents, *, eager: bool) -> None:
        """Connect an Envoy to a server."""
        self.wire = Wire(self.variant, world)
        self.wire.twin.accepts_first = eager

    @rule(world=worlds())
    def edit(self, world: Contents) -> None:
        """Save another catalog."""
        self.wire.edit(world)

    @rule(count=st.integers(1, 4))
    def server_reads(self, count: int) -> None:
        """Deliver some requests."""
        for _ in range(count):
            self.wire.deliver_request()

    @rule(count=st.integers(1, 4))
    def client_reads(self, count: int) -> None:
        """Deliver some responses."""
        for _ in range(count):
            self.wire.deliver_response()

    @rule()
    def both_read(self) -> None:
        """Deliver most messages."""
        for _ in range(12):
            self.wire.deliver_request()
            self.wire.deliver_response()

    @rule()
    def settle(self) -> None:
        """Deliver all messages, and check the result."""
        self.wire.settle()

    @rule()
    def refuse_next(self) -> None:
        """Make the client refuse the next response, whatever it contains."""
        self.wire.twin.refuses_next = True

    @rule(type_url=st.sampled_from([CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION]), name=st.sampled_from("abr"))
    def ask_again(self, type_url: str, name: str) -> None:
        """Unsubscribe from a name, and subscribe again."""
        if self.wire.session is not None:
            self.wire.twin.forget_and_ask_again(type_url, name)

    @rule()
    def reconnect(self) -> None:
        """Lose the stream and all messages in flight. Reconnect to a server without any state."""
        self.wire.connect()

    @rule()
    def resume(self) -> None:
        """Lose the stream and all messages in flight. Reconnect to a server that remembers what was served before."""
        self.wire.resume()

    @rule(eager=st.booleans())
    def start_again(self, *, eager: bool) -> None:
        """Replace the Envoy by a new one, at a server that remembers what the one before refused."""
        self.wire.resume(fresh=True)
        self.wire.twin.accepts_first = eager

    @rule()
    def drop(self) -> None:
        """Lose the stream, and do not reconnect yet."""
        self.wire.drop()

    @rule()
    def hurry(self) -> None:
        """Let the server's waiting time end."""
        self.wire.hurry()

    @invariant()
    def no_rule_is_broken(self) -> None:
        """Fail if the client noted a violation."""
        if hasattr(self, "wire"):
            assert self.wire.twin.violations == []

    def teardown(self) -> None:
        """After all messages are delivered, the client's view equals the snapshot."""
        if hasattr(self, "wire") and not self.wire.twin.violations:
            self.wire.settle()


def check_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the known resources, which streams share, with those that follow from each message."""
    unchecked = Subscription.on_reply

    def on_reply(self: Subscription[Any], nonce: str, error: str | None, snapshot: TypeSnapshot) -> Nack | None:
        sent = self.in_flight
        expected = self.known_after(sent.batch) if sent and sent.nonce == nonce and error is None else self.known
        nack = unchecked(self, nonce, error, snapshot)
        assert self.known == expected
        return nack

    monkeypatch.setattr(Subscription, "on_reply", on_reply)


@pytest.mark.parametrize("large", [0, LARGE], ids=["all shared", "little shared"])
@pytest.mark.parametrize("variant", ["sotw", "delta"])
def test_in_the_end_the_client_has_the_current_resources(
    variant: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened before, no rule was broken, and no message is missing."""
    check_known(monkeypatch)
    monkeypatch.setattr(batch, "LARGE", large)
    machine = type(f"{variant}Machine", (Machine,), {"variant": variant})
    run_state_machine_as_test(
        machine,
        settings=settings(
            examples(250),
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
