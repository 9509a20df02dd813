"""The registry: it merges the endpoints of providers and the catalog, and names what changed between two states."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import examples
from xds.catalog.catalog import Catalog
from xds.catalog.model.endpoint import Endpoint, WithRegistered
from xds.catalog.model.service import Service
from xds.catalog.model.upstream import UpstreamTls
from xds.endpoints.endpoint_set import CATALOG, Endpoints, collect, find_changes
from xds.endpoints.registry import Registry
from xds.sources.source import InstanceId

A1, A2, B1 = ("a", "1"), ("a", "2"), ("b", "1")


def at(port: int, weight: int | None = None, host: str = "10.0.0.1", zone: str = "") -> Endpoint:
    """Make an endpoint."""
    return Endpoint(host, port, weight=weight, zone=zone)


def make_catalog(**services: tuple[Endpoint, ...]) -> Catalog:
    """Make a catalog of services with these endpoints."""
    return Catalog({name: Service(endpoints=endpoints) for name, endpoints in services.items()}, {})


def ports(endpoints: Endpoints, service: str = "a") -> list[int]:
    """Return a service's ports, in order."""
    return [endpoint.port for endpoint in endpoints.of(service)]


def test_the_catalogs_endpoints_come_first_then_instances_by_provider_and_name() -> None:
    """The catalog's own order is kept. The order in which instances arrive makes no difference."""
    registry = Registry()
    registry.put("z", {A1: at(9)})
    registry.put("b", {A2: at(8), A1: at(7)})
    registry.put_catalog(make_catalog(a=(at(3), at(2))))
    registry.put("b", {("a", "0"): at(6)})
    assert ports(registry.publish()) == [3, 2, 6, 7, 8, 9]


def test_a_change_of_one_instance_changes_only_its_service() -> None:
    """A builder does not need to look at the other services."""
    registry = Registry()
    registry.put("p", {A1: at(1), A2: at(2), B1: at(3)}, full=True)
    before = registry.publish()
    registry.put("p", {A1: at(1, weight=5)})
    after = registry.publish()
    assert find_changes(before, after) == {"a": {("p", "1")}}
    assert after.of("b") is before.of("b")
    assert next(iter(after.of("a"))).weight == 5


def test_a_repeated_instance_is_no_change() -> None:
    """Providers may repeat an instance alone or in a full set."""
    registry = Registry()
    registry.put("p", {A1: at(1), A2: at(2)}, full=True)
    before = registry.publish()
    registry.put("p", {A1: at(1)})
    registry.put("p", {A1: at(1), A2: at(2)}, full=True)
    assert find_changes(before, registry.publish()) == {}


def test_a_full_set_removes_only_instances_of_its_own_provider() -> None:
    """Instances of other providers and of the catalog stay."""
    registry = Registry()
    registry.put_catalog(make_catalog(a=(at(1),)))
    registry.put("p", {A1: at(2), A2: at(3), B1: at(4)}, full=True)
    registry.put("q", {A1: at(5)}, full=True)
    registry.put("p", {A2: at(3)}, full=True)
    endpoints = registry.publish()
    assert ports(endpoints) == [1, 3, 5]
    assert ports(endpoints, "b") == []


def test_a_refused_instance_keeps_its_last_good_value() -> None:
    """This also holds when a full set names it."""
    registry = Registry()
    registry.put("p", {A1: at(1), A2: at(2)}, full=True)
    registry.put("p", {A1: at(1)}, full=True, refused=frozenset({A2}))
    assert ports(registry.publish()) == [1, 2]


def test_changes_between_two_publications_are_merged() -> None:
    """Only the last state of each instance counts. An instance that is added and removed in between never appears."""
    registry = Registry()
    before = registry.publish()
    for weight in range(1, 4):
        registry.put("p", {A1: at(1, weight=weight), A2: at(2)})
    registry.put("p", {A2: None})
    after = registry.publish()
    assert find_changes(before, after) == {"a": {("p", "1")}}
    assert [endpoint.weight for endpoint in after.of("a")] == [3]


def test_the_catalogs_endpoint_wins_over_an_instance_with_the_same_address() -> None:
    """An address is in an assignment once. When the first one with it is removed, the next takes its place."""
    registry = Registry()
    registry.put("p", {A1: at(1, weight=2)})
    registry.put("q", {A1: at(1, weight=3)})
    assert [one.weight for one in registry.publish().of("a")] == [2]
    registry.put_catalog(make_catalog(a=(at(1, weight=7),)))
    assert [one.weight for one in registry.publish().of("a")] == [7]
    registry.put_catalog(make_catalog(a=()))
    assert [one.weight for one in registry.publish().of("a")] == [2]
    registry.put("p", {A1: None})
    assert [one.weight for one in registry.publish().of("a")] == [3]


def test_an_instance_can_move_to_another_address() -> None:
    """It keeps its name, and its old address is free again."""
    registry = Registry()
    registry.put("p", {A1: at(1), A2: at(2)})
    registry.put("p", {A1: at(2), A2: at(1)})
    assert ports(registry.publish()) == [2, 1]


def test_instances_of_an_unknown_service_count_once_the_catalog_has_it() -> None:
    """Until then the registry keeps them."""
    registry = Registry()
    registry.put("p", {A1: at(1)})
    registry.put_catalog(make_catalog(b=()))
    registry.put_catalog(make_catalog(a=(), b=()))
    assert ports(registry.publish()) == [1]


def test_a_service_that_nobody_answers_for_any_more_leaves_nothing() -> None:
    """Names may come and go for years."""
    registry = Registry()
    for number in range(100):
        registry.put("p", {(f"s{number}", "1"): at(1)})
        registry.publish()
        registry.put("p", {(f"s{number}", "1"): None})
        registry.publish()
    assert not registry._members
    assert not registry.publish().by_service


def test_withheld_instances_are_counted_until_they_leave_or_a_name_is_given() -> None:
    """Without a name to check, TLS is not used for an IP address from a source."""
    registry = Registry()
    registry.put_catalog(Catalog({"a": Service(tls=UpstreamTls())}, {}))
    registry.put("p", {A1: at(1), B1: at(3)})
    registry.put("q", {A2: at(2)})
    assert ports(registry.publish()) == []
    assert registry.withheld == {"a": {"p": 1, "q": 1}}
    registry.put("p", {A1: None})
    registry.publish()
    assert registry.withheld == {"a": {"q": 1}}
    registry.put_catalog(Catalog({"a": Service(tls=UpstreamTls(sni="api.example.com"))}, {}))
    assert ports(registry.publish()) == [2]
    assert registry.withheld == {}


ENDPOINT = st.builds(
    at,
    st.integers(1, 4),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(["10.0.0.1", "a.example.com"]),
    st.sampled_from(["", "z"]),
)
CHANGES = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("12")), st.none() | ENDPOINT, max_size=4)
FILE = st.dictionaries(
    st.sampled_from("ab"),
    st.lists(ENDPOINT, max_size=3, unique_by=lambda one: (one.address, one.port)).map(tuple),
)
EVENTS = st.lists(st.tuples(st.sampled_from("pq"), CHANGES, st.booleans()) | FILE | st.none(), min_size=1, max_size=20)


@examples(100)
@given(EVENTS)
def test_published_endpoints_do_not_depend_on_the_order_of_events(
    events: list[tuple[str, Mapping[InstanceId, Endpoint | None], bool] | dict[str, tuple[Endpoint, ...]] | None],
) -> None:
    """After any events, with any publications in between, the sets equal those built from nothing."""
    registry, instances, catalog = Registry(), dict[tuple[str, InstanceId], Endpoint](), make_catalog()
    before, known = registry.publish(), registry.publish()
    for event in events:
        if event is None:
            known = registry.publish()
        elif isinstance(event, dict):
            catalog = make_catalog(**event)
            registry.put_catalog(catalog)
        else:
            provider, changes, full = event
            registry.put(provider, changes, full=full)
            if full:
                instances = {key: one for key, one in instances.items() if key[0] != provider}
            for instance, endpoint in changes.items():
                instances.pop((provider, instance), None)
                if endpoint is not None:
                    instances[provider, instance] = endpoint
    after = registry.publish()
    for service in "ab":
        listed = (
            [((CATALOG, one.host_and_port), one) for one in catalog.services[service].endpoints]
            if (service in catalog.services)
            else []
        )
        listed += [
            ((provider, name), one) for (provider, (of, name)), one in sorted(instances.items()) if of == service
        ]
        first = {(one.address, one.port): key for key, one in reversed(listed)}
        expected = collect((key, one) for key, one in listed if first[one.address, one.port] == key)
        found = after.of(service)
        assert found == expected
        assert [*found.by_key] == [*expected.by_key]
    for moment in (before, known):
        changed = find_changes(moment, after)
        for service in "ab":
            was, now = moment.of(service).by_key, after.of(service).by_key
            differing = {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
            assert differing <= changed.get(service, frozenset())


def fill(services: int, instances: int) -> dict[InstanceId, Endpoint | None]:
    """Return instances of several services."""
    return {(f"s{s}", f"{i}"): at(1000 * s + i + 1) for s in range(services) for i in range(instances)}


def count(registry: Registry) -> int:
    """Return how many endpoints are served."""
    endpoints = registry.publish()
    return sum(len(ports(endpoints, f"s{number}")) for number in range(10))


def test_a_provider_that_has_nothing_any_more_is_held() -> None:
    """Until instances come back, or it is released. Without a share nothing is held."""
    registry = Registry()
    registry.put("p", fill(2, 2), full=True, share=50)
    registry.put("p", {}, full=True, share=50)
    assert (count(registry), len(registry.held["p"])) == (4, 4)
    registry.put("p", fill(2, 1), full=True, share=50)
    assert (count(registry), registry.held) == (2, {})
    registry.put("p", fill(2, 2), full=True, share=50)
    registry.put("p", {}, full=True, share=50)
    registry.release("p")
    assert (count(registry), registry.held) == (0, {})
    registry.put("p", fill(2, 2), full=True, share=None)
    registry.put("p", {}, full=True, share=None)
    assert (count(registry), registry.held) == (0, {})


def test_few_instances_may_all_go_and_so_may_those_of_single_services() -> None:
    """A deployment that is scaled down, or ended, is no accident."""
    registry = Registry()
    registry.put("p", fill(1, 3), full=True, share=50)
    registry.put("p", {}, full=True, share=50)
    assert (count(registry), registry.held) == (0, {})
    registry.put("p", fill(6, 10), full=True, share=50)
    registry.put("p", dict.fromkeys(key for key in fill(6, 10) if key[0] in ("s0", "s1", "s2")), share=50)
    assert (count(registry), registry.held) == (30, {})


def test_most_services_without_an_instance_are_held() -> None:
    """Another provider's instances do not count. What comes meanwhile is served."""
    registry = Registry()
    registry.put("p", fill(6, 2), full=True, share=50)
    registry.put("other", {("s0", "x"): at(9)}, full=True, share=50)
    gone = dict.fromkeys(key for key in fill(6, 2) if key[0] != "s0")
    registry.put("p", {**gone, ("s0", "new"): at(7)}, share=50)
    assert (count(registry), len(registry.held["p"])) == (14, 10)
    registry.put("p", {("s0", "1"): None}, share=50)
    assert len(registry.held["p"]) == 11
    registry.put("p", {key: at(8000 + number) for number, key in enumerate(gone)}, share=50)
    assert (count(registry), registry.held) == (13, {})


def test_instances_that_are_replaced_by_others_are_not_held() -> None:
    """A roll-out gives every instance another name."""
    registry = Registry()
    registry.put("p", fill(5, 2), full=True, share=50)
    registry.put(
        "p", {(service, f"new-{name}"): one for (service, name), one in fill(5, 2).items()}, full=True, share=50
    )
    assert (count(registry), registry.held) == (10, {})


def test_a_service_that_lists_its_endpoints_says_whether_others_may_register() -> None:
    """Without a list of its own it takes them. What it does not take is counted."""
    registry = Registry()
    registry.put("registered", {A1: at(1)})
    registry.put("p", {A1: at(2)})
    listed = (at(3),)
    expected: list[tuple[tuple[Endpoint, ...] | None, list[int]]] = [
        (None, [2, 1]),
        ((), [2, 1]),
        (listed, [3, 2]),
        (WithRegistered(listed), [3, 2, 1]),
        (WithRegistered(), [2, 1]),
    ]
    for endpoints, found in [*expected, *reversed(expected)]:
        registry.put_catalog(make_catalog() if endpoints is None else make_catalog(a=endpoints))
        assert ports(registry.publish()) == found
        assert (registry.withheld, registry.is_closed("a")) == (
            ({"a": {"registered": 1}}, True) if found == [3, 2] else ({}, False)
        )
