"""What a hint about another program's key says: what was written, in our fields, or the field alone."""

from collections.abc import Iterator, Mapping

import pytest

from tests.cases import each
from tests.catalog.catalogs import find_problems
from xds.catalog.fields import Field, find_field, get_root, list_fields
from xds.catalog.reading.foreign import Hint, explain_foreign, find_hint
from xds.catalog.reading.yaml import parse_yaml
from xds.catalog.text.addresses import split_address
from xds.catalog.text.foreign import Fields, find_leaves, has_hole, merge, write_fields
from xds.wording import write_flow

SERVICE, ENDPOINT, GATEWAY, ROUTE = (
    "services: {{a: {{endpoints: ['b:1'], {}}}}}",
    "services: {{a: {{endpoints: [{{address: b, port: 1, {}}}]}}}}",
    "gateways: {{g: {{port: 1, routes: [{{to: a}}], {}}}}}",
    "gateways: {{g: {{port: 1, routes: [{{{}}}]}}}}",
)

HINTS = [
    # Switches: what was written, and not its opposite.
    (ENDPOINT, "disabled: false", "write it as `drain: false`"),
    (ENDPOINT, "disabled: true", "write it as `drain: true`"),
    (ENDPOINT, "down: false", "write it as `drain: false`"),
    (ENDPOINT, "down: maybe", "it is `drain: …` here"),
    (ENDPOINT, "enabled: true", "write it as `drain: false`, which is true for one that takes no new requests"),
    (ENDPOINT, "enabled: off", "write it as `drain: true`, which is true for one that takes no new requests"),
    (ENDPOINT, "backup: false", "write it as `priority: 0`: it gets requests when too few before it are healthy"),
    (ENDPOINT, "backup: true", "write it as `priority: 1`: it gets requests when too few before it are healthy"),
    (SERVICE, "ssl: false", "write it as `tls: false`"),
    (SERVICE, "https: yes", "write it as `tls: true`"),
    # Balances.
    (SERVICE, "lb_policy: ROUND_ROBIN", "write it as `balance: round_robin`"),
    (SERVICE, "algorithm: roundrobin", "write it as `balance: round_robin`"),
    (SERVICE, "lb_policy: LEAST_REQUEST", "write it as `balance: least_request`"),
    (SERVICE, "algorithm: source", "write it as `balance: maglev` and `affinity: {source: true}`"),
    (SERVICE, "algorithm: hdr(x-team)", "write it as `balance: maglev` and `affinity: {header: x-team}`"),
    (SERVICE, "lb_policy: CLUSTER_PROVIDED", "it is `balance: …` here"),
    (SERVICE, "sticky: true", "it is `balance: maglev` and `affinity: {cookie: …}` here"),
    (SERVICE, "cookie: SRV insert", "write it as `balance: maglev` and `affinity: {cookie: SRV}`"),
    (SERVICE, "sessionAffinity: ClientIP", "write it as `balance: maglev` and `affinity: {source: true}`"),
    # Numbers, durations and sizes.
    (SERVICE, "maxconn: 20", "write it as `circuit_breakers: {connections: 20}`"),
    (SERVICE, 'maxconn: "20"', "write it as `circuit_breakers: {connections: 20}`"),
    (SERVICE, "maxconn: many", "it is `circuit_breakers: {connections: …}` here"),
    (SERVICE, "maxconn: 0", "it is `circuit_breakers: {connections: …}` here"),
    (
        ENDPOINT,
        "maxconn: 20",
        "it belongs to the service: write `circuit_breakers: {connections: 20}` beside `endpoints`",
    ),
    (SERVICE, "timeout: 90s", "write it as `timeouts: {request: 90s}`"),
    (SERVICE, "timeout: 90", "it is `timeouts: {request: …}` here"),
    (SERVICE, "timeout: {connect: 5s}", "write it as `timeouts: {connect: 5s}`"),
    (SERVICE, "proxy_connect_timeout: 250ms", "write it as `timeouts: {connect: 250ms}`"),
    (SERVICE, "timeouts: {server: 30s}", "write it as `request: 30s`"),
    (SERVICE, "max_fails: 3", "write it as `outlier_detection: {consecutive_failures: 3}`"),
    (SERVICE, "fail_timeout: 30s", "write it as `outlier_detection: {base_ejection_time: 30s}`"),
    (SERVICE, "weight: 3", "it belongs to an endpoint: write `endpoints: [{address: …, weight: 3}]`"),
    (ROUTE, "to: a, client_max_body_size: 10m", "write it as `max_body: 10MiB`"),
    (ROUTE, "to: a, limit_req: rate=10r/s", 'write it as `rate_limit: {requests: 10, per: "1s"}`'.replace('"', "")),
    (ROUTE, "to: a, limit: 10", "write it as `rate_limit: {requests: 10, per: …}`"),
    # Checks.
    (SERVICE, "check: /ping", "write it as `health_check: {http: /ping}`"),
    (SERVICE, "httpchk: /ping", "write it as `health_check: {http: /ping}`"),
    (SERVICE, "httpchk: GET /ping HTTP/1.1", "write it as `health_check: {http: /ping}`"),
    (SERVICE, "check: true", "write it as `health_check: {tcp: true}`"),
    (SERVICE, "check: false", "write it as `health_check: off`"),
    (SERVICE, "livenessProbe: {httpGet: {path: /ping}}", "write it as `health_check: {http: /ping}`"),
    (SERVICE, "readinessProbe: {httpGet: {path: /ping, port: 81}}", "it is `health_check: {http: …}` here"),
    (SERVICE, "option: [httpchk, GET, /ping]", "write it as `health_check: {http: /ping}`"),
    (SERVICE, "option: httpchk", "it is `health_check: {http: …}` here"),
    (SERVICE, "option: forwardfor", "leave it out: Envoy sets X-Forwarded-For by itself"),
    (SERVICE, "health_check: {http: /, scheme: https}", "write it as `tls: true`"),
    (SERVICE, "health_check: {http: /, scheme: http}", "leave it out, it says what is the default here"),
    (SERVICE, "health_check: {http: /, periodSeconds: 7}", "write it as `interval: 7s`"),
    # What a service speaks.
    (SERVICE, "scheme: https", "write it as `protocol: http` and `tls: true`"),
    (SERVICE, "scheme: http", "write it as `protocol: http`"),
    (SERVICE, "mode: tcp", "write it as `protocol: tcp`"),
    (SERVICE, "appProtocol: kubernetes.io/h2c", "it is `protocol: …` here"),
    (ENDPOINT, "scheme: https", "it belongs to the service: write `tls: true` beside `endpoints`"),
    # Retries.
    (SERVICE, "retries: {retry_on: [reset]}", "write it as `on: [reset]`"),
    (SERVICE, "retries: {retry_on: 5xx}", "write it as `on: [5xx]`"),
    (SERVICE, "retries: {retry_on: 'connect-failure,503'}", "write it as `on: [connect-failure, 503]`"),
    (SERVICE, "retries: {retry_on: [often]}", "it is `on: …` here"),
    # Answers and redirects.
    (ROUTE, "return: 301 https://x.org", "write it as `redirect: {https: true, host: x.org, code: 301}`"),
    (ROUTE, "return: 301 https://$host$request_uri;", "write it as `redirect: {https: true, code: 301}`"),
    (ROUTE, "return: 301", "write it as `redirect: {host: …, code: 301}`"),
    (ROUTE, "return: 302 http://x.org", "write it as `redirect: {host: …, code: 302}`"),
    (ROUTE, "return: 204", "write it as `respond: {status: 204}`"),
    (ROUTE, "return: 200 'it works'", 'write it as `respond: {status: 200, body: "it works"}`'),
    (ROUTE, "status: 503", "write it as `respond: {status: 503}`"),
    (ROUTE, "direct_response: {status: 200}", "write it as `respond: {status: 200}`"),
    (
        ROUTE,
        "direct_response: {status: 200, body: {inline_string: x}}",
        "write it as `respond: {status: 200, body: x}`",
    ),
    (ROUTE, "to: a, ssl_redirect: false", "leave it out, it says what is the default here"),
    (ROUTE, "ssl_redirect: true", "write it as `redirect: {https: true}`"),
    (ROUTE, "redirect_to: https://x.org", "write it as `redirect: {https: true, host: x.org}`"),
    (
        ROUTE,
        "redirect_to: https://x.org:8443/b",
        "write it as `redirect: {https: true, host: x.org, port: 8443, path: /b}`",
    ),
    (ROUTE, "redirect_to: http://x.org", "it is `redirect: …` here"),
    # What a route takes.
    (ROUTE, "to: a, hosts: [x.example.org]", "write it as `host: x.example.org`"),
    (ROUTE, "to: a, hosts: [x.org, y.org]", "write it as `host: [x.org, y.org]`"),
    (ROUTE, 'to: a, domains: ["*"]', 'write it as `host: "*"`'),
    (ROUTE, "to: a, server_name: x.org y.org;", "write it as `host: [x.org, y.org]`"),
    (ROUTE, "to: a, header: {x: a}", "write it as `headers: {x: a}`"),
    (ROUTE, "to: a, header: {x: 1.10}", 'write it as `headers: {x: "1.10"}`'),
    (ROUTE, "to: a, header: [{name: x, exact_match: b}]", "write it as `headers: {x: b}`"),
    (ROUTE, "to: a, header: {x: {exact: b}}", "write it as `headers: {x: b}`"),
    (ROUTE, "to: a, hdr: 'x-a: b'", "write it as `headers: {x-a: b}`"),
    (ROUTE, "to: a, params: [{name: x, invert_match: true}]", "it is `query: …` here"),
    (ROUTE, "to: a, match: {path: /b}", "write it as `path: /b`; `path` is for one path, `regex` for a pattern"),
    (ROUTE, "to: a, location: = /b", "write it as `path: /b`; `path` is for one path, `regex` for a pattern"),
    (ROUTE, "to: a, location: ~ /b", "it is `prefix: …` here; `path` is for one path, `regex` for a pattern"),
    # Where it goes.
    (ROUTE, 'proxy_pass: "http://a"', "write it as `to: a`"),
    (ROUTE, 'proxy_pass: "http://a/b"', "it is `to: …` here"),
    (ROUTE, "service: {name: a}", "write it as `to: a`"),
    (ROUTE, "backend: {service: {name: a, port: {number: 80}}}", "write it as `to: a`"),
    (ROUTE, "route: {cluster: a}", "write it as `to: a`"),
    (ROUTE, "backendRefs: [{name: a, port: 80, weight: 9}, {name: b, weight: 1}]", "write it as `to: {a: 9, b: 1}`"),
    (ROUTE, "to: a, backup: b", "write it as `fallback: b`"),
    (ROUTE, "to: a, failover: [b, c]", "it is `fallback: …` here"),
    (ROUTE, "to: a, upgrade: websocket", "write it as `websocket: true`"),
    (ROUTE, "to: a, strip_prefix: /b", "write it as `prefix: /b` and `rewrite: {prefix: /}`"),
    (ROUTE, "to: a, proxy_set_header: X-Team b", "write it as `request_headers: {set: {X-Team: b}}`"),
    (ROUTE, "to: a, proxy_set_header: X-Real-IP $remote_addr", "it is `request_headers: {set: …}` here"),
    (SERVICE, "depends_on: [b]", "write it as `upstreams: [b]`"),
    (SERVICE, "depends_on: {b: {condition: up}}", "write it as `upstreams: [b]`"),
    # Addresses.
    (SERVICE, 'server: "10.9.0.1:80"', 'it belongs to an endpoint: write `endpoints: ["10.9.0.1:80"]`'),
    (SERVICE, "servers: [a1:80, a2:80]", 'it belongs to an endpoint: write `endpoints: ["a1:80", "a2:80"]`'),
    (
        SERVICE,
        "server: web1 10.9.0.1:80 weight 3",
        'it belongs to an endpoint: write `endpoints: [{address: "10.9.0.1:80", weight: 3}]`',
    ),
    (SERVICE, "address: 10.9.0.1", "it belongs to an endpoint: write `endpoints: [{address: 10.9.0.1, port: …}]`"),
    (SERVICE, "url: https://x.org", 'it belongs to an endpoint: write `endpoints: ["x.org:443"]` and `tls: true`'),
    (SERVICE, "url: https://x.org/v1", "it belongs to an endpoint: write `endpoints: […]`"),
    (ENDPOINT, "server: 10.9.0.1", "write it as `address: 10.9.0.1`"),
    (
        "services: {{a: {{endpoints: [{{{}}}]}}}}",
        "endpoint: {address: {socket_address: {address: 10.9.0.1, port_value: 81}}}",
        "write it as `address: 10.9.0.1` and `port: 81`",
    ),
    # Listeners.
    (GATEWAY, 'bind: "*:80"', "write it as `port: 80`"),
    (GATEWAY, 'bind: "10.9.0.1:80"', "write it as `address: 10.9.0.1` and `port: 80`"),
    (GATEWAY, "ports: [80, 443]", "write it as `listeners: [{port: 80}, {port: 443}]`"),
    (GATEWAY, "listen: 443 ssl", "write it as `port: 443` and `tls: …`"),
    (GATEWAY, "merge_slashes: off", "write it as `http: {merge_slashes: false}`"),
    (GATEWAY, "idle_timeout: 30s", "write it as `limits: {idle: 30s}`"),
    (
        GATEWAY,
        "mode: tcp",
        "leave it out: connections are passed on as TCP where a route leads to a service with `protocol: tcp`",
    ),
    (GATEWAY, "timeouts: {request: 5s}", "it belongs to a service: write `services: {…: {timeouts: {request: 5s}}}`"),
    (SERVICE, "limits: {buffer: 1MiB}", "it belongs to the sidecar: write `sidecar: {limits: {buffer: 1MiB}}`"),
]


@each(HINTS)
def test_a_hint_says_what_was_written(place: str, written: str, hint: str) -> None:
    """A value is translated; one that has no translation is not replaced by an example."""
    found = [one.partition(": ")[2] for one in find_problems(place.format(written)) if " error " in one]
    assert any(one.startswith("unknown key") and one.partition('": ')[2] == hint for one in found), found


VALUES: tuple[object, ...] = (
    True, False, 3, 20, 204, 301, 1.5, "7", "90s", "250ms", "10m", "often", "/ping", "GET /ping", "= /ping",
    "ROUND_ROBIN", "source", "hdr(x-team)", "https", "tcp", "https://pay.example.org:8443", "http://pay.example.org/b",
    "x.example.org", "*", "10.9.8.7:81", "10.9.8.7", "::1", "*:82", "web1 10.9.8.7:81 weight 9 backup", "301 https://x.example.org",
    "all", "websocket", "5xx", "team=red", "X-Team: red", "pay", "pay; ", "rate=9r/s", "", None,
    [], ["x.example.org"], ["pay", "shop"], [81, 82], ["10.9.8.7:81", "10.9.8.8:81"], [503], ["reset"],
    {}, {"team": "red"}, {"name": "pay"}, {"service": {"name": "pay"}}, {"request": "7s"}, {"path": "/ping"},
    {"status": 418, "body": "tea"}, {"http": "/ping"}, {"address": "10.9.8.7", "port": 81}, {"pay": 9, "shop": 1},
    [{"name": "x-team", "exact_match": "red"}], [{"service": "pay", "weight": 9}, {"service": "shop", "weight": 1}],
    {"socket_address": {"address": "10.9.8.7", "port_value": 81}}, {"pay": {"team": "red"}}, {"region": "eu"},
)  # fmt: skip
"""What people write, of every kind, with words that are in no hint by chance."""

TRANSLATED = {
    *(True, False, 0, 1, "off", "*", "/", "", ":path"),
    *("maglev", "least_request", "round_robin", "weighted", "http", "http2", "grpc", "tcp"),
    *("unhealthy", "degraded"),
    *(403, "1s", "1m", "10MiB", "3s", "7s", "20s", "204s", "301s", 80, 443, "WEBSOCKET"),
}
"""Values of ours that stand for other words: switches, the words for balances and protocols, units."""

ALL = [("", get_root()), *list_fields(get_root())]
FOREIGN = [
    (path, field, key)
    for path, field in ALL
    for key, here in field.moved.items()
    if key == next(other for other, one in field.moved.items() if one is here)
]
"""Of the keys of a mapping that have the same hint, the first."""


def test_foreign_keys_are_none_of_ours() -> None:
    """A hint is for a key that the mapping does not have."""
    assert [(path, key) for path, field in ALL for key in field.moved if key in field.fields] == []


@each(FOREIGN)
def test_no_hint_has_a_value_that_was_not_written(path: str, above: Field, key: str) -> None:
    """Every foreign key, with every value: each word of the fields in the hint was written, or is a translation."""
    names = find_names()
    for value in VALUES:
        hint = find_hint(above, key, value)
        if not isinstance(hint, Hint):
            assert not [one for one in find_written(hint or "") if not is_known(one, value, names)], hint
            continue
        for leaf in [*find_leaves(hint.fields or {}), *find_leaves(hint.here.fill())]:
            assert is_known(leaf, value, names), (value, hint.fields)


def is_known(leaf: object, value: object, names: set[object]) -> bool:
    """Whether a word of a hint is a name, a translation, or part of the value that was written."""
    if leaf is ... or leaf in names or leaf in TRANSLATED:
        return True
    return any(map_word(leaf) in map_word(one) for one in map(str, find_leaves(value)))


@each(FOREIGN)
def test_a_hint_that_is_followed_is_valid(path: str, above: Field, key: str) -> None:
    """What a hint says to write is read as the fields that are meant, and taken where it is to be written."""
    for value in VALUES:
        hint = find_hint(above, key, value)
        if not isinstance(hint, Hint) or not hint.fields or has_hole(hint.fields):
            continue
        assert parse_yaml(write_flow(hint.fields)).value == hint.fields
        assert (
            write_fields(hint.fields) in (explain_foreign(above, [(key, value)]) or "") or len(str(hint.fields)) > 100
        )
        at = hint.here.at if hint.here.at is not None else tuple(path.replace("[]", ".0").replace("*", "a").split("."))
        if whole := complete(tuple(map(str, at)), hint.fields):
            assert [one for one in find_problems(write_flow(whole)) if " error " in one] == [], value


def complete(place: tuple[str, ...], fields: Mapping[str, object]) -> dict[str, object]:
    """Return a catalog with fields at a place, and what is needed beside them; nothing for any other place."""
    found: dict[str, object] = {}
    services: dict[str, object] = {name: {"endpoints": ["c:1"]} for name in ("pay", "shop", "other", "b")}
    match place:
        case ("services", _):
            return {"services": {**services, "a": {"endpoints": ["b:1"], **fields}}}
        case ("services", _, "endpoints", _):
            found = {**fields} if "address" in fields else {"address": "b", **fields}
            port = {} if "port" in fields or split_address(str(found["address"])) else {"port": 1}
            return {"services": {"a": {"endpoints": [{**found, **port}]}}}
        case ("gateways", _):
            port = {} if "listeners" in fields else {"port": 1}
            return {"services": services, "gateways": {"g": {**port, "routes": [{"to": "pay"}], **fields}}}
        case ("gateways", _, "routes", _):
            end = {} if fields.keys() & {"to", "redirect", "respond"} else {"to": "other"}
            return {"services": services, "gateways": {"g": {"port": 1, "routes": [{**end, **fields}]}}}
    return {}


def map_word(word: object) -> str:
    """Return a word as it is compared: without the differences that a translation makes."""
    return str(word).lower().replace("_", "-")


def find_names() -> set[object]:
    """Return the names of all fields, of Envoy's that a hint names, and of what stands in for a file."""
    return {"http_connection_manager", "http_filters", "httpchk", "xds bootstrap", "x-", None} | {
        name for _, field in ALL for name in field.fields
    }


def find_written(hint: str) -> Iterator[object]:
    """Return the words of the pieces of YAML in a hint."""
    for piece in hint.split("`")[1::2]:
        value = parse_yaml(piece.replace("…", "'…'")).value
        yield from (... if leaf == "…" else leaf for leaf in find_leaves(value))


def test_parts_of_one_value_are_joined() -> None:
    """Keys that say different things of one field have one hint; of the same thing each has its own."""
    [both] = find_problems("services: {a: {address: 10.9.0.1, port: 80}}")
    assert both.partition(": ")[2] == (
        'unknown keys "address" and "port": it belongs to an endpoint: '
        "write `endpoints: [{address: 10.9.0.1, port: 80}]`"
    )
    assert len(find_problems("services: {a: {server: 'b:1', backend: 'c:1'}}")) == 2
    assert merge({"a": 1, "b": ...}, {"a": ..., "b": 2}) == {"a": 1, "b": 2}
    assert merge({"a": 1}, {"a": 2}) is None
    assert merge([1], [2]) is None


def test_what_needs_no_field_is_left_out() -> None:
    """A value that is our default has no field to be written."""
    above = find_field(("gateways", "", "routes", 0))
    assert explain_foreign(above, [("ssl_redirect", False)]) == "leave it out, it says what is the default here"
    assert Fields() == {}


LINES = [
    ("backend web\n  balance roundrobin\n  server s 10.9.0.1:80", {"services": {"web": ...}}),
    ("upstream web {\n  server 10.9.0.1:80;\n  server 10.9.0.2:80 backup;\n}", {"services": {"web": ...}}),
    ("frontend x\n  bind *:80\n  default_backend a", {"gateways": {"x": ...}}),
    ("listen x\n  bind *:80\n  mode tcp", {"gateways": {"x": ...}}),
    ("server {\n  listen 80;\n  server_name x;\n}", {"gateways": {...: ...}}),
]


@pytest.mark.parametrize(("text", "shape"), LINES)
def test_files_of_other_programs_name_the_kind_that_is_meant(text: str, shape: Mapping[str, object]) -> None:
    """A whole file of HAProxy or nginx is answered with a service, or a gateway, of its name."""
    [problem] = find_problems(text)
    [(kind, named)] = shape.items()
    assert isinstance(named, dict)
    name = next(iter(named))
    assert f"write it as `{kind}: {{{'…' if name is ... else name}: {{" in problem


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("server web1 10.9.0.1:80", 'write it as `endpoints: ["10.9.0.1:80"]`'),
        ("server web1 10.9.0.1:80 weight 3", 'write it as `endpoints: [{address: "10.9.0.1:80", weight: 3}]`'),
        (
            "server web1 10.9.0.1:80 maxconn 9",
            'write it as `endpoints: ["10.9.0.1:80"]` and `circuit_breakers: {connections: 9}`',
        ),
        ("server web1 10.9.0.1:80 inter 5s", "it is `endpoints: […]` here"),
        ("option httpchk GET /ping", "write it as `health_check: {http: /ping}`"),
        ("timeout server 30s", "write it as `timeouts: {request: 30s}`"),
        ("timeout connect 5s", "write it as `timeouts: {connect: 5s}`"),
        ("timeout client 30000", "it is `timeouts: {request: …}` here"),
        ("balance leastconn", "write it as `balance: least_request`"),
        ("maxconn 20", "write it as `circuit_breakers: {connections: 20}`"),
        ("stick-table type ip size 1m", "it is `balance: maglev` and `affinity: {cookie: …}` here"),
        ("cookie SRV insert indirect", "write it as `balance: maglev` and `affinity: {cookie: SRV}`"),
        ("bind *:80", "write it as `port: 80`"),
        ("listen 443 ssl;", "write it as `port: 443` and `tls: …`"),
        ("default_backend a", "write it as `routes: [{to: a}]`"),
        ("use_backend a if is_api", "write it as `routes: [{prefix: …, to: a}]`"),
        ("server_name x.org;", "write it as `routes: [{host: x.org, to: …}]`"),
        ("location /b {", "write it as `routes: [{prefix: /b, to: …}]`"),
        ("proxy_pass http://a;", "write it as `to: a`"),
        ("return 301 https://$host$request_uri;", "write it as `redirect: {https: true, code: 301}`"),
        (
            "acl is_api path_beg /b",
            "a condition is a route's own: `host`, `prefix`, `path`, `method`, `headers` or `query`",
        ),
    ],
)
@pytest.mark.parametrize(
    "text", ["services:\n  a:\n    {}\n    protocol: http", "gateways:\n  a:\n    http3: false\n    {}"]
)
def test_lines_of_other_programs_are_told_in_our_fields(text: str, line: str, hint: str) -> None:
    """A line of HAProxy or nginx among ours is one mistake, whose hint has what the line says."""
    [problem] = find_problems(text.format(line))
    assert problem.endswith(f"a line of HAProxy or nginx is no YAML: {hint}")
