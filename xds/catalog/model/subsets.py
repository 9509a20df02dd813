"""Subsets: a service's versions by name, each the labels that its endpoints have."""

import math
from collections.abc import Mapping
from typing import Final

from pydantic.json_schema import WithJsonSchema

from xds.catalog.model.endpoint import EXACT_INTEGER, Endpoint, mend_labels
from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import NAME, NAME_PATTERN
from xds.catalog.text.written import refuse_rounded
from xds.wording import show, write_flow

Scalar = str | bool | int | float
Labels = Mapping[str, Scalar]
"""What an endpoint's `metadata` has to hold for the endpoint to be in a subset."""

MAX_LABEL = 253

EXPECTED_SUBSETS: Final = Expected("a mapping", {"v2": {"version": "2.0"}})


def parse_subsets(value: object) -> Mapping[str, Labels]:
    """Check subsets by name: each has labels, whose values are text, numbers, true or false."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {EXPECTED_SUBSETS}, found {show(value)}{_mend_list(value)}")  # noqa: TRY004
    mistakes: list[Mistake] = []
    for name, labels in value.items():
        if not NAME.fullmatch(name):
            mistakes.append(
                Mistake((name,), f"a subset's name has small letters, digits, `-`, `_` and `.`, found {show(name)}")
            )
        elif not isinstance(labels, Mapping) or not labels:
            hint = mend_labels(labels) or (
                f"write {write_flow({'version': labels})}" if isinstance(labels, str) else ""
            )
            expected = f'expected labels, such as {{version: "2.0"}}, found {show(labels)}'
            mistakes.append(Mistake((name,), f"{expected}: {hint}" if hint else expected))
        else:
            mistakes += [
                Mistake((name, key), message) for key, one in labels.items() if (message := _refuse_label(key, one))
            ]
    if mistakes:
        raise Mistakes(*mistakes)
    return {name: dict(labels) for name, labels in value.items()}


def _mend_list(value: object) -> str:
    """Return the mapping that a list of `{name: v1, labels: {...}}` is meant for, as Istio writes it."""
    items = value if isinstance(value, list) else []
    found = {
        one["name"]: one.get("labels") for one in items if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    return f": write {write_flow(found)}" if found and len(found) == len(items) and all(found.values()) else ""


def _refuse_label(key: str, value: object) -> str | None:
    if not 0 < len(key) <= MAX_LABEL:
        return f"a label's name has 1 to {MAX_LABEL} characters"
    if not isinstance(value, str | bool | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        return f"expected text, a number, true or false, found {show(value)}"
    if not isinstance(value, str | bool) and abs(value) > EXACT_INTEGER:
        return f"metadata cannot hold so large a number exactly: write {show(str(value))} in quotes"
    return refuse_rounded(value)


def is_in(endpoint: Endpoint, labels: Labels) -> bool:
    """Whether Envoy takes an endpoint for one of a subset; of a label that is a list one item is enough."""
    return is_labelled(endpoint.metadata, labels)


def is_labelled(metadata: Mapping[str, object], labels: Labels) -> bool:
    """Whether metadata has these labels; of a label that is a list one item is enough."""
    return all(_equals(metadata.get(key), value) for key, value in labels.items())


def _equals(found: object, wanted: Scalar) -> bool:
    if isinstance(found, list):
        return any(_equals(item, wanted) for item in found if not isinstance(item, list))
    return found == wanted and isinstance(found, bool) is isinstance(wanted, bool)


SUBSETS_SHAPE = WithJsonSchema(
    {
        "type": "object",
        "patternProperties": {
            NAME_PATTERN: {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"anyOf": [{"type": one} for one in ("string", "number", "boolean")]},
            }
        },
        "additionalProperties": False,
    }
)
