"""The rules of registrations: what is served of an instance, when it goes, and who hears of it."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.endpoints.registrations.registering import OWN, events, health, http, make, one, ttl
from xds.endpoints.registrations.changes import NoticeKind
from xds.endpoints.registrations.check import Check
from xds.endpoints.registrations.definitions import (
    MAX_CHECKS,
    CheckDefinition,
    Node,
    ServiceDefinition,
    Status,
    Weights,
)
from xds.endpoints.registrations.indexes import SERVICES, about_instance, about_service
from xds.endpoints.registrations.refusal import Refusal
from xds.endpoints.registrations.registrations import Registrations, Rules
from xds.endpoints.registrations.steadiness import DAMPED_SECONDS, FLAPS, MOST_HELD_SECONDS

PASSING, WARNING, CRITICAL = Status


def test_an_instance_is_the_endpoint_that_its_registration_says() -> None:
    """Weights, tags, meta and locality are those of the catalog's endpoints."""
    registrations = make()
    meta = {"zone": "a", "version": "2"}
    registrations.register(one("1", ttl(), tags=("x", "y"), meta=meta, weights=Weights(10, 2)), 0)
    served = {"address": "10.0.0.1", "port": 1, "weight": 10, "zone": "a", "metadata": {**meta, "tags": ["x", "y"]}}
    assert registrations.endpoints == {("api", "1"): served}
    registrations.set_status("service:1", WARNING, "", 1)
    assert registrations.endpoints == {("api", "1"): {**served, "weight": 2, "health": "degraded"}}
    registrations.set_maintenance("1", 2, enable=True)
    assert registrations.endpoints == {("api", "1"): {**served, "drain": True}}
    registrations.set_maintenance("1", 3, enable=False)
    registrations.set_status("service:1", CRITICAL, "", 4)
    assert registrations.endpoints == {("api", "1"): {**served, "health": "unhealthy"}}


def test_an_instance_without_a_port_is_listed_and_not_served() -> None:
    """It has the address of its node, if it has none."""
    registrations = make()
    registrations.register(one("1", port=0), 0)
    assert (registrations.endpoints, len(registrations.book.of_service("api"))) == ({}, 1)
    service = ServiceDefinition("1", "api", port=5)
    registrations.register(replace(one("1"), service=service), 0)
    assert registrations.endpoints == {("api", "1"): {"address": "127.0.0.1", "port": 5, "weight": 1}}


def test_an_instance_that_registers_again_moves_and_keeps_its_checks() -> None:
    """Unless they are to be replaced. With another name it leaves its old service."""
    registrations = make()
    registrations.register(one("1", ttl(), http(PASSING)), 0)
    registrations.register(one("1", port=2), 1)
    assert registrations.endpoints[("api", "1")] == {"address": "10.0.0.1", "port": 2, "weight": 1}
    assert [check.check_id for check in registrations.book.checks_of((OWN.name, "1"))] == ["service:1:1", "service:1:2"]
    registrations.set_maintenance("1", 1, enable=True)
    registrations.register(one("1", ttl(5), port=2), 1, replace_checks=True)
    assert [check.check_id for check in registrations.book.checks_of((OWN.name, "1"))] == [
        "_service_maintenance:1",
        "service:1",
    ]
    registrations.take_changes()
    registrations.register(one("1", name="web"), 2)
    assert (health(registrations), health(registrations, "web")) == ({}, {"1": "draining"})
    assert registrations.take_changes().endpoints[("api", "1")] is None


def test_what_is_registered_for_one_instance_changes_the_health_of_no_other() -> None:
    """Neither its leaving, nor a check with the ID of another's, nor a check of the server's node."""
    registrations = make()
    for name in ("1", "2"):
        registrations.register(one(name, http(PASSING, check_id="mine"), port=int(name)), 0)
    registrations.register_check(ttl(status=CRITICAL, check_id="node", name="node"), "", 0)
    assert health(registrations) == {"1": "healthy", "2": "healthy"}
    with pytest.raises(Refusal, match="another service ID"):
        registrations.register_check(ttl(status=CRITICAL, check_id="mine", name="x"), "2", 0)
    with pytest.raises(Refusal, match="another service ID"):
        registrations.register(one("3", ttl(check_id="mine")), 0)
    registrations.deregister("1", 1)
    registrations.deregister("1", 1)
    registrations.deregister("api", 1)
    assert health(registrations) == {"2": "healthy"}


def test_a_ttl_that_runs_out_is_critical_until_the_next_pass() -> None:
    """Each pass begins it anew, also one that says nothing new."""
    registrations = make()
    registrations.register(one("1", ttl(10)), 0)
    registrations.register(one("2", port=2), 0)
    registrations.register(one("3", port=3), 0)
    for now in (8, 16):
        registrations.set_status("service:1", PASSING, "alive", now)
        registrations.tick(now + 9)
        assert health(registrations)["1"] == "healthy"
    registrations.tick(26)
    assert health(registrations)["1"] == "unhealthy"
    check = registrations.book.check((OWN.name, "service:1"))
    assert check is not None
    assert check.output == "TTL expired (last output before timeout follows): alive"
    registrations.set_status("service:1", PASSING, "", 27)
    assert health(registrations)["1"] == "healthy"


def test_the_thresholds_of_a_check_count_results_in_a_row() -> None:
    """Below them the status stays."""
    definition = http(
        PASSING, check_id="c", success_before_passing=2, failures_before_warning=2, failures_before_critical=3
    )
    check, seen = Check("n", definition, status=PASSING), []
    for result in (CRITICAL, CRITICAL, CRITICAL, PASSING, CRITICAL, PASSING, PASSING):
        check = check.observe(result, "", 0)
        seen.append(check.status)
    assert seen == [PASSING, WARNING, CRITICAL, CRITICAL, CRITICAL, CRITICAL, PASSING]


def test_an_output_is_cut() -> None:
    """What one check says must not fill the server's memory."""
    check = Check("n", ttl()).set(PASSING, "x" * 5000, 0)
    assert check.output == "x" * 4096 + " ... (captured 4096 of 5000 bytes)"


def step(registrations: Registrations, until: float) -> None:
    """Let the time pass, as the server does: each tick when it is due."""
    while (due := registrations.due) is not None and due <= until:
        registrations.tick(due)


def test_an_instance_that_stays_critical_is_removed_as_its_check_says() -> None:
    """Not before a minute; not while it was only registered as critical; and counted anew after it has passed."""
    registrations = make()
    registrations.register(one("short", http(deregister_after=1.0)), 0)
    registrations.register(one("never ran", http(deregister_after=1.0), port=2), 0)
    [check] = registrations.book.checks_of((OWN.name, "short"))
    registrations.observe(check.key, CRITICAL, "refused", 1)
    registrations.observe(check.key, PASSING, "", 40)
    registrations.observe(check.key, CRITICAL, "refused", 45)
    registrations.register(one("short", http(deregister_after=1.0)), 50)
    step(registrations, 100)
    assert health(registrations).keys() == {"short", "never ran"}
    step(registrations, 120)
    assert health(registrations).keys() == {"never ran"}
    assert NoticeKind.REMOVED in events(registrations)
    step(registrations, 3000)
    assert health(registrations).keys() == {"never ran"}


@pytest.mark.parametrize(
    ("expire_after", "left"), [(3600.0, {"alive", "unchecked"}), (0.0, {"alive", "unchecked", "z"})]
)
def test_an_instance_of_which_nothing_good_is_heard_expires(expire_after: float, left: set[str]) -> None:
    """One without checks does not: nothing is known of it. With 0 none does."""
    registrations = make(Rules(expire_after=expire_after))
    registrations.register(one("z", ttl(10)), 0)
    registrations.register(one("alive", ttl(10), port=2), 0)
    registrations.register(one("unchecked", port=3), 0)
    for now in range(0, 3700, 8):
        registrations.set_status("service:alive", PASSING, "", now)
        step(registrations, now)
    assert health(registrations).keys() == left


def test_the_expiry_goes_on_after_a_restart() -> None:
    """It counts from when the last check turned critical, in any process."""
    registrations = make(Rules(expire_after=3600))
    registrations.register(one("z", ttl(10)), 0)
    step(registrations, 3000)
    again = Registrations(OWN, 10_000, Rules(expire_after=3600))
    again.load(dict(registrations.book.dump()), 3500)
    step(again, 3661)
    assert health(again) == {}


def test_what_is_recorded_is_what_is_there_after_a_restart() -> None:
    """Records are JSON. Everything is as healthy as it was, and a TTL begins anew."""
    registrations = make()
    registrations.put_node(Node("other", "10.0.0.9"), 0)
    everything = one(
        "1",
        ttl(10, header={"X": ("1", "2")}),
        http(WARNING, failures_before_critical=2),
        tags=("a",),
        meta={"zone": "z"},
        weights=Weights(5, 2),
    )
    registrations.register(everything, 0, owner="10.0.0.7")
    registrations.register(one("2", port=2), 0, node="other")
    registrations.register(one("gone", ttl(), port=3), 0)
    registrations.set_maintenance("gone", 0, enable=True)
    registrations.deregister("gone", 1)
    registrations.put_outside_check("other", CheckDefinition("n", "n", status=CRITICAL), "", "down", 1)
    registrations.set_status("service:1:1", PASSING, "fine", 2)
    records = {key: value for key, value in registrations.take_changes().write_records().items() if value is not None}
    assert records == dict(registrations.book.dump())
    again = Registrations(OWN, 1000)
    again.load({key: json.loads(json.dumps(value)) for key, value in records.items()}, 100)
    assert again.endpoints == registrations.endpoints
    assert health(again) == {"1": "degraded", "other/2": "unhealthy"}
    assert dict(again.book.dump()) == records
    assert not again.take_changes()
    again.tick(109)
    assert health(again)["1"] == "degraded"
    again.tick(111)
    assert again.book.checks_of((OWN.name, "1"))[0].status is CRITICAL


def test_a_client_may_register_only_so_many_instances() -> None:
    """What it deregisters, and what another client takes over, counts no more."""
    registrations = make(Rules(max_per_owner=2))
    for name in ("1", "2"):
        registrations.register(one(name, port=int(name)), 0, owner="a")
    with pytest.raises(Refusal) as refused:
        registrations.register(one("3", port=3), 0, owner="a")
    assert refused.value.status == 429
    registrations.register(one("1"), 0, owner="a")
    registrations.deregister("1", 0)
    registrations.register(one("3", port=3), 0, owner="a")
    registrations.register(one("2", port=2), 0, owner="b")
    registrations.register(one("4", port=4), 0, owner="a")
    assert health(registrations).keys() == {"2", "3", "4"}


def test_an_instance_may_have_only_so_many_checks() -> None:
    """However they are registered: what is there already counts, and can be registered again."""
    registrations = make()
    registrations.register(one("1", *(ttl() for _ in range(MAX_CHECKS))), 0)
    more: list[Callable[[], None]] = [
        lambda: registrations.register(one("1", ttl(check_id="more")), 0),
        lambda: registrations.register_check(ttl(check_id="more", name="more"), "1", 0),
        lambda: registrations.put_outside_check(OWN.name, CheckDefinition("more"), "1", "", 0),
    ]
    for register in more:
        with pytest.raises(Refusal, match="64 checks at most"):
            register()
    registrations.register(one("1", ttl(check_id="service:1:1")), 0)
    registrations.register(one("1", ttl(check_id="more")), 0, replace_checks=True)
    assert len(registrations.book.checks_of((OWN.name, "1"))) == 1


def test_instances_of_several_nodes_have_names_of_their_own() -> None:
    """Whatever slashes are in the names of nodes and in IDs."""
    registrations = make()
    keys = [(OWN.name, "a/b"), ("a", "b"), ("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), (OWN.name, "a")]
    for port, (node, service_id) in enumerate(keys, start=1):
        registrations.put_node(Node(node, "10.0.0.9"), 0)
        registrations.register(one(service_id, port=port), 0, node=node)
    assert len(registrations.endpoints) == len(keys)


def test_only_what_changes_wakes_those_who_ask_about_it() -> None:
    """The same registration again, a pass again, and an output alone change nothing."""
    registrations = make()
    registrations.register(one("1", ttl()), 0)
    registrations.register(one("2", name="other", port=2), 0)
    indexes = registrations.book.indexes
    before = {topic: indexes.find(topic) for topic in (SERVICES, about_service("API"), about_service("other"))}
    registrations.take_changes()
    registrations.register(one("1", ttl()), 1)
    registrations.set_status("service:1", PASSING, "another output", 2)
    assert registrations.take_changes().topics == set()
    registrations.set_status("service:1", WARNING, "", 3)
    assert registrations.take_changes().topics >= {about_service("api")}
    after = {topic: indexes.find(topic) for topic in before}
    assert (after[SERVICES], after["service", "other"]) == (before[SERVICES], before["service", "other"])
    assert after["service", "api"] > before["service", "api"]
    registrations.deregister("2", 4)
    assert registrations.take_changes().topics >= {about_service("other"), SERVICES, about_instance(OWN.name, "2")}
    assert indexes.find(about_service("other")) == indexes.last


def fail(registrations: Registrations, *names: str, now: float, status: Status = CRITICAL) -> None:
    """Let the checks of some instances find this."""
    for name in names:
        registrations.observe((OWN.name, f"service:{name}"), status, "", now)


def register_five() -> Registrations:
    """Register five instances that pass."""
    registrations = make()
    for number in range(1, 6):
        registrations.register(one(str(number), http(PASSING), port=number), 0)
    return registrations


def test_most_of_a_service_that_turns_critical_at_once_is_served_on() -> None:
    """For ten minutes at most: who is gone for good must not stay."""
    registrations = register_five()
    fail(registrations, "1", "2", now=1)
    assert health(registrations)["1"] == "unhealthy"
    fail(registrations, "3", now=5)
    assert set(health(registrations).values()) == {"healthy"}
    assert events(registrations) == [NoticeKind.HELD]
    step(registrations, 5 + MOST_HELD_SECONDS - 1)
    assert set(health(registrations).values()) == {"healthy"}
    step(registrations, 5 + MOST_HELD_SECONDS)
    assert health(registrations) == {**dict.fromkeys("123", "unhealthy"), **dict.fromkeys("45", "healthy")}
    assert events(registrations) == [NoticeKind.RELEASED]


def test_a_service_is_served_by_its_checks_again_when_most_have_recovered() -> None:
    """Who is still critical then is out."""
    registrations = register_five()
    fail(registrations, "1", "2", "3", "4", now=1)
    fail(registrations, "1", now=2, status=PASSING)
    assert set(health(registrations).values()) == {"healthy"}
    fail(registrations, "2", now=3, status=PASSING)
    assert [health(registrations)[name] for name in "1234"] == ["healthy", "healthy", "unhealthy", "unhealthy"]


def test_what_turns_critical_one_after_the_other_or_says_so_itself_is_out() -> None:
    """Only the last one that was alive is served on: there would be none. Nothing is where that is off."""
    registrations = register_five()
    for number in range(1, 6):
        fail(registrations, str(number), now=number * 11)
    assert health(registrations) == {**dict.fromkeys("1234", "unhealthy"), "5": "healthy"}
    said = make()
    said.register(one("1", ttl()), 0)
    said.set_status("service:1", CRITICAL, "", 1)
    assert health(said) == {"1": "unhealthy"}
    off = make(Rules(keep_last_healthy=False))
    off.register(one("1", ttl(10)), 0)
    off.tick(11)
    assert health(off) == {"1": "unhealthy"}


def test_an_instance_that_is_served_on_can_leave() -> None:
    """By its own word, also into maintenance, and by a removal."""
    registrations = register_five()
    fail(registrations, "1", "2", "3", "4", now=1)
    registrations.deregister("1", 2)
    registrations.set_maintenance("2", 2, enable=True)
    assert health(registrations) == {"2": "draining", **dict.fromkeys("345", "healthy")}


def test_an_instance_that_comes_and_goes_is_degraded_until_it_holds_out() -> None:
    """It says so once, and counts as healthy after a minute."""
    registrations = register_five()
    for now in range(FLAPS):
        assert health(registrations)["1"] == "healthy"
        fail(registrations, "1", now=10 * now)
        fail(registrations, "1", now=10 * now + 5, status=PASSING)
    last = 10 * (FLAPS - 1) + 5
    assert health(registrations)["1"] == "degraded"
    step(registrations, last + DAMPED_SECONDS - 1)
    assert health(registrations)["1"] == "degraded"
    step(registrations, last + DAMPED_SECONDS)
    assert health(registrations)["1"] == "healthy"
    assert events(registrations) == [NoticeKind.FLAPPING]


def test_checks_of_another_node_count_for_its_instances() -> None:
    """It is removed with everything there; the own one is not."""
    registrations = make()
    registrations.put_node(Node("other", "10.0.0.9"), 0)
    registrations.register(one("1"), 0, node="other")
    registrations.register(one("1", port=2), 0)
    check = CheckDefinition("alive", "alive", status=CRITICAL)
    registrations.put_outside_check("other", check, "", "", 1)
    assert health(registrations) == {"1": "healthy", "other/1": "unhealthy"}
    registrations.remove_node("other", 2)
    assert health(registrations) == {"1": "healthy"}
    assert [node.name for node in registrations.book.nodes] == [OWN.name]
    with pytest.raises(Refusal, match="the server's own"):
        registrations.remove_node(OWN.name, 3)


def test_services_that_come_and_go_leave_nothing() -> None:
    """Names may come and go for years."""
    registrations = make()
    for number in range(50):
        registrations.register(one("1", ttl(), name=f"s{number}"), number, owner="a")
        registrations.deregister("1", number)
    book = registrations.book
    kept = (book._by_service, book._checks_of, book.owners, registrations._served._states, registrations._served._alive)
    assert all(not one for one in kept)
    assert len(book.indexes._by_topic) < 5
    assert len(registrations._deadlines._heap) <= 2
