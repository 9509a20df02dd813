"""Every field of the catalog builds something: a golden sets it, and without it other resources come out.

So a field without a builder, or without a golden, fails here by its name.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.inventories import build_inventory
from tests.resources.golden import CATALOGS, HERE
from xds.catalog.assembly.assembly import build_catalog
from xds.catalog.fields import Field, find_field, get_root, list_fields
from xds.catalog.reading.fragment import parse_fragment
from xds.catalog.reading.yaml import parse_yaml
from xds.catalog.text.field import Words
from xds.catalog.text.mistake import Loc
from xds.errors import CatalogError
from xds.resources.view import NodeKind, build_open_view
from xds.snapshot.building import build_snapshot
from xds.sources.document import Document

OF_SERVER = "it is for the server: how edits are taken"
BUILD_NOTHING: dict[str, str] = {
    **dict.fromkeys(("mesh.brake", "mesh.brake.enabled", "mesh.brake.share", "mesh.brake.confirm_after"), OF_SERVER),
    **dict.fromkeys(
        ("mesh.registry", "mesh.registry.unlisted"), "it decides which services there are: test_unlisted.py"
    ),
    "mesh.envoy": "it decides which warnings there are: tests/catalog/test_versions.py",
    "mesh.strangers": "it decides who is served, not what: tests/snapshot/test_kept.py",
}
"""The fields that change no resource of their own, each with the reason."""

FIELDS = {
    (above.type, name): f"{path}.{name}".removeprefix(".")
    for path, above in reversed([("", get_root()), *list_fields(get_root())])
    for name in above.fields
}
"""Every field by its class and name, with the first place where it may stand."""


@pytest.mark.parametrize("key", FIELDS, ids=FIELDS.values())
def test_every_field_builds_something(key: tuple[type, str]) -> None:
    """A golden sets the field, and leaving it out, or another value where one must stand, changes what is built."""
    path = FIELDS[key]
    if path in BUILD_NOTHING:
        return
    places = find_places().get(key, [])
    assert places, (
        f"`{path}` is set in no golden: set it in a tests/resources/golden/*/catalog.yaml and run "
        "`python -m tests.resources.golden`"
    )
    assert any(matters(golden, loc, field) for golden, loc, field in places), (
        f"`{path}` changes nothing that is built: add it to the builder of its message in xds/resources, or to "
        "BUILD_NOTHING here with the reason"
    )


def test_fields_that_build_nothing_exist() -> None:
    """The list of exceptions names no field that is gone."""
    assert BUILD_NOTHING.keys() <= set(FIELDS.values())


@cache
def find_places() -> dict[tuple[type, str], list[tuple[Path, Loc, Field]]]:
    """Return, by a field's class and name, where in which golden it is set."""
    found: dict[tuple[type, str], list[tuple[Path, Loc, Field]]] = {}
    for golden in CATALOGS:
        for key, loc, field in list_set(get_root(), read(golden)):
            found.setdefault(key, []).append((golden, loc, field))
    return found


@cache
def read(golden: Path) -> Any:
    """Return a golden's values, every short form written out."""
    return write_out(get_root(), parse_yaml(golden.read_text()).value)


def write_out(field: Field | None, value: Any) -> Any:
    """Return a value with its short forms and those below written out."""
    if field is None:
        return value
    for short in field.short_forms:
        meant = value if isinstance(value, dict) else short.parse(value)
        if isinstance(meant, dict):
            value = meant
        elif isinstance(short, Words) and isinstance(value, str) and value in field.fields:
            value = {value: {}}  # the name of a balance
    if isinstance(value, dict):
        return {key: write_out(field.step(key), one) for key, one in value.items()}
    if isinstance(value, list) and field.is_list:
        return [write_out(field.item, one) for one in value]
    return value


def list_set(field: Field | None, value: Any, loc: Loc = ()) -> Iterator[tuple[tuple[type, str], Loc, Field]]:
    """List the fields that are set at or below a place, by class and name."""
    if field is None:
        return
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        below = field.step(step)
        if below is not None and field.is_class:
            yield (field.type, str(step)), (*loc, step), below
        yield from list_set(below, value[step], (*loc, step))


def matters(golden: Path, loc: Loc, field: Field) -> bool:
    """Whether the resources change without the field or, where it is required, with another value."""
    grpc = is_for_grpc(golden)
    as_written = build(json.dumps(read(golden)), grpc=grpc)
    assert as_written is not None, golden
    if (left_out := build(change(golden, loc), grpc=grpc)) is not None:
        return left_out != as_written
    others = [build(change(golden, loc, other), grpc=grpc) for other in list_others(golden, loc, field)]
    if any(other not in (None, as_written) for other in others):
        return True
    beside = [build(change(golden, loc[:-1], other), grpc=grpc) for other in list_alternatives(golden, loc)]
    valid = [other for other in beside if other is not None]
    return bool(valid) and as_written not in valid


def is_for_grpc(golden: Path) -> bool:
    """Whether a golden shows what gRPC's own clients are sent."""
    return golden.parent.name.startswith("grpc_client")


def change(golden: Path, loc: Loc, *other: object) -> str:
    """Return a golden's text without the value at a place, or with another there."""
    whole = json.loads(json.dumps(read(golden)))
    above: Any = whole
    for step in loc[:-1]:
        above = above[step]
    if other:
        [above[loc[-1]]] = other
    else:
        del above[loc[-1]]
    return json.dumps(whole)


def find_value(golden: Path, loc: Loc) -> Any:
    """Return a golden's value at a place."""
    value: Any = read(golden)
    for step in loc:
        value = value[step]
    return value


def list_others(golden: Path, loc: Loc, field: Field) -> Iterator[object]:
    """List values that could stand in place of the one that is written."""
    value = find_value(golden, loc)
    yield from field.examples
    yield from field.choices
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        yield from (f"{value}x", f"x{value}", "7s", "1KiB", "7%", *find_value(golden, ("services",)))
    elif isinstance(value, list):
        yield value[:-1]
    elif isinstance(value, dict):
        yield {key: list_text(one) for key, one in value.items()}
        yield dict([*value.items()][:-1])


def list_text(value: object) -> object:
    """Return another text for a text."""
    return f"{value}x" if isinstance(value, str) else value


def list_alternatives(golden: Path, loc: Loc) -> Iterator[object]:
    """List mappings with another of the fields of which a mapping has one."""
    if len(loc) == 1:
        return
    above = find_field(loc[:-1])
    yield from (example for example in above.examples if isinstance(example, dict) and loc[-1] not in example)
    for name, field in above.fields.items():
        if name != loc[-1]:
            yield from ({name: example} for example in field.examples or ({},))


@cache
def build(text: str, *, grpc: bool) -> frozenset[tuple[str, str, str, bytes]] | None:
    """Return the bytes of every resource that any node is sent of a catalog; None when it has mistakes."""
    try:
        catalog = build_catalog({"c.yaml": parse_fragment(Document("c.yaml", text.encode()))})
    except CatalogError:
        return None
    inventory = build_inventory(catalog)
    built: set[tuple[str, str, str, bytes]] = set()
    for cluster in [*sorted(catalog.gateways), *sorted(catalog.services), "anyone"]:
        snapshot = build_snapshot(build_open_view(inventory, NodeKind(cluster, grpc)), inventory)
        built |= {
            (cluster, type_url, name, resource.body)
            for type_url, of_type in snapshot.types.items()
            for name, resource in of_type.resources.items()
        }
    for service in inventory.reliant:
        here = inventory.grpc_resources(service, HERE) if grpc else inventory.resources(service, HERE)
        built |= {(f"{service}, here", type_url, one.name, one.body) for type_url, one in here.items()}
    return frozenset(built)
