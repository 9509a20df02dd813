"""The fields and values that each place of a catalog file can have: a walk over the model's annotated types.

Messages about wrong values, their stand-ins and the reference are made from it. Each place is built once, when it is
first needed: a catalog without mistakes costs nothing.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from xds.catalog.model.catalog_file import ROOT
from xds.catalog.text.durations import format_duration
from xds.catalog.text.field import (
    About,
    Alone,
    Expected,
    IfWrong,
    Moved,
    Parsed,
    ShortForm,
    Since,
    Words,
    join_examples,
)
from xds.catalog.text.foreign import Here, has_hole
from xds.catalog.text.mistake import Loc
from xds.catalog.text.percents import Percentage
from xds.wording import find_nearest, show, show_line, write_flow

A = TypeVar("A")

BOUNDS = "{bounds}"
"""What stands in an expectation for the type's own bounds."""

SWITCHES = {"yes": True, "on": True, "no": False, "off": False}
"""Words that YAML 1.1 reads as true and false."""

SEPARATORS = re.compile(r"[,;\s]+(?:-\s*)?")
"""What people write between the items of a list that is none."""

UNSPACED = re.compile(r"([a-z]\w*)\s*(?:[:\uff1a=](?!//)|(?=\s))", re.ASCII)
"""A field's name that is not followed by a colon and a space."""

NEVER = frozenset({"false", "no", "none", "never", "disabled"})
"""Words that people write for `off`, in small letters."""

UNCHECKED: Final = object()
"""In place of a mended value: the mend is a piece of a catalog, which is not read."""

KEY = "[key]"
"""The step in pydantic's way to a wrong key."""


class Field:
    """One place of a catalog file: a field of a mapping, an item of a list, or a value or key of an open mapping."""

    def __init__(self, annotation: Any, name: str = "", default: Any = dataclasses.MISSING) -> None:
        self.name = name
        self.default = default
        self._annotation = annotation
        self.type, self._annotations, self.may_be_empty = _unwrap(annotation)

    # What it is.

    @cached_property
    def fields(self) -> "Mapping[str, Field]":
        """The fields of a mapping whose keys are the catalog's own; none of anything else."""
        if not self.is_class:
            return {}
        hints = typing.get_type_hints(self.type, include_extras=True)
        found = dataclasses.fields(self.type)
        return {one.name: Field(hints[one.name], one.name, _find_default(one)) for one in found}

    @cached_property
    def item(self) -> "Field | None":
        """What a list's items are, or the values of a mapping whose keys are the operator's own."""
        arguments = get_args(self.type)
        if self.is_list:
            return Field(arguments[0])
        return Field(arguments[1]) if self.is_open_mapping else None

    @cached_property
    def key(self) -> "Field | None":
        """The keys of a mapping whose keys are the operator's own."""
        return Field(get_args(self.type)[0]) if self.is_open_mapping else None

    @cached_property
    def is_class(self) -> bool:
        """Whether it is a mapping whose keys are the catalog's own."""
        config = getattr(self.type, "__pydantic_config__", {})
        return dataclasses.is_dataclass(self.type) and config.get("extra") == "forbid"

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return get_origin(self.type) is tuple

    @property
    def is_open_mapping(self) -> bool:
        """Whether it is a mapping whose keys are the operator's own."""
        return get_origin(self.type) is Mapping

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping, of fields or of the operator's own keys."""
        return self.is_class or self.is_open_mapping

    @property
    def is_annotated(self) -> bool:
        """Whether it has annotations beside its type."""
        return bool(self._annotations)

    @property
    def is_required(self) -> bool:
        """Whether a field may not be left out."""
        return self.default is dataclasses.MISSING

    def step(self, step: str | int) -> "Field | None":
        """Return the field one step below; None if it is not known."""
        if self.is_class:
            return self.fields.get(str(step))
        return self.item

    # Its annotations.

    @cached_property
    def description(self) -> str:
        """What a field means."""
        return next((one.description for one in self._find(FieldInfo) if one.description), "")

    @property
    def summary(self) -> str:
        """A field's description, and what its absence means if the default does not show that."""
        return f"{self.description}; when left out: {self.about.default}" if self.about.default else self.description

    @cached_property
    def about(self) -> About:
        """What the reference has on a field beside its description."""
        return next(self._find(About), About())

    @cached_property
    def since(self) -> tuple[Since, ...]:
        """The versions of Envoy that it, or some of its values, needs."""
        return tuple(self._find(Since))

    @cached_property
    def is_dated(self) -> bool:
        """Whether it needs a version of Envoy, or anything below it does."""
        below = [*self.fields.values(), *filter(None, (self.item,))]
        return bool(self.since) or any(one.is_dated for one in below)

    @cached_property
    def if_wrong(self) -> IfWrong:
        """How reading goes on beside a wrong value."""
        return next(self._find(IfWrong), IfWrong())

    @cached_property
    def moved(self) -> Mapping[str, Here | str]:
        """Keys that people look for in it, with what each is here."""
        return {key: here for one in self._find(Moved) for key, here in one.keys.items()}

    @cached_property
    def short_forms(self) -> tuple[ShortForm, ...]:
        """What is short for a mapping."""
        return tuple(self._find(ShortForm))

    @cached_property
    def examples(self) -> tuple[Any, ...]:
        """Examples of values."""
        usual = self.percentage.expected.examples if self.percentage is not None else ()
        return next((one.examples for one in self._find(Expected) if one.examples), usual)

    @property
    def is_choice(self) -> bool:
        """Whether it is one of a fixed set of words or numbers."""
        return not self.short_forms and (bool(self.choices) or get_origin(self.type) is Literal)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The words that are allowed here: those of an enum, or short forms."""
        if isinstance(self.type, type) and issubclass(self.type, StrEnum):
            return tuple(choice.value for choice in self.type)
        words = (word for short in self.short_forms if isinstance(short, Words) for word in short.meanings)
        return tuple(word for word in words if isinstance(word, str))

    @cached_property
    def words(self) -> str:
        """What is expected here, without examples."""
        own = next((one.words for one in self._find(Expected) if one.words), None) or self._derive_words()
        own = own.replace(BOUNDS, self._bounds)
        return f"{self._short_words}, or {own}" if self._short_words else own

    @cached_property
    def expected(self) -> str:
        """What is expected here, as in "a header's name, such as x-user"."""
        return join_examples(self.words, self.examples, comma="" if self._short_words else ",")

    def explain_meant(self, value: object) -> str:
        """Return what a wrong value is known to mean, as the end of a message, or ""."""
        found = next(filter(None, (one.mend(value) for one in self._find(Expected))), "")
        return f": {found}" if found else ""

    def find_meant(self, key: str) -> str | None:
        """Return which field of a mapping an unknown key stands for; None if it is none of them."""
        return self.find_moved(key) if self.find_foreign(key) else find_nearest(key, self.fields)

    def find_moved(self, key: str) -> str | None:
        """Return the field of a mapping that the hint about an unknown key names first; None without one."""
        here = self.find_foreign(key)
        if isinstance(here, Here):
            name = next(iter(here.form)) if here.at is None else None
        else:
            name = found[1] if (found := re.search(r"`(\w+)", here or "")) else None
        return name if name in self.fields else None

    def find_foreign(self, key: str) -> Here | str | None:
        """Return what an unknown key of other programs is here; None if that is not known."""
        lower = key.strip().lower()
        written = (key, re.sub(r"[\s-]+", "_", lower), re.split(r"\s", lower)[0])
        return next((self.moved[one] for one in written if one in self.moved), None)

    def fits_at(self, name: object, value: object) -> bool:
        """Whether a mapping may have a field with a value in which `...` stands for what is left open."""
        found = self.fields.get(str(name)) if self.is_class else self.item
        return name is ... or (found is not None and found.fits(value))

    def fits(self, value: object) -> bool:
        """Whether a value may stand here in which `...` stands for what is left open."""
        if not has_hole(value):
            return self.takes(value)
        if isinstance(value, Mapping):
            return all(self.fits_at(name, one) for name, one in value.items())
        return value is ... or (isinstance(value, list) and self.item is not None and all(map(self.item.fits, value)))

    def explain_mend(self, value: object) -> str:
        """Return how to correct a wrong value, as the end of a message, or ""."""
        default = re.split("[:;,]", self.about.default)[0]
        if value == default and default.isalpha() and default not in ("true", "false"):
            return ": leave it out, this is its default"
        for found, mended in self._find_mends(value):
            if mended is UNCHECKED or self.takes(mended):
                return f": {found}"
        if value and isinstance(value, dict) and self.is_list:
            return ": begin each item with `- `"
        if isinstance(value, list) and len(value) == 1 and self.takes(value[0]):
            written = "" if isinstance(value[0], dict) else f", {write_flow(value[0])}"
            return f": write it alone{written}, without `- ` or brackets"
        return ""

    def write(self, value: Any) -> object:
        """Return a value that was read as an operator would write it: plain values alone."""
        for short in self.short_forms:
            if isinstance(short, Alone) and value is not None:
                return self.fields[short.field].write(getattr(value, short.field))
            if isinstance(short, Words):
                for word in short.meanings:
                    if self._adapter.validate_python(word) == value:
                        return word
        if isinstance(value, timedelta):
            return format_duration(value)
        if self.percentage is not None:
            return f"{value:g}%"
        if isinstance(value, tuple) and self.item is not None:
            return [self.item.write(one) for one in value]
        if isinstance(value, StrEnum):
            return value.value
        return str(value) if dataclasses.is_dataclass(value) and not self.is_class else value

    @cached_property
    def percentage(self) -> Percentage | None:
        """The bounds of a percentage; None for anything else."""
        return next(self._find(Percentage), None)

    def _find(self, kind: type[A]) -> Iterator[A]:
        """Return its annotations of a kind, the outermost first."""
        return (one for one in reversed(self._annotations) if isinstance(one, kind))

    @property
    def _short_words(self) -> str:
        return ", ".join(filter(None, map(self._describe_short_form, self.short_forms)))

    def _describe_short_form(self, short: ShortForm) -> str:
        if isinstance(short, Alone):
            return self.fields[short.field].words
        if isinstance(short, Parsed):
            return short.expected.words
        words = short.meanings if isinstance(short, Words) else ()
        return ", ".join(f"`{write_flow(word)}`" for word in words)

    def _derive_words(self) -> str:
        """Return what the type itself expects."""
        if self.percentage is not None:
            return self.percentage.expected.words
        if self.is_list:
            return "a list"
        if self.is_mapping:
            return "a mapping"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if get_origin(self.type) is Literal:
            return f"one of {', '.join(map(str, get_args(self.type)))}"
        if self.type is bool:
            return "true or false"
        if self.type in (int, float):
            return f"a {'whole number' if self.type is int else 'number'} {BOUNDS}"
        return "text" if self.type is str else "another value"

    @property
    def _bounds(self) -> str:
        found = [
            inner for one in self._annotations for inner in (one.metadata if isinstance(one, FieldInfo) else [one])
        ]
        least = [one.ge for one in found if isinstance(one, annotated_types.Ge)]
        most = [one.le for one in found if isinstance(one, annotated_types.Le)]
        return f"from {least[-1]} to {most[-1]}" if least and most else ""

    def _find_mends(self, value: object) -> Iterator[tuple[str, object]]:
        """Return what may be meant by a value of another type, and how that is written."""
        if "off" in self.choices:
            yield from self._find_switches(value)
        if self.is_class and len(self.choices) < 2 and isinstance(value, str | int | float):
            yield from self._find_whole(value)
        if self.is_list:
            yield from self._find_lists(value)
        elif self.is_mapping:
            yield from self._find_mappings(value)
        if isinstance(value, str):
            number = value.strip()[:20]
            if number.isdecimal():
                yield f"write {number} without quotes", int(number)
            elif (bare := re.sub(r"(?<=\d)_(?=\d)| ?%$", "", number)).isdecimal():
                yield f"write {bare}, without {'_' if '_' in number else '%'}", int(bare)
            if value.lower() in SWITCHES:
                meant = SWITCHES[value.lower()]
                yield f"write {write_flow(meant)}", meant
        elif isinstance(value, bool | int | float):
            yield f'write "{show(value)}" in quotes', show(value)

    def _find_switches(self, value: object) -> Iterator[tuple[str, object]]:
        """Return how to turn off, or on, what has the word `off`."""
        if value is not None and str(value).lower() in NEVER:
            yield "write off", "off"
        if value is True and not self.if_wrong.needs:
            yield from (("write on", "on"), ("write {}", {}))

    def _find_lists(self, value: object) -> Iterator[tuple[str, object]]:
        """Return the list that a text, or a mapping of keys without values, is meant for."""
        if isinstance(value, str):
            parts = SEPARATORS.split(value.strip("()[]{} \n").removeprefix("-"))
            hint = ", with a space after each `-`" if value.startswith("-") else ""
            yield f"write it as a list, {write_flow(parts)}{hint}", parts
            yield f"write it as a list, {write_flow([value])}", [value]
            if self.item is not None and self.item.is_class:
                yield from ((f"write {write_flow([whole])}", [whole]) for _, whole in self.item._find_whole(value))
        elif isinstance(value, dict) and value and not any(value.values()):
            yield f"write it as a list, {write_flow([*value])}", [*value]

    def _find_mappings(self, value: object) -> Iterator[tuple[str, object]]:
        """Return the mapping that a text with one of its fields, or a list of its fields, is meant for."""
        if isinstance(value, str) and (unspaced := UNSPACED.match(value)) and unspaced[1] in self.fields:
            rest = value[unspaced.end() :].lstrip()
            yield f"write {show_line(f'{unspaced[1]}: {rest}')}, with a space after the colon", UNCHECKED
        if isinstance(value, str) and value.startswith("<<"):
            yield f"write {show_line('<<: ' + value[2:].lstrip(': '))}, with a colon after the `<<`", UNCHECKED
        if self.is_class and isinstance(value, list) and len(value) > 1 and all(isinstance(one, dict) for one in value):
            yield "write its fields without `- ` in front", UNCHECKED

    def _find_whole(self, value: str | float) -> Iterator[tuple[str, object]]:
        """Return the mapping that a value alone may be meant for: of the field that it names, or of the usual one."""
        if isinstance(value, bool):
            return
        if value in self.fields:
            whole: object = {value: True}
            yield f"write {write_flow(whole)}", whole
        elif example := next((one for one in self.examples if isinstance(one, dict)), None):
            for name in example:
                for whole in ({name: value}, {name: [value]}):
                    yield f"write {write_flow(whole)}", whole

    def takes(self, value: object) -> bool:
        """Whether a value may stand here."""
        try:
            self._adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._annotation)


@lru_cache(maxsize=1)
def get_root() -> Field:
    """Return what a catalog file is."""
    return Field(ROOT)


def list_fields(above: Field, path: str = "") -> Iterator[tuple[str, Field]]:
    """List every field below another, and what lists and open mappings hold, as in `services.*.endpoints[].weight`."""
    below = {f"{path}.{name}".removeprefix("."): field for name, field in above.fields.items()}
    if above.item is not None:
        below[f"{path}[]" if above.is_list else f"{path}.*"] = above.item
    for here, field in below.items():
        yield here, field
        yield from list_fields(field, here)


def walk(loc: Loc) -> Iterator[Field]:
    """Return the field at each step of a path from the top of a file, as far as it is known; the file itself first."""
    found: Field | None = get_root()
    for step in (*loc, None):
        if found is None:
            return
        yield found
        found = None if step is None else found.step(step)


def find_field(loc: Loc) -> Field:
    """Return the field at a place, or at the nearest known place above it."""
    if loc[-1:] == (KEY,):
        above = find_field(loc[:-2])
        return above.key or above
    *_, found = walk(loc)
    return found


def _unwrap(annotation: Any) -> tuple[Any, list[Any], bool]:
    """Take a type apart into what it is, its annotations from the innermost on, and whether it may be empty (None)."""
    if get_origin(annotation) is Annotated:
        inner, *outer = get_args(annotation)
        found, annotations, may_be_empty = _unwrap(inner)
        return found, [*annotations, *outer], may_be_empty
    if get_origin(annotation) in (Union, types.UnionType):
        others = [one for one in get_args(annotation) if one is not types.NoneType]
        if len(others) == 1 and len(get_args(annotation)) == 2:
            found, annotations, _ = _unwrap(others[0])
            return found, annotations, True
    return annotation, [], False


def _find_default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
