"""Lines of JSON with the field names of the Elastic Common Schema, with full field names as a log store has them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def flatten(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Return the fields by their full names."""
    for name, one in value.items():
        if isinstance(one, dict):
            yield from flatten(one, f"{before}{name}.")
        else:
            yield before + name, one


def read_log(text: str, message: str = "") -> list[dict[str, Any]]:
    """Read the control plane's log, in which every line is complete. With a message, return only the lines that have
    it.
    """
    lines = [dict(flatten(json.loads(line))) for line in text.splitlines()]
    return [line for line in lines if not message or line["message"] == message]
