"""Services that register themselves and that the catalog does not name are served with defaults."""

from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import examples
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog, diff_catalogs
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.service import Protocol, Service
from xds.endpoints.registry import Registry
from xds.endpoints.unlisted import UnlistedServices
from xds.sources.document import Document

NAMES = st.sampled_from("abc")
HOSTS = {"registered": "10.0.0.1", "other": "10.0.0.2"}
EDITS = st.builds(
    lambda services, gateway, ignore: (
        f"services: {{z: {{}}, {', '.join(f'{name}: {{}}' for name in sorted(services))}}}\n"
        + (f"gateways: {{{gateway}: {{port: 8080, routes: [{{to: z}}]}}}}\n" if gateway not in services else "")
        + ("mesh: {registry: {unlisted: ignore}}\n" if ignore else "")
    ),
    st.sets(NAMES),
    st.sampled_from("cg"),
    st.booleans(),
)
CHANGES = st.tuples(
    st.sampled_from(["registered", "other"]),
    st.dictionaries(
        st.tuples(NAMES, st.sampled_from("12")), st.none() | st.sampled_from(["", "grpc", "odd"]), max_size=3
    ),
)


@examples(200)
@given(st.lists(EDITS | CHANGES, max_size=12))
def test_unlisted_services_are_those_that_only_the_registry_has(
    steps: list[str | tuple[str, dict[tuple[str, str], str | None]]],
) -> None:
    """After any edits and registrations. What changed is found without comparing everything."""
    workspace, registry, unlisted = Workspace(has_all_endpoints=False), Registry(), UnlistedServices("registered")
    instances: dict[tuple[str, str], str] = {}
    base, last = Catalog({}, {}), Catalog({}, {})
    for step in ["services: {z: {}}", *steps]:
        if isinstance(step, str):
            base = workspace.update({"c.yaml": Document("c.yaml", step.encode())})
            registry.put_catalog(base)
        else:
            provider, changes = step
            for key, word in changes.items():
                metadata = {"protocol": word} if word else {}
                endpoint = None if word is None else Endpoint(HOSTS[provider], int(key[1]), metadata=metadata)
                registry.put(provider, {key: endpoint})
                if provider == "registered":
                    instances.pop(key, None)
                    if word is not None:
                        instances[key] = word
        found = unlisted.add(base, registry.publish())
        expected = dict(base.services)
        for (name, _), word in sorted(instances.items(), reverse=True):
            if name not in base.services and name not in base.gateways and base.mesh.registry is None:
                expected[name] = Service(protocol=Protocol.GRPC) if word == "grpc" else Service()
        assert found.services == expected
        assert (found.gateways, found.mesh) == (base.gateways, base.mesh)
        names = found.services.keys() | last.services.keys()
        differing = {name for name in names if found.services.get(name) != last.services.get(name)}
        assert diff_catalogs(last, found)[0] == differing
        assert unlisted.add(base, registry.publish()) is found
        last = found


def test_changes_of_another_assembly_are_found() -> None:
    """It has a journal of its own, in which nothing of the old one stands."""
    registry, unlisted = Registry(), UnlistedServices("registered")
    registry.put("registered", {("api", "1"): Endpoint("10.0.0.1", 1)})
    endpoints = registry.publish()
    first = unlisted.add(Catalog({"a": Service()}, {}), endpoints)
    second = unlisted.add(Catalog({"b": Service()}, {}), endpoints)
    assert [sorted(one.services) for one in (first, second)] == [["a", "api"], ["api", "b"]]
    assert diff_catalogs(first, second)[0] == {"a", "b"}
