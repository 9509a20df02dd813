"""Any body is read, or refused with a status and a sentence; so is what it registers."""

import json
import math
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tests.endpoints.registrations.registering import make
from tests.sampling import examples
from xds.endpoints.registrations.durations import parse_duration
from xds.endpoints.registrations.go_json import Warnings
from xds.endpoints.registrations.reading import (
    CATALOG_NODE,
    CHECK,
    SERVICE,
    CatalogEntry,
    parse_check,
    parse_registration,
    parse_update,
)
from xds.endpoints.registrations.refusal import Refusal

KEYS = st.sampled_from(sorted({*SERVICE, *CHECK, *CATALOG_NODE, "passing", "warning", "output"})) | st.text(max_size=3)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["api", "10s", "1h", "passing", "127.0.0.1", "http://10.0.0.1/", "dc1"])
)
BODIES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6))
NAMED = st.dictionaries(KEYS, BODIES, max_size=5).map(lambda body: {"name": "api", "node": "n", "address": "h", **body})


@examples(400)
@given(NAMED | BODIES | st.binary(max_size=30))
def test_any_body_is_read_or_refused(body: object) -> None:
    """Nothing else is raised, and a body that is read has an effect that can be written down."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    registrations = make()
    with suppress(Refusal):
        registrations.register(parse_registration(raw, Warnings()), 0.0)
    parsers = (
        parse_update,
        lambda raw: parse_check(raw, Warnings()),
        lambda raw: CatalogEntry(raw, Warnings(), "dc1"),
    )
    for parse in parsers:
        with suppress(Refusal):
            parse(raw)
    registrations.tick(1e12)
    json.dumps([record for _, record in registrations.book.dump()])


@examples(200)
@given(st.text(alphabet="0123456789.hmsnuµ-+ ", max_size=12))
def test_any_duration_is_read_or_refused_with_gos_words(text: str) -> None:
    """It is never so long that Go could not hold it."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        seconds = 0.0 if str(error).startswith("time: ") else math.inf
    assert abs(seconds) < 2**63 / 1e9


def test_durations_are_those_of_go() -> None:
    """With several units, fractions and signs."""
    read = {"1m30s": 90.0, "1.5h": 5400.0, ".5s": 0.5, "-10s": -10.0, "0": 0.0, "100ms": 0.1, "+1us": 1e-6}
    assert {text: round(parse_duration(text), 9) for text in read} == read
