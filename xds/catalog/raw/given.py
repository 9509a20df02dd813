"""A raw field as it is written, for warnings about it."""

from typing import NamedTuple

from xds.catalog.text.mistake import Loc


class Given(NamedTuple):
    """A field that is written at `loc`: its path has Envoy's names joined by dots, and the keys of maps.

    A field of a list's item has the path of the same field in any other item. `value` is None for a mapping, and for a
    list of mappings.
    """

    path: str
    loc: Loc
    value: object
