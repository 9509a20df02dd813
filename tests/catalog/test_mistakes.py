"""Every mistake is found in one run. Each has one plain message, at the place where the operator corrects it."""

from typing import get_args

from pydantic_core.core_schema import ErrorType

from tests.cases import each
from tests.catalog.catalogs import find_problems, parse
from tests.catalog.filter_cases import FILTER_CASES
from tests.catalog.listener_cases import LISTENER_CASES
from tests.catalog.mesh_cases import MESH_CASES
from tests.catalog.route_cases import ROUTE_CASES
from tests.catalog.subset_cases import CASES as SUBSET_CASES
from tests.catalog.upstream_cases import UPSTREAM_CASES
from xds.catalog.fields import find_field, get_root, list_fields
from xds.catalog.reading.fragment import MAX_PROBLEMS
from xds.catalog.reading.mistakes import explain_value
from xds.catalog.text.field import LEFT_OUT


def list_known(*loc: str | int) -> str:
    """List the fields of what stands at a place, as a message does."""
    return ", ".join(find_field(loc).fields)


CASES = [
    # The file.
    ("x-a: 1", "1:1 error : has nothing of a catalog: write `services:`, `gateways:` or `mesh:`"),
    ("a: 1", '1:1 error a: unknown key "a": known are services, gateways, mesh'),
    ("[1]", "1:1 error : expected `services:`, `gateways:` or `mesh:`, found a list"),
    ("services: {}\nservces: {}", '2:1 error servces: unknown key "servces": did you mean `services`?'),
    (
        "services:",
        "1:1 error services: has nothing below it: write service names there, indented, or leave out `services:`",
    ),
    (
        "services: [{name: web}]",
        "1:11 error services: expected a mapping of service names, found a list: "
        "write `web:` in place of `- name: web`",
    ),
    ("gateways: 5", "1:11 error gateways: expected a mapping of gateway names, found 5"),
    # Names.
    (
        "services: {Web: {}}",
        "1:12 error services.Web: a name has small letters, digits, `-`, `_` and `.`, 253 at most, "
        'found "Web": did you mean `web`?',
    ),
    (
        'services: {"a b!": {}}',
        '1:12 error services["a b!"]: a name has small letters, digits, `-`, `_` and `.`, 253 at most, found "a b!"',
    ),
    # Services.
    ("services: {a: }", "1:12 error services.a: expected a service's fields, such as `endpoints`, found nothing"),
    ("services: {a: {blance: random}}", '1:16 error services.a.blance: unknown key "blance": did you mean `balance`?'),
    (
        "services: {a: {zzz: 1}}",
        f'1:16 error services.a.zzz: unknown key "zzz": known are {list_known("services", "a")}',
    ),
    (
        "services: {a: {balance: weigted}}",
        "1:25 error services.a.balance: expected `round_robin`, `random`, `weighted`, `least_request`, "
        "`ring_hash`, `maglev`, `client_side_weighted`, `load_aware_locality`, "
        "or a mapping such as {least_request: {choices: 3}}, "
        'found "weigted": did you mean `weighted`?',
    ),
    ("services: {a: {protocol: 2}}", "1:26 error services.a.protocol: expected one of http, http2, grpc, tcp; found 2"),
    (
        'services: {a: {retries: "2"}}',
        '1:25 error services.a.retries: expected a whole number from 0 to 10, found "2": write 2 without quotes',
    ),
    ("services: {a: {retries: 11}}", "1:25 error services.a.retries: expected a whole number from 0 to 10, found 11"),
    ("services: {a: {retries: 1.5}}", "1:25 error services.a.retries: expected a whole number from 0 to 10, found 1.5"),
    (
        "services: {a: {retries: true}}",
        "1:25 error services.a.retries: expected `off`, a whole number from 0 to 10, or a mapping such as "
        "{attempts: 3}, found true: write {}",
    ),
    (
        "services: {a: {timeouts: {connect: 0s}}}",
        "1:36 error services.a.timeouts.connect: must be 1ms or more, found 0s",
    ),
    (
        "services: {a: {timeouts: 5s}}",
        '1:26 error services.a.timeouts: expected a mapping, such as {request: 15s}, found "5s": write {request: 5s}',
    ),
    (
        "services: {a: {timeouts: {request: 5}}}",
        "1:36 error services.a.timeouts.request: a duration needs a unit: write 5s or 5ms, not 5",
    ),
    (
        "services: {a: {upstreams: users}}",
        '1:27 error services.a.upstreams: expected a list of services, such as [users], found "users": write '
        "it as a list, [users]",
    ),
    (
        "services: {a: {upstreams: [b, c, b]}}",
        '1:34 error services.a.upstreams[2]: "b" is given twice: first as upstreams[0]',
    ),
    (
        "services: {a: {upstreams: [Users]}}",
        '1:28 error services.a.upstreams[0]: expected a service\'s name, found "Users": '
        "names have small letters, digits, `-`, `_` and `.`",
    ),
    (
        "services: {a: {local_port: 5432}}",
        "1:28 error services.a.local_port: is for `protocol: tcp`: http callers use the sidecar's own port",
    ),
    (
        "services: {a: {sidecar: localhost:1}}",
        "1:25 error services.a.sidecar: expected an IP address to listen on, such as 127.0.0.1, found "
        '"localhost": write 127.0.0.1',
    ),
    # Localities.
    (
        "services: {a: {locality: failovr}}",
        "1:26 error services.a.locality: expected `any`, `failover`, `zone_aware`, or a mapping such as "
        '{weights: {eu-1a: 70, eu-1b: 30}}, found "failovr": did you mean `failover`?',
    ),
    (
        "services: {a: {locality: {failover: [zone, regoin]}}}",
        "1:44 error services.a.locality.failover[1]: expected one of sub_zone, zone, region; "
        'found "regoin": did you mean `region`?',
    ),
    (
        "services: {a: {locality: {failover: [region, zone, zone]}}}",
        "1:37 error services.a.locality.failover: the nearest level comes first, each once: write [zone, region]",
    ),
    (
        "services: {a: {locality: {failover: []}}}",
        "1:37 error services.a.locality.failover: has no level: write, for example, [zone, region]",
    ),
    (
        "services: {a: {locality: {weights: {a: 0}}}}",
        "1:36 error services.a.locality.weights: no locality has a weight above 0: "
        "write such as {eu-1a: 70, eu-1b: 30}",
    ),
    (
        "services: {a: {locality: {weights: {a: '7', b: -1, c: 600000, d: 600000}}}}",
        "1:36 error services.a.locality.weights: the weights sum up to 1200002: 1000000 at most are taken",
        "1:40 error services.a.locality.weights.a: "
        'expected a whole number from 0 to 1000000, found "7": write 7 without quotes',
        "1:48 error services.a.locality.weights.b: expected a whole number from 0 to 1000000, found -1",
    ),
    (
        "services: {a: {locality: {weights: {a: 1}, zone_aware: {routing_enabled: 101%}}}}",
        "1:56 error services.a.locality.zone_aware: requests are shared by `weights` or by `zone_aware`, not both",
        "1:74 error services.a.locality.zone_aware.routing_enabled: expected a percentage from 0% to 100%, "
        'such as 10%, found "101%"',
    ),
    (
        "services: {a: {locality: {zone_aware: {min_clustr_size: 3}}}}",
        '1:40 error services.a.locality.zone_aware.min_clustr_size: unknown key "min_clustr_size": '
        "did you mean `min_cluster_size`?",
    ),
    (
        "services: {a: {balance: client_side_weighted, locality: {weights: {eu: 1}}}}",
        "1:57 error services.a.locality: `client_side_weighted` shares by load alone, which `weights` cannot change: "
        "leave it out",
    ),
    (
        "services: {a: {locality: failover, endpoints: [b:1, {address: b:2, priority: 1}]}}",
        "1:26 error services.a.locality: `failover` makes the priorities, but endpoints[1] states its own: "
        "leave out one of them",
    ),
    (
        "services: {a: {endpoints: [{address: b:2, priority: 128}], overprovisioning: 99%, panic_threshold: 0.5}}",
        "1:53 error services.a.endpoints[0].priority: expected a whole number from 0 to 127, found 128",
        '1:78 error services.a.overprovisioning: expected a percentage from 100% to 1000%, such as 140%, found "99%"',
        "1:100 error services.a.panic_threshold: expected whole percents, such as 10%, found 0.5",
    ),
    # Health checks.
    (
        "services: {a: {health_check: /health}}",
        '1:30 error services.a.health_check: expected `off`, or a mapping such as {http: /health}, found "/health": '
        "write {http: /health}",
    ),
    (
        "services: {a: {health_check: {}}}",
        "1:30 error services.a.health_check: has no kind: write one of http, grpc and tcp, such as {http: /health}",
    ),
    (
        "services: {a: {health_check: {http: health}}}",
        '1:37 error services.a.health_check.http: expected a path that begins with /, found "health": write "/health"',
    ),
    (
        "services: {a: {health_check: {http: /a, interval: 0.1ms}}}",
        "1:51 error services.a.health_check.interval: 0.1ms is not a whole number of milliseconds",
    ),
    (
        "services: {a: {health_check: {htpp: /x}}}",
        '1:31 error services.a.health_check.htpp: unknown key "htpp": did you mean `http`?',
    ),
    (
        "services: {a: {health_check: {tcp: true, http: /a, expect: [2xx]}}}",
        "1:36 error services.a.health_check.tcp: a check is made by `http` or by `tcp`, not both",
        "1:61 error services.a.health_check.expect[0]: expected a status from 100 to 599, or a range such as 200-299, "
        'found "2xx"',
    ),
    (
        "services: {a: {health_check: {tcp: true, expect: [200-299, 404], host: a}}}",
        "1:50 error services.a.health_check.expect: is for `http`: a check by `tcp` has no statuses",
        "1:72 error services.a.health_check.host: is for `http` and `grpc`: a check by `tcp` asks for nothing",
    ),
    (
        "services: {a: {health_check: {http: /, host: 'http://b'}}}",
        '1:46 error services.a.health_check.host: a host has no scheme or path: write "b"',
    ),
    (
        'services: {a: {health_check: {grpc: ""}}}',
        "1:37 error services.a.health_check.grpc: is for `protocol: grpc` or `http2` only",
    ),
    (
        'services: {a: {protocol: gprc, health_check: {grpc: ""}}}',
        '1:26 error services.a.protocol: expected one of http, http2, grpc, tcp; found "gprc": did you mean `grpc`?',
    ),
    (
        "services: {a: {outlier_detection: of}}",
        "1:35 error services.a.outlier_detection: expected `off`, or a mapping such as "
        '{consecutive_failures: 5}, found "of": did you mean `off`?',
    ),
    (
        "services: {a: {outlier_detection: {max_ejection_percent: 0}}}",
        "1:58 error services.a.outlier_detection.max_ejection_percent: expected a percentage from 1% to "
        "100%, such as 10%, found 0",
    ),
    # Affinity.
    (
        "services: {a: {balance: maglev, affinity: {}}}",
        "1:43 error services.a.affinity: is empty: write one of header, query_parameter, cookie and source, "
        "such as {header: x-user}",
    ),
    (
        "services: {a: {balance: maglev, affinity: {heder: x}}}",
        '1:44 error services.a.affinity.heder: unknown key "heder": did you mean `header`?',
    ),
    (
        "services: {a: {balance: maglev, affinity: {header: x user}}}",
        '1:52 error services.a.affinity.header: "x user" is not a header\'s name: letters, digits and - only',
    ),
    (
        "services: {a: {balance: maglev, affinity: {cookie: a b}}}",
        "1:52 error services.a.affinity.cookie: expected a cookie's name of letters, digits, - and _, such "
        'as sid, found "a b"',
    ),
    (
        "services: {a: {balance: maglev, affinity: {cookie: 5}}}",
        "1:52 error services.a.affinity.cookie: expected a cookie's name of letters, digits, - and _, such "
        'as sid, found 5: write "5" in quotes',
    ),
    (
        "services: {a: {protocol: tcp, balance: maglev, affinity: {header: a, cookie: b}}}",
        "1:58 error services.a.affinity: TCP has no header and no cookie: write `affinity: {source: true}`",
    ),
    ("services: {a: {slow_start: 0s}}", "1:28 error services.a.slow_start: must be 1ms or more, found 0s"),
    # Endpoints.
    (
        "services: {a: {endpoints: [{address: b:1, drain: yes, health: ill}]}}",
        '1:50 error services.a.endpoints[0].drain: expected true or false, found "yes": write true',
        '1:63 error services.a.endpoints[0].health: expected one of healthy, degraded, unhealthy; found "ill"',
    ),
    (
        "services: {a: {endpoints: 10.0.0.4:5000}}",
        '1:27 error services.a.endpoints: expected `registered`, or a list such as ["10.0.0.4:5000"], found '
        '"10.0.0.4:5000": write it as a list, ["10.0.0.4:5000"]',
    ),
    (
        "services: {a: {endpoints: {address: b}}}",
        '1:27 error services.a.endpoints: expected `registered`, or a list such as ["10.0.0.4:5000"], found a mapping: '
        "begin each item with `- `",
    ),
    (
        "services: {a: {endpoints: [5000]}}",
        '1:28 error services.a.endpoints[0]: expected `registered`, "host:port", or a mapping with `address`, '
        "found 5000",
    ),
    (
        "services: {a: {endpoints: ['h:1', registered, 'h:1']}}",
        "1:47 error services.a.endpoints[2]: h:1 is given twice: first as endpoints[0]",
    ),
    (
        "services: {a: {endpoints: registred}}",
        '1:27 error services.a.endpoints: expected `registered`, or a list such as ["10.0.0.4:5000"], found '
        '"registred": did you mean `registered`?',
    ),
    (
        "services: {a: {endpoints: [{address: b, port: '5'}]}}",
        '1:47 error services.a.endpoints[0].port: expected a port from 1 to 65535, found "5": write 5 without quotes',
    ),
    (
        "services: {a: {endpoints: [{address: b:5, weight: 0}]}}",
        "1:51 error services.a.endpoints[0].weight: expected a whole number from 1 to 4294967295, found 0: a "
        "weight of 0 would take no requests, remove the endpoint instead",
    ),
    (
        "services: {a: {endpoints: [{address: b:5, weight: 4294967296}]}}",
        "1:51 error services.a.endpoints[0].weight: expected a whole number from 1 to 4294967295, found 4294967296",
    ),
    (
        "services: {a: {balance: weighted, endpoints: [{address: b:5, weight: 4294967295}, b:6]}}",
        "1:46 error services.a.endpoints: the endpoints' weights sum up to 4294967296: Envoy takes 4294967295 at most",
    ),
    (
        "services: {a: {endpoints: ['[::1]:5', b:5, '[0::1]:5', B:5]}}",
        "1:44 error services.a.endpoints[2]: [::1]:5 is given twice: first as endpoints[0]",
        "1:56 error services.a.endpoints[3]: b:5 is given twice: first as endpoints[1]",
    ),
    (
        "services: {a: {endpoints: [{address: b:5, zone: 1}]}}",
        '1:49 error services.a.endpoints[0].zone: expected text, found 1: write "1" in quotes',
    ),
    (
        f"services: {{a: {{endpoints: [{{address: b:5, zone: {'x' * 254}}}]}}}}",
        "1:49 error services.a.endpoints[0].zone: has 254 characters, where 253 at most are taken",
    ),
    (
        "services: {a: {endpoints: [{address: b:5, metadata: {n: .inf}}]}}",
        "1:57 error services.a.endpoints[0].metadata.n: expected a finite number, found inf",
    ),
    (
        "services: {a: {endpoints: [{adress: b:5}]}}",
        '1:29 error services.a.endpoints[0].adress: unknown key "adress": did you mean `address`?',
    ),
    # Gateways.
    (
        "gateways: {g: {port: 1, routes: []}}",
        "1:33 error gateways.g.routes: expected a list of routes, such as [{prefix: /, to: web}], found an empty list",
    ),
    (
        "gateways: {g: {port: 1}}",
        "1:15 error gateways.g: `routes` is missing: a list of routes, such as [{prefix: /, to: web}]",
    ),
    (
        "gateways: {g: {port: 0, routes: [{to: a}]}}",
        "1:22 error gateways.g.port: expected a port from 1 to 65535, found 0",
    ),
    (
        "gateways: {g: {port: 1, routes: {to: a}}}",
        "1:33 error gateways.g.routes: expected a list of routes, such as [{prefix: /, to: web}], found a mapping: "
        "begin each item with `- `",
    ),
    (
        "gateways: {g: {port: 1, routes: [{to: a, prefix: /a, path: /b}]}}",
        "1:60 error gateways.g.routes[0].path: a route has `prefix` or `path`, not both",
    ),
    (
        "gateways: {g: {port: 1, routes: [{to: a, path: '/b?c=d'}]}}",
        '1:48 error gateways.g.routes[0].path: expected a path that begins with /, without query, found "/b?c=d": '
        "leave out the ? and what follows",
    ),
    (
        "gateways: {g: {port: 1, routes: [{to: a, prefix: /café}]}}",
        '1:50 error gateways.g.routes[0].prefix: expected a path that begins with /, without query, found "/café": '
        "write spaces and letters beyond ASCII percent-encoded, as in /caf%C3%A9",
    ),
    (
        "gateways: {g: {port: 1, routes: [{to: a, headers: {v: 2}}]}}",
        '1:55 error gateways.g.routes[0].headers.v: expected text, such as {prefix: a}, or "*" for any value, '
        'found 2: write "2" in quotes',
    ),
    (
        "gateways: {g: {port: 1, routes: [{to: a, headers: {Host: b}}]}}",
        "1:58 error gateways.g.routes[0].headers.Host: the Host header is matched by the route's `host`",
    ),
    (
        "gateways: {g: {port: 1, routes: [{http:/a: b, to: a}]}}",
        '1:35 error gateways.g.routes[0].http:/a: unknown key "http:/a": known are '
        f"{list_known('gateways', 'g', 'routes', 0)}",
    ),
    (
        "gateways: {g: {port: 1, routes: [{to:a}]}}",
        '1:35 error gateways.g.routes[0].to:a: unknown key "to:a": write `to: a`, with a space after the colon',
    ),
    *ROUTE_CASES,
    *FILTER_CASES,
    *LISTENER_CASES,
    *SUBSET_CASES,
    *MESH_CASES,
    *UPSTREAM_CASES,
]


@each((text, expected) for text, *expected in CASES)
def test_a_mistake_is_reported_at_its_place(text: str, expected: list[str]) -> None:
    """A wrong value is reported at the value, an unknown key at the key, and a missing key at its mapping."""
    assert find_problems(text) == expected


def test_one_run_finds_all_mistakes() -> None:
    """Mistakes in YAML and in values, also in the same service, do not hide each other."""
    text = """
        services:
          a: {retries: 99, balance: x}
          a: {}
          b: {endpoints: [b], sidecar: *x}
        gateways:
          g: {port: 0}
    """
    assert [problem.split(" ")[2] for problem in find_problems(text)] == [
        "services.a.retries:",
        "services.a.balance:",
        "services:",
        "services.b.endpoints[0]:",
        "services.b.sidecar:",
        "gateways.g:",
        "gateways.g.port:",
    ]


def test_a_mistake_in_a_merged_mapping_is_reported_at_the_anchor() -> None:
    """The operator corrects it there. The path names the service that it affects."""
    text = """
        x-defaults: &defaults
          retries: 99
        services:
          a: {<<: *defaults}
    """
    assert find_problems(text) == ["3:12 error services.a.retries: expected a whole number from 0 to 10, found 99"]


def test_a_value_that_cannot_be_read_has_one_message() -> None:
    """It is not reported as a wrong value too."""
    assert find_problems("services: {a: *b}") == [
        "1:15 error services.a: no anchor &b stands before this alias in this file"
    ]
    assert find_problems("services: *b") == ["1:11 error services: no anchor &b stands before this alias in this file"]
    assert find_problems("*b") == ["1:1 error : no anchor &b stands before this alias in this file"]


def test_the_number_of_reported_problems_is_limited() -> None:
    """The first hundred are reported, and the number of the others."""
    endpoints = "\n".join("    - 5" for _ in range(1000))
    problems = find_problems(f"services:\n  a:\n   endpoints:\n{endpoints}\n  b: {{retries: 99}}")
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1] == "103:7 error : and 901 more after this"


def test_values_in_messages_are_printable_and_short() -> None:
    """A value in a catalog can neither fill the terminal nor send control codes to it."""
    [problem] = find_problems(r'services: {a: {protocol: "\e[31m\n' + "x" * 1000 + '"}}')
    assert problem.isprintable()
    assert len(problem) < 250


def test_a_catalog_with_many_valid_fields_has_no_problems() -> None:
    """Most keys are used at least once."""
    fragment = parse("""
        services:
          a:
            protocol: grpc
            balance: weighted
            slow_start: 30s
            health_check:
              {http: "/ok?a=1", expect: [200-299, 404], host: "b:80", interval: 1s, timeout: 250ms}
            outlier_detection:
              {consecutive_failures: 3, consecutive_5xx: 5, interval: 1s, base_ejection_time: 5s}
            timeouts: {connect: 1ms, request: 0s, idle: 0s}
            retries: 0
            upstreams: [b]
            sidecar: "[::1]:15001"
            endpoints:
              - {address: "10.0.0.4:5000", weight: 3, region: eu, zone: eu-1a, sub_zone: r1, metadata: {v: [1, {a: ~}]}}
              - {address: "::1", port: 5000, weight: 1}
              - {address: web.example.com, port: 5000, weight: }
          c:
            balance: maglev
            affinity: {header: Host, query_parameter: user, cookie: {name: sid, ttl: 0s, path: /shop}}
            outlier_detection: off
            endpoints: [{address: "10.0.0.7:80", drain: true}, {address: "10.0.0.8:80", health: degraded}]
          b: {protocol: tcp, local_port: 5432, endpoints: ["10.0.0.9:5432"]}
        gateways:
          g:
            port: 8080
            address: "::"
            routes:
              - {to: a, host: "*.Example.com", prefix: /a, headers: {X-Team: a, other: "*"}}
              - {to: a, path: /b}
              - {to: a}
    """)
    assert fragment.problems == ()
    assert fragment.gateways["g"].routes[0].host == ("*.example.com",)


FIELDS = dict(list_fields(get_root()))


@each(FIELDS)
def test_no_message_uses_pydantics_words(path: str) -> None:
    """For any kind of error in any field, the message states what is expected and what was found."""
    for kind in get_args(ErrorType):
        for value in (None, True, 5, 1.5, "x", ["x"], {"x": 1}):
            message = explain_value(FIELDS[path], kind, value, limit=3)
            assert message.startswith("expected ") or "where 3 at most" in message
            for jargon in ("Input", "valid", "dictionary", "instance", "tuple", "string", "integer", "str", "bounds"):
                assert jargon not in message.replace("`http`", "").replace("strict", "")


@each(FIELDS)
def test_every_example_of_a_field_is_valid(path: str) -> None:
    """Messages, editors and the reference show these examples. The value that replaces a wrong one is valid too."""
    field = FIELDS[path]
    assert [example for example in field.examples if not field.takes(example)] == []
    stand_in = field.if_wrong.stand_in
    assert stand_in is LEFT_OUT or field.takes(stand_in(3) if callable(stand_in) else stand_in)
