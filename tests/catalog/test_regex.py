"""Regular expressions for paths: those that Envoy would refuse are refused here, as far as possible without RE2."""

import pytest

from xds.catalog.text.regex import check_regex, measure

SIZES = [
    ("/x{96}", 101), ("/x{96}.", 103), ("/x{96}.*", 103), ("/x{96}[^/]+", 104), ("/x{96}[a-z]", 102),
    ("/x{96}[a-z0-9_-]", 105), (r"/x{96}\\w", 104), (r"/x{96}\\d", 102), (r"/x{96}\\s", 104), ("/x{96}a?", 103),
    ("/x{96}(a)", 104), ("/x{96}abc|def|ghi", 110), ("/x{96}abc|abd", 107), ("/x{96}(?:abc|def)?", 108),
    ("/x{96}(?:ab){2,4}", 111), ("/x{96}[^/]{2}", 105), ("/x{96}a{3,5}", 108), ("/x{96}(?P<n>a)", 104),
    ("/x{96}[aeiou]", 106), ("/[0-9]{1,400}/[a-z]{1,500}", 1804), ("/(a{30}){30}", 965),
]  # fmt: skip
"""Expressions, with the sizes that Envoy 1.40 reports when it refuses them."""


@pytest.mark.parametrize(("pattern", "size"), [(text.replace(r"\\", "\\"), size) for text, size in SIZES])
def test_the_estimated_size_is_never_too_small(pattern: str, size: int) -> None:
    """If the estimate is within the limit, Envoy accepts the expression. It is at most 6 above the real size."""
    assert size <= measure(pattern) <= size + 6


@pytest.mark.parametrize(
    "pattern",
    ["/users/[0-9]+", "/(en|de|fr)/blog/[0-9]{4}/[^/]+", r"/a\.b", ".*", "^/a$", "/(?i:abc)", "/[[:alpha:]]+", "(/a)?"],
)
def test_an_expression_that_envoy_accepts_is_accepted(pattern: str) -> None:
    """These are typical expressions for paths."""
    assert check_regex(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [r"/\Z", r"/\u0041", "/(?#c)x", "/(?a:x)", "/(?L)x", "/a**", "/a++", "/(?>a)", "/(a)(?(1)b|c)", "/(?<!a)b"],
)
def test_an_expression_that_envoy_refuses_is_refused(pattern: str) -> None:
    """Python accepts most of these, but RE2 none."""
    with pytest.raises(ValueError, match=r"RE2|expression"):
        check_regex(pattern)
