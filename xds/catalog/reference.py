"""The reference of the catalog: every field of it with its meaning, default and Envoy's own field, from the model."""

import dataclasses
from collections.abc import Iterator

from xds.catalog.fields import Field, get_root, list_fields
from xds.catalog.text.field import Alone, Parsed, Words
from xds.wording import write_flow

NONE, OF_FIELDS = "none", "the defaults of its fields"
"""Defaults that mean only that a field is not set, or that its own fields may be left out too."""


@dataclasses.dataclass(frozen=True, slots=True)
class FieldRecord:
    """The reference's entry for one field, for a list's items, or for an open mapping's values.

    `path` is as in `services.*.endpoints[].weight`. `expected` is what a value has to be, without the examples; these
    are written as in a catalog, as the short forms are. `default` is what holds when the field is left out; it is empty
    when the field is `required`, and of items. `envoy` is Envoy's own field, as in `Cluster.outlier_detection`. `unit`
    is what a bare number counts. `since` has the versions of Envoy that it needs, each with the values that need it.
    """

    path: str
    meaning: str
    expected: str
    examples: tuple[str, ...]
    short_forms: tuple[str, ...]
    default: str
    required: bool
    unit: str
    envoy: str
    since: tuple[str, ...] = ()


def describe_fields(path: str = "") -> Iterator[FieldRecord]:
    """Describe every field at or below `path`, in the model's order; yield nothing for an unknown path."""
    for here, field in list_fields(get_root()):
        if not (field.name or field.is_annotated or field.is_class):
            continue
        if not path or here == path or here.startswith((f"{path}.", f"{path}[")):
            yield describe_field(here, field)


def describe_field(path: str, field: Field) -> FieldRecord:
    """Return the entry for the field at `path`."""
    return FieldRecord(
        path,
        field.description,
        field.words,
        tuple(map(write_flow, field.examples)),
        tuple(_describe_short_forms(field)),
        _describe_default(field),
        field.is_required and bool(field.name),
        field.about.unit or ("percent" if field.percentage is not None else ""),
        field.about.envoy,
        tuple(f"Envoy {one.text}{one.values and f' {one.values}'}" for one in field.since),
    )


def _describe_short_forms(field: Field) -> Iterator[str]:
    for short in field.short_forms:
        if isinstance(short, Words):
            yield from map(write_flow, short.meanings)
        elif isinstance(short, Parsed):
            yield from map(write_flow, short.expected.examples)
        elif isinstance(short, Alone):
            yield f"`{short.field}` alone"


def _describe_default(field: Field) -> str:
    if field.about.default or not field.name or field.is_required:
        return field.about.default
    written = field.write(field.default)
    if dataclasses.is_dataclass(written):
        return OF_FIELDS
    return NONE if written is None or written in ("", [], {}) else write_flow(written)
