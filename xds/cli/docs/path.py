"""Finds a field of the catalog by its path, as people write it or as an error message prints it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from xds.catalog.fields import Field, get_root
from xds.catalog.reference import describe_fields
from xds.wording import suggest

STEP = re.compile(r'\[\s*"((?:[^"\\]|\\.)*)"\s*\]|(\[\d*\])|([^.\[\]]+)')
"""A key in brackets, a position in a list, or a key."""

ANY = ("*", "[]")
"""The placeholders for a name of the operator's and for a position."""

MAX_PLACES = 3


class UnknownFieldError(Exception):
    """There is no such field; the message names the nearest one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A field and where it stands: its path as in `services.*.endpoints[].weight`; empty for the whole file."""

    path: str
    field: Field

    @property
    def name(self) -> str:
        """The path without placeholders: `services.endpoints.weight`."""
        return self.path.replace("[]", "").replace(".*", "")

    @property
    def mapping(self) -> "Place | None":
        """The place whose fields stand below this one: itself, or the items of a list or an open mapping."""
        found: Place | None = self
        while found is not None and not found.field.is_class:
            found = found.item
        return found

    @property
    def item(self) -> "Place | None":
        """The items of a list, or the values of a mapping whose keys are the operator's own."""
        item = self.field.item
        return None if item is None else Place(f"{self.path}[]" if self.field.is_list else f"{self.path}.*", item)

    def list_fields(self) -> "list[Place]":
        """Return the fields of a mapping."""
        return [Place(f"{self.path}.{name}".removeprefix("."), field) for name, field in self.field.fields.items()]


def find_place(path: str) -> Place:
    """Return the field that a path names; raise UnknownFieldError when there is none."""
    steps = [quoted or position or key for quoted, position, key in STEP.findall(path)]
    root = Place("", get_root())
    if len(steps) == 1 and steps[0] not in root.field.fields and (elsewhere := _find_elsewhere(steps[0])):
        raise UnknownFieldError(f"no field `{steps[0]}` at the top: did you mean {elsewhere}?")
    return _find(root, steps)


def _find(place: Place, steps: Sequence[str]) -> Place:
    if not steps or place.field.name == "envoy":  # below it are Envoy's own fields
        return place
    head, *rest = steps
    if place.field.is_class:
        if head not in place.field.fields:
            raise _refuse(place, head)
        return _find(Place(f"{place.path}.{head}".removeprefix("."), place.field.fields[head]), rest)
    item = place.item
    if item is None:
        raise UnknownFieldError(f"`{place.name}` has no fields: it is {place.field.words}")
    if item.mapping is None:  # such as a list of texts: the list has the description
        return place
    if head in ANY or head.startswith("[") or (place.field.is_list and head.isdecimal()):
        return _find(item, rest)
    if place.field.is_list or head in item.field.fields:
        return _find(item, steps)
    return _find_named(item, head, rest)


def _find_named(item: Place, name: str, rest: Sequence[str]) -> Place:
    """Take a step for the operator's own name, unless it is more likely a misspelled field."""
    is_near = bool(suggest(name, item.field.fields))
    if is_near and not rest:
        raise _refuse(item, name)
    try:
        return _find(item, rest)
    except UnknownFieldError:
        if is_near:
            raise _refuse(item, name) from None
        raise


def _refuse(place: Place, name: str) -> UnknownFieldError:
    where = f"in `{place.name}`" if place.path else "at the top"
    near = suggest(name, place.field.fields) or f"; its fields are {', '.join(place.field.fields)}"
    return UnknownFieldError(f"unknown field `{name}` {where}{near}")


def _find_elsewhere(name: str) -> str:
    """Return the first paths that end in a field's name, for someone who leaves out the parts above it."""
    found = (Place(record.path, get_root()).name for record in describe_fields())
    paths = list(dict.fromkeys(path for path in found if path.rpartition(".")[2] == name))
    return " or ".join(f"`{path}`" for path in sorted(paths, key=lambda path: path.count("."))[:MAX_PLACES])
