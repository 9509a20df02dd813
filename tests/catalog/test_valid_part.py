"""No mistake hides another: one run also checks everything around the first mistakes."""

import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.catalog.catalogs import check_files, find_problems
from tests.catalog.test_wrong_catalogs import read_rows
from tests.sampling import examples
from xds.catalog.reading.edit import SERVICE
from xds.catalog.reading.fragment import GATEWAY, MAX_ROUNDS
from xds.catalog.reading.valid_part import ValidPart
from xds.catalog.reading.yaml import BROKEN
from xds.catalog.text.names import NOBODY

EXAMPLE = """
    services:
      api:
        blance: random
        endpoints:
          - 127.0.0.1
          - "10.0.0.3:80"
          - "10.0.0.3:80"
        upstreams: [usres, usres]
      users: {retries: 99}
    gateways:
      edge: {port: 70000, routes: [{to: apo}, {to: users, prefix: api}]}
"""


def test_one_run_finds_every_mistake() -> None:
    """The mistakes are in keys, values, lists and names, next to each other and nested."""
    assert check_files(a=EXAMPLE) == [
        'a.yaml:4:5: error: services.api.blance: unknown key "blance": did you mean `balance`?',
        "a.yaml:6:9: error: services.api.endpoints[0]: the port is missing: "
        'write "127.0.0.1:5000", with the port that it listens on',
        "a.yaml:8:9: error: services.api.endpoints[2]: 10.0.0.3:80 is given twice: first as endpoints[1] (line 7)",
        'a.yaml:9:17: error: services.api.upstreams[0]: there is no service "usres": did you mean `users`?',
        'a.yaml:9:24: error: services.api.upstreams[1]: "usres" is given twice: first as upstreams[0]',
        "a.yaml:10:20: error: services.users.retries: expected a whole number from 0 to 10, found 99",
        "a.yaml:12:16: error: gateways.edge.port: expected a port from 1 to 65535, found 70000",
        'a.yaml:12:37: error: gateways.edge.routes[0].to: there is no service "apo": did you mean `api`?',
        "a.yaml:12:63: error: gateways.edge.routes[1].prefix: expected a path that begins with /, without query, "
        'found "api": write "/api"',
    ]


def paths(problems: list[str]) -> list[str]:
    """Return the path of each problem."""
    return [problem.split(" ")[2].removesuffix(":") for problem in problems]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("endpoints: [a, b:1, b:1]", ["endpoints[0]", "endpoints[2]"]),
        ("endpoints: [b:1, {address: b, port: 1, weight: 0}]", ["endpoints[1]", "endpoints[1].weight"]),
        ("endpoints: [{address: b:1, weight: 4294967295}, b:2, c]", ["endpoints", "endpoints[2]"]),
        ("endpoints: [{address: b:1, zone: 5, metadata: {n: .inf}}]", ["endpoints[0].zone", "endpoints[0].metadata.n"]),
        ("endpoints: [{address: b:1, metadata: {m: [{k: *x}], n: .inf}}]", ["metadata.m[0].k", "metadata.n"]),
        ("endpoints: [{address: b, metadata: {n: .inf}}, c]", ["endpoints[0]", "endpoints[0].metadata.n", "[1]"]),
        ("upstreams: [B, c, c]", ["upstreams[0]", "upstreams[2]"]),
        ("retries: 99, local_port: 5", ["retries", "local_port"]),
        ("endpoints: [b:1, b:1], local_port: 5", ["endpoints[1]", "local_port"]),
        ("endpoints: [a, {address: b:1, metadata: {n: .inf}}, b:1], local_port: 5", ["[0]", "n", "[2]", "local_port"]),
        ("health_check: 5, local_port: 5", ["health_check", "local_port"]),
        ("balance: {leest: {}}, slow_start: {windw: 1s}, retries: 99", ["leest", "windw", "retries"]),
        ("balance: {maglev: {table_size: 4}, random: 5}, local_port: 5", ["table_size", "random", "local_port"]),
        ("tls: {sni: 5, certificate: 5, key: k}, endpoints: ['10.0.0.1:1']", ["sni", "certificate", "key"]),
        ("retries: {on: [5], back_off: {base: 0s, max: 1s}, budget: 5}", ["on[0]", "base", "budget"]),
        ("circuit_breakers: {retries: 5}, retries: {budget: {min: -1}}", ["circuit_breakers.retries", "budget.min"]),
        ("health_check: {}, endpoints: [b:1, b:1]", ["health_check", "endpoints[1]"]),
    ],
)
def test_the_rules_of_a_service_are_checked_despite_other_mistakes(service: str, expected: list[str]) -> None:
    """Duplicates, sums, and keys that exclude each other are reported together with wrong values."""
    found = paths(find_problems(f"services: {{a: {{{service}}}}}"))
    assert len(found) == len(expected)
    assert all(path.endswith(text) for path, text in zip(found, expected, strict=True)), found


REWRITE = ("rewrite.prefx", "rewrite.host", "timeout")
REDIRECT = ("routes[0].redirect.code", "routes[0].redirect.host")
CHANGED = "routes[0].request_headers.set.a"
STATUS = "routes[0].respond.status"

WANTED = [f"routes[0].{one}" for one in ("headers.a.prefix", "headers.b.z", 'query["a', "query.d.regex")]
TEMPLATED = [f"routes[0].{one}" for one in ("template", "template", "rewrite.prefix")]
FILTERED = [
    f"routes[0].{one}"
    for one in ("fault.abort.status", "fault.abort.percent", "cors.origins[0]", "cors.max_age", "max_body")
]
LIMITED = [
    f"routes[0].{one}" for one in ("fault.delay", "fault.delay.time", "rate_limit.reqests", "websocket", "redirect")
]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("{prefix: /a, path: /b}", ["routes[0]", "routes[0].path"]),
        ("{to: a, prefix: a, path: /b}", ["routes[0].prefix", "routes[0].path"]),
        ("{to: a, prefix: /a, path: b}", ["routes[0].path", "routes[0].path"]),
        ("{to: a, headers: {a: 5, Host: b}}", ["routes[0].headers.a", "routes[0].headers.Host"]),
        ("{to: a, headers: {a: 5, A: b}}", ["routes[0].headers.a", "routes[0].headers.A"]),
        ("{to: a, headers: {Host: b}, prefix: /a, path: /b}", ["routes[0].headers.Host", "routes[0].path"]),
        ("5, {to: a, prefix: /a, path: /b}", ["routes[0]", "routes[1].path"]),
        ("{to: {A: 1, b: x}, prefix: /a, path: /b}", ["routes[0].to.A", "routes[0].to.b", "routes[0].path"]),
        ("{to: a, rewrite: {prefx: /a, host: 5}, timeout: 5}", [f"routes[0].{one}" for one in REWRITE]),
        ("{redirect: {code: 5, host: a:b}, prefix: /a, path: /b}", [*REDIRECT, "routes[0].path"]),
        ("{path: /a, redirect: {prefix: /b, path: /c}}", ["routes[0].redirect.prefix", "routes[0].redirect.path"]),
        ("{to: a, request_headers: {set: {a: 5}}, respond: {status: 5}}", [CHANGED, "routes[0].respond", STATUS]),
        ("{to: a, headers: {a: {prefix: 5}, b: {z: 1}}, query: {'a b': c, d: {regex: (}}}", WANTED),
        ("{to: a, template: b, rewrite: {template: '/{c}', prefix: 5}, path: /a}", TEMPLATED),
        ("{to: a, fault: {abort: {status: 5, percent: 0}}, cors: {origins: [a], max_age: 5}, max_body: 5}", FILTERED),
        (
            "{to: a, fault: {delay: {time: 5}}, rate_limit: {reqests: 5}, websocket: 1, redirect: {https: true}}",
            LIMITED,
        ),
    ],
)
def test_the_rules_of_a_route_are_checked_despite_other_mistakes(routes: str, expected: list[str]) -> None:
    """Examples are `prefix` together with `path`, and headers that a route may not have."""
    found = paths(find_problems(f"gateways: {{g: {{port: 1, routes: [{routes}]}}}}"))
    assert found == [f"gateways.g.{path}" for path in expected]


@pytest.mark.parametrize(
    "service",
    [
        "protcol: tcp, local_port: 5",
        "protocol: tpc, local_port: 5",
        "protocol: *x, local_port: 5",
        "endpionts: [b:1]",
        "endpoints: [{address: b:1}, {address: 5, port: 1}]",
        "upstreams: [*x, c]",
        "health_check: {http: x, interval: 1h, timeout: 2h}",
    ],
)
def test_a_consequence_of_another_mistake_is_not_reported(service: str) -> None:
    """A rule about a value that could not be read is not broken."""
    text = f"services: {{a: {{{service}}}, c: {{endpoints: [c:1], upstreams: [a]}}}}\n"
    text += "gateways: {g: {port: 1, routes: [{to: a, host: x.com}]}}"
    assert len(check_files(a=text)) == 1


def test_references_of_a_gateway_with_mistakes_are_checked() -> None:
    """The gateway's mistakes hide no reference. A name that is itself invalid has only one message."""
    gateway = "gateways: {g: {port: 0, routes: [{to: wev, prefix: a}, {to: 5}, {to: W}, {}, 5, {prefix: /a, to: wbe}]}}"
    problems = check_files(a="services: {web: {endpoints: [w:1]}}", b=gateway)
    assert sorted(paths(problems)) == [
        "gateways.g.port",
        "gateways.g.routes[0].prefix",
        "gateways.g.routes[0].to",
        "gateways.g.routes[1].to",
        "gateways.g.routes[2].to",
        "gateways.g.routes[3]",
        "gateways.g.routes[4]",
        "gateways.g.routes[5].to",
    ]
    assert sum("did you mean `web`" in problem for problem in problems) == 2


@pytest.mark.parametrize("broken", ["", "5", "{retries: 99}", "{zzz: 1}", "*x"])
def test_a_service_with_mistakes_exists(broken: str) -> None:
    """Other services may refer to it, and its name is suggested for similar ones."""
    shop = "services: {shop: {upstreams: [web]}, other: {upstreams: [wev]}}"
    [error, wrong] = check_files(a=f"services: {{web: {broken} }}", b=shop)
    assert error.startswith("a.yaml:1:")
    assert wrong.endswith('there is no service "wev": did you mean `web`?')


def test_a_service_with_an_invalid_name_can_be_referred_to_by_the_correct_name() -> None:
    """Only the invalid name is reported."""
    [error] = check_files(a="services: {Web: {endpoints: [w:1]}}", b="services: {shop: {upstreams: [web]}}")
    assert "did you mean `web`?" in error


@pytest.mark.parametrize(
    "text",
    [
        "services: *x",
        "services: [{name: web}]",
        "services: {<<: *x}",
        "servces: {web: {}}",
        "services: {}\nservices: {web: {}}",
    ],
)
def test_an_unknown_name_is_not_an_error_while_a_file_cannot_be_read(text: str) -> None:
    """The file may define the name, so only the file's own mistake is reported."""
    assert len(check_files(a=text, b="services: {shop: {upstreams: [web]}}")) == 1


@pytest.mark.parametrize("text", ["services: {a: {}, a: {}}", "services:", "version: 1\nservices: {}", "gateways: []"])
def test_an_unknown_name_is_an_error_despite_other_mistakes_in_a_file(text: str) -> None:
    """All names of the file could be read, so the reference is reported too."""
    assert len(check_files(a=text, b="services: {shop: {upstreams: [web]}}")) == 2


def test_local_ports_are_compared_although_the_services_have_mistakes() -> None:
    """The ports could be read, so the conflicts are reported together with the other mistakes."""
    db, other = (f"{{protocol: tcp, local_port: 5432, {text}}}" for text in ("retries: 99", "zzz: 1"))
    caller = "{sidecar: 5432, upstreams: [db], balance: x}"
    problems = check_files(a=f"services: {{db: {db}, other: {other}, caller: {caller}}}")
    assert sum("5432 is the local port of" in problem for problem in problems) == 2
    assert sum('5432 is the port of the sidecar of "caller"' in problem for problem in problems) == 1
    assert len(problems) == 6


def test_a_service_whose_upstreams_cannot_be_read_calls_nothing() -> None:
    """It is not treated as a service without `upstreams`, which calls all others."""
    db = "{protocol: tcp, local_port: 5432, endpoints: [d:1]}"
    for upstreams in ("upstreams: 5", "upstrems: []"):
        assert len(check_files(a=f"services: {{db: {db}, caller: {{sidecar: 5432, {upstreams}}}}}")) == 1


def test_a_service_or_gateway_with_mistakes_has_no_warnings() -> None:
    """The mistake may be the reason for the warning."""
    assert len(find_problems("services: {a: {blance: weighted, endpoints: [{address: b:1, weight: 2}]}}")) == 1
    assert len(find_problems("gateways: {g: {port: 1, routes: [{to: a, prefix: a}, {to: a}]}}")) == 1


def test_a_list_that_is_too_long_hides_no_mistake() -> None:
    """The allowed part of the list is checked."""
    routes = ", ".join(["{to: a, prefix: b}", "{to: xyz}", *["{to: a}"] * 1000])
    problems = check_files(a=f"services: {{a: {{}}}}\ngateways: {{g: {{port: 1, routes: [{routes}]}}}}")
    errors = [problem for problem in problems if "error" in problem]
    assert paths(errors) == ["gateways.g.routes", "gateways.g.routes[0].prefix", "gateways.g.routes[1].to"]


def test_a_mistake_in_an_anchor_is_reported_for_every_alias() -> None:
    """When the check takes a part out, it changes only a copy."""
    text = "x-e: &e [b, c:1, c:1]\nservices: {a: {endpoints: *e}, b: {endpoints: *e}}"
    assert len(find_problems(text)) == 4


Value = Any  # a catalog as plain values, or a part of it

GOOD = """
services:
  api:
    endpoints: ["10.0.0.1:80", "10.0.0.2:80"]
    upstreams: [users, cache]
    health_check: {http: /health, interval: 10s}
  users: {endpoints: ["10.0.1.1:80"], upstreams: [db]}
  db: {protocol: tcp, local_port: 5432, endpoints: ["10.0.2.1:80"], upstreams: []}
  cache: {protocol: tcp, local_port: 6379, endpoints: ["10.0.3.1:80"], upstreams: []}
gateways:
  edge: {port: 8080, routes: [{to: api, prefix: /api, headers: {x-team: a}}, {to: users}]}
  db-edge: {port: 9000, routes: [{to: db}]}
  tls-edge:
    listeners:
      - {port: 8080, routes: [{redirect: {https: true}}]}
      - {port: 8443, tls: {certificates: [{hosts: [api.x.com], certificate: /a.pem, key: /a.key}]}, http3: true}
      - {port: 5432, tls: passthrough, routes: [{host: db.x.com, to: db}, {host: cache.x.com, to: cache}]}
    routes: [{host: api.x.com, to: api}]
mesh: {access_log: errors}
"""

INJECTIONS: list[tuple[Callable[[Value, Value], object], tuple[str, ...]]] = [
    (lambda s, _: s["api"].update(blance="random"), ('unknown key "blance": did you mean `balance`?',)),
    (lambda s, _: s["api"]["endpoints"].insert(1, "10.0.0.9"), ("the port is missing",)),
    (lambda s, _: s["api"]["endpoints"].extend(["10.0.0.3:80"] * 2), ("10.0.0.3:80 is given twice",)),
    (
        lambda s, _: s["api"]["endpoints"].insert(0, {"address": "10.0.0.4:80", "weight": 2**32 - 1}),
        ("the endpoints' weights sum up to",),
    ),
    (
        lambda s, _: s["api"]["endpoints"].insert(0, {"adress": "10.0.0.5:80"}),
        ('unknown key "adress"',),
    ),
    (lambda s, _: s["api"]["upstreams"].insert(0, "usres"), ('no service "usres": did you mean `users`?',)),
    (lambda s, _: s["api"]["upstreams"].append("cache"), ('"cache" is given twice: first as upstreams',)),
    (lambda s, _: s["api"]["upstreams"].insert(1, "Bad"), ('expected a service\'s name, found "Bad"',)),
    (lambda s, _: s["api"].update(retries=99), ("expected a whole number from 0 to 10, found 99",)),
    (lambda s, _: s["api"]["health_check"].update(interval=10), ("a duration needs a unit",)),
    (lambda s, _: s["api"].update(local_port=7000), ("is for `protocol: tcp`: http callers",)),
    (
        lambda s, _: s["users"].update(locality={"failover": ["zone", "regon"], "weights": {"z": "1"}}),
        ("did you mean `region`?", 'from 0 to 1000000, found "1"'),
    ),
    (
        lambda s, _: s["users"].update(panic_threshold="101%"),
        ('a percentage from 0% to 100%, such as 10%, found "101%"',),
    ),
    (
        lambda s, _: s["cache"].update(
            locality={"failover": "zone", "weights": {"z": 1}, "zone_aware": {}},
            endpoints=[{"address": "a:1", "priority": 1}],
        ),
        ("by `weights` or by `zone_aware`, not both", "but endpoints[0] states its own"),
    ),
    (lambda s, _: s["users"].update(balance="weigted"), ("did you mean `weighted`?",)),
    (lambda s, _: s["users"]["upstreams"].append("dbb"), ('no service "dbb": did you mean `db`?',)),
    (
        lambda s, _: s["users"]["endpoints"].append({"address": "a:1", "metadata": {"n": float("inf")}}),
        ("expected a finite number",),
    ),
    (lambda s, _: s["cache"].update(local_port=5432), ('local port of "cache" too', 'local port of "db" too')),
    (lambda s, _: s["cache"].update(protocol="tpc"), ("did you mean `tcp`?",)),
    (lambda s, _: s["cache"].update(timeouts={"connect": "0s"}), ("1ms or more, found 0s",)),
    (lambda s, _: s["db"].update(sidecar="localhost:1"), ("expected an IP address to listen on",)),
    (lambda s, _: s.update(lost=5), ("expected a service's fields, such as `endpoints`, found 5",)),
    (lambda s, _: s.update(Web={"upstreams": []}), ("a name has small letters",)),
    (lambda _, g: g.update(users={"port": 1, "routes": [{"to": "users"}]}), ("has this name too",)),
    (lambda _, g: g["edge"].update(port=70000), ("expected a port from 1 to 65535, found 70000",)),
    (lambda _, g: g["edge"].update(addres="::"), ('unknown key "addres"',)),
    (lambda _, g: g["edge"]["routes"].append({"to": "apo"}), ('no service "apo": did you mean `api`?',)),
    (lambda _, g: g["edge"]["routes"].append({"to": "db"}), ('"db" is `protocol: tcp`: a route to it must be',)),
    (lambda _, g: g["edge"]["routes"].append({"host": "a b", "to": "api"}), ("expected a host",)),
    (lambda _, g: g["edge"]["routes"][0].update(prefix="api"), ("expected a path that begins with /",)),
    (lambda _, g: g["edge"]["routes"][0].update(path="/x"), ("a route has `prefix` or `path`, not both",)),
    (lambda _, g: g["edge"]["routes"][0]["headers"].update(Host="x"), ("the Host header is matched",)),
    (lambda _, g: g["edge"]["routes"][0]["headers"].update(count=5), ('"*" for any value, found 5',)),
    (lambda _, g: g["edge"]["routes"][0]["headers"].update(part={"prefx": "a"}), ('unknown key "prefx"',)),
    (lambda _, g: g["edge"]["routes"][0].update(fault={}), ("write `delay`, `abort` or `by_header: true`",)),
    (lambda _, g: g["edge"]["routes"][1].update(cors={"origins": ["a"]}), ('write "https://a"',)),
    (lambda _, g: g["edge"]["routes"][1].update(max_body=5), ("a size needs a unit",)),
    (lambda _, g: g["edge"]["routes"].append({"to": "api", "template": "/{a"}), ("a { begins a variable",)),
    (lambda _, g: g["edge"]["routes"].insert(0, {"to": "api", "grpc_web": True}), ("gRPC goes over `protocol: grpc`",)),
    (lambda s, _: s["users"].update(subsets={"v1": {"a": []}, "v2": {}}), ("found an empty list", "an empty mapping")),
    (lambda s, _: s["api"].update(subsets={"v1": {"a": 1}}, routes=[{"to": "api/v2"}]), ('"api" has no subset "v2"',)),
    (
        lambda s, _: s["users"].update(routes=[{"to": "db", "method": "get"}, {"host": "a.b"}]),
        ("takes connections, not requests", "write GET", "that service's own host"),
    ),
    (lambda s, _: s["db"].update(routes=[{"prefix": "/x"}]), ("connections of `protocol: tcp` are passed on",)),
    (
        lambda s, _: s["api"].update(envoy={"cluster": {"name": "x", "connect_timout": "1s"}}),
        ("other resources refer to this name", 'no field "connect_timout"'),
    ),
    (
        lambda _, g: g["edge"].update(envoy={"listener": {"address": {}}, "lstener": {}}),
        ("write `address` and `port`", 'unknown key "lstener"'),
    ),
    (
        lambda _, g: g["edge"]["routes"][0].update(envoy={"route": {"metadata": 5}}),
        ("expected a mapping, fields of Metadata, found 5",),
    ),
    (lambda _, g: g["db-edge"]["routes"][0].update(host="x.com"), ("its connections have no host to match",)),
    (lambda _, g: g["tls-edge"].update(port=80), ("a gateway has `port` or `listeners`, not both",)),
    (lambda _, g: g["tls-edge"]["listeners"][0].update(port=8443), ("has port 8443 at 0.0.0.0",)),
    (lambda _, g: g["tls-edge"]["listeners"].append({"port": 99999}), ("from 1 to 65535, found 99999",)),
    (lambda _, g: g["tls-edge"]["listeners"][0].update(http3=True), ("HTTP/3 is always encrypted",)),
    (lambda _, g: g["tls-edge"]["listeners"][1].update(tls={"certs": []}), ('unknown key "certs"',)),
    (lambda _, g: g["tls-edge"]["listeners"][2]["routes"][0].update(prefix="/"), ("leaves a connection encrypted",)),
    (lambda _, g: g["tls-edge"]["listeners"][2]["routes"][1].update(to="api"), ('"api" is not `protocol: tcp`',)),
    (lambda _, g: g["tls-edge"].update(limits={"buffer": "7 mb"}), ("did you mean 7MB?",)),
    (lambda _, g: g["edge"].update(access_log="onn"), ("expected `off`, `on`, `errors`",)),
]
"""Mistakes in services and gateways, at different places, with the message of each."""


@examples(300)
@given(st.sets(st.integers(0, len(INJECTIONS) - 1)))
def test_one_run_finds_any_combination_of_mistakes(chosen: set[int]) -> None:
    """Each mistake has the same message as if it were alone, once. No other message appears."""
    catalog = yaml.safe_load(GOOD)
    for index in sorted(chosen):
        INJECTIONS[index][0](catalog["services"], catalog["gateways"])
    problems = check_files(a=yaml.safe_dump(catalog, sort_keys=False))
    errors = [problem for problem in problems if " error: " in problem]
    expected = [text for index in chosen for text in INJECTIONS[index][1]]
    assert [text for text in expected if sum(text in error for error in errors) != 1] == []
    assert len(errors) == len(expected), errors


KEYS = st.sampled_from([
    "endpoints", "address", "adress", "port", "weight", "zone", "metadata", "balance", "protocol", "protcol", "http",
    "health_check", "interval", "timeouts", "connect", "upstreams", "upstrems", "sidecar", "local_port", "ttl",
    "routes", "to", "host", "prefix", "prefx", "path", "headers", "Host", "list", "dict", "subsets", "envoy", "cluster",
])  # fmt: skip
SCALARS = st.sampled_from([
    None, True, 0, 5, -1, 1.5, 2**60, float("nan"), "", "a", "a:1", "b:1", "A", "/a", "a b", "5s", "tcp", "x" * 300,
    BROKEN,
])  # fmt: skip
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=5), max_leaves=30)


def _some(**fields: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return VALUES | st.fixed_dictionaries({}, optional={key: value | VALUES for key, value in fields.items()})


ENDPOINTS = st.lists(_some(address=SCALARS, port=SCALARS, weight=SCALARS, metadata=VALUES), max_size=4)
ROUTES = st.lists(_some(to=SCALARS, prefix=SCALARS, path=SCALARS, headers=st.dictionaries(KEYS, SCALARS)), max_size=4)
LISTENERS = st.lists(_some(port=SCALARS, routes=ROUTES, address=SCALARS, tls=VALUES, http3=SCALARS), max_size=3)
OWN: dict[str, Any] = {"routes": ROUTES, "subsets": st.dictionaries(KEYS, VALUES, max_size=2), "envoy": VALUES}
BALANCES = _some(maglev=_some(table_size=SCALARS), least_request=VALUES, weighted=VALUES, leest_request=VALUES)
RETRIES = _some(on=st.lists(SCALARS) | SCALARS, back_off=_some(base=SCALARS, max=SCALARS), budget=_some(min=SCALARS))
TLS = _some(sni=SCALARS, certificate=SCALARS, key=SCALARS, subject_alt_names=st.lists(SCALARS), alpn=st.lists(SCALARS))
SLOW_START = _some(window=SCALARS, aggression=SCALARS)
ANYTHING = _some(
    balance=BALANCES,
    retries=RETRIES,
    tls=TLS,
    slow_start=SLOW_START,
    circuit_breakers=_some(retries=SCALARS),
    dns=SCALARS,
    dns_refresh=SCALARS,
    endpoints=ENDPOINTS,
    upstreams=st.lists(SCALARS),
    local_port=SCALARS,
    protocol=SCALARS,
    retires=VALUES,
    **OWN,
)


@examples(500)
@given(ANYTHING, _some(port=SCALARS, routes=ROUTES, address=SCALARS, rotues=VALUES, listeners=LISTENERS, tls=VALUES))
def test_a_valid_part_remains_of_any_service_or_gateway(service: Value, gateway: Value) -> None:
    """Wrong parts are removed until no rule is broken."""
    both: list[tuple[str, TypeAdapter[Any], Value]] = [("services", SERVICE, service), ("gateways", GATEWAY, gateway)]
    for kind, adapter, value in both:
        before = repr(value)
        part = ValidPart(kind, value)
        for _ in range(MAX_ROUNDS):
            try:
                adapter.validate_python(part.value)
                break
            except ValidationError as errors:
                part.remove(errors)
        adapter.validate_python(part.value)
        assert repr(value) == before


ADDRESSES = ["any", '"0.0.0.0"', "10.0.0.1", '"::"', '"fd00::1"', "x", '"10.0.0.1:80"']
HOSTS = ['"*"', '"*.b.c"', "a.b.c", "a.d", '"a b"', '"a.d:80"']


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("gateways: {g: {port: 1, address: [%s], routes: [{to: a}]}}", ADDRESSES),
        ("gateways: {g: {listeners: [{port: 1, address: [%s]}, {port: 2}], routes: [{to: a}]}}", ADDRESSES),
        ("gateways: {g: {port: 1, routes: [{to: a}, {to: a, host: [%s]}]}}", HOSTS),
    ],
)
def test_no_message_names_a_value_that_stands_in_for_a_wrong_one(text: str, items: list[str]) -> None:
    """Whatever is wrong with the items of a list, each has one message at most, about what was written."""
    for one in permutations(items, 3):
        found = [problem for problem in find_problems(text % ", ".join(one)) if " error " in problem]
        places = [problem.partition(": ")[0] for problem in found]
        assert len({*places}) == len(places), found
        assert not re.search(r"192\.0\.2|\binvalid\b", " ".join(found)), found


def test_no_message_of_the_record_names_a_stand_in() -> None:
    """No wrong catalog has a message with a name or an address that reading puts in place of a wrong one."""
    for text, messages in read_rows():
        for stand_in in ("192.0.2.", NOBODY):
            assert stand_in in text or not any(stand_in in one for one in messages), text
