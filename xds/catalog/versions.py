"""Which fields of a catalog need which version of Envoy: found by the `Since` at the model's fields.

Only the parts of a value that have such a field below them are looked at.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from xds.catalog.fields import Field, find_field
from xds.catalog.text.envoy_version import Version, write_version
from xds.catalog.text.field import Since
from xds.catalog.text.mistake import Loc, Mistake, warning


class Need(NamedTuple):
    """A field that is set at `loc`, and which version of Envoy its value needs."""

    loc: Loc
    since: Since


def find_needs(subject: tuple[str, str], value: object) -> Iterator[Need]:
    """Yield what a service, a gateway or a field of the mesh needs, in the model's order; each `loc` starts in it."""
    yield from _walk(value, find_field(subject), None, ())


def advise_versions(subject: tuple[str, str], value: object, oldest: Version) -> Iterator[Mistake]:
    """Yield a warning about each field that Envoys of the version `oldest` do not take as it is."""
    for loc, since in find_needs(subject, value):
        if oldest < since.version:
            values = f"{since.values}, it " if since.values else ""
            then = since.older or f"and Envoy {write_version(oldest)} refuses it"
            yield warning(loc, f"{values}needs Envoy {since.text}, {then}")


def _walk(value: Any, field: Field, above: object, loc: Loc) -> Iterator[Need]:
    if value is None or not field.is_dated:
        return
    for since in field.since:
        if since.needs(value, above):
            yield Need(loc, since)
    if field.is_class:
        for name, below in field.fields.items():
            if below.is_dated:
                yield from _walk(getattr(value, name), below, value, (*loc, name))
    elif field.item is not None:
        for key, one in enumerate(value) if field.is_list else value.items():
            yield from _walk(one, field.item, value, (*loc, key))
