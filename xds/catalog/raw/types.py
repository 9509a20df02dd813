"""Envoy's types from envoy-data-plane, found by their full names. Each is imported when it is first used."""

import importlib
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from xds.wording import show, suggest

PACKAGE = "envoy_data_plane"
TYPED_STRUCT = "xds.type.v3.TypedStruct"
PREFIX = "type.googleapis.com/"
TYPE_NAME = re.compile(r"((?:[a-z][a-z0-9_]*\.)+)([A-Z]\w*(?:\.[A-Z]\w*)*)", re.ASCII)
REGISTERED = re.compile(r'register_message\(\s*"([^"]*)",\s*"([^"]*)"')


class Field(NamedTuple):
    """One field of a message.

    `kind` is protobuf's name for its type, and `type` is the class of a message or enum. `key_kind` is the type of a
    map's keys; it is empty for other fields.
    """

    name: str
    number: int
    kind: str
    type: Any
    repeated: bool
    oneof: str | None
    key_kind: str = ""


@lru_cache(maxsize=1024)
def find_type(name: str) -> type:
    """Return the class of the message with that full name; raise LookupError if there is none."""
    matched = TYPE_NAME.fullmatch(name)
    if matched is None:
        raise LookupError(name)
    if name == TYPED_STRUCT:
        importlib.import_module("xds.catalog.raw.typed_struct")
    try:
        importlib.import_module(f"{PACKAGE}.{matched[1][:-1]}")
    except ModuleNotFoundError:
        raise LookupError(name) from None
    pool = importlib.import_module(f"{PACKAGE}.message_pool").default_message_pool
    found: type = pool.url_to_type[f"{PREFIX}{name}"]
    return found


def find_name(kind: type) -> str:
    """Return the full name of a message's class."""
    pool = importlib.import_module(f"{PACKAGE}.message_pool").default_message_pool
    url: str = pool.type_to_url[kind]
    return url.removeprefix(PREFIX)


def suggest_type(name: str) -> str:
    """Return the end of a message, which suggests a type with the same last name or nearly the same full name."""
    names = list_types()
    last = name.rpartition(".")[2].lower()
    alike = [one for one in names if one.rpartition(".")[2].lower() == last]
    return _suggest_one(name, alike) or _suggest_one(name, names)


def _suggest_one(name: str, names: list[str]) -> str:
    """Return the end of a message, which suggests the nearest name, or the only one."""
    return f": did you mean `{names[0]}`?" if len(names) == 1 else suggest(name, names)


@lru_cache(maxsize=1)
def list_types() -> list[str]:
    """Return the names of all messages, read from the modules' source: to import all modules would take seconds."""
    root = Path(str(importlib.import_module(PACKAGE).__file__)).parent
    found = [".".join(names) for path in root.rglob("__init__.py") for names in REGISTERED.findall(path.read_text())]
    return sorted(name for name in found if not re.search(r"\.v2(alpha\d*)?\.", name))


@lru_cache(maxsize=4096)
def find_fields(kind: type) -> Mapping[str, Field]:
    """Return a message's fields, each by both of its names: Envoy's own, and that of protobuf's JSON."""
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]), {})
    known: dict[str, Field] = {}
    for one in fields(kind):
        meta = one.metadata["betterproto"]
        name = one.name.rstrip("_")
        if meta.map_meta:
            key, value = meta.map_meta
            _, value_type = typing.get_args(hints[one.name])
            field = Field(name, meta.number, value.proto_type, _unwrap(value, value_type), False, None, key.proto_type)
        else:
            type_ = _unwrap(meta, _strip(hints[one.name]))
            field = Field(name, meta.number, meta.proto_type, type_, bool(meta.repeated), meta.group)
        known[name] = field
        known[_to_json_name(name)] = field
    return known


def _unwrap(meta: Any, hinted: Any) -> Any:
    """Return the class of a message, for which the type hint may have a Python type instead."""
    return meta.unwrap() if meta.unwrap else hinted


def _strip(hint: Any) -> Any:
    """Return the type of a list's items, or of an optional value."""
    arguments = [one for one in typing.get_args(hint) if one is not type(None)]
    return arguments[0] if arguments else hint


def _to_json_name(name: str) -> str:
    return re.sub(r"_+(\w)", lambda matched: matched[1].upper(), name)


def explain_unknown(key: str, kind: type, known: Mapping[str, Field]) -> str:
    """Return the message about an unknown field, with the nearest known field or a short list of all."""
    names = list(dict.fromkeys(field.name for field in known.values()))
    near = suggest(key, names) or (f": known are {', '.join(names)}" if len(names) <= 12 else "")
    return f"{kind.__name__} has no field {show(key)}{near}"
