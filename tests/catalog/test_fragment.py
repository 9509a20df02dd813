"""Any bytes can be parsed to a fragment, and every problem has a position."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.catalogs import parse
from tests.sampling import examples
from xds.catalog.assembly.assembly import build_catalog
from xds.catalog.reading.fragment import Fragment, parse_fragment
from xds.errors import CatalogError
from xds.sources.document import Document

GOOD = b"""\
x-defaults: &defaults {balance: weighted, retries: 1}
services:
  api-service:
    <<: *defaults
    health_check: {http: /api/data, interval: 10s, timeout: 2s}
    timeouts: {connect: 1s, request: 1m30s}
    endpoints:
      - {address: "10.0.0.4:5000", weight: 3, zone: eu-1a, metadata: {a: [1, {b: null}]}}
      - {address: "::1", port: 5000, weight: 1, zone: 'eu-1b'}
    upstreams: [users]
  users:
    sidecar: "127.0.0.1:15002"
    endpoints: ["10.0.0.9:80", "[::1]:81", web.example.com:80]
  db: {protocol: tcp, local_port: 5432, endpoints: ["10.0.0.9:5432"]}
gateways:
  edge:
    port: 8080
    routes:
      - {prefix: /, to: api-service, host: "*.example.com", headers: {X-Team: "*"}}
      - to: users
        path: |-
          /exact
"""
TOKENS = [
    b"&a ", b"*a", b"<<: ", b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b"!!int ", b"!x ", b"---\n", b"\t", b'"', b"'",
    b"|\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\xe2\x80\xa8", b"~", b"null", b"-1", b"1e999", b".nan", b"0s",
    b"services", b"%", b"#", b",", b"\n", b"  ", "é".encode(), b"\\", b'"\\ud800"', b'"\\0"', b"9" * 5000,
]  # fmt: skip


def check(fragment: Fragment) -> None:
    """Check what holds for every fragment."""
    content = fragment.document.content or b""
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", content.decode("utf-8-sig", errors="replace"))
    for problem in fragment.problems:
        assert 1 <= problem.line <= len(lines) + 1
        assert problem.column >= 1
        assert problem.line > len(lines) or problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message
        assert str(problem).isprintable()
    try:
        build_catalog({"c.yaml": fragment})
    except CatalogError:
        pass
    else:
        assert not fragment.has_errors


def test_the_good_catalog_has_no_problems() -> None:
    """The tests below change this catalog."""
    assert parse_fragment(Document("c.yaml", GOOD)).problems == ()


@examples(100)
@given(st.binary(max_size=300))
def test_parsing_any_bytes_does_not_fail(content: bytes) -> None:
    """Mistakes are problems of the fragment, not exceptions."""
    check(parse_fragment(Document("c.yaml", content)))


@examples(100)
@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_parsing_any_yaml_tokens_does_not_fail(tokens: list[bytes]) -> None:
    """The text looks like YAML, but may be wrong anywhere."""
    check(parse_fragment(Document("c.yaml", b"services: " + b"".join(tokens))))


@examples(500)
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), st.sampled_from([b"", *TOKENS])),
        min_size=1,
        max_size=3,
    )
)
def test_a_good_catalog_with_random_changes_is_valid_or_has_problems(slips: list[tuple[int, int, bytes]]) -> None:
    """Pieces are cut out or put in. An invalid result has problems with their positions."""
    content = GOOD
    for start, cut, token in slips:
        content = content[:start] + token + content[start + cut :]
    check(parse_fragment(Document("c.yaml", content)))


def test_endpoints_share_equal_values() -> None:
    """A hundred thousand endpoints have one or two ports, a few zones, and mostly no labels."""
    written = ('{address: "10.0.0.1:8080", zone: "eu-1a"}', "{address: 10.0.0.2, port: 8080, zone: eu-1a}")
    fragments = [parse(f"services: {{a: {{endpoints: [{endpoint}]}}}}") for endpoint in written]
    [[one], [other]] = [fragment.services["a"].endpoints for fragment in fragments]
    assert one.port is other.port
    assert one.zone is other.zone
    assert one.metadata is other.metadata == {}
