"""A message's correction is valid: the value that it suggests is accepted at that place."""

import re
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from tests.cases import each
from tests.catalog.catalogs import find_problems
from xds.catalog.fields import Field, get_root, list_fields
from xds.catalog.reading.mistakes import explain_errors
from xds.catalog.reading.yaml import parse_yaml
from xds.catalog.text.mistake import Loc

FIELDS = dict(list_fields(get_root()))

WRONG: tuple[object, ...] = (
    0, 1, 5, -1, 1.5, 10.0, 4096, 70000, True, False,
    "0", "5", "-1", "1.5", "70000", "yes", "off", "any", "all", "none", "never", "A", "Users",
    "a/b", "/v2", "x/", "café", "a b",
    "unix:///x", "https://x.com", "HTTPS://x.com:8443/a?b#c", "wss://x.com", "grpc://x.com", "503", "none", "https",
    "https://x.com/a", "http://x.com:80/a", "http://x.com:0", "ftp://a b",
    "10.0.0.0/8:80", "web:80/x",
    "x.com:80", "*.x.com:80", "x.com.", "x.com:99999", "*:80", ":80", "[fd00::7]5000", "[fd00::7]99999",
    "::1:5000", "::1:99999",
    "10.0.0.1", "::1", "web", "get", "post", "a.*", "{id}", "(", "1d", "10 seconds", "http:/a?b=c", "null", "*",
    ["GET"], ["random"], [5], [{}], ["a", "b"], [], {}, {"a": 1}, {"a": "b"},
)  # fmt: skip
"""Values that are wrong in most places, each with something in it that can be corrected."""


@each(FIELDS)
def test_a_value_that_a_message_suggests_is_valid(path: str) -> None:
    """An operator who follows a message gets no second message at the same place."""
    loc = tuple(step for one in path.split(".") for step in step_into(one))
    for value in WRONG:
        for mend in find_mends(FIELDS[path], loc, value):
            assert FIELDS[path].takes(mend), (value, mend)


def step_into(step: str) -> Iterator[str | int]:
    """Split one step of a path: `routes[]` is a list's name and an item of it."""
    name, brackets, _ = step.partition("[]")
    yield "a" if name == "*" else name
    if brackets:
        yield 0


def find_mends(field: Field, loc: Loc, value: object) -> Iterator[object]:
    """Yield the values that the message about a wrong value suggests."""
    try:
        field._adapter.validate_python(value)
    except ValidationError as errors:
        for mistake in explain_errors(errors, loc):
            if mistake.loc == loc and (
                found := re.search(r"[:,] write (?!it |one |such |spaces |letters |`)(.*)", mistake.message)
            ):
                written = re.sub(r"(, (not|with|or 0).*|(,? without|,? in) .*| percent-encoded)$", "", found[1])
                yield from (parse_yaml(one).value for one in re.split(r", (?![^{]*\})| or ", written))


SERVICE, GATEWAY, ROUTE = (
    "services: {a: {%s}}",
    "gateways: {g: {port: 1, routes: [{to: a}], %s}}",
    ("gateways: {g: {port: 1, routes: [{%s}]}}"),
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # A host has a port in one place alone.
        (ROUTE % "to: a, host: x.com:80", 'a host has no port, which is matched by the gateway\'s own: write "x.com"'),
        (SERVICE % "host: x.com:80", 'a host has no port here: write "x.com"'),
        (SERVICE % "tls: {sni: x.com:80}", 'SNI has no port: write "x.com"'),
        (ROUTE % "to: a, rewrite: {host: x.com:80}", 'a host has no port here: write "x.com"'),
        (ROUTE % "redirect: {host: x.com:80}", 'a host has no port, which stands in `port` beside it: write "x.com"'),
        # Addresses.
        (
            SERVICE % "endpoints: ['unix:///x']",
            '"unix:///x" is a Unix socket: an address has a host and a port, such as 127.0.0.1:5000',
        ),
        (
            SERVICE % "endpoints: ['10.0.0.0/8:80']",
            '"10.0.0.0/8:80" is a network: an address names one host',
        ),
        (
            SERVICE % "endpoints: ['https://x.com']",
            'an address has no "https://" in front: write "x.com:443", with `tls: true` beside `endpoints`',
        ),
        (
            SERVICE % "endpoints: ['https://x.com:8443/v1']",
            'an address has no "https://" in front and no "/v1" behind: write "x.com:8443", '
            "with `tls: true` beside `endpoints`",
        ),
        (
            SERVICE % "endpoints: [{address: 'https://x.com', port: 443}]",
            'an address has no "https://" in front: write "x.com", with `tls: true` beside `endpoints`',
        ),
        (
            SERVICE % "endpoints: https://x.com",
            'expected `registered`, or a list such as ["10.0.0.4:5000"], found "https://x.com": write it as a list, '
            '["x.com:443"], with `tls: true` beside `endpoints`',
        ),
        (
            SERVICE % "endpoints: ['grpc://x.com']",
            'an address has no "grpc://" in front: write "x.com:5000", with the port that it listens on, '
            "and `protocol: grpc` beside `endpoints`",
        ),
        (
            SERVICE % "upstreams: ['https://x.com/v1']",
            'expected a service\'s name, found "https://x.com/v1": make it a service, with `endpoints: ["x.com:443"]` '
            "and `tls: true`, and name that",
        ),
        (
            ROUTE % "to: 'http://x.com'",
            'expected a service\'s name, found "http://x.com": make it a service, with `endpoints: ["x.com:80"]`, '
            "and name that",
        ),
        (
            ROUTE % "redirect: {host: 'https://x.com'}",
            'a host has no scheme or path: write "x.com", with `https: true` beside it',
        ),
        (
            SERVICE % "health_check: {http: /, host: 'https://x.com/a'}",
            'a host has no scheme or path: write "x.com"',
        ),
        (
            SERVICE % "protocol: https",
            'expected one of http, http2, grpc, tcp; found "https": write `protocol: http` and `tls: true`',
        ),
        (
            "mesh: {tracing: 'https://collector'}",
            'an address has no "https://" in front: write "collector:4317", with a port where it listens without TLS',
        ),
        # Statuses.
        (
            SERVICE % "retries: {on: ['503']}",
            'expected a reason to try again or a status from 100 to 599, found "503": write 503 without quotes',
        ),
        (SERVICE % "endpoints: ['http://x.com']", 'an address has no "http://" in front: write "x.com:80"'),
        (SERVICE % "endpoints: [{address: 'web:80/x'}]", 'an address has no path: write "web:80"'),
        (SERVICE % "endpoints: [{address: web/x, port: 80}]", 'an address has no path: write "web"'),
        (SERVICE % "endpoints: ['[fd00::7]5000']", 'a colon is missing before the port: write "[fd00::7]:5000"'),
        (
            SERVICE % "sidecar: '*:15001'",
            'expected an IP address in front of the port, found "*:15001": write "127.0.0.1:15001", or 0.0.0.0 for '
            "every interface",
        ),
        (
            SERVICE % "sidecar: '15001'",
            "expected an address to listen on, or a port of 127.0.0.1, such as "
            '"127.0.0.1:15001", found "15001": write 15001 without quotes',
        ),
        (
            SERVICE % "sidecar: web",
            'expected an IP address to listen on, such as 127.0.0.1, found "web"',
        ),
        # Sizes and durations.
        (ROUTE % "to: a, max_body: 0", "a size is 1B or more, found 0"),
        (ROUTE % "to: a, max_body: -1", "a size is 1B or more, found -1"),
        (ROUTE % "to: a, max_body: 1.5", "a size needs a unit: write 1.5KiB or 1.5MiB, not 1.5"),
        (
            SERVICE % "timeouts: {connect: 0}",
            "a duration needs a unit: expected a duration in h, m, s and ms, such as 10s, 250ms or 1m30s",
        ),
        (SERVICE % "ttl: 5", "a duration needs a unit: write 5s, not 5"),
        # What is meant is the default.
        (
            SERVICE % "upstreams: all",
            'expected a list of services, such as [users], found "all": leave it out, this is its default',
        ),
        (ROUTE % "to: a, method: any", 'expected a method, such as GET, found "any": for any method, leave it out'),
        (ROUTE % "to: a, method: foo", 'expected a method, such as GET, found "foo"'),
        # Names that are written with nothing after them.
        (
            SERVICE % "balance: {weighted: }",
            "names no balance: write one of its fields, such as {least_request: {choices: 3}}; "
            "nothing stands after `weighted`",
        ),
        (
            SERVICE % "health_check: {http: }",
            "has no kind: write one of http, grpc and tcp, such as {http: /health}; nothing stands after `http`",
        ),
        (
            SERVICE % "balance: [random]",
            "expected `round_robin`, `random`, `weighted`, `least_request`, `ring_hash`, `maglev`, "
            "`client_side_weighted`, `load_aware_locality`, or a mapping such as {least_request: {choices: 3}}, "
            "found a list: write it alone, random, without `- ` or brackets",
        ),
        (
            SERVICE % "envoy: {listener: {}}",
            'unknown key "listener": it belongs to the `envoy` of a gateway',
        ),
        (GATEWAY % "envoy: {cluster: {}}", 'unknown key "cluster": it belongs to the `envoy` of a service'),
        (SERVICE % "panic_threshold: 10.5", "expected whole percents, such as 10%, found 10.5"),
        (
            SERVICE % "health_check: {http: /, host: 'x.com:99999'}",
            'expected a port from 1 to 65535 after the colon, found "99999"',
        ),
        (
            SERVICE % "health_check: {http: /, host: 'x.com:0'}",
            'expected a port from 1 to 65535 after the colon, found "0"',
        ),
    ],
)
def test_a_mend_that_helps(text: str, message: str) -> None:
    """Each was once a sentence that is untrue, or a mend that is refused when it is followed."""
    [problem] = [one for one in find_problems(text) if " error " in one]
    assert problem.partition(": ")[2] == message


@pytest.mark.parametrize("field", ["panic_threshold: 10.0", "panic_threshold: 10.0%", "tls: off", "keepalive: off"])
def test_what_may_be_written(field: str) -> None:
    """A whole number may be written with a point, and a default as the reference writes it."""
    assert [one for one in find_problems(SERVICE % field) if " error " in one] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SERVICE % "weight: 2",
            'unknown key "weight": it belongs to an endpoint: write `endpoints: [{address: …, weight: 2}]`',
        ),
        (
            SERVICE % "port: 80",
            'unknown key "port": it belongs to an endpoint: write `endpoints: [{address: …, port: 80}]`',
        ),
        (SERVICE % "check: /", 'unknown key "check": write it as `health_check: {http: /}`'),
        (
            SERVICE % "tags: [a]",
            'unknown key "tags": it belongs to an endpoint: write `endpoints: [{address: …, metadata: …}]`',
        ),
        (
            SERVICE % "endpoints: [{address: 'a:1', labels: {a: b}}]",
            'unknown key "labels": write it as `metadata: {a: b}`',
        ),
        (
            SERVICE % "endpoints: [{address: 'a:1', backup: true}]",
            'unknown key "backup": write it as `priority: 1`: it gets requests when too few before it are healthy',
        ),
        (
            GATEWAY % "timeouts: {}",
            'unknown key "timeouts": it belongs to a service: write `services: {…: {timeouts: {}}}`',
        ),
        (GATEWAY % "cors: {}", 'unknown key "cors": it belongs to a route: write `routes: [{cors: …, to: …}]`'),
        (
            GATEWAY % "tls: {certificate: /a, key: /b}",
            'unknown keys "certificate" and "key": write it as `certificates: [{certificate: /a, key: /b}]`',
        ),
    ],
)
def test_a_key_that_people_look_for_elsewhere(text: str, message: str) -> None:
    """The message names the field that it belongs to, or its name here."""
    assert message in [one.partition(": ")[2] for one in find_problems(text)]
