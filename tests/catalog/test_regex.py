"""Regular expressions for paths: those that Envoy would refuse are refused here, as far as possible without RE2."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/a[b", 'a [ has no ] after it, from "[b" on'),
        ("/a(b", 'a ( has no ) after it, from "(b" on'),
        ("/a)b", 'a ) has no ( before it, from ")b" on'),
        ("/(*)", 'there is nothing to repeat, from "*)" on'),
        ("/a**", 'a repetition is repeated, from "*" on'),
        ("/a{3,2}", 'the first number is greater than the second, from "3,2}" on'),
        ("/[z-a]", 'a range goes from the lower character to the higher, from "z-a]" on'),
        ("/a\\", 'a \\ has nothing after it, from "\\\\" on'),
        (r"/\q", r'this \ has no meaning, from "\\q" on'),
        (r"/\x1", r'a \ has too few digits after it, from "\\x1" on'),
        ("/(?P<>a)", 'a group\'s name is missing, from ">a)" on'),
        ("/(?P<a-b>c)", 'a group\'s name has letters, digits and _, from "a-b>c)" on'),
        ("/(?P<a)", 'a group\'s name has no > after it, from "a)" on'),
        ("/(?P<a>b)(?P<a>c)", 'two groups have the same name, from "a>c)" on'),
        ("/(?*a)", 'a (? has an unknown character after it, from "?*a)" on'),
        ("/(?", "a (? has nothing after it"),
        ("/a(?i)b", 'flags such as (?i) stand at the beginning, from "(?i)b" on'),
        ("/(?i", "flags have no : or ) after them"),
    ],
)
def test_a_message_about_an_expression_is_plain(pattern: str, message: str) -> None:
    """It says what is wrong in the operator's words, and from where on."""
    with pytest.raises(ValueError, match="is no regular expression") as refused:
        check_regex(pattern)
    assert str(refused.value) == f"is no regular expression: {message}"


@given(st.text(st.sampled_from(r"/a9[](){}?*+\^$.|-,:<>=!Pxi_"), max_size=12))
def test_no_message_has_the_words_of_python(pattern: str) -> None:
    """Whatever is wrong."""
    message = ""
    try:
        check_regex(pattern)
    except ValueError as refused:
        message = str(refused)
    assert not re.search(r"at position|subpattern|unterminated|unbalanced|extension|escape \\", message)


def test_an_expression_that_is_nested_too_deep_is_refused() -> None:
    """Python's own limit is met before Envoy's."""
    with pytest.raises(ValueError, match="it is nested too deep"):
        check_regex("/" + "(" * 499 + ")" * 499)
