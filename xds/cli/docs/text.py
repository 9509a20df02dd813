"""A field's reference for a terminal, and as plain values for JSON."""

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from xds.catalog.reference import NONE, OF_FIELDS, FieldRecord, describe_field
from xds.cli.docs.path import Place

MAX_NAME = 30
"""The longest name of a field that the list of fields makes room for."""


def describe_place(place: Place) -> dict[str, Any]:
    """Return the entry of a field and those of the fields below it, as plain values."""
    return {**asdict(describe(place)), "fields": [asdict(describe(one)) for one in list_below(place)]}


def describe(place: Place) -> FieldRecord:
    """Return the entry of one field; a mapping without a description has that of its class."""
    record = describe_field(place.path, place.field)
    return record if record.meaning else FieldRecord(**{**asdict(record), "meaning": describe_class(place)})


def describe_class(place: Place) -> str:
    """Return the docstring of the class of the mapping at or below a place; "" for anything else."""
    mapping = place.mapping
    if mapping is None:
        return ""
    return " ".join((inspect.getdoc(mapping.field.type) or "").split())


def list_below(place: Place) -> list[Place]:
    """Return the fields below a place, also through the items of a list or an open mapping."""
    return [] if place.mapping is None else place.mapping.list_fields()


def list_facts(record: FieldRecord, name: str) -> Iterator[tuple[str, str]]:
    """Yield the facts about a field besides its meaning, by heading; an item has no name."""
    yield "VALUE", record.expected
    if record.unit:
        yield "UNIT", record.unit
    if record.short_forms:
        yield "SHORT", ", ".join(record.short_forms)
    for example in record.examples:
        yield "EXAMPLE", f"{name}: {example}" if name else example
    if record.required or record.default:
        yield "DEFAULT", "none: this field is required" if record.required else record.default
    if record.envoy:
        yield "ENVOY", record.envoy
    for needed in record.since:
        yield "NEEDS", needed


def write_text(place: Place, width: int) -> str:
    """Return a field's reference as text, so many columns wide."""
    parts = [*_write_head(place, width)] if place.path else ["A catalog file has these fields at its top."]
    if below := list_below(place):
        parts += ["", click.style("FIELDS", bold=True), *_write_fields(below, width)]
        path = f"{place.name}.{below[0].field.name}".removeprefix(".")
        parts += ["", f"More about a field: xds docs {path}"]
    return "\n".join(parts)


def _write_head(place: Place, width: int) -> Iterator[str]:
    record = describe(place)
    yield click.style(place.name, bold=True)
    if record.meaning:
        yield from _wrap(record.meaning, width, "  ")
    yield ""
    for heading, text in list_facts(record, place.field.name):
        yield from _wrap(text, width, f"{click.style(f'{heading:8}', bold=True)}", 8)
    about = describe_class(place)
    if about and about.rstrip(".") != record.meaning.rstrip("."):
        yield ""
        yield from _wrap(about, width)


def _write_fields(places: list[Place], width: int) -> Iterator[str]:
    column = min(MAX_NAME, max(len(place.field.name) for place in places)) + 2
    for place in places:
        record = describe(place)
        is_telling = record.default not in ("", NONE, OF_FIELDS)
        end = "(required)" if record.required else f"(default: {record.default})" if is_telling else ""
        name = f"  {click.style(f'{place.field.name:{column}}', fg='cyan')}"
        yield from _wrap(f"{record.meaning} {end}".strip(), width, name, column + 2)


def _wrap(text: str, width: int, lead: str = "", indent: int | None = None) -> list[str]:
    """Wrap a text behind a lead that is `indent` columns wide; further lines begin at the same column."""
    room = len(lead) if indent is None else indent
    lines = textwrap.wrap(text, max(20, width - room), break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{lead}{lines[0]}", *(" " * room + line for line in lines[1:])]
