"""The annotations of the catalog's fields, which stand in `Annotated[...]` beside the type.

A message, a stand-in, the JSON Schema and the reference are derived from these and from the type, in `fields.py`. What
a type says by itself (bounds, the words of an enum) is not repeated here.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from xds.catalog.text.foreign import Here
from xds.wording import join_or, write_flow

LEFT_OUT: Final = object()
"""In place of a stand-in: a wrong value is left out."""


def no_mend(value: object) -> str:
    """Return no hint."""
    return ""


@dataclasses.dataclass(frozen=True, slots=True, init=False, eq=False)
class Expected:
    """What a value has to be, in words and by examples.

    Without words they are derived from the type. `mend` returns how to correct a wrong value, or "".
    """

    words: str
    examples: tuple[Any, ...]
    mend: Callable[[Any], str]

    def __init__(self, words: str = "", *examples: object, mend: Callable[[Any], str] = no_mend) -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "examples", examples)
        object.__setattr__(self, "mend", mend)

    @property
    def written(self) -> tuple[str, ...]:
        """The examples as an operator writes them."""
        return tuple(map(write_flow, self.examples))

    def __str__(self) -> str:
        """Return the words with the examples, as in "a header's name, such as x-user"."""
        return join_examples(self.words, self.examples)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shape = handler(schema)
        return {**shape, "examples": [*self.examples]} if self.examples else shape


def join_examples(words: str, examples: tuple[Any, ...], comma: str = ",") -> str:
    """Return the words followed by examples as an operator writes them: "a duration, such as 10s or 1m30s"."""
    return f"{words}{comma} such as {join_or(map(write_flow, examples))}" if examples else words


def Example(*examples: object) -> Expected:  # noqa: N802 - it stands among annotations
    """Return the annotation for examples of a value whose type defines what is expected."""
    return Expected("", *examples)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Narrowed:
    """What the JSON Schema of a type has in addition, for what a function checks that pydantic knows nothing of."""

    shape: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), **self.shape}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the reference has on a field beside its description.

    `default` is the meaning of a field that is left out, if the Python default does not show it. `envoy` is Envoy's own
    field, as in `Cluster.outlier_detection`, or several with commas; a value of it may follow after a colon. `unit`
    is what a bare number counts.
    """

    default: str = ""
    envoy: str = ""
    unit: str = ""


def is_given(value: object, above: object) -> bool:
    """Whether a field is set: not to false, nothing, or an empty list."""
    return bool(value)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Since:
    """The first version of Envoy that takes a field, as (1, 37), or some of its values.

    `needs` is called with the value and the mapping that has the field, and returns whether the value needs it;
    `values` are these in words, as in "with a variable inside a segment". An older Envoy refuses it, unless it gets an
    older form: `older` is in words what it does with that, as in "older ones use `round_robin`".
    """

    version: tuple[int, ...]
    values: str = ""
    needs: Callable[[Any, Any], bool] = is_given
    older: str = ""

    @property
    def text(self) -> str:
        """The version as text, such as `1.37`."""
        return ".".join(map(str, self.version))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IfWrong:
    """How reading goes on beside a wrong value, to find other mistakes.

    The value is left out, or `stand_in` replaces it: a value that breaks no rule, or a function that makes one from
    an item's index. A field that is `wanted`, or one of its `alternatives`, must be there. A value that is `whole`
    is replaced as a whole when a part of it is wrong. A field that `identifies` an item distinguishes it from others:
    when it is wrong, the item's stand-in takes over. A mapping without any of the fields that it `needs` is left out.
    `settle` is called with the mapping in which the field is wrong.
    """

    stand_in: Any = LEFT_OUT
    wanted: bool = False
    alternatives: tuple[str, ...] = ()
    whole: bool = False
    identifies: bool = False
    needs: tuple[str, ...] = ()
    settle: Callable[[dict[str, Any]], None] | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Keys that people look for in a mapping, with what each is here: our fields, or something in words."""

    keys: Mapping[str, Here | str]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ShortForm:
    """What is short for a mapping: read before the mapping is, and allowed in its place by the JSON Schema."""

    def parse(self, value: object) -> object:
        """Return the mapping that a value is short for, or the value."""
        raise NotImplementedError

    def describe(self, mapping: JsonSchemaValue) -> list[JsonSchemaValue]:
        """Return the JSON Schemas of the short forms, given that of the mapping."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        return {"anyOf": [*self.describe(handler.resolve_ref_schema(mapping)), mapping]}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Words(ShortForm):
    """Words (or true and false), each short for what it stands for."""

    meanings: Mapping[str | bool, Any]

    def parse(self, value: object) -> object:
        """Return the meaning of a word."""
        return self.meanings.get(value, value) if isinstance(value, str | bool) else value

    def describe(self, mapping: JsonSchemaValue) -> list[JsonSchemaValue]:
        """Return the words as an enum."""
        return [{"enum": [*self.meanings]}]


OFF: Final = Words({"off": None})
"""Of a mapping that is not there by default: the word for its absence."""


def is_scalar(value: object) -> bool:
    """Whether a value is text or a number."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def is_amount(value: object) -> bool:
    """Whether a value is a number, or text with one in it."""
    return is_scalar(value) and any(one.isdecimal() for one in str(value))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Alone(ShortForm):
    """The value of one field alone, short for a mapping with only it; `takes` defines for which values."""

    field: str
    takes: Callable[[object], bool] = is_scalar

    def parse(self, value: object) -> object:
        """Return a mapping of the field."""
        return {self.field: value} if self.takes(value) else value

    def describe(self, mapping: JsonSchemaValue) -> list[JsonSchemaValue]:
        """Return the field's own shape, without its description in the mapping."""
        shape = mapping["properties"][self.field]
        kept = {key: value for key, value in shape.items() if key not in ("description", "default")}
        if "anyOf" in kept:  # in the mapping it may be left empty
            kept["anyOf"] = [one for one in kept["anyOf"] if one != {"type": "null"}]
        return [kept]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Parsed(ShortForm):
    """A text that is read into a mapping by a function of its own; the function takes mappings too."""

    read: Callable[[object], object]
    expected: Expected
    shape: Mapping[str, Any]

    def parse(self, value: object) -> object:
        """Return what the function makes of a value."""
        return self.read(value)

    def describe(self, mapping: JsonSchemaValue) -> list[JsonSchemaValue]:
        """Return the text's own shape."""
        return [{**self.shape, "examples": [*self.expected.examples]}]
