"""Which fields need which Envoy: warnings by `mesh.envoy` and `xds check --envoy`, and the reference."""

import pytest

from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.reference import describe_fields
from xds.catalog.text.envoy_version import Version, check_oldest, parse_version, read_oldest
from xds.catalog.text.path_template import has_affixed_variable
from xds.cli.check import check
from xds.sources.document import Document

TLS = "tls: {client_ca: /ca.pem, certificates: [{certificate: /a.pem, key: /a.key}]}"
WEB = "services: {web: {endpoints: ['10.0.0.1:80']}}"


def find_all(text: str, oldest: Version | None = None) -> list[str]:
    """Return the warnings about versions of a catalog's text, without the file's name."""
    found = check({"c.yaml": Document("c.yaml", text.encode())}, oldest=oldest).problems
    return [f"{one.line}:{one.column} {one.path}: {one.message}" for one in found if "needs Envoy" in one.message]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "mesh: {envoy: '>=1.36.2', tracing: 'collector:4317'}",
            ["1:27 mesh.tracing: needs Envoy 1.37, older ones send the host alone as `http.url`"],
        ),
        ("mesh: {envoy: 1.37, tracing: 'collector:4317'}", []),
        ("mesh: {envoy: 1.36, tracing: off}", []),
        ("mesh: {tracing: 'collector:4317'}", []),
        (
            "{mesh: {envoy: 1.38}, services: {a: {endpoints: ['10.0.0.1:1'], "
            "routes: [{template: '/v{x}'}, {template: '/{x}/*.html'}]}}}",
            [
                "1:85 services.a.routes[0].template: with a variable inside a segment, it needs Envoy 1.39, "
                "and Envoy 1.38 refuses it"
            ],
        ),
        (
            "{mesh: {envoy: 1.38}, services: {a: {balance: load_aware_locality}}}",
            [
                "1:47 services.a.balance.load_aware_locality: needs Envoy 1.40, 1.39 refuses it, "
                "older ones use `round_robin`"
            ],
        ),
        (
            f"{{mesh: {{envoy: 1.39}}, {WEB}, "
            f"gateways: {{e: {{port: 1, {TLS}, http3: true, routes: [{{to: web}}]}}}}}}",
            ["1:180 gateways.e.http3: beside `client_ca`, it needs Envoy 1.40, and Envoy 1.39 refuses it"],
        ),
        (
            f"{{mesh: {{envoy: 1.39}}, {WEB}, "
            f"gateways: {{e: {{listeners: [{{port: 1, {TLS}, http3: 443}}], routes: [{{to: web}}]}}}}}}",
            ["1:193 gateways.e.listeners[0].http3: beside `client_ca`, it needs Envoy 1.40, and Envoy 1.39 refuses it"],
        ),
        (f"{{mesh: {{envoy: 1.39}}, {WEB}, gateways: {{e: {{port: 1, {TLS}, routes: [{{to: web}}]}}}}}}", []),
    ],
)
def test_a_field_that_the_oldest_envoy_does_not_take_has_a_warning(text: str, expected: list[str]) -> None:
    """The warning is at the field, and names the version that it needs."""
    assert find_all(text) == expected


def test_the_flag_takes_the_place_of_the_catalogs_version() -> None:
    """`xds check --envoy` checks for another oldest Envoy than the catalog has."""
    text = "mesh: {envoy: '>=1.37', tracing: 'collector:4317'}"
    assert find_all(text) == []
    assert [one.partition(",")[0] for one in find_all(text, oldest=(1, 36))] == ["1:25 mesh.tracing: needs Envoy 1.37"]


def test_another_oldest_envoy_checks_every_file_again() -> None:
    """The field is in one file, the version in another, which changes."""
    workspace = Workspace()

    def take(version: str) -> Catalog:
        return workspace.update({"m.yaml": Document("m.yaml", f"mesh: {{envoy: {version}}}".encode())})

    tracing = Document("t.yaml", b"mesh: {tracing: 'collector:4317'}")
    assert not workspace.update({"t.yaml": tracing}).problems
    assert [one.source for one in take("1.36").problems] == ["t.yaml"]
    assert not take("1.40").problems
    assert [one.source for one in take("1.30").problems] == ["t.yaml"]
    assert not workspace.update({"m.yaml": None}).problems


def test_the_reference_has_the_versions() -> None:
    """Each field with a version says which, and of which values."""
    assert {(one.path, one.since) for one in describe_fields() if one.since} == {
        ("services.*.balance.load_aware_locality", ("Envoy 1.40",)),
        ("services.*.routes[].template", ("Envoy 1.39 with a variable inside a segment",)),
        ("gateways.*.routes[].template", ("Envoy 1.39 with a variable inside a segment",)),
        ("gateways.*.listeners[].routes[].template", ("Envoy 1.39 with a variable inside a segment",)),
        ("gateways.*.http3", ("Envoy 1.40 beside `client_ca`",)),
        ("gateways.*.listeners[].http3", ("Envoy 1.40 beside `client_ca`",)),
        ("mesh.tracing", ("Envoy 1.37",)),
    }


@pytest.mark.parametrize(
    ("value", "version"), [("1.37", (1, 37)), (" >= v1.36.2 ", (1, 36, 2)), (1.37, (1, 37)), (">=1.4", (1, 4))]
)
def test_a_version_is_read(value: object, version: tuple[int, ...]) -> None:
    """With or without `>=`, as text or as a number."""
    assert read_oldest(check_oldest(value)) == version


@pytest.mark.parametrize("value", ["", "1", ">1.37", "<=1.37", "1.37,1.40", "latest", True, None, [1.37]])
def test_what_is_no_oldest_version_is_refused(value: object) -> None:
    """The message has an example."""
    with pytest.raises(ValueError, match=r'such as ">=1\.37" or "1\.36\.2"'):
        check_oldest(value)


def test_a_number_is_taken_as_it_is_written() -> None:
    """1.40 is not 1.4."""
    assert find_all("mesh: {envoy: 1.40, tracing: 'collector:4317'}") == []


def test_a_clients_version_may_have_a_tail() -> None:
    """As in gRPC clients' and development builds'."""
    assert parse_version("1.41.0-dev") == (1, 41, 0)
    assert parse_version("dev") is None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("/v{a}", True),
        ("/a/{b}.json/c", True),
        ("/{a}/b", False),
        ("/{a=x/*}", False),
        ("/{a=**}.html", False),
        ("/{a}.html", False),
        ("/x{a}/b", True),
        ("/*.html", False),
    ],
)
def test_a_variable_inside_a_segment_is_found(template: str, expected: bool) -> None:
    """Text after the last `*` or variable is no such segment where older Envoys take it."""
    assert has_affixed_variable(template) is expected
