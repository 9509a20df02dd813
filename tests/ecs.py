"""Lines of JSON with the field names of the Elastic Common Schema, as a log store has them: by a field's whole name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def flatten(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Give each field by its whole name."""
    for name, one in value.items():
        if isinstance(one, dict):
            yield from flatten(one, f"{before}{name}.")
        else:
            yield before + name, one


def read_log(text: str, message: str = "") -> list[dict[str, Any]]:
    """Read the control plane's log, in which every line is whole; those alone with a message, if there is one."""
    lines = [dict(flatten(json.loads(line))) for line in text.splitlines()]
    return [line for line in lines if not message or line["message"] == message]
