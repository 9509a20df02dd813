"""Patterns for paths: what Envoy would refuse is refused here, as far as that can be told without RE2."""

import pytest

from xds.catalog.text.regex import check_regex, measure

SIZES = [
    ("/x{96}", 101), ("/x{96}.", 103), ("/x{96}.*", 103), ("/x{96}[^/]+", 104), ("/x{96}[a-z]", 102),
    ("/x{96}[a-z0-9_-]", 105), (r"/x{96}\\w", 104), (r"/x{96}\\d", 102), (r"/x{96}\\s", 104), ("/x{96}a?", 103),
    ("/x{96}(a)", 104), ("/x{96}abc|def|ghi", 110), ("/x{96}abc|abd", 107), ("/x{96}(?:abc|def)?", 108),
    ("/x{96}(?:ab){2,4}", 111), ("/x{96}[^/]{2}", 105), ("/x{96}a{3,5}", 108), ("/x{96}(?P<n>a)", 104),
    ("/x{96}[aeiou]", 106), ("/[0-9]{1,400}/[a-z]{1,500}", 1804), ("/(a{30}){30}", 965),
]  # fmt: skip
"""Patterns, and the size that Envoy 1.40 says they have in its words of refusal."""


@pytest.mark.parametrize(("pattern", "size"), [(text.replace(r"\\", "\\"), size) for text, size in SIZES])
def test_size_is_not_told_too_small(pattern: str, size: int) -> None:
    """It is an estimate: what it lets pass, Envoy takes; and it is not far above."""
    assert size <= measure(pattern) <= size + 6


@pytest.mark.parametrize(
    "pattern",
    ["/users/[0-9]+", "/(en|de|fr)/blog/[0-9]{4}/[^/]+", r"/a\.b", ".*", "^/a$", "/(?i:abc)", "/[[:alpha:]]+", "(/a)?"],
)
def test_pattern_that_envoy_takes(pattern: str) -> None:
    """Whatever people write for paths."""
    assert check_regex(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [r"/\Z", r"/\u0041", "/(?#c)x", "/(?a:x)", "/(?L)x", "/a**", "/a++", "/(?>a)", "/(a)(?(1)b|c)", "/(?<!a)b"],
)
def test_pattern_that_envoy_refuses(pattern: str) -> None:
    """Python reads most of these, RE2 none."""
    with pytest.raises(ValueError, match=r"RE2|expression"):
        check_regex(pattern)
