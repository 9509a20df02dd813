"""Warnings: what is allowed in one service or gateway, but is surely a mistake."""

import pytest

from tests.catalog.catalogs import build, find_problems
from tests.catalog.upstream_cases import UPSTREAM_ADVICE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "services: {a: {balance: random, endpoints: [b:1, {address: b:2, weight: 3}]}}",
            [
                "1:73 warning services.a.endpoints[1].weight: has no effect with `balance: random`: "
                "write `balance: weighted`"
            ],
        ),
        (
            "services: {a: {endpoints: [{address: b:2, weight: 3}]}}",
            [
                "1:51 warning services.a.endpoints[0].weight: has no effect with `balance: round_robin`: "
                "write `balance: weighted`"
            ],
        ),
        (
            "services: {a: {balance: weighted, endpoints: [b:1]}}",
            [
                "1:25 warning services.a.balance: no endpoint has a `weight`, so all get the same share, "
                "as with `round_robin`"
            ],
        ),
        (
            "services: {a: {endpoints: ['0.0.0.0:80', '10.0.0.1:80', '[::]:80']}}",
            [
                "1:28 warning services.a.endpoints[0]: 0.0.0.0 is for listening only: each Envoy would connect to its "
                "own machine, write the address of the instance",
                "1:57 warning services.a.endpoints[2]: :: is for listening only: each Envoy would connect to its "
                "own machine, write the address of the instance",
            ],
        ),
        (
            "services: {a: {endpoints: ['[::ffff:0.0.0.0]:80', '[::ffff:10.0.0.1]:80']}}",
            [
                "1:28 warning services.a.endpoints[0]: ::ffff:0:0 is for listening only: each Envoy would connect to "
                "its own machine, write the address of the instance"
            ],
        ),
        ("services: {a: {endpoints: [b:80], sidecar: '[::ffff:127.0.0.1]:15001'}}", []),
        (
            "services: {a: {endpoints: [b:80, b:443, {address: c, port: 443}]}}",
            [
                "1:34 warning services.a.endpoints[1]: 443 is the port of https, and requests go there in plain text: "
                "add `tls: true`"
            ],
        ),
        ("services: {a: {endpoints: [b:443], tls: true}, b: {endpoints: [b:443], protocol: tcp}}", []),
        (
            "services: {a: {ttl: 5s, endpoints: ['10.0.0.1:1', b:1]}}",
            ["1:21 warning services.a.ttl: has no effect on endpoints with host names, which Envoy resolves by itself"],
        ),
        (
            "services: {a: {health_check: {http: /, interval: 1s, timeout: 1500ms}}}",
            ["1:63 warning services.a.health_check.timeout: the timeout is 1.5s, longer than the interval of 1s"],
        ),
        (
            "services: {a: {health_check: {http: /, interval: 1s}}}",
            ["1:30 warning services.a.health_check: the timeout is 2s, longer than the interval of 1s"],
        ),
        (
            "services: {a: {balance: ring_hash, endpoints: [{address: b:1, weight: 2}]}}",
            [
                "1:25 warning services.a.balance: without `affinity` each request goes to a random endpoint: "
                "set one, such as {header: x-user}"
            ],
        ),
        (
            "services: {a: {balance: least_request, affinity: {header: x}, endpoints: [{address: b:1, weight: 2}]}}",
            [
                "1:50 warning services.a.affinity: has no effect with `balance: least_request`: "
                "write `balance: maglev` or `ring_hash`"
            ],
        ),
        (
            "services: {a: {balance: maglev, affinity: {cookie: {name: s, ttl: 5s}, source: true}}}",
            [
                "1:80 warning services.a.affinity.source: has no effect: Envoy sets the cookie where it is missing, "
                "since it has a `ttl`"
            ],
        ),
        (
            "services: {a: {balance: random, slow_start: 5s}}",
            [
                "1:45 warning services.a.slow_start: has no effect with `balance: random`, "
                "only with round_robin, weighted, least_request, client_side_weighted"
            ],
        ),
        (
            "services: {a: {endpoints: [{address: b:1, drain: true}, {address: b:2, health: unhealthy}]}}",
            [
                "1:27 warning services.a.endpoints: every endpoint is drained or unhealthy: "
                "Envoy then ignores that, and sends requests to all of them"
            ],
        ),
        (
            "services: {a: {panic_threshold: 0, endpoints: [{address: b:1, drain: true}]}}",
            [
                "1:47 warning services.a.endpoints: every endpoint is drained or unhealthy: "
                "with `panic_threshold: 0%` every request fails"
            ],
        ),
        (
            "services: {a: {panic_threshold: 30, outlier_detection: {max_ejection_percent: 80}}}",
            [
                "1:79 warning services.a.outlier_detection.max_ejection_percent: when more than 70% of the "
                "endpoints are unhealthy, Envoy sends requests to all again: write 70% or less"
            ],
        ),
        ("services: {a: {panic_threshold: 0, outlier_detection: {max_ejection_percent: 100}}}", []),
        ("services: {a: {panic_threshold: 70, outlier_detection: off}}", []),
        (
            "services: {a: {panic_threshold: 70%}}",
            [
                "1:33 warning services.a.panic_threshold: when more than 30% of the endpoints are unhealthy, "
                "Envoy sends requests to all again, and outlier detection may eject 50%: write 50%"
            ],
        ),
        (
            "services: {a: {overprovisioning: 120, endpoints: [b:1]}}",
            [
                "1:34 warning services.a.overprovisioning: has no effect: there are no priorities, no degraded "
                "endpoints and no `locality.weights`"
            ],
        ),
        ("services: {a: {overprovisioning: 120, endpoints: [b:1, {address: b:2, priority: 1}]}}", []),
        (
            "services: {a: {locality: failover, endpoints: [b:1, {address: b:2, sub_zone: s}]}}",
            [
                "1:26 warning services.a.locality: no endpoint has a `zone` or a `region`: "
                "every caller uses all endpoints"
            ],
        ),
        (
            "services: {a: {locality: failover, endpoints: [b:1, {address: b:2, zone: z}]}}",
            [
                "1:48 warning services.a.endpoints[0]: has no `zone` and no `region`: "
                "`failover` gives it the lowest priority for every caller"
            ],
        ),
        (
            "services: {a: {locality: {weights: {eu-1a: 7, eu/eu-1x: 3}}, endpoints: [{address: b:1, zone: eu-1a}, "
            "{address: b:2, region: eu, zone: eu-1b}, b:3, {address: b:4, drain: true}]}}",
            [
                '1:57 warning services.a.locality.weights.eu/eu-1x: no endpoint is in "eu/eu-1x": '
                "did you mean `eu/eu-1b`?",
                '1:103 warning services.a.endpoints[1]: is in "eu/eu-1b", which `locality.weights` does not name: '
                "it gets no requests",
                "1:144 warning services.a.endpoints[2]: is in no zone or region: it gets no requests",
            ],
        ),
        (
            "services: {a: {locality: zone_aware, endpoints: [b:1, b:2]}}",
            ["1:26 warning services.a.locality: has no effect: all endpoints are in one locality"],
        ),
        (
            "services: {a: {locality: zone_aware, endpoints: [b:1, {address: b:2, zone: z}]}}",
            [
                "1:26 warning services.a.locality: has no effect with 2 endpoints: "
                "write `zone_aware: {min_cluster_size: 2}` or less"
            ],
        ),
        (
            "services: {a: {locality: zone_aware, balance: maglev, affinity: {source: true}, endpoints: [b:1]}}",
            ["1:26 warning services.a.locality: has no effect with `balance: maglev`"],
        ),
        (
            "services: {a: {protocol: tcp, outlier_detection: {consecutive_5xx: 5, max_ejection_percent: 80}}}",
            [
                "1:68 warning services.a.outlier_detection.consecutive_5xx: has no effect with `protocol: tcp`, "
                "which has no statuses",
                "1:93 warning services.a.outlier_detection.max_ejection_percent: when more than 50% of the "
                "endpoints are unhealthy, Envoy sends requests to all again: write 50% or less",
            ],
        ),
        (
            "gateways: {g: {port: 1, routes: [{to: a, prefix: /b*}]}}",
            ["1:50 warning gateways.g.routes[0].prefix: ends in a `*`, which has no meaning in a prefix: leave it out"],
        ),
        (
            "gateways: {g: {port: 1, routes: [{to: a, regex: '/a.*$'}, {to: a, regex: /b}]}}",
            [
                "1:49 warning gateways.g.routes[0].regex: ends in a `$`, which has no effect: "
                "a regex always matches the whole path",
                "1:74 warning gateways.g.routes[1].regex: is plain text: write `path`",
            ],
        ),
        (
            "gateways: {g: {port: 1, routes: [{prefix: /a, redirect: {prefix: /a/b}}]}}",
            [
                "1:57 warning gateways.g.routes[0].redirect: leads to a request that this route redirects again: "
                "an endless loop"
            ],
        ),
        (
            "gateways: {g: {port: 1, routes: [{host: x.com, redirect: {host: x.com, path: /b}}]}}",
            [
                "1:58 warning gateways.g.routes[0].redirect: leads to a request that this route redirects again: "
                "an endless loop"
            ],
        ),
        (
            "gateways: {g: {listeners: [{port: 1, routes: [{to: a}, {to: b}]}], routes: [{to: a}]}}",
            [
                "1:56 warning gateways.g.listeners[0].routes[1]: can never match: "
                "routes[0] matches all of its requests",
                "1:76 warning gateways.g.routes: has no effect: every listener has routes of its own",
            ],
        ),
        (
            "gateways: {g: {port: 1, tls: {certificates: [{certificate: /a, key: /b, hosts: ['*.x.com', y.com]}]}, "
            "routes: [{host: a.x.com, to: a}, {host: y.com, to: a}, {host: x.com, to: a}, {redirect: {https: true}}]}}",
            [
                "1:165 warning gateways.g.routes[2].host: no certificate of port 1 covers x.com: "
                "its clients are refused there",
                "1:191 warning gateways.g.routes[3].redirect: redirects port 1, which is https already, to itself: "
                "an endless loop",
            ],
        ),
        (
            "gateways: {g: {port: 1, tls: {certificates: [{certificate: /a, key: /b}]}, http3: true, "
            "proxy_protocol: true, routes: [{to: a}]}}",
            [
                "1:83 warning gateways.g.http3: UDP has no PROXY protocol: "
                "over HTTP/3 all clients have the load balancer's address"
            ],
        ),
        ("gateways: {g: {port: 1, routes: [{prefix: /a, redirect: {path: /b}}]}}", []),
        ("gateways: {g: {port: 1, routes: [{template: '/a/{b}', redirect: {path: /b}}]}}", []),
        (
            "gateways: {g: {port: 1, routes: [{to: a, fault: {by_header: true}}]}}",
            [
                "1:61 warning gateways.g.routes[0].fault.by_header: every client can request faults with "
                "a header: set it only where you trust all clients"
            ],
        ),
        (
            "gateways: {g: {port: 1, routes: [{to: a, fault: {abort: {status: 200, percent: 5}}}]}}",
            [
                "1:66 warning gateways.g.routes[0].fault.abort.status: 200 is not an error: "
                "write an error's status, such as 503"
            ],
        ),
        (
            "gateways: {g: {port: 1, routes: [{to: a, method: GET, cors: {origins: ['*'], methods: [GET, PUT]}}]}}",
            ["1:93 warning gateways.g.routes[0].cors.methods[1]: the route does not match PUT: add it to `method`"],
        ),
        ("gateways: {g: {port: 1, routes: [{redirect: {https: true, path: /b}}]}}", []),
        ("gateways: {g: {port: 1, routes: [{method: POST, redirect: {path: /b, code: 303}}]}}", []),
        *UPSTREAM_ADVICE,
    ],
)
def test_a_warning_is_reported_at_what_to_change(text: str, expected: list[str]) -> None:
    """Each case has the position and the text of its warning."""
    assert find_problems(text) == expected


def test_a_catalog_with_warnings_is_served() -> None:
    """The catalog includes its warnings."""
    catalog = build("services: {a: {balance: weighted, endpoints: [b:1]}}")
    assert [str(problem.severity) for problem in catalog.problems] == ["warning"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{to: a}", "{to: b}"),
        ("{to: a}", "{to: b, host: x.com, path: /c, headers: {d: e}}"),
        ("{to: a, prefix: /c}", "{to: b, prefix: /cd}"),
        ("{to: a, prefix: /c}", "{to: b, path: /c/d}"),
        ("{to: a, path: /c}", "{to: b, path: /c}"),
        ("{to: a, host: '*.x.com'}", "{to: b, host: y.x.com}"),
        ("{to: a, host: '*.x.com'}", "{to: b, host: '*.y.x.com'}"),
        ("{to: a, host: X.com}", "{to: b, host: x.com, prefix: /c}"),
        ("{to: a, headers: {d: '*'}}", "{to: b, headers: {d: e}}"),
        ("{to: a, headers: {d: e}}", "{to: b, headers: {d: e, f: g}}"),
        ("{to: a}", "{respond: {}, regex: /c.*}"),
        ("{to: a, regex: /c.*}", "{to: b, regex: /c.*}"),
        ("{to: a, method: [GET, PUT]}", "{to: b, method: PUT}"),
        ("{to: a, query: {d: '*'}}", "{to: b, query: {d: e}}"),
        ("{to: a, prefix: /c}", "{to: b, template: '/c/{d}'}"),
        ("{to: a, template: '/c/{d}'}", "{to: b, template: '/c/{d}', method: GET}"),
        ("{to: a, headers: {d: '*'}}", "{to: b, headers: {d: {prefix: e}}}"),
        ("{to: a, headers: {d: {prefix: e}}}", "{to: b, headers: {d: ef}}"),
        ("{to: a, headers: {d: {prefix: e}}}", "{to: b, headers: {d: {prefix: ef}}}"),
        ("{to: a, headers: {d: {suffix: f}}}", "{to: b, headers: {d: {suffix: ef}}}"),
        ("{to: a, headers: {d: {contains: e}}}", "{to: b, headers: {d: {suffix: def}}}"),
        ("{to: a, headers: {d: {regex: 'e+'}}}", "{to: b, headers: {d: {regex: 'e+'}}}"),
        ("{to: a, headers: {d: {absent: true}}}", "{to: b, headers: {d: {absent: true}, e: f}}"),
        ("{to: a, query: {d: {exact: e}}}", "{to: b, query: {d: e}}"),
    ],
)
def test_a_route_that_can_never_match_has_a_warning(earlier: str, later: str) -> None:
    """The first route that matches wins. So a route cannot match if an earlier one matches all of its requests."""
    [problem] = find_problems(f"gateways:\n  g:\n    port: 1\n    routes:\n      - {earlier}\n      - {later}\n")
    assert problem.endswith("gateways.g.routes[1]: can never match: routes[0] (line 5) matches all of its requests")
    assert problem.startswith("6:9 warning")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{to: a, prefix: /c}", "{to: b}"),
        ("{to: a, path: /c}", "{to: b, prefix: /c}"),
        ("{to: a, path: /c}", "{to: b, path: /c/d}"),
        ("{to: a, host: x.com}", "{to: b}"),
        ("{to: a, host: '*.x.com'}", "{to: b, host: x.com}"),
        ("{to: a, host: '*.y.x.com'}", "{to: b, host: '*.x.com'}"),
        ("{to: a, headers: {d: e}}", "{to: b, headers: {d: '*'}}"),
        ("{to: a, headers: {d: e}}", "{to: b, headers: {d: f}}"),
        ("{to: a, headers: {d: e}}", "{to: b}"),
        ("{to: a, prefix: /c}", "{to: b, regex: /c.*}"),
        ("{to: a, regex: /c.*}", "{to: b, prefix: /c}"),
        ("{to: a, method: [GET, PUT]}", "{to: b, method: [PUT, POST]}"),
        ("{to: a, method: GET}", "{to: b}"),
        ("{to: a, query: {d: e}}", "{to: b, query: {d: f}}"),
        ("{to: a, template: '/c/{d}'}", "{to: b, prefix: /c}"),
        ("{to: a, prefix: /c/d}", "{to: b, template: '/c/{d}'}"),
        ("{to: a, prefix: /c/}", "{to: b, template: '/*/c'}"),
        ("{to: a, headers: {d: '*'}}", "{to: b, headers: {d: {absent: true}}}"),
        ("{to: a, headers: {d: {exact: '*'}}}", "{to: b, headers: {d: e}}"),
        ("{to: a, headers: {d: {absent: true}}}", "{to: b, headers: {d: e}}"),
        ("{to: a, headers: {d: {prefix: ef}}}", "{to: b, headers: {d: {prefix: e}}}"),
        ("{to: a, headers: {d: {prefix: e}}}", "{to: b, headers: {d: {contains: ef}}}"),
        ("{to: a, headers: {d: {suffix: f}}}", "{to: b, headers: {d: {prefix: ef}}}"),
        ("{to: a, headers: {d: {regex: 'e+'}}}", "{to: b, headers: {d: {prefix: e}}}"),
        ("{to: a, headers: {d: {prefix: e}}}", "{to: b, headers: {d: {regex: 'e.*'}}}"),
    ],
)
def test_a_route_that_can_match_has_no_warning(earlier: str, later: str) -> None:
    """An earlier route may match some of its requests: that is the normal use of routes."""
    assert find_problems(f"gateways: {{g: {{port: 1, routes: [{earlier}, {later}]}}}}") == []


@pytest.mark.parametrize(
    ("sidecar", "shown", "remedy"),
    [
        ("'0.0.0.0:15001'", "0.0.0.0", "127.0.0.1:15001"),  # noqa: S104 nothing listens there
        ("'[::]:9'", "::", "[::1]:9"),
        ("'10.0.0.1:9'", "10.0.0.1", "127.0.0.1:9"),
    ],
)
def test_a_sidecar_that_other_machines_can_reach_has_a_warning(sidecar: str, shown: str, remedy: str) -> None:
    """It is an open relay to every service that the service may call."""
    [problem] = find_problems(f"services: {{a: {{sidecar: {sidecar}}}}}")
    what = f"other machines can reach {shown}, and whoever does may call what this service may"
    assert problem == f'1:25 warning services.a.sidecar: {what}: write "{remedy}"'
    assert find_problems("services: {a: {sidecar: 15002}, b: {sidecar: '127.0.0.9:1'}, c: {sidecar: '[::1]:1'}}") == []


@pytest.mark.parametrize(
    ("gateway", "is_wrong"),
    [
        ("port: 443, routes: [{to: web}]", True),
        ("listeners: [{port: 443}, {port: 80}], routes: [{to: web}]", True),
        ("port: 443, routes: [{redirect: {host: x.com}}]", True),
        ("port: 8443, routes: [{to: web}]", False),
        ("port: 443, routes: [{to: db}]", False),
        ("port: 443, tls: {certificates: [{certificate: /c, key: /k}]}, routes: [{to: web}]", False),
        ("port: 443, tls: passthrough, routes: [{to: db}]", False),
    ],
)
def test_a_gateway_with_plain_text_at_the_port_of_https_has_a_warning(gateway: str, *, is_wrong: bool) -> None:
    """Connections may be of TLS themselves: a gateway forwards those of a TCP service as they are."""
    problems = find_problems(f"services: {{web: {{}}, db: {{protocol: tcp}}}}\ngateways: {{g: {{{gateway}}}}}")
    words = "443 is the port of https, and clients get plain text there: add `tls`"
    assert [problem for problem in problems if words in problem] == problems[: int(is_wrong)]
