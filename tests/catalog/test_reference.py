"""The reference: it describes every field of the catalog, and is made from the model alone."""

import re
from typing import Any

from tests.cases import each
from xds.catalog.raw.types import find_fields, find_type, list_types
from xds.catalog.reference import describe_fields

ENVOYS = sorted({one.strip() for record in describe_fields() for one in record.envoy.split(",") if one})
"""The names of Envoy's fields in the reference."""


def test_every_field_is_described() -> None:
    """Each field has a path and a meaning."""
    records = {record.path: record for record in describe_fields()}
    assert {"services.*.retries.attempts", "gateways.*.routes[].to", "mesh.tracing.sample"} <= records.keys()
    assert [path for path, one in records.items() if not one.meaning and not path.endswith(("[]", "*"))] == []


def test_a_path_selects_a_field_and_all_fields_below_it() -> None:
    """Other fields whose names begin with the same letters are left out."""
    assert [record.path for record in describe_fields("services.*.timeouts")] == [
        "services.*.timeouts",
        "services.*.timeouts.connect",
        "services.*.timeouts.request",
        "services.*.timeouts.idle",
    ]
    assert list(describe_fields("services.*.timeout")) == []


@each(ENVOYS)
def test_envoys_fields_in_the_reference_exist(name: str) -> None:
    """Each name is a message of Envoy, perhaps with a path of fields in it."""
    matched = re.fullmatch(r"((?:[A-Z]\w*\.?)+?)(?:\.([a-z]\w*(?:\.[a-z]\w*)*))?(?:: .+)?", name)
    assert matched is not None
    messages = [one for one in list_types() if one.endswith(f".{matched[1]}") and ".v3." in one]
    assert messages
    steps = matched[2].split(".") if matched[2] else []
    assert any(leads_somewhere(find_type(one), steps) for one in messages)


def leads_somewhere(kind: Any, steps: list[str]) -> bool:
    """Whether a path of fields ends at a field."""
    for step in steps:
        found = find_fields(kind).get(step) if isinstance(kind, type) else None
        if found is None:
            return False
        kind = found.type
    return True
