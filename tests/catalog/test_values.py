"""Durations, hosts, headers and labels, in the forms that people write."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.catalog.catalogs import find_problems
from xds.catalog.fields import get_root, list_fields
from xds.catalog.model.endpoint import check_metadata
from xds.catalog.model.route_action import parse_targets
from xds.catalog.text.addresses import check_route_host
from xds.catalog.text.cors_origins import parse_origin
from xds.catalog.text.durations import format_duration, parse_duration
from xds.catalog.text.http import check_headers
from xds.catalog.text.mistake import Loc, Mistake, Mistakes
from xds.catalog.text.percents import Percentage
from xds.catalog.text.sizes import parse_size


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10s", timedelta(seconds=10)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5s", timedelta(milliseconds=1500)),
        ("1m30s", timedelta(seconds=90)),
        ("2h", timedelta(hours=2)),
        ("1h2m3s4ms", timedelta(hours=1, minutes=2, seconds=3, milliseconds=4)),
        ("0s", timedelta(0)),
        ("0.1h", timedelta(minutes=6)),
        ("8760h", timedelta(days=365)),
    ],
)
def test_the_parts_of_a_duration_are_added_up(written: str, meant: timedelta) -> None:
    """The parts are hours, minutes, seconds and milliseconds, in this order."""
    assert parse_duration(written) == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (10, "a duration needs a unit: write 10s or 10ms, not 10"),
        ("10", "a duration needs a unit: write 10s or 10ms, not 10"),
        (-5, 'a duration cannot be negative, found "-5"'),
        ("-5s", 'a duration cannot be negative, found "-5s"'),
        ("10 seconds", "did you mean 10s?"),
        ("5min", "did you mean 5m?"),
        ("10S", "did you mean 10s?"),
        ("2d", "did you mean 48h?"),
        ("10us", 'expected a duration in h, m, s and ms, such as 10s, 250ms or 1m30s, found "10us"'),
        ("s", "expected a duration"),
        ("", "expected a duration"),
        ("30s1m", "expected a duration"),
        ("٣s", "expected a duration"),
        ("1.0005s", "1.0005s is not a whole number of milliseconds"),
        ("8761h", "8761h is too long: a duration may be 8760h at most"),
        (True, "expected a duration in h, m, s and ms, such as 10s, 250ms or 1m30s, found true"),
        (None, "found nothing"),
        ([], "found an empty list"),
    ],
)
def test_a_wrong_duration_is_refused_with_a_suggestion(written: object, message: str) -> None:
    """The message suggests a duration that the operator may mean."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_duration(written)


@given(st.integers(0, 365 * 24 * 3600 * 1000))
def test_duration_is_written_as_it_is_read(milliseconds: int) -> None:
    """`format_duration` is the inverse of `parse_duration`."""
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("example.com", "example.com"),
        ("Example.COM", "example.com"),
        ("*.example.com", "*.example.com"),
        ("*", "*"),
        ("10.0.0.1", "10.0.0.1"),
        ("my_host", "my_host"),
    ],
)
def test_a_host_is_in_lower_case(written: str, meant: str) -> None:
    """Hosts are compared in lower case."""
    assert check_route_host(written) == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("http://example.com/a", 'a host has no scheme or path: write "example.com"'),
        ("example.com:8080", 'write "example.com"'),
        ("*.example.com:80", 'write "*.example.com"'),
        ("example.com.", 'a host does not end in a dot: write "example.com"'),
        ("*foo.com", "a `*` may stand only in front"),
        ("a.*.com", "a `*` may stand only in front"),
        ("*.", "a `*` may stand only in front"),
        ("api.*", '"api.*" is not taken: a host such as api.example.com would match it and "*.example.com"'),
        ("", "expected a host"),
        ("a b", "expected a host"),
        ("-a.com", "expected a host"),
        ("é.com", "expected a host"),
        ("a" * 64 + ".com", "expected a host"),
    ],
)
def test_a_wrong_host_is_refused(written: str, message: str) -> None:
    """Envoy would refuse it, or never match it."""
    with pytest.raises(ValueError, match=re.escape(message)):
        check_route_host(written)


def test_header_names_are_in_lower_case() -> None:
    """Names are compared in lower case. Values do not change."""
    assert check_headers({"X-Team": "A", ":method": "GET", "b": "*"}) == {"x-team": "A", ":method": "GET", "b": "*"}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Host": "a"}, "the Host header is matched by the route's `host`"),
        ({":authority": "a"}, "the Host header is matched by the route's `host`"),
        ({"a b": "x"}, '"a b" is not a header\'s name: letters, digits and - only'),
        ({"": "x"}, '"" is not a header\'s name: letters, digits and - only'),
        ({":path": "x"}, '":path" is not a header\'s name: letters, digits and - only'),
        ({"a": "1", "A": "2"}, '"A" is given twice: capitals make no difference'),
        ({"a": ""}, 'an empty value matches nothing: write "*" for any value'),
        ({"a": "x\ny"}, "a header's value has no control characters, and no spaces at its ends"),
        ({"a": " x"}, "a header's value has no control characters, and no spaces at its ends"),
    ],
)
def test_a_wrong_header_is_refused_at_its_place(headers: dict[str, str], message: str) -> None:
    """Each mistake is reported at its header."""
    with pytest.raises(Mistakes) as caught:
        check_headers(headers)
    assert [found.message for found in caught.value.found] == [message]


@pytest.mark.parametrize(
    ("value", "loc", "message"),
    [
        (2**53 + 1, ("a",), 'metadata cannot hold so large a number exactly: write "9007199254740993" in quotes'),
        (float("inf"), ("a",), "expected a finite number, found inf"),
        ([{"b": float("nan")}], ("a", 0, "b"), "expected a finite number, found nan"),
        ([[[[[[[[1]]]]]]]], ("a", *(0,) * 8), "metadata may be 8 levels deep at most"),
    ],
)
def test_metadata_that_envoy_cannot_store_is_refused(value: object, loc: Loc, message: str) -> None:
    """Numbers in Envoy's metadata are doubles, and protobuf reads at most a hundred nested levels."""
    with pytest.raises(Mistakes) as caught:
        check_metadata({"a": value})
    assert caught.value.found == (Mistake(loc, message),)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1B", 1),
        ("1KB", 1000),
        ("1kB", 1000),
        ("512KiB", 524288),
        ("1.5MB", 1_500_000),
        ("0.5KiB", 512),
        ("1GiB", 2**30),
    ],
)
def test_a_size_has_decimal_or_binary_units(written: str, meant: int) -> None:
    """The result is a whole number of bytes."""
    assert parse_size(written) == meant


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("*", None),
        ("HTTPS://Shop.example.com:8443", None),
        ("http://[::1]:3000", None),
        ("*.example.com", r"https?://[a-z0-9.-]+\.example\.com"),
        ("https://*.example.com:8443", r"https://[a-z0-9.-]+\.example\.com:8443"),
        ({"regex": "https://a[0-9]"}, "https://a[0-9]"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(written: object, pattern: str | None) -> None:
    """It is in lower case. A star before a domain stands for any subdomain."""
    origin = parse_origin(written)
    assert origin.pattern == pattern
    assert origin.text == origin.text.lower()
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(("written", "meant"), [("10%", 10), (10, 10), ("0.5%", 0.5), (0.5, 0.5), ("10 %", 10)])
def test_a_percentage_has_its_sign_or_is_a_number(written: object, meant: float) -> None:
    """Both forms mean the same."""
    assert TypeAdapter(Annotated[float, Percentage(0, 100)]).validate_python(written) == meant


@pytest.mark.parametrize("written", ["101%", -1, "10", "ten%", True, None, float("nan"), [10]])
def test_a_wrong_percentage_is_refused_with_an_example(written: object) -> None:
    """It is not a percentage, or it is out of bounds."""
    with pytest.raises(ValidationError, match=r"expected a percentage from 0% to 100%, such as 10%, found"):
        TypeAdapter(Annotated[float, Percentage(0, 100)]).validate_python(written)


def test_every_percentage_may_be_written_in_both_forms() -> None:
    """For example, 50% and 50 are the same. The test uses a number within the field's bounds."""
    percentages = [field for _, field in list_fields(get_root()) if field.percentage is not None]
    assert len({field.name for field in percentages}) >= 10
    for field in percentages:
        assert field.percentage is not None
        number = int(field.percentage.minimum + field.percentage.maximum) // 2
        assert field.takes(number)
        assert field.takes(f"{number}%")


def test_every_field_named_percent_is_a_percentage() -> None:
    """So the percent sign is allowed in each of them."""
    fields = dict(list_fields(get_root()))
    assert [path for path, one in fields.items() if "percent" in one.name and one.percentage is None] == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"a": "95%", "b": "5%"}, {"a": 95, "b": 5}),
        ({"a": "99.5%", "b": "0.5 %"}, {"a": 995, "b": 5}),
        ({"a": "100.0%", "b": "0%"}, {"a": 100, "b": 0}),
        ({"a": "33.3333333%", "b": "66.6666667%"}, {"a": 333333333, "b": 666666667}),
        ({"a": "100%"}, {"a": 100}),
    ],
)
def test_percentages_that_make_100_are_weights(written: dict[str, str], meant: dict[str, int]) -> None:
    """They are the smallest whole weights by powers of ten, exactly in proportion."""
    assert parse_targets(written) == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"a": "95%", "b": "6%"}, "the percentages sum up to 101%, where 100% are all requests"),
        ({"a": "33.3%", "b": "66.6%"}, "the percentages sum up to 99.9%, where 100% are all requests"),
        ({"a": "95%", "b": 5}, "the weights of a route are all percentages, or none is"),
        ({"a": "0.00000001%", "b": "99.99999999%"}, "a percentage has 7 digits after the point at most"),
        ({"a": 0.95, "b": 0.05}, "write {a: 95%, b: 5%}"),
    ],
)
def test_other_percentages_are_refused(written: dict[str, object], message: str) -> None:
    """The message has the sum."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_targets(written)


@given(st.lists(st.integers(1, 9999), min_size=2, max_size=5), st.integers(0, 2))
def test_percentages_are_exactly_in_proportion(shares: list[int], places: int) -> None:
    """Nothing is rounded, whatever the digits after the point."""
    unit = 10**places
    shares = [*shares, 100 * unit - sum(shares)] if sum(shares) < 100 * unit else [99 * unit, unit]
    weights = parse_targets({f"s{index}": f"{Decimal(share) / unit}%" for index, share in enumerate(shares)})
    assert weights is not None
    assert [weight * sum(shares) for weight in weights.values()] == [share * sum(weights.values()) for share in shares]


@pytest.mark.parametrize("written", ["1.10", "2.0", "0x1F", "0o17", "1e3", ".5", "+1", "0.12345678901234567890"])
def test_a_label_that_would_not_compare_as_it_is_written_is_refused(written: str) -> None:
    """As a number, `1.10` is the same as `1.1`. The message repeats what is written, in quotes."""
    for text in (
        f"services: {{a: {{endpoints: [{{address: b:1, metadata: {{x: [{{v: {written}}}]}}}}]}}}}",
        f"services: {{a: {{endpoints: [b:1], subsets: {{v1: {{v: {written}}}}}}}}}",
    ):
        [problem] = [one for one in find_problems(text) if " error " in one]
        assert f"as a number, {written} is " in problem
        assert f'write "{written}" in quotes' in problem


@pytest.mark.parametrize(
    "written", ["1", "-3", "1.5", "0", "true", '"1.10"', "1_000", "1:30", "on", "010", "2024-01-01"]
)
def test_a_label_that_compares_as_it_is_written_is_taken(written: str) -> None:
    """It is text, true or false, or a number that is written the shortest way."""
    endpoints, subsets = f"[{{address: b:1, metadata: {{v: {written}}}}}]", f"{{v1: {{v: {written}}}}}"
    assert find_problems(f"services: {{a: {{endpoints: {endpoints}, subsets: {subsets}}}}}") == []
