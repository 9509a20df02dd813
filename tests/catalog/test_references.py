"""What services and gateways say of each other, in one file or in many."""

import pytest

from tests.catalog.catalogs import check_files, make_document
from xds.catalog.assembly.workspace import Workspace
from xds.errors import CatalogError

WEB = "services: {web: {endpoints: [w:1]}}"


def test_name_in_two_files() -> None:
    """A name means one thing; both places are told."""
    assert check_files(a=WEB, b="\nservices:\n  web: {}") == [
        'b.yaml:3:3: error: services.web: service "web" is also in a.yaml:1:12'
    ]


def test_gateway_in_two_files() -> None:
    """Gateways too."""
    gateway = "gateways: {g: {port: 1, routes: [{to: web}]}}"
    assert check_files(a=WEB, b=gateway, c=gateway) == [
        'c.yaml:1:12: error: gateways.g: gateway "g" is also in b.yaml:1:12'
    ]


def test_gateway_named_as_a_service() -> None:
    """A node says only its cluster: the service's sidecar and the gateway could not be told apart."""
    assert check_files(a=WEB, b="gateways: {web: {port: 1, routes: [{to: web}]}}") == [
        "b.yaml:1:12: error: gateways.web: the service in a.yaml:1:12 has this name too: "
        "rename one, since nodes name it"
    ]


def test_route_to_a_service_that_does_not_exist() -> None:
    """The nearest name is told."""
    assert (
        check_files(a=WEB, b="gateways: {g: {port: 1, routes: [{to: wev}]}}")
        == [
            'b.yaml:1:39: error: gateways.g.routes[0].to: there is no service "wev": did you mean `web`?',
            "a.yaml:1:12: warning: services.web: nothing calls this service: no route and no `upstreams` names it",
        ][:1]
    )


def test_upstream_that_does_not_exist() -> None:
    """In whichever file."""
    assert check_files(a=WEB, b="services: {shop: {upstreams: [web, xyz]}}") == [
        'b.yaml:1:36: error: services.shop.upstreams[1]: there is no service "xyz"'
    ]


def test_reference_to_a_service_with_mistakes() -> None:
    """A service that has a mistake is there all the same: one mistake is not told twice."""
    assert check_files(a="services: {web: {retries: 99}}", b="services: {shop: {upstreams: [web]}}") == [
        "a.yaml:1:27: error: services.web.retries: expected a whole number from 0 to 10, found 99"
    ]


def test_reference_into_a_file_that_cannot_be_read() -> None:
    """What a broken file names is not known: that it names nothing is no mistake besides."""
    assert check_files(a="services: [", b="services: {shop: {upstreams: [web]}}") == [
        "a.yaml:2:1: error: a value is missing here: is a bracket above not closed?"
    ]


def test_target_without_endpoints() -> None:
    """Whoever names a service expects an answer; that a service without endpoints exists is fine."""
    files = {
        "a": "services: {web: {}, shop: {upstreams: [web]}}",
        "b": "gateways: {g: {port: 1, routes: [{to: web}]}}",
    }
    assert check_files(**files) == [
        'a.yaml:1:40: warning: services.shop.upstreams[0]: "web" has no endpoints: requests to it fail',
        'b.yaml:1:39: warning: gateways.g.routes[0].to: "web" has no endpoints: requests to it fail',
    ]


DB = "  db: {protocol: tcp, local_port: 5432, endpoints: [d:5432]}\n"


def test_tcp_service_without_local_port() -> None:
    """A sidecar tells TCP services apart by their ports alone."""
    assert check_files(a="services: {db: {protocol: tcp, endpoints: [d:1]}, web: {upstreams: [db]}}") == [
        'a.yaml:1:69: warning: services.web.upstreams[0]: "db" is `protocol: tcp` without `local_port`: '
        "no sidecar has a listener for it"
    ]


def test_local_port_of_two_services() -> None:
    """Each is told of the other."""
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
def test_local_port_of_a_callers_sidecar(caller: str, *, conflict: bool) -> None:
    """A sidecar cannot listen twice on one port, if it is sent the service."""
    problems = check_files(a=f"services:\n{DB}  web: {caller}\n")
    expected = (
        'a.yaml:2:35: error: services.db.local_port: 5432 is the port of the sidecar of "web", which calls this service'
    )
    assert (expected in problems) == conflict


def test_local_port_of_the_default_sidecar() -> None:
    """Callers that the catalog does not name have the default sidecar."""
    assert check_files(a=f"services:\n{DB.replace('local_port: 5432', 'local_port: 15001')}") == [
        "a.yaml:2:35: error: services.db.local_port: 15001 is the port of the sidecars themselves"
    ]


def test_tcp_route() -> None:
    """A gateway to a TCP service passes connections on, whatever is in them."""
    assert check_files(a=f"services:\n{DB}gateways: {{g: {{port: 1, routes: [{{to: db}}]}}}}") == []


def test_tcp_route_among_others() -> None:
    """There is nothing in a connection by which a route could be chosen."""
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


def test_service_that_nothing_calls() -> None:
    """Once the catalog says who calls whom, a service that nobody calls is most likely forgotten."""
    services = "services: {web: {upstreams: [db], endpoints: [w:1]}, db: {upstreams: [], endpoints: [d:1]}}"
    assert check_files(a=services) == [f"a.yaml:1:12: warning: services.web: {UNCALLED}"]
    assert check_files(a=services, b="gateways: {g: {port: 1, routes: [{to: web}]}}") == []


def test_service_that_an_open_caller_may_call() -> None:
    """One without `upstreams` calls all others, but not itself."""
    services = "services: {web: {endpoints: [w:1]}, db: {upstreams: [], endpoints: [d:1]}}"
    route = "gateways: {g: {port: 1, routes: [{to: db}]}}"
    assert check_files(a=services, b=route) == [f"a.yaml:1:12: warning: services.web: {UNCALLED}"]
    assert check_files(a=services, b=route, c="services: {shop: {}}") == []


def test_catalog_that_does_not_say_who_calls() -> None:
    """Three lines are a catalog: its callers are not in it."""
    assert check_files(a=WEB) == []


def test_callers_are_not_known_while_a_file_has_mistakes() -> None:
    """What may be a consequence of an error is not told beside it."""
    services = "services: {web: {upstreams: [db], endpoints: [w:1]}, db: {upstreams: [], endpoints: [d:1]}}"
    assert check_files(a=services, b="gateways: {g: {port: 0, routes: [{to: web}]}}") == [
        "b.yaml:1:22: error: gateways.g.port: expected a port from 1 to 65535, found 0"
    ]


def test_all_cross_references_in_one_run() -> None:
    """Of a file with a thousand wrong names a hundred are told; errors before warnings."""
    names = ", ".join(f"n{index}" for index in range(1000))
    problems = check_files(a=f"services: {{web: {{upstreams: [{names}], balance: weighted, endpoints: [w:1]}}}}")
    assert len(problems) == 102
    assert problems[100].endswith("error: and 900 more after this")
    assert "warning" in problems[101]


CANARY = "services: {v1: {endpoints: [a:1]}, v2: {endpoints: [b:1]%s}}\ngateways: {g: {port: 1, routes: [%s]}}"


def test_every_service_of_a_route_is_looked_up() -> None:
    """Those that share it and the one that it is copied to, each at its own place; one of weight 0 is called too."""
    assert check_files(a=CANARY % ("", "{to: {v1: 1, v2: 0}}")) == []
    assert check_files(a=CANARY % ("", "{to: {v1: 1, v3: 0}, mirror: {to: v4}}")) == [
        'a.yaml:2:51: error: gateways.g.routes[0].to.v3: there is no service "v3"',
        'a.yaml:2:68: error: gateways.g.routes[0].mirror.to: there is no service "v4"',
    ]


@pytest.mark.parametrize(
    ("words", "route", "expected"),
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
def test_services_of_one_route_that_differ(words: str, route: str, expected: str) -> None:
    """A route in Envoy has one timeout, one retry policy and one Host: a warning says that it uses the first one's."""
    says = f'has other {expected} than "v1": the route uses those of its first service'
    told = [f"a.yaml:2:51: warning: gateways.g.routes[0].to.v2: {says}"] if expected else []
    assert check_files(a=CANARY % (f", {words}", f"{{{route}}}")) == told


def test_tcp_service_that_is_shared_or_copied() -> None:
    """Its connections go to it alone."""
    says = '"db" is `protocol: tcp`: its connections cannot be split or mirrored'
    gateway = "gateways: {g: {port: 1, routes: [{to: {web: 1, db: 1}, mirror: {to: db}}]}}"
    text = f"services:\n{DB}  web: {{endpoints: [w:1]}}\n{gateway}"
    assert [problem.split(" error: ")[1] for problem in check_files(a=text)] == [
        f"gateways.g.routes[0].to.db: {says}",
        f"gateways.g.routes[0].mirror.to: {says}",
    ]


def test_tcp_route_that_changes_requests() -> None:
    """There are none."""
    gateway = "gateways: {g: {port: 1, routes: [{to: db, method: GET, rewrite: {path: /}}]}}"
    assert [problem.split(": ", 2)[2] for problem in check_files(a=f"services:\n{DB}{gateway}")] == [
        'gateways.g.routes[0].method: "db" is `protocol: tcp`: its connections have no method to match, leave this out',
        'gateways.g.routes[0].rewrite: "db" is `protocol: tcp`: its connections are passed on as they are, '
        "leave this out",
    ]


def test_words_that_need_a_protocol() -> None:
    """They are held against what the service speaks, in whichever file and order that is said."""
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


def test_protocol_that_changes() -> None:
    """A route in another file is told when its service speaks something else."""
    workspace = Workspace()
    gateway = make_document("gateways: {g: {port: 1, routes: [{to: web, websocket: true}]}}", "g.yaml")
    for protocol, wrong in (("http", False), ("http2", True), ("http", False)):
        web = make_document(f"services: {{web: {{protocol: {protocol}, endpoints: [w:1]}}}}", "web.yaml")
        try:
            problems = workspace.update({"web.yaml": web, "g.yaml": gateway}).problems
        except CatalogError as error:
            problems = error.problems
        assert any("WebSockets" in problem.message for problem in problems) is wrong


def test_tcp_route_with_words_for_filters() -> None:
    """Each is refused, and what is switched off is not there."""
    words = "rate_limit: {requests: 5}, websocket: true, grpc_web: false, max_body: 1KB, template: /a"
    problems = check_files(a=f"services:\n{DB}gateways: {{g: {{port: 1, routes: [{{to: db, {words}}}]}}}}")
    assert [problem.split(": ")[2] for problem in problems] == [
        f"gateways.g.routes[0].{word}" for word in ("rate_limit", "websocket", "max_body", "template")
    ]


def test_mesh_in_two_files() -> None:
    """What holds for all is said once; both places are told."""
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
def test_services_of_listeners(listener: str, expected: list[str]) -> None:
    """Each port is for requests, or for connections."""
    services = f"services:\n  web: {{endpoints: ['w:1']}}\n{DB}"
    problems = check_files(a=f"{services}{LISTENERS.replace('LISTENER', listener)}")
    assert [problem.partition("error: ")[2] for problem in problems if "error" in problem] == expected
