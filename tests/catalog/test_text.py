"""Bytes that are not text are refused. The message names the position of the byte."""

import pytest

from xds.catalog.reading.fragment import parse_fragment
from xds.sources.document import Document

GOOD = b'services: {web: {endpoints: ["10.0.0.4:5000"]}}\n'


@pytest.mark.parametrize("content", [GOOD, b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n")])
def test_utf8_is_read_with_or_without_a_byte_order_mark(content: bytes) -> None:
    """Line endings may be of any kind."""
    fragment = parse_fragment(Document("c.yaml", content))
    assert fragment.problems == ()
    assert list(fragment.services) == ["web"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("services: {}".encode("utf-16"), "c.yaml:1:1: error: is in UTF-16: save the file as UTF-8"),
        (b"a: \xff", "c.yaml:1:4: error: byte 0xff at offset 3 is not UTF-8: save the file as UTF-8"),
        (
            "é: 1\nb: ".encode() + b"\xe9",
            "c.yaml:2:4: error: byte 0xe9 at offset 9 is not UTF-8: save the file as UTF-8",
        ),
        (
            b"\xef\xbb\xbfa: \xff",
            "c.yaml:1:4: error: byte 0xff at offset 6 is not UTF-8: save the file as UTF-8",
        ),
        (b"a: \x00", "c.yaml:1:4: error: a NUL byte (at offset 3) cannot stand in YAML: is this a text file?"),
        (
            b"a: 1\nb: \x1b[31m",
            "c.yaml:2:4: error: the character U+001B (at offset 8) cannot stand in YAML: is this a text file?",
        ),
    ],
)
def test_bytes_that_are_not_text_are_refused(content: bytes, expected: str) -> None:
    """The message names the byte, its offset, line and column."""
    assert [str(problem) for problem in parse_fragment(Document("c.yaml", content)).problems] == [expected]


def test_a_fault_of_a_source_is_a_problem_of_the_whole_file() -> None:
    """The source could not read the file."""
    [problem] = parse_fragment(Document("c.yaml", fault="is a folder, not a regular file")).problems
    assert str(problem) == "c.yaml: error: is a folder, not a regular file"
