"""Providers: what they yield reaches the registry, and what is not served is known until it is corrected or gone."""

from xds.catalog.catalog import Catalog
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.service import Service
from xds.catalog.model.upstream import UpstreamTls
from xds.endpoints.providers import Providers
from xds.sources.source import InstanceUpdate

A1, A2 = ("a", "1"), ("a", "2")
TLS = Catalog({"a": Service(tls=UpstreamTls())}, {})


def test_a_known_provider_has_a_state_before_its_first_update() -> None:
    """So its metrics start at 0."""
    [state] = Providers(["p"]).states
    assert (state.name, state.refused, state.withheld, state.problem_count) == ("p", {}, {}, 0)


def test_a_refused_instance_is_known_until_it_is_corrected() -> None:
    """The same problem again is not new. An update without the instance does not change it."""
    providers = Providers(["p"])
    assert len(providers.put("p", InstanceUpdate({A1: "10.0.0.1", A2: "10.0.0.2:80"}, full=True))) == 1
    assert providers.put("p", InstanceUpdate({A1: "10.0.0.1"})) == []
    assert providers.put("p", InstanceUpdate({A2: None})) == []
    [state] = providers.states
    assert list(state.refused) == [A1]
    assert [problem.path for problem in state.problems()] == ["services.a.endpoints.1"]
    assert providers.put("p", InstanceUpdate({A1: "10.0.0.1:80"})) == []
    assert providers.states[0].problem_count == 0
    assert state.problem_count == 1, "a state does not change"


def test_a_refused_instance_is_known_until_it_is_gone() -> None:
    """It is gone when the provider removes it, or when a full set does not have it."""
    for update in (InstanceUpdate({A1: None}), InstanceUpdate({}, full=True)):
        providers = Providers()
        providers.put("p", InstanceUpdate({A1: "10.0.0.1"}, full=True))
        providers.put("p", update)
        assert not providers.states[0].refused


def test_withheld_instances_are_a_problem_of_their_provider() -> None:
    """The problem is new when more instances of the provider are withheld, also because of an edit of the catalog."""
    providers = Providers(["p", "q"])
    providers.put("p", InstanceUpdate({A1: "10.0.0.1:80", A2: "10.0.0.2:80"}, full=True))
    providers.put("q", InstanceUpdate({A1: "10.0.0.3:80"}, full=True))
    assert providers.publish()[1] == []
    providers.put_catalog(TLS)
    assert [(one.source, one.path, one.message[:12]) for one in providers.publish()[1]] == [
        ("p", "services.a.tls", "2 instances "),
        ("q", "services.a.tls", "1 instance w"),
    ]
    providers.put("p", InstanceUpdate({A1: None}))
    assert providers.publish()[1] == []
    assert [(state.name, state.withheld, state.problem_count) for state in providers.states] == [
        ("p", {"a": 1}, 1),
        ("q", {"a": 1}, 1),
    ]
    providers.put_catalog(Catalog({"a": Service(tls=UpstreamTls(sni="a.example.com"))}, {}))
    providers.publish()
    assert [state.problem_count for state in providers.states] == [0, 0]


def test_removals_that_were_asked_for_one_by_one_are_not_held() -> None:
    """However many they are. One update that says nothing of that is enough for the brake."""
    instances = {("a", str(number)): f"10.0.0.1:{number}" for number in range(1, 9)}
    gone = dict.fromkeys(instances)
    for asked in (True, False):
        providers = Providers(["p"])
        providers.put("p", InstanceUpdate(instances, full=True))
        updates = [InstanceUpdate(gone, asked=True), InstanceUpdate({}, asked=asked)]
        providers.put_all([("p", one) for one in updates], share=50)
        assert bool(providers.held) is not asked


def test_an_instance_that_may_not_register_is_a_problem_with_its_mend() -> None:
    """The service lists its endpoints, and does not say that it takes others."""
    providers = Providers(["registered"])
    providers.put_catalog(Catalog({"a": Service(endpoints=(Endpoint("10.0.0.1", 1),))}, {}))
    providers.put("registered", InstanceUpdate({A1: "10.0.0.9:1"}, full=True))
    [problem] = providers.publish()[1]
    assert (problem.path, problem.message) == (
        "services.a.endpoints",
        "1 instance that registers itself is not served: the service lists its endpoints: add `registered`",
    )
    assert [*providers.states[0].problems()] == [problem]
