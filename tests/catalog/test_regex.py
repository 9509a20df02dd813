"""Regular expressions for paths: RE2 judges them, as Envoy does. A table of them is asked of both in envoy_server/."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.catalog.text.regex import check_pattern, check_regex, measure

SIZES = [
    ("/x{96}", 101), ("/x{96}.", 103), ("/x{96}.*", 103), ("/x{96}[^/]+", 104), ("/x{96}[a-z]", 102),
    ("/x{96}[a-z0-9_-]", 105), (r"/x{96}\w", 104), (r"/x{96}\d", 102), (r"/x{96}\s", 104), ("/x{96}a?", 103),
    ("/x{96}(a)", 104), ("/x{96}abc|def|ghi", 110), ("/x{96}abc|abd", 107), ("/x{96}(?:abc|def)?", 108),
    ("/x{96}(?:ab){2,4}", 111), ("/x{96}[^/]{2}", 105), ("/x{96}a{3,5}", 108), ("/x{96}(?P<n>a)", 104),
    ("/x{96}[aeiou]", 106), ("/[0-9]{1,400}/[a-z]{1,500}", 1804), ("/(a{30}){30}", 965),
]  # fmt: skip
"""Expressions, with the sizes that Envoy 1.40 reports when it refuses them."""


@pytest.mark.parametrize(("pattern", "size"), SIZES)
def test_the_size_is_envoys(pattern: str, size: int) -> None:
    """Envoy takes programs of up to 100 steps."""
    assert measure(pattern) == size


@pytest.mark.parametrize(
    "pattern",
    [
        *("/users/[0-9]+", "/(en|de|fr)/blog/[0-9]{4}/[^/]+", r"/a\.b", ".*", "^/a$", "/(?i:abc)", "/[[:alpha:]]+"),
        *("(/a)?", "/[*+]", "/[(?=]", "a|/b", "u?/x", "/a{,3}", "/(?<n>a)", r"/[^a-z._~:/?#\[\]@!$&'()*+,;=-]+"),
    ],
)
def test_an_expression_that_envoy_accepts_is_accepted(pattern: str) -> None:
    """In brackets, signs stand for themselves. A pattern need not begin with a slash to match a path."""
    assert check_regex(pattern) == pattern


CANNOT = "which Envoy's patterns (RE2) cannot"

REFUSED = [
    ("/a(?=b)", f"`(?=` at character 3 looks ahead, {CANNOT}: write what follows into the pattern itself"),
    ("/a(?!b)", f"`(?!` at character 3 looks ahead, {CANNOT}: let a route before this one take what is not meant"),
    ("/(?<!a)b", f"`(?<!` at character 2 looks behind, {CANNOT}: write what stands before into the pattern itself"),
    (r"/(a)[\1]", f"`\\1` at character 6 refers back to a group, {CANNOT}: write out what is meant"),
    (r"/(a)\1", f"`\\1` at character 5 refers back to a group, {CANNOT}: write out what is meant"),
    ("/[*+]x*+", f"`*+` at character 7 repeats possessively, {CANNOT}: leave out the second sign"),
    ("/a{2}+", f"`{{2}}+` at character 3 repeats possessively, {CANNOT}: leave out the second sign"),
    ("/(?>a)", f"`(?>` at character 2 is an atomic group, {CANNOT} have: write `(?:` in its place"),
    ("/(a)(?(1)b|c)", f"`(?(` at character 5 is a condition, {CANNOT} have: write both cases, as in (?:a|b)"),
    ("/(?#c)x", f"`(?#` at character 2 is a comment, {CANNOT} have: leave it out"),
    ("/(?x)a", "`(?x` at character 2 is a flag that RE2 has not: its flags are i, m, s and U"),
    ("/(?'n'a)", "`(?'` at character 2 names a group in a way that RE2 does not know: write it as in (?P<name>…)"),
    (r"/\Z", r"`\Z` at character 2 is for Python and Perl: leave it out, a pattern is for the whole text"),
    (r"/\u0041", r"`\u` at character 2 is no escape of RE2: write an ASCII character by its number, as in \x41"),
    (r"/\h", "`\\h` at character 2 is no escape of RE2: leave out the \\, or write the characters that are meant"),
    ("/a**", "`**` at character 3 repeats what is repeated already: put that in a group, as in (?:a*)*"),
    ("*.html", "`*` at character 1 has nothing before it to repeat: for any text, write `.*`"),
    ("/[[:foo:]]", r"`[:foo:]` at character 3 is no range or class of characters: write such as a-z, [:alpha:] or \pL"),
    ("/[b-a]", r"`b-a` at character 3 is no range or class of characters: write such as a-z, [:alpha:] or \pL"),
    ("/[a", "`[a` at character 2 begins a class of characters that has no ] at its end"),
    (
        "/a{1001}",
        "`{1001}` at character 3 is no number of times for RE2: "
        "1000 at most, nested ones times each other, lower first",
    ),
    ("/(a", r"a `(` has no `)`: close it, or write `\(` for the character itself"),
    ("/a)b", r"the `)` at character 3 closes nothing: leave it out, or write `\)` for the character itself"),
    ("/a\\", "ends in a \\, which escapes nothing: leave it out"),
    ("", "is empty: for any text, write .*"),
    ("users", 'matches no path, which is ASCII and begins with /: write "/users"'),
    (r"/\p{Greek}", "matches no path, which is ASCII and begins with /"),
    (
        "/x{96}",
        "is too large: Envoy takes patterns of 100 steps, one for each character, and times each {n}; this has 101",
    ),
    ("/café", "a path is ASCII: write letters beyond it percent-encoded, as in /caf%C3%A9"),
]


@pytest.mark.parametrize(("pattern", "message"), REFUSED)
def test_an_expression_that_envoy_refuses_is_refused_in_plain_words(pattern: str, message: str) -> None:
    """The message names the part and its place, what people mean by it, and what to write."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        check_regex(pattern)
    assert str(caught.value) == message


@given(st.text(max_size=40))
def test_any_text_is_judged(pattern: str) -> None:
    """A pattern that is refused has a message, with the place of a part that is in it."""
    message = ""
    try:
        check_pattern(pattern)
    except ValueError as error:
        message = str(error)
    assert "character 0" not in message


def test_a_catalog_without_expressions_does_not_load_the_engine() -> None:
    """Most catalogs have none, and `xds check` starts fast."""
    program = (
        "import sys; from tests.catalog.catalogs import find_problems;"
        "assert find_problems('services: {a: {endpoints: [b:1]}}') == []; assert 're2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
