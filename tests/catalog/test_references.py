"""References between services and gateways, in one file or in several."""

import pytest

from tests.catalog.catalogs import check_files, make_document
from xds.catalog.assembly.workspace import Workspace
from xds.errors import CatalogError

WEB = "services: {web: {endpoints: [w:1]}}"


def test_a_service_in_two_files_is_an_error() -> None:
    """A name must be unique. The message has both places."""
    assert check_files(a=WEB, b="\nservices:\n  web: {}") == [
        'b.yaml:3:3: error: services.web: service "web" is also in a.yaml:1:12'
    ]


def test_a_gateway_in_two_files_is_an_error() -> None:
    """A name must be unique. The message has both places."""
    gateway = "gateways: {g: {port: 1, routes: [{to: web}]}}"
    assert check_files(a=WEB, b=gateway, c=gateway) == [
        'c.yaml:1:12: error: gateways.g: gateway "g" is also in b.yaml:1:12'
    ]


def test_a_gateway_with_the_name_of_a_service_is_an_error() -> None:
    """A node states only its cluster, so xds could not distinguish the gateway from the service's sidecar."""
    assert check_files(a=WEB, b="gateways: {web: {port: 1, routes: [{to: web}]}}") == [
        "b.yaml:1:12: error: gateways.web: the service in a.yaml:1:12 has this name too: "
        "rename one, since nodes name it"
    ]


def test_a_route_to_an_unknown_service_is_an_error() -> None:
    """The message suggests the most similar name."""
    assert (
        check_files(a=WEB, b="gateways: {g: {port: 1, routes: [{to: wev}]}}")
        == [
            'b.yaml:1:39: error: gateways.g.routes[0].to: there is no service "wev": did you mean `web`?',
            "a.yaml:1:12: warning: services.web: nothing calls this service: no route and no `upstreams` names it",
        ][:1]
    )


def test_an_unknown_upstream_is_an_error() -> None:
    """The service may be defined in any file."""
    assert check_files(a=WEB, b="services: {shop: {upstreams: [web, xyz]}}") == [
        'b.yaml:1:36: error: services.shop.upstreams[1]: there is no service "xyz"'
    ]


def test_a_service_with_mistakes_can_be_referred_to() -> None:
    """The service exists, so only its own mistake is reported."""
    assert check_files(a="services: {web: {retries: 99}}", b="services: {shop: {upstreams: [web]}}") == [
        "a.yaml:1:27: error: services.web.retries: expected a whole number from 0 to 10, found 99"
    ]


def test_a_reference_is_not_an_error_while_another_file_cannot_be_read() -> None:
    """The file may define the name, so only its own mistake is reported."""
    assert check_files(a="services: [", b="services: {shop: {upstreams: [web]}}") == [
        "a.yaml:2:1: error: a value is missing here: is a bracket above not closed?"
    ]


def test_a_reference_to_a_service_without_endpoints_has_a_warning() -> None:
    """The warning is at the reference: without one, such a service is fine."""
    files = {
        "a": "services: {web: {}, shop: {upstreams: [web]}}",
        "b": "gateways: {g: {port: 1, routes: [{to: web}]}}",
    }
    assert check_files(**files) == [
        'a.yaml:1:40: warning: services.shop.upstreams[0]: "web" has no endpoints: requests to it fail',
        'b.yaml:1:39: warning: gateways.g.routes[0].to: "web" has no endpoints: requests to it fail',
    ]


@pytest.mark.parametrize(
    "field", ["dns: logical", "dns_refresh: 5s", "balance: {least_request: {active_request_bias: 2}}"]
)
def test_a_service_without_endpoints_has_no_warning_about_them(field: str) -> None:
    """Another source may have some, of which the catalog's reader knows nothing."""
    assert check_files(a=f"services: {{web: {{{field}}}}}") == []


def test_where_another_source_has_endpoints_none_in_the_catalog_are_no_problem() -> None:
    """A server knows whether it has such a source; every other mistake is reported."""
    document = make_document("services: {web: {}, shop: {upstreams: [web, wbe]}}")
    workspace = Workspace(has_all_endpoints=False)
    with pytest.raises(CatalogError) as refused:
        workspace.update({"c.yaml": document})
    assert [problem.path for problem in refused.value.problems] == ["services.shop.upstreams[1]"]
    catalog = workspace.update({"c.yaml": make_document("services: {web: {}, shop: {upstreams: [web]}}")})
    assert catalog.problems == ()


DB = "  db: {protocol: tcp, local_port: 5432, endpoints: [d:5432]}\n"


def test_a_tcp_upstream_without_local_port_has_a_warning() -> None:
    """A sidecar distinguishes TCP services only by their ports."""
    assert check_files(a="services: {db: {protocol: tcp, endpoints: [d:1]}, web: {upstreams: [db]}}") == [
        'a.yaml:1:69: warning: services.web.upstreams[0]: "db" is `protocol: tcp` without `local_port`: '
        "no sidecar has a listener for it"
    ]


def test_two_services_with_the_same_local_port_are_an_error() -> None:
    """Both get a message that names the other."""
    assert check_files(a=f"services:\n{DB}", b=f"services:\n{DB.replace('db', 'db2')}") == [
        'a.yaml:2:35: error: services.db.local_port: 5432 is the local port of "db2" too: each needs its own',
        'b.yaml:2:36: error: services.db2.local_port: 5432 is the local port of "db" too: each needs its own',
    ]


@pytest.mark.parametrize(
    ("caller", "conflict"),
    [
        ("{sidecar: 5432}", True),
        ("{sidecar: 5432, upstreams: [db]}", True),
        ("{sidecar: 5432, upstreams: []}", False),
        ("{sidecar: 5433}", False),
    ],
)
def test_a_local_port_that_is_a_callers_sidecar_port_is_an_error(caller: str, *, conflict: bool) -> None:
    """A sidecar cannot listen twice on one port. It listens on the local ports of the services that it may call."""
    problems = check_files(a=f"services:\n{DB}  web: {caller}\n")
    expected = (
        'a.yaml:2:35: error: services.db.local_port: 5432 is the port of the sidecar of "web", which calls this service'
    )
    assert (expected in problems) == conflict


def test_a_local_port_that_is_the_default_sidecar_port_is_an_error() -> None:
    """Callers that are not in the catalog use the default port for their sidecars."""
    assert check_files(a=f"services:\n{DB.replace('local_port: 5432', 'local_port: 15001')}") == [
        "a.yaml:2:35: error: services.db.local_port: 15001 is the port of the sidecars themselves"
    ]


def test_a_gateway_may_route_to_a_tcp_service() -> None:
    """It passes on every connection."""
    assert check_files(a=f"services:\n{DB}gateways: {{g: {{port: 1, routes: [{{to: db}}]}}}}") == []


def test_a_route_to_a_tcp_service_must_be_the_only_one() -> None:
    """A connection has nothing by which a route can be chosen."""
    gateway = (
        "gateways: {g: {port: 1, routes: [{to: db, prefix: /a, host: x.com, headers: {a: b}}, {to: db, path: /b}]}}"
    )
    first, second = ('"db" is `protocol: tcp`: its connections have no', "to match, leave this out")
    alone = '"db" is `protocol: tcp`: a route to it must be the gateway\'s only one'
    assert check_files(a=f"services:\n{DB}{gateway}") == [
        f"a.yaml:3:39: error: gateways.g.routes[0].to: {alone}",
        f"a.yaml:3:51: error: gateways.g.routes[0].prefix: {first} prefix {second}",
        f"a.yaml:3:61: error: gateways.g.routes[0].host: {first} host {second}",
        f"a.yaml:3:77: error: gateways.g.routes[0].headers: {first} headers {second}",
        f"a.yaml:3:91: error: gateways.g.routes[1].to: {alone}",
        f"a.yaml:3:101: error: gateways.g.routes[1].path: {first} path {second}",
    ]


UNCALLED = "nothing calls this service: no route and no `upstreams` names it"


def test_a_service_that_nothing_calls_has_a_warning() -> None:
    """If every service has `upstreams`, a service that nobody calls was most likely forgotten."""
    services = "services: {web: {upstreams: [db], endpoints: [w:1]}, db: {upstreams: [], endpoints: [d:1]}}"
    assert check_files(a=services) == [f"a.yaml:1:12: warning: services.web: {UNCALLED}"]
    assert check_files(a=services, b="gateways: {g: {port: 1, routes: [{to: web}]}}") == []


def test_a_service_without_upstreams_calls_all_others() -> None:
    """It does not call itself."""
    services = "services: {web: {endpoints: [w:1]}, db: {upstreams: [], endpoints: [d:1]}}"
    route = "gateways: {g: {port: 1, routes: [{to: db}]}}"
    assert check_files(a=services, b=route) == [f"a.yaml:1:12: warning: services.web: {UNCALLED}"]
    assert check_files(a=services, b=route, c="services: {shop: {}}") == []


def test_a_catalog_without_callers_has_no_warning() -> None:
    """Three lines are a valid catalog. Its callers are not in it."""
    assert check_files(a=WEB) == []


def test_uncalled_services_have_no_warning_while_a_file_has_errors() -> None:
    """The error may be the reason why nothing calls the service."""
    services = "services: {web: {upstreams: [db], endpoints: [w:1]}, db: {upstreams: [], endpoints: [d:1]}}"
    assert check_files(a=services, b="gateways: {g: {port: 0, routes: [{to: web}]}}") == [
        "b.yaml:1:22: error: gateways.g.port: expected a port from 1 to 65535, found 0"
    ]


def test_one_run_finds_all_wrong_references() -> None:
    """Of a thousand wrong names in a file, the first hundred are reported. Errors come before warnings."""
    names = ", ".join(f"n{index}" for index in range(1000))
    problems = check_files(a=f"services: {{web: {{upstreams: [{names}], balance: weighted, endpoints: [w:1]}}}}")
    assert len(problems) == 102
    assert problems[100].endswith("error: and 900 more after this")
    assert "warning" in problems[101]


CANARY = "services: {v1: {endpoints: [a:1]}, v2: {endpoints: [b:1]%s}}\ngateways: {g: {port: 1, routes: [%s]}}"


def test_every_service_of_a_route_must_exist() -> None:
    """This includes services that share the route, also with weight 0, and the target of `mirror`. Each message has the
    place of its own service.
    """
    assert check_files(a=CANARY % ("", "{to: {v1: 1, v2: 0}}")) == []
    assert check_files(a=CANARY % ("", "{to: {v1: 1, v3: 0}, mirror: {to: v4}}")) == [
        'a.yaml:2:51: error: gateways.g.routes[0].to.v3: there is no service "v3"',
        'a.yaml:2:68: error: gateways.g.routes[0].mirror.to: there is no service "v4"',
    ]


@pytest.mark.parametrize(
    ("fields", "route", "expected"),
    [
        ("retries: 5", "to: {v1: 1, v2: 1}", "`retries`"),
        ("retries: 5", "to: {v1: 1, v2: 1}, retries: 1", ""),
        ("timeouts: {request: 1s}", "to: {v1: 1, v2: 1}", "`timeouts`"),
        ("timeouts: {request: 1s}", "to: {v1: 1, v2: 1}, timeout: 2s", ""),
        ("timeouts: {idle: 1s}", "to: {v1: 1, v2: 1}, timeout: 2s", "`timeouts`"),
        ("protocol: grpc", "to: {v1: 1, v2: 1}", "`protocol`"),
        ("retries: 5", "to: v1, mirror: {to: v2}", ""),
        ("retries: {on: 5xx}", "to: {v1: 1, v2: 1}, retries: 3", "`retries`"),
        ("retries: {on: 5xx}", "to: {v1: 1, v2: 1}, retries: {on: 503}", ""),
        ("retries: {budget: {percent: 5}}", "to: {v1: 1, v2: 1}", ""),
        ("host: a.com", "to: {v1: 1, v2: 1}", "`host`"),
        ("host: a.com", "to: {v1: 1, v2: 1}, rewrite: {host: b.com}", ""),
        ("tls: {sni: a.com}", "to: {v1: 1, v2: 1}", "`host`"),
    ],
)
def test_services_of_one_route_with_different_settings_have_a_warning(fields: str, route: str, expected: str) -> None:
    """A route in Envoy has one timeout, one retry policy and one Host. It uses those of its first service."""
    message = f'has other {expected} than "v1": the route uses those of its first service'
    problems = [f"a.yaml:2:51: warning: gateways.g.routes[0].to.v2: {message}"] if expected else []
    assert check_files(a=CANARY % (f", {fields}", f"{{{route}}}")) == problems


@pytest.mark.parametrize(
    ("fields", "route", "expected"),
    [
        ("health_check: {http: /health}", "to: {v1: 1, v2: 1}, fallback: v1", ""),
        ("outlier_detection: {max_ejection_percent: 100}", "to: v2, fallback: v1", ""),
        ("retries: 1", "to: v2, fallback: v1", 'warning: ROUTE.fallback: "v2" counts as down only while'),
        ("endpoints: [], health_check: {http: /health}", "to: v2, fallback: v1", ""),
        ("health_check: {http: /health}", "to: v2, fallback: v3", 'error: ROUTE.fallback: there is no service "v3"'),
        ("retries: 1", "to: v2, fallback: v2", "error: ROUTE.fallback: is the service that the route leads to"),
        ("subsets: {a: {x: y}}", "to: v2/a, fallback: v1", "error: ROUTE.fallback: is for whole services"),
        ("protocol: tcp", "to: v1, fallback: v2", 'error: ROUTE.fallback: "v2" is `protocol: tcp`: it takes'),
        ("retries: 1", "respond: {status: 200}, fallback: v1", "error: ROUTE.fallback: is for requests that go to"),
    ],
)
def test_what_a_fallback_needs(fields: str, route: str, expected: str) -> None:
    """Envoy must be able to know that the other targets are down: as whole services, by the health of endpoints."""
    endpoints = "" if "endpoints" in fields else "endpoints: [b:1], "
    text = f"services: {{v1: {{endpoints: [a:1]}}, v2: {{{endpoints}{fields}}}}}\n"
    text += f"gateways: {{g: {{port: 1, routes: [{{{route}}}]}}}}"
    problems = [one for one in check_files(a=text) if "fallback" in one.split(": ")[2]]
    assert bool(problems) == bool(expected)
    assert expected.replace("ROUTE", "gateways.g.routes[0]") in "".join(problems)


def test_a_service_is_no_fallback_of_itself() -> None:
    """A service's own route without an end leads to the service."""
    [problem] = check_files(a="services: {v1: {endpoints: [a:1], routes: [{path: /x, fallback: v1}]}}")
    assert "routes[0].fallback: is the service that the route leads to" in problem


def test_a_tcp_service_cannot_be_split_or_mirrored() -> None:
    """A route sends all of a connection to one service."""
    message = '"db" is `protocol: tcp`: its connections cannot be split or mirrored'
    gateway = "gateways: {g: {port: 1, routes: [{to: {web: 1, db: 1}, mirror: {to: db}}]}}"
    text = f"services:\n{DB}  web: {{endpoints: [w:1]}}\n{gateway}"
    assert [problem.split(" error: ")[1] for problem in check_files(a=text)] == [
        f"gateways.g.routes[0].to.db: {message}",
        f"gateways.g.routes[0].mirror.to: {message}",
    ]


def test_a_route_to_a_tcp_service_cannot_match_or_change_requests() -> None:
    """A TCP connection has no requests."""
    gateway = "gateways: {g: {port: 1, routes: [{to: db, method: GET, rewrite: {path: /}}]}}"
    assert [problem.split(": ", 2)[2] for problem in check_files(a=f"services:\n{DB}{gateway}")] == [
        'gateways.g.routes[0].method: "db" is `protocol: tcp`: its connections have no method to match, leave this out',
        'gateways.g.routes[0].rewrite: "db" is `protocol: tcp`: its connections are passed on as they are, '
        "leave this out",
    ]


def test_keys_of_a_route_are_compared_with_the_services_protocol() -> None:
    """The service may be in any file, and the files may come in any order."""
    calls = "services: {calls: {protocol: grpc, endpoints: [c:1]}, web: {endpoints: [w:1]}}"
    routes = "{to: calls, path: /a, websocket: true, grpc_web: true}, {to: calls, path: /b, max_body: 1MiB}"
    assert check_files(a=calls, b=f"gateways: {{g: {{port: 1, routes: [{routes}, {{to: web, grpc_web: true}}]}}}}") == [
        'b.yaml:1:67: error: gateways.g.routes[0].websocket: "calls" is `protocol: grpc`: '
        "WebSockets go over `protocol: http`",
        'b.yaml:1:149: error: gateways.g.routes[2].grpc_web: "web" is `protocol: http`: '
        "gRPC goes over `protocol: grpc`",
        'b.yaml:1:122: warning: gateways.g.routes[1].max_body: "calls" is `protocol: grpc`: '
        "a call that streams its requests is sent only when it ends, and fails above the limit",
    ]


def test_a_new_protocol_is_compared_with_the_routes_in_other_files() -> None:
    """The route's error appears and disappears with the service's protocol."""
    workspace = Workspace()
    gateway = make_document("gateways: {g: {port: 1, routes: [{to: web, websocket: true}]}}", "g.yaml")
    for protocol, wrong in (("http", False), ("http2", True), ("http", False)):
        web = make_document(f"services: {{web: {{protocol: {protocol}, endpoints: [w:1]}}}}", "web.yaml")
        try:
            problems = workspace.update({"web.yaml": web, "g.yaml": gateway}).problems
        except CatalogError as error:
            problems = error.problems
        assert any("WebSockets" in problem.message for problem in problems) is wrong


def test_a_route_to_a_tcp_service_cannot_have_filters() -> None:
    """Each key is refused, except for one that switches a filter off."""
    fields = "rate_limit: {requests: 5}, websocket: true, grpc_web: false, max_body: 1KB, template: /a"
    problems = check_files(a=f"services:\n{DB}gateways: {{g: {{port: 1, routes: [{{to: db, {fields}}}]}}}}")
    assert [problem.split(": ")[2] for problem in problems] == [
        f"gateways.g.routes[0].{word}" for word in ("rate_limit", "websocket", "max_body", "template")
    ]


def test_a_key_of_mesh_in_two_files_is_an_error() -> None:
    """Settings of the whole mesh must be unique. The message has both places."""
    assert check_files(a="mesh: {access_log: on}", b="services: {}\nmesh:\n  access_log: errors") == [
        "b.yaml:3:3: error: mesh.access_log: `mesh.access_log` is also in a.yaml:1:8"
    ]


LISTENERS = "gateways: {g: {listeners: [{port: 1, LISTENER}, {port: 2, routes: [{to: db}]}]}}"


@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        ("routes: [{to: db}]", []),
        ("tls: passthrough, routes: [{to: db, host: a.com}, {to: db, host: b.com}]", []),
        (
            "tls: passthrough, routes: [{to: web, host: a.com}, {to: db}]",
            [
                'gateways.g.listeners[0].routes[0].to: "web" is not `protocol: tcp`, '
                "and with `tls: passthrough` no request can be read"
            ],
        ),
        (
            "routes: [{to: db}, {to: web}]",
            [
                'gateways.g.listeners[0].routes[0].to: "db" is `protocol: tcp`: '
                "a route to it must be the listener's only one"
            ],
        ),
        (
            "tls: {certificates: [{certificate: /a, key: /b}]}, http3: true, routes: [{to: db}]",
            ['gateways.g.listeners[0].http3: "db" is `protocol: tcp`, which is not HTTP'],
        ),
    ],
)
def test_a_listener_serves_either_requests_or_connections(listener: str, expected: list[str]) -> None:
    """The protocols of its services decide which."""
    services = f"services:\n  web: {{endpoints: ['w:1']}}\n{DB}"
    problems = check_files(a=f"{services}{LISTENERS.replace('LISTENER', listener)}")
    assert [problem.partition("error: ")[2] for problem in problems if "error" in problem] == expected
