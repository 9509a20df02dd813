"""The workspace: a change costs only what it concerns, and the result equals a catalog that is built from nothing."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.catalogs import make_document
from tests.sampling import examples
from xds.catalog.assembly.assembly import build_catalog
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.reading.fragment import parse_fragment
from xds.errors import CatalogError, Problem
from xds.sources.document import Document


def changes(**files: str | None) -> dict[str, Document | None]:
    """Return changes of files. The argument `a` is the file `a.yaml`; None deletes it."""
    return {f"{n}.yaml": None if text is None else make_document(text, f"{n}.yaml") for n, text in files.items()}


def test_unchanged_services_are_identical_objects() -> None:
    """To compare two catalogs, it is enough to look at the objects that differ."""
    workspace = Workspace()
    first = workspace.update(changes(a="services: {a: {}, b: {}}", b="services: {c: {}}"))
    second = workspace.update(changes(a="services: {a: {retries: 1}, b: {retries: 2}}\n"))
    assert second.services["a"] is not first.services["a"]
    assert second.services["b"] is first.services["b"]
    assert second.services["c"] is first.services["c"]


def test_a_catalog_does_not_change_after_it_is_returned() -> None:
    """A later update returns a new catalog."""
    workspace = Workspace()
    first = workspace.update(changes(a="services: {a: {}}"))
    workspace.update(changes(a="services: {b: {}}"))
    assert list(first.services) == ["a"]


def test_a_deleted_file_removes_its_services() -> None:
    """The services of other files stay."""
    workspace = Workspace()
    workspace.update(changes(a="services: {a: {}}", b="services: {b: {}}"))
    assert list(workspace.update(changes(a=None)).services) == ["b"]
    assert workspace.update(changes(unknown=None)).services.keys() == {"b"}


def test_an_error_ends_when_its_file_is_corrected() -> None:
    """One good edit of the file is enough."""
    workspace = Workspace()
    with pytest.raises(CatalogError, match="not closed"):
        workspace.update(changes(a="services: [", b="services: {b: {}}"))
    assert workspace.update(changes(a="services: {a: {}}")).services.keys() == {"a", "b"}


def test_an_error_ends_when_another_file_adds_the_missing_name() -> None:
    """Any file may define it."""
    workspace = Workspace()
    with pytest.raises(CatalogError, match='no service "b"'):
        workspace.update(changes(a="services: {a: {upstreams: [b]}}"))
    assert workspace.update(changes(b="services: {b: {endpoints: [b:1]}}")).services.keys() == {"a", "b"}
    with pytest.raises(CatalogError, match='no service "b"'):
        workspace.update(changes(b=None))


def test_an_error_is_reported_until_it_is_corrected() -> None:
    """A change in another file does not hide it."""
    workspace = Workspace()
    for retries in (1, 2):
        with pytest.raises(CatalogError) as caught:
            workspace.update(changes(a="services: {a: {retries: 99}}", b=f"services: {{b: {{retries: {retries}}}}}"))
        assert len(caught.value.problems) == 1


def test_positions_of_problems_follow_an_edit() -> None:
    """A problem moves with its line, even if the service itself did not change."""
    workspace = Workspace()
    service = "services: {a: {upstreams: [b], endpoints: [a:1]}, b: {upstreams: []}}"
    assert [problem.line for problem in workspace.update(changes(a=service)).problems] == [1, 1]
    assert [problem.line for problem in workspace.update(changes(a=f"\n\n{service}")).problems] == [3, 3]


def test_errors_are_reported_before_warnings() -> None:
    """Errors must be corrected first."""
    with pytest.raises(CatalogError) as caught:
        Workspace().update(
            changes(a="services: {a: {balance: weighted, endpoints: [a:1]}}", b="services: {b: {retries: x}}")
        )
    assert [str(problem.severity) for problem in caught.value.problems] == ["error", "warning"]


def test_problems_that_do_not_change_are_not_collected_again() -> None:
    """An edit of one file costs nothing for other files' warnings, or for its own that stay at the same place."""
    workspace = Workspace()
    texts = [f"services: {{a: {{balance: weighted, endpoints: [a:1], retries: {number}}}}}" for number in (1, 2)]
    first = workspace.update(changes(a=texts[0], b="services: {b: {balance: weighted, endpoints: [b:1]}}"))
    second = workspace.update(changes(a=texts[1]))
    assert len(first.problems) == 2
    assert second.problems is first.problems


def test_no_documents_are_an_empty_catalog() -> None:
    """The source decides whether it may be empty."""
    assert Workspace().update({}) == Catalog({}, {}, ())


FILES = ("a.yaml", "b.yaml", "c.yaml")
SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "upstreams": st.lists(st.sampled_from(["s", "t", "u", "S"]), max_size=2).map(lambda x: f"[{', '.join(x)}]"),
        "protocol": st.sampled_from(["http", "tcp", "tcp", "tpc"]),
        "local_port": st.sampled_from(["15001", "1", "2", "0"]),
        "sidecar": st.sampled_from(["1", "2"]),
        "endpoints": st.sampled_from(["[a:1]", "[]", "[a]", "[a:1, a:1]"]),
        "retries": st.sampled_from(["1", "1", "99"]),
        "upstrems": st.just("[s]"),
        "routes": st.sampled_from(["[{to: t, prefix: /a}]", "[{to: {s: 1, u: 1}}]", "[{to: t/v1}, {}]", "[{to: v1}]"]),
        "subsets": st.sampled_from(["{v1: {a: 1}}", "{u: {a: b}}", "{v1: 5}"]),
    },
)
ROUTES = st.lists(
    st.fixed_dictionaries(
        {"to": st.sampled_from(["s", "t", "u", "s/v1", "v1"])}, optional={"prefix": st.sampled_from(["/", "/a", "a"])}
    ),
    min_size=1,
    max_size=2,
)


def _write(
    services: Mapping[str, Mapping[str, str]], gateways: Mapping[str, list[dict[str, str]]], mesh: str, lines: int
) -> str:
    flow = {name: "{" + ", ".join(f"{k}: {v}" for k, v in one.items()) + "}" for name, one in services.items()}
    text = "\n" * lines + "services:\n" + "".join(f"  {name}: {one}\n" for name, one in flow.items())
    text += "" if services else "  {}\n"
    text += f"mesh: {{access_log: {mesh}}}\n" if mesh else ""
    for name, routes in gateways.items():
        written = ", ".join("{" + ", ".join(f"{k}: {v}" for k, v in route.items()) + "}" for route in routes)
        text += f"gateways: {{{name}: {{port: 1, routes: [{written}]}}}}\n"
    return text


TEXTS = st.one_of(
    st.builds(
        _write,
        st.dictionaries(st.sampled_from(["s", "t", "u"]), SERVICES, max_size=3),
        st.dictionaries(st.sampled_from(["g", "s"]), ROUTES, max_size=1),
        st.sampled_from(["", "", "", "on", "errors", "offf"]),
        st.integers(0, 2),
    ),
    st.sampled_from([None, "services: [", ""]),
)


def _outcome(make: object) -> tuple[object, list[Problem]]:
    try:
        catalog: Catalog = make()  # type: ignore[operator]
    except CatalogError as error:
        return None, sorted(error.problems)
    return (catalog.services, catalog.gateways, catalog.mesh), sorted(catalog.problems)


@examples(300)
@given(st.lists(st.dictionaries(st.sampled_from(FILES), TEXTS, min_size=1, max_size=2), min_size=1, max_size=6))
def test_after_any_edits_the_catalog_equals_one_built_from_nothing(edits: list[dict[str, str | None]]) -> None:
    """The catalog and its problems depend only on the files."""
    workspace = Workspace()
    documents: dict[str, Document] = {}
    for edit in edits:
        changed = {name: None if text is None else Document(name, text.encode()) for name, text in edit.items()}
        documents |= {name: document for name, document in changed.items() if document}
        for name in [name for name, document in changed.items() if document is None]:
            documents.pop(name, None)
        fragments = {name: parse_fragment(document) for name, document in documents.items()}
        assert _outcome(lambda: workspace.update(changed)) == _outcome(lambda: build_catalog(fragments))  # noqa: B023


def test_routes_that_were_right_are_checked_again_when_a_service_changes() -> None:
    """After each edit of a service, the problems of a gateway's routes are those of a workspace that reads all anew."""
    routes = ["{to: api}", "{to: web/canary, prefix: /a}", "{prefix: /b, to: {api: 1, web: 1}, websocket: true}"]
    gateway = f"gateways: {{edge: {{port: 80, routes: [{', '.join(routes[::-1])}]}}}}"
    subsets = "subsets: {canary: {version: x}}"
    services: list[tuple[str, str | None]] = [
        ("api", "endpoints: [a:1]"),
        ("web", f"endpoints: [{{address: 'a:1', metadata: {{version: x}}}}], {subsets}"),
        ("api", "endpoints: [b:1]"),
        ("api", "endpoints: []"),
        ("api", "endpoints: [b:1], protocol: tcp"),
        ("api", "endpoints: [b:1], protocol: grpc"),
        ("api", "endpoints: [b:1], timeouts: {request: 1s}"),
        ("api", "endpoints: [b:1], retries: 99"),
        ("api", "5"),
        ("api", None),
        ("api", "5"),
        ("api", "endpoints: [b:1]"),
        ("web", "endpoints: [a:1]"),
        ("web", f"endpoints: [a:1], {subsets}"),
    ]
    workspace, files = Workspace(), {"edge": gateway}
    workspace.take(changes(**files))
    found = list[int]()
    for name, text in services:
        edit = {name: None if text is None else f"services: {{{name}: {text if text == '5' else f'{{{text}}}'}}}"}
        workspace.take(changes(**edit))
        files = {one: text for one, text in {**files, **edit}.items() if text is not None}
        anew = Workspace()
        anew.take(changes(**files))
        assert workspace.problems == anew.problems
        found.append(len(anew.problems))
    assert {*found} == {0, 1, 2}
