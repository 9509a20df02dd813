"""The reference: every field of the catalog, from the model alone."""

import re
from typing import Any

import pytest

from xds.catalog.raw.types import find_fields, find_type, list_types
from xds.catalog.reference import describe_fields

ENVOYS = sorted({one.strip() for record in describe_fields() for one in record.envoy.split(",") if one})
"""Envoy's own fields, as the reference names them."""


def test_every_field_of_a_file_is_described() -> None:
    """Each field stands below the one that it is in, with what it means."""
    records = {record.path: record for record in describe_fields()}
    assert {"services.*.retries.attempts", "gateways.*.routes[].to", "mesh.tracing.sample"} <= records.keys()
    assert [path for path, one in records.items() if not one.meaning and not path.endswith(("[]", "*"))] == []


def test_a_part_of_the_reference() -> None:
    """A path names a field and all below it, and nothing that only begins alike."""
    assert [record.path for record in describe_fields("services.*.timeouts")] == [
        "services.*.timeouts",
        "services.*.timeouts.connect",
        "services.*.timeouts.request",
        "services.*.timeouts.idle",
    ]
    assert list(describe_fields("services.*.timeout")) == []


@pytest.mark.parametrize("name", ENVOYS)
def test_the_fields_of_envoy_exist(name: str) -> None:
    """Each is a message of Envoy's, by its name or the end of a nested one's, and a way of fields in it."""
    matched = re.fullmatch(r"((?:[A-Z]\w*\.?)+?)(?:\.([a-z]\w*(?:\.[a-z]\w*)*))?(?:: .+)?", name)
    assert matched is not None
    messages = [one for one in list_types() if one.endswith(f".{matched[1]}") and ".v3." in one]
    assert messages
    steps = matched[2].split(".") if matched[2] else []
    assert any(leads_somewhere(find_type(one), steps) for one in messages)


def leads_somewhere(kind: Any, steps: list[str]) -> bool:
    """Whether there is a field at the end of a way."""
    for step in steps:
        found = find_fields(kind).get(step) if isinstance(kind, type) else None
        if found is None:
            return False
        kind = found.type
    return True
