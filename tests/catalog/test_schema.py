"""The JSON Schema describes the same rules as the checker, as far as a schema can."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cases import each
from tests.catalog.catalogs import find_problems
from tests.catalog.test_fragment import GOOD
from tests.catalog.test_mends import WRONG
from tests.catalog.test_mistakes import CASES
from xds.catalog.fields import Field, get_root, list_fields
from xds.catalog.reading.fragment import parse_fragment
from xds.catalog.reading.yaml import parse_yaml
from xds.catalog.schema import build_schema
from xds.sources.document import Document

ROOT = Path(__file__).parents[2]
CATALOGS = [
    path
    for top in ("tests", "compose", "xds")
    for path in sorted((ROOT / top).rglob("*.y*ml"))
    if path.read_text().lstrip().startswith(("services:", "gateways:", "mesh:")) and "image:" not in path.read_text()
]
NO_MATTER_OF_SHAPE = (
    "given twice", "is for `protocol: tcp`", "weights sum up", "whole number of milliseconds",
    "not both", "is for `", "is not a header's name", "TCP has no",
    "Host header", "finite number", "to listen on",
    "weight above 0", "belongs to one connection", "not beside", "write `path` here", "its own URL",
    "percent-encoded", "any value", "(RE2)", "at character", "for the character itself", "too large", "matches no path",
    "the nearest level comes first", "above 0: write", "sum up", "`failover` makes",
    "is for a service's", "a prime number, found", "is less than", "beside it", "not an address", "is for a host name",
    "one host name", "matches nothing", "`regex`", "expected a path that", "methods: more",
    "has the variable", "variables, where", "may stand after", "is no variable",
    "the request's headers", "any page could act",
    "take this literally", "begins with GET", "is a POST", "whole number of bytes", "no end to wait for",
    "`routes` is missing", "write another port or", "has no certificate", "is not for `passthrough`", "for any host",
    "host of certificates", "another key", "is for every host", "always encrypted", "leaves a connection encrypted",
    "whole number of KiB", "shares by load alone", "are not for `client", "are for requests", "so large a number",
    ".envoy.",
)  # fmt: skip
"""Mistakes that a schema cannot find: relations between values, or text that is not JSON."""


FIELDS = {path: field for path, field in list_fields(get_root()) if not path.endswith(".to.*")}
"""Every field; the weights of a route's services are checked with the whole of `to`."""

SCHEMA = build_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def find_violations(text: str) -> list[str]:
    """Validate a catalog's text against the schema."""
    return [error.message for error in VALIDATOR.iter_errors(parse_yaml(text).value)]


def test_a_full_catalog_conforms_to_the_schema() -> None:
    """It has every form in which a value may be written."""
    assert find_violations(GOOD.decode()) == []


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_valid_catalog_of_this_project_conforms_to_the_schema(path: Path) -> None:
    """The golden catalogs and examples are valid, so the schema must accept them."""
    if not parse_fragment(Document(path.name, path.read_bytes())).has_errors:
        assert find_violations(path.read_text()) == []


@each(text for text, *_ in CASES)
def test_the_schema_refuses_what_the_checker_refuses(text: str) -> None:
    """An editor can underline these mistakes."""
    is_excused = any(message in problem for problem in find_problems(text) for message in NO_MATTER_OF_SHAPE)
    assert is_excused or find_violations(text)


def test_endpoints_may_be_those_that_register() -> None:
    """Alone, or in a list. A reference to such a service is no warning: its endpoints are elsewhere."""
    for endpoints in ("registered", "[registered]", "[registered, '10.0.0.1:1', registered]"):
        text = f"services: {{a: {{endpoints: {endpoints}}}, b: {{endpoints: ['h:1'], upstreams: [a]}}}}"
        assert find_problems(text) == []
        assert find_violations(text) == []


def test_the_schema_describes_every_key_and_allows_no_others() -> None:
    """It also has a dialect and a title, which editors need."""
    schema = build_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]
    objects = [schema, *(one for one in schema["$defs"].values() if "properties" in one)]
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["description"]
        for name, field in one["properties"].items():
            assert "description" in field, name


def test_the_schema_keeps_the_order_of_the_model() -> None:
    """Editors then suggest the most important keys first."""
    assert list(build_schema()["$defs"]["Service"]["properties"])[:3] == ["endpoints", "protocol", "balance"]


def test_defaults_in_the_schema_can_be_copied_into_a_catalog() -> None:
    """They are written as operators write them."""
    properties: dict[str, Any] = build_schema()["$defs"]
    assert properties["Timeouts"]["properties"]["connect"]["default"] == "1s"
    assert properties["Sidecar"]["properties"]["listen"]["default"] == "127.0.0.1:15001"
    assert json.loads(json.dumps(properties)) == properties


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {panic_threshold: 101%}}",
        "services: {a: {panic_threshold: 1000%}}",
        "services: {a: {panic_threshold: 10.5%}}",
        "services: {a: {overprovisioning: 99%}}",
        "services: {a: {overprovisioning: 1001%}}",
        "services: {a: {outlier_detection: {max_ejection_percent: 0%}}}",
        "services: {a: {retries: {budget: {percent: 0%}}}}",
        "services: {a: {balance: {load_aware_locality: {remote_probe_fraction: 100%}}}}",
        "services: {a: {host: '*.x.com'}}",
        "services: {a: {host: 'x.com:80'}}",
        "services: {a: {tls: {sni: '*.x.com'}}}",
        "services: {a: {endpoints: ['a:0']}}",
        "services: {a: {endpoints: ['a:99999']}}",
        "services: {a: {endpoints: ['a:65536']}}",
        "services: {a: {sidecar: '127.0.0.1:0'}}",
        "services: {a: {health_check: {http: /, host: 'x.com:99999'}}}",
        "services: {a: {health_check: {http: /, interval: 0s}}}",
        "services: {a: {health_check: {}}}",
        "services: {a: {health_check: {interval: 1s}}}",
        "services: {a: {affinity: {}, balance: maglev}}",
        "services: {a: {balance: {}}}",
        "services: {a: {timeouts: {connect: 0ms}}}",
        "services: {a: {keepalive: {idle: 0s}}}",
        "services: {a: {ttl: 0s}}",
        "services: {a: {ttl: 500ms}}",
        "services: {a: {keepalive: {idle: 1500ms}}}",
        "services: {a: {affinity: {header: x y}, balance: maglev}}",
        "services: {a: {endpoints: [{address: 10.0.0.400, port: 80}]}}",
        "services: {a: {sidecar: 'web:80'}}",
        "gateways: {g: {port: 1, routes: [{to: a}], tls: {}}}",
        "gateways: {g: {port: 1, routes: [{to: a}], tls: {client_ca: /a}}}",
        "gateways: {g: {port: 1, routes: [{to: a}], address: web}}",
        "gateways: {g: {port: 1, routes: [{to: a, headers: {x y: a}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, headers: {Host: a}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, request_headers: {set: {x y: a}}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, request_headers: {remove: [Connection]}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, cors: {origins: ['*'], headers: [x y]}}]}}",
        "gateways: {g: {port: 1, routes: [{to: {a: 0}}]}}",
        "gateways: {g: {port: 1, routes: [{redirect: {host: '*.x.com'}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, host: 'x.com:80'}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, fault: {}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, rewrite: {}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, request_headers: {}}]}}",
        "gateways: {g: {port: 1, routes: [{redirect: {}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, rate_limit: {requests: 1, per: 0s}}]}}",
        "gateways: {g: {port: 1, routes: [{to: a, rate_limit: {requests: 1, per: 49ms}}]}}",
    ],
)
def test_schema_refuses_what_a_shape_can_tell(text: str) -> None:
    """Bounds of percentages and ports, hosts without a wildcard, waits above 0, and mappings that say nothing."""
    assert any(" error " in problem for problem in find_problems(text))
    assert find_violations(text)


def test_schema_takes_every_percentage_that_the_check_takes() -> None:
    """As text, from below its least to above its most."""
    validators = {field.percentage: field for _, field in list_fields(get_root()) if field.percentage is not None}
    for percentage, field in validators.items():
        shape = Draft202012Validator(build_field_schema(field))
        for number in ("0", "00", "0.0", "0.5", "1", "01", "10.0", "10.5", "98.9", "99", "99.0", "99.5", "100", "0100"):
            assert shape.is_valid(f"{number}%") == field.takes(f"{number}%"), (percentage, number)
        for number in ("100.0", "100.5", "101", "140", "999", "999.5", "1000", "1000.0", "1001", "9999", "10000", ""):
            assert shape.is_valid(f"{number} %") == field.takes(f"{number} %"), (percentage, number)


BOUNDS: tuple[object, ...] = (
    "49ms", "0.049s", "50ms", "0.05s", "99ms", "100ms", "0.1s", "0.10s", "999ms", "0.999s", "1000ms", "0999ms",
    "1500ms", "1.5s", "0.5m", "0h0m0.9s", "0s999ms", "0s1000ms", "0.5s500ms", "0.001h0.4s", "1h1ms", "2000ms",
    "32767s", "32768s", "9h", "10h", "8760h", "8761h", "09000h",
    "1023B", "1024B", "0.5KiB", "1KB", "128KB", "8MiB", "9MiB", "1GiB", "2GiB",
    2**31, 2**32, 2**33, "a" * 256, "a" * 257, "/" + "a" * 4095, "/" + "a" * 4096,
    "Host", "host", "Connection", "te", ":method", ":Path", ":authority", ":x", "x y", "x:y",
    "*.com", "*.1", "*.a.1", "a.1", "1", "1.2.3", "1.2.3.4", "1.2.3.400", "1.2.3:80", "1.2.3.4:80", "a..b:80", "-a:80",
    "[::1]", "[::g]:80", "[::12345]:80", "::12345", "[1:80", "HTTPS://A.com", "https://[::1]", "https://a b", "ftp://a",
    "*.a.com:8080", "/a[", "\\1", "/\\1", "/\\x", "[a]", "{a}", "+a",
    {"Host": "a"}, {"host": "a"}, {"te": "a"}, {":x": "a"}, {":method": "a"}, {"x y": "a"}, {"x": " a"}, {"x": "a b"},
    {"a": ""}, {"a": {"prefix": " a"}}, {"a": {"exact": " a"}},
    {"a": {"regex": "é"}}, {"a": {"exact": ""}}, {"a": 0}, {"a": 2**32}, {"a/b": 1}, {"a/b/c": 1},
    ["Host"], ["x y"], ["te"], ["10.0.0.1"], ["::1"], ["https://a.com"], ["1"], [99], [100], [599], [600], ["5xx"],
    ["1.2.3.400"], ["no such reason"], ["zone", "region"], [""],
)  # fmt: skip
"""Values around the bounds that the check has."""


INEXACT: dict[str, tuple[tuple[object, ...], str]] = {
    "services.*.endpoints[].address": (
        ("10.0.0.1:00080", "1.2.3.4:80", "[::1]:80", "a:1", "x.com:80"),
        "an address has its port, or `port` beside it",
    ),
    "*.regex": (
        (
            *("(", "/a[", "[1:80", "\\1", "/\\1", "/\\x", "[a]", "[::1]", "[::1]:80", "[::g]:80", "[::12345]:80"),
            *("[fd00::7]5000", "[fd00::7]99999"),
        ),
        "what RE2 reads, and whether a path can match it",
    ),
    "mesh.envoy": ((0, 1, 5, 100, 599, 4096, 15001), "1.40 is a version, and 1 is none"),
    "*.header_size": (("1023B",), "a multiple of 1024"),
}
"""What the check refuses and the schema takes, for which JSON Schema has no words; `*` is any place."""


@each(FIELDS)
def test_schema_of_a_field_refuses_what_the_check_refuses(path: str) -> None:
    """An editor underlines what JSON Schema has words for; the check alone finds the rest."""
    field, shape = FIELDS[path], Draft202012Validator(find_schema(path))
    inexact = next((values for end, (values, _) in INEXACT.items() if path.endswith(end.removeprefix("*"))), ())
    missed = [one for one in (*WRITTEN, *WRONG, *BOUNDS) if shape.is_valid(one) and not field.takes(one)]
    # To JSON Schema 10.0 is an integer.
    assert [one for one in missed if not isinstance(one, float) and one not in inexact] == []


def find_schema(path: str) -> dict[str, Any]:
    """Return a field's part of the whole schema; of an item, the schema of its type."""
    above, _, name = path.rpartition(".")
    owner = FIELDS.get(above, get_root())
    if name not in owner.fields:
        return build_field_schema(FIELDS[path])
    properties = SCHEMA["$defs"][owner.type.__name__]["properties"] if above else SCHEMA["properties"]
    return {**properties[name], "$defs": SCHEMA["$defs"]}


def build_field_schema(field: Field) -> dict[str, Any]:
    """Build the JSON Schema of one field alone."""
    return field._adapter.json_schema()


WRITTEN: tuple[object, ...] = (
    0, 1, 5, 100, 599, 10.0, 0.5, True, False, "", "*", "a", "A.b", "a_b", "a-b.c", "*.a.com", "10.0.0.1", "::1", "off",
    "on", "a:1", "[::1]:80", "10.0.0.1:00080", "0s", "1ms", "1s", "01s", "1h0m1s", "0.5s", "1.0s", "10%", "0100%",
    "1.0%", "0.0001 %", "/", "/a", "/{id}", "GET", "1B", "1KiB", ["a"], ["GET"], ["/a"], {}, {"a": "b"}, {"a": 1},
    15001, "200-299",
)  # fmt: skip
"""Values of all the kinds that a catalog has."""


@each(FIELDS)
def test_schema_of_a_field_takes_what_the_check_takes(path: str) -> None:
    """An editor underlines nothing that may be written."""
    field = FIELDS[path]
    shape = Draft202012Validator(build_field_schema(field))
    for value in (*WRITTEN, *WRONG, *BOUNDS, *field.examples):
        assert shape.is_valid(value) or not field.takes(value), value


@pytest.mark.parametrize(
    "port", ["0", "00000", "1", "00080", "9999", "59999", "65535", "65536", "66000", "99999", "000001"]
)
def test_schema_takes_the_ports_that_the_check_takes(port: str) -> None:
    """In "host:port"."""
    text = f"services: {{a: {{endpoints: ['a:{port}']}}}}"
    assert (not find_violations(text)) == (not find_problems(text))
