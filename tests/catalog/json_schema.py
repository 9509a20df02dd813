"""As much of JSON Schema (2020-12) as the catalog's schema uses, to hold catalogs against it."""

import re
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "examples"}


def validate(schema: dict[str, Any], value: Any, root: dict[str, Any] | None = None) -> Iterator[str]:
    """Yield why a value does not conform; a keyword that is not known here is a bug of the test."""
    root = root or schema
    for keyword, wanted in schema.items():
        if keyword in ANNOTATIONS or keyword in ("additionalProperties", "patternProperties"):
            continue
        if not _CHECKS[keyword](wanted, value, root):
            yield f"{value!r} has not {keyword} {wanted!r}"
    if isinstance(value, dict):
        yield from _validate_properties(schema, value, root)
    if isinstance(value, list):
        for item in value:
            yield from validate(schema.get("items", {}), item, root)


def _validate_properties(schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        if key in schema.get("properties", {}):
            yield from validate(schema["properties"][key], item, root)
            continue
        matched = [sub for pattern, sub in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        if not matched and schema.get("additionalProperties") is False:
            yield f"{key} is not allowed"
        rest = schema.get("additionalProperties", {})
        for sub in matched or [rest if isinstance(rest, dict) else {}]:
            yield from validate(sub, item, root)


def _is_type(wanted: str, value: Any) -> bool:
    return isinstance(value, TYPES[wanted]) and not (isinstance(value, bool) and wanted in ("integer", "number"))


def _conforms(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    return not list(validate(schema, value, root))


def _resolve(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = root["$defs"][reference.removeprefix("#/$defs/")]
    return found


_CHECKS: dict[str, Any] = {
    "type": lambda wanted, value, _: _is_type(wanted, value),
    "enum": lambda wanted, value, _: value in wanted,
    "properties": lambda *_: True,
    "items": lambda *_: True,
    "required": lambda wanted, value, _: not isinstance(value, dict) or all(key in value for key in wanted),
    "anyOf": lambda wanted, value, root: any(_conforms(one, value, root) for one in wanted),
    "not": lambda wanted, value, root: not _conforms(wanted, value, root),
    "$ref": lambda wanted, value, root: _conforms(_resolve(wanted, root), value, root),
    "pattern": lambda wanted, value, _: not isinstance(value, str) or bool(re.search(wanted, value)),
    "minLength": lambda wanted, value, _: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda wanted, value, _: not isinstance(value, str) or len(value) <= wanted,
    "minimum": lambda wanted, value, _: not isinstance(value, int) or value >= wanted,
    "maximum": lambda wanted, value, _: not isinstance(value, int) or value <= wanted,
    "minItems": lambda wanted, value, _: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda wanted, value, _: not isinstance(value, list) or len(value) <= wanted,
}
