"""Elasticsearch's view of a document by compose/logs/template.json: the type of each field, and its values."""

import ipaddress
import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.logs.filebeat import FOLDER

TEMPLATE = FOLDER / "template.json"


def load_types() -> dict[str, str]:
    """Return the type of each field by its full name."""
    return dict(_walk(json.loads(TEMPLATE.read_text())["template"]["mappings"]["properties"]))


def _walk(properties: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, mapped in properties.items():
        if "properties" in mapped:
            assert mapped.keys() == {"properties"}
            yield from _walk(mapped["properties"], f"{before}{name}.")
        else:
            yield before + name, mapped["type"]


def find_faults(document: dict[str, Any], types: dict[str, str], before: str = "") -> list[str]:
    """Return the fields that the template lacks, and the values that do not fit their field's type."""
    faults = []
    for name, value in document.items():
        field = before + name
        if "." in name and types.get(before.removesuffix(".")) != "flattened":
            faults.append(f"{field}: a name with a dot in it")
        elif types.get(field) == "flattened":
            faults += [] if isinstance(value, dict) else [f"{field}: {value!r} is no object"]
        elif isinstance(value, dict):
            faults += find_faults(value, types, f"{field}.")
        elif field not in types:
            faults.append(f"{field}: is not in the template")
        else:
            for one in value if isinstance(value, list) else [value]:
                faults += [] if _is_of(one, types[field]) else [f"{field}: {one!r} is no {types[field]}"]
    return faults


def _is_of(value: object, kind: str) -> bool:
    """Whether a value fits without conversion.

    Text that looks like a number does not, though Elasticsearch would read it.
    """
    match kind:
        case "keyword" | "wildcard" | "match_only_text":
            return isinstance(value, str)
        case "long":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
        case "double":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "date":
            return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
        case "ip":
            try:
                return isinstance(value, str) and bool(ipaddress.ip_address(value))
            except ValueError:
                return False
    raise AssertionError(f"no type that is known here: {kind}")
