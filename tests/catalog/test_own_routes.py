"""References in a service's own routes, and its subsets. They are checked no matter which file changes."""

import pytest

from tests.catalog.catalogs import check_files, find_problems, make_document
from xds.catalog.assembly.workspace import Workspace

API = "services: {api: {endpoints: ['a:1'], routes: [%s]}, web: {upstreams: [api]}}"
V2 = "services: {v2: {endpoints: ['v:1'], upstreams: [], %s}}"


@pytest.mark.parametrize(
    ("routes", "fields", "message"),
    [
        ("{to: v22}", "", 'routes[0].to: there is no service "v22": did you mean `v2`?'),
        (
            "{to: {api: 1, v2: 1}}",
            "protocol: tcp",
            'routes[0].to.v2: "v2" is `protocol: tcp`: it takes connections, not requests',
        ),
        (
            "{mirror: {to: v2}}",
            "protocol: tcp",
            'routes[0].mirror.to: "v2" is `protocol: tcp`: it takes connections, not requests',
        ),
        (
            "{to: {api: 1, v2: 1}}",
            "timeouts: {request: 1s}, retries: 1",
            'has other `timeouts` and `retries` than "api": the route uses those of its first service',
        ),
        ("{to: v2/x}", "", 'routes[0].to: "v2" has no `subsets`'),
        ("{to: v2/x}", "subsets: {y: {a: 1}, z: {a: 2}}", 'routes[0].to: "v2" has no subset "x": it has y, z'),
        ("{to: {api: 1, v2/xy: 1}}", "subsets: {xyz: {a: 1}}", "did you mean `v2/xyz`?"),
        ("{to: canary}", "subsets: {canary: {a: 1}}", 'there is no service "canary": did you mean `v2/canary`?'),
        ("{mirror: {to: canary}}", "subsets: {canary: {a: 1}}", 'there is no service "canary"'),
    ],
)
def test_references_in_a_services_routes_are_checked(routes: str, fields: str, message: str) -> None:
    """The rules are those of a gateway's routes."""
    problems = [one for one in check_files(a=API % routes, b=V2 % fields) if "no endpoint is in it" not in one]
    assert len(problems) == 1
    assert problems[0].endswith(message)


@pytest.mark.parametrize("routes", ["{to: v2}", "{prefix: /a, retries: 0}, {to: {api: 1, v2/x: 1}}", "{to: api/y}"])
def test_a_services_routes_may_refer_to_services_and_subsets(routes: str) -> None:
    """A route may lead to another service, to the service itself, or to a subset of either. A service that only such a
    route refers to counts as called.
    """
    api = (API % routes).replace("web:", "v2: {endpoints: ['v:1'], upstreams: []}, web:")
    subsets = "endpoints: [{address: 'v:1', metadata: {a: 1}}], subsets: {x: {a: 1}, y: {a: 1}}"
    text = api.replace("endpoints: ['v:1']", subsets).replace("endpoints: ['a:1']", subsets.replace("v:1", "a:1"))
    assert check_files(a=text) == []


def test_services_may_route_to_each_other() -> None:
    """The check follows each route once, so it ends."""
    assert (
        check_files(a=API % "{prefix: /b, to: v2}", b=V2 % "routes: [{prefix: /a, to: api}, {to: v2, retries: 0}]")
        == []
    )


def test_a_service_that_only_routes_to_itself_is_not_called() -> None:
    """No other service sends requests to it."""
    api = "api: {endpoints: ['a:1'], upstreams: [], routes: [{to: api}]}"
    problem, _ = check_files(a=f"services: {{{api}, web: {{upstreams: []}}, x: {{upstreams: [web]}}}}")
    assert "services.api: nothing calls this service" in problem


def test_a_route_to_a_subset_is_valid_once_another_file_adds_the_subset() -> None:
    """Without the subset, the route has an error. For an unknown service, a subset with that name is suggested."""
    workspace = Workspace()
    route, empty = API % "{to: v2/x}", V2 % "retries: 2"
    subset = (V2 % "subsets: {x: {a: 1}}").replace("'v:1'", "{address: 'v:1', metadata: {a: 1}}")

    def apply(**files: str) -> list[str]:
        workspace.take({f"{name}.yaml": make_document(text, f"{name}.yaml") for name, text in files.items()})
        return [problem.message for problem in workspace.problems]

    assert apply(a=route, b=empty) == ['"v2" has no `subsets`']
    assert apply(b=subset) == []
    assert apply(b=empty) == ['"v2" has no `subsets`']
    assert apply(a=API % "{to: x}", b=subset)[0] == 'there is no service "x": did you mean `v2/x`?'
    assert apply(b=empty)[0] == 'there is no service "x"'


@pytest.mark.parametrize(
    ("metadata", "labels", "message"),
    [
        ('{version: "1"}', '{version: "1"}', ""),
        ('{version: ["0", "1"]}', '{version: "1"}', ""),
        ("{canary: true, number: 1}", "{number: 1, canary: true}", ""),
        ("{canary: 1}", "{canary: true}", "no endpoint is in it: requests that a route sends to it get 503"),
        (
            '{version: "1"}',
            "{version: 1}",
            "no endpoint is in it: requests that a route sends to it get 503: "
            "`version` is text in the endpoints' `metadata`, and not text here",
        ),
        ("{}", "{version: 1}", "no endpoint is in it: requests that a route sends to it get 503"),
    ],
)
def test_a_subset_without_endpoints_has_a_warning(metadata: str, labels: str, message: str) -> None:
    """The comparison is Envoy's: text, numbers and booleans are different, and one item of a list is enough."""
    text = f"services: {{api: {{endpoints: [{{address: 'a:1', metadata: {metadata}}}], subsets: {{v1: {labels}}}}}}}"
    problems = find_problems(text)
    assert [one.partition("services.api.subsets.v1: ")[2] for one in problems] == ([message] if message else [])


def test_an_own_route_that_can_never_match_has_a_warning() -> None:
    """The rule is that of a gateway's routes."""
    [problem] = find_problems("services: {api: {routes: [{prefix: /a}, {path: /a/b, to: c}, {path: /c, to: c}]}}")
    assert problem.endswith("services.api.routes[1]: can never match: routes[0] matches all of its requests")
