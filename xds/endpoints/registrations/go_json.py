"""Reads JSON as Go does, with Go's words for what is wrong: those that clients of Consul know.

Text after the value is ignored. What UTF-8 or UTF-16 cannot hold is replaced.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from xds.endpoints.registrations.refusal import Refusal

WORDS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name": "looking for beginning of object key string",
    "Illegal trailing comma": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after a value",
    "Invalid control character": "in string literal",
    "Invalid \\escape": "in string escape code",
}


def _refuse_constant(name: str) -> object:
    raise Refusal(f"Request decode failed: invalid character '{name[0]}' looking for beginning of value")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def decode(body: bytes) -> object:
    """Return the first JSON value of a body. Raises Refusal."""
    text = body.decode(errors="replace").lstrip(" \t\r\n")
    if not text:
        raise Refusal("Request decode failed: EOF")
    try:
        return DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        at = error.pos
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at >= len(text) or error.msg.startswith("Unterminated"):
            raise Refusal("Request decode failed: unexpected EOF") from None
        word = next((words for start, words in WORDS.items() if error.msg.startswith(start)), "in the value")
        raise Refusal(f"Request decode failed: invalid character {_quote(text[at])} {word}") from None
    except RecursionError:
        raise Refusal("Request decode failed: the value is nested too deep") from None
    except ValueError:  # a number of thousands of digits
        raise Refusal("Request decode failed: a number is too long") from None


def _quote(character: str) -> str:
    return repr(character) if character.isprintable() else f"'\\x{ord(character):02x}'"


def _refuse(value: object, path: str, go_type: str) -> Refusal:
    kinds = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}
    kind = kinds.get(type(value), "value")
    shown = f" {value}" if go_type == "int" and kind == "number" else ""
    return Refusal(
        f"Request decode failed: json: cannot unmarshal {kind}{shown} into Go struct field {path} of type {go_type}"
    )


Reader = Callable[[object, str], Any]
"""Reads a value, which is not null, at a path. Raises Refusal."""


def text(value: object, path: str) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise _refuse(value, path, "string")
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def whole(value: object, path: str) -> int:
    """Read a whole number of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise _refuse(value, path, "int")
    return value


def flag(value: object, path: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise _refuse(value, path, "bool")
    return value


def texts(value: object, path: str) -> tuple[str, ...]:
    """Read a list of texts, in which null is an empty one."""
    if not isinstance(value, list):
        raise _refuse(value, path, "[]string")
    return tuple("" if one is None else text(one, path) for one in value)


def mapping(read: Reader, go_type: str) -> Reader:
    """Return a reader of a mapping whose values a reader reads."""

    def read_mapping(value: object, path: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise _refuse(value, path, go_type)
        return {text(key, path): read(one, f"{path}.{key}") for key, one in value.items() if one is not None}

    return read_mapping


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct: the name of the keyword that it becomes, and its reader."""

    keyword: str
    read: Reader


@dataclass(slots=True)
class Warnings:
    """What was read although a real Consul would refuse it."""

    unknown: list[str] = field(default_factory=list)


T = TypeVar("T")
Fields = Mapping[str, Field]
"""Fields by their names in small letters, without underscores."""


def read_struct(
    value: object, fields: Fields, path: str, warnings: Warnings, go_type: str = "struct"
) -> dict[str, Any]:
    """Return the keywords of a JSON object, whose keys count in any case, with and without underscores."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        if not path:
            kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
            raise Refusal(f"Request decode failed: json: cannot unmarshal {kind} into Go value of type {go_type}")
        raise _refuse(value, path, go_type)
    found: dict[str, Any] = {}
    for key, one in value.items():
        known = fields.get(key.replace("_", "").lower())
        if known is None:
            warnings.unknown.append(f"{path}.{key}".removeprefix("."))
        elif one is not None:
            found[known.keyword] = known.read(one, f"{path}.{key}")
    return found
