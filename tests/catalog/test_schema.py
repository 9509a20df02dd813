"""The JSON Schema describes the same rules as the checker, as far as a schema can."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.catalog.catalogs import find_problems
from tests.catalog.test_fragment import GOOD
from tests.catalog.test_mistakes import CASES
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
    "0ms or more", "1ms or more", "not both", "is for `", "is not a header's name", "TCP has no",
    "is empty", "has no kind", "names no",
    "expected a host, such as",
    "Host header", "finite number", "to listen on", "must be text",
    "weight above 0", "belongs to one connection", "not beside", "write `path` here", "its own URL",
    "no scheme or path", "percent-encoded", "any value", "(RE2)", "regular expression", "too large", "matches no path",
    "the nearest level comes first", "above 0: write", "the weights sum up", "`failover` makes",
    "is for a service's", "a prime number, found", "is less than", "beside it", "not an address", "is for a host name",
    "one host name", "matches nothing", "`regex`", "expected a path that", "expected a host", "methods: more",
    "has the variable", "variables, where", "may stand after", "is no variable",
    "the request's headers", "any page could act",
    "take this literally", "begins with GET", "is a POST", "whole number of bytes", "no end to wait for",
    "`routes` is missing", "port of listeners", "has no certificate", "is not for `passthrough`", "for any host",
    "host of certificates", "another key", "is for every host", "always encrypted", "leaves a connection encrypted",
    "whole number of KiB", "shares by load alone", "are not for `client", "are for requests", "so large a number",
    ".envoy.",
)  # fmt: skip
"""Mistakes that a schema cannot find: relations between values, or text that is not JSON."""


VALIDATOR = Draft202012Validator(build_schema())


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


@pytest.mark.parametrize("text", [text for text, *_ in CASES])
def test_the_schema_refuses_what_the_checker_refuses(text: str) -> None:
    """An editor can underline these mistakes."""
    told_otherwise = any(words in problem for problem in find_problems(text) for words in NO_MATTER_OF_SHAPE)
    assert told_otherwise or find_violations(text)


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
    assert properties["Service"]["properties"]["sidecar"]["default"] == "127.0.0.1:15001"
    assert json.loads(json.dumps(properties)) == properties
