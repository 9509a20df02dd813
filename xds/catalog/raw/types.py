"""Envoy's types, as envoy-data-plane has them: found by their full names, imported when they are first wanted."""

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
PREFIX = "type.googleapis.com/"
TYPE_NAME = re.compile(r"((?:[a-z][a-z0-9_]*\.)+)([A-Z]\w*(?:\.[A-Z]\w*)*)", re.ASCII)
REGISTERED = re.compile(r'register_message\(\s*"([^"]*)",\s*"([^"]*)"')


class Field(NamedTuple):
    """One field of a message; `kind` is protobuf's name for its type, `type` the class of a message or enum."""

    name: str
    number: int
    kind: str
    type: Any
    repeated: bool
    oneof: str | None
    key_kind: str = ""


@lru_cache(maxsize=1024)
def find_type(name: str) -> type:
    """Import the class of a message by its full name; LookupError if there is none."""
    matched = TYPE_NAME.fullmatch(name)
    if matched is None:
        raise LookupError(name)
    try:
        importlib.import_module(f"{PACKAGE}.{matched[1][:-1]}")
    except ModuleNotFoundError:
        raise LookupError(name) from None
    pool = importlib.import_module(f"{PACKAGE}.message_pool").default_message_pool
    found: type = pool.url_to_type[f"{PREFIX}{name}"]
    return found


def suggest_type(name: str) -> str:
    """Find the type that was meant: one of the same last name, or with nearly the same full name."""
    names = list_types()
    last = name.rpartition(".")[2].lower()
    alike = [one for one in names if one.rpartition(".")[2].lower() == last]
    return _suggest_one(name, alike) or _suggest_one(name, names)


def _suggest_one(word: str, words: list[str]) -> str:
    """Suggest the nearest word, or the only one."""
    return f": did you mean `{words[0]}`?" if len(words) == 1 else suggest(word, words)


@lru_cache(maxsize=1)
def list_types() -> list[str]:
    """Return the names of all messages, by the texts of their modules: to import them all would take seconds."""
    root = Path(str(importlib.import_module(PACKAGE).__file__)).parent
    found = [".".join(names) for path in root.rglob("__init__.py") for names in REGISTERED.findall(path.read_text())]
    return sorted(name for name in found if not re.search(r"\.v2(alpha\d*)?\.", name))


@lru_cache(maxsize=4096)
def find_fields(kind: type) -> Mapping[str, Field]:
    """Return a message's fields by both of their names: Envoy's own, and JSON's."""
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
    """Return the message's class, where the hint has the Python type that stands for it."""
    return meta.unwrap() if meta.unwrap else hinted


def _strip(hint: Any) -> Any:
    """Return what a list or an optional is of."""
    arguments = [one for one in typing.get_args(hint) if one is not type(None)]
    return arguments[0] if arguments else hint


def _to_json_name(name: str) -> str:
    return re.sub(r"_+(\w)", lambda matched: matched[1].upper(), name)


def explain_unknown(key: str, kind: type, known: Mapping[str, Field]) -> str:
    """Return that a message has no such field, and which is nearest."""
    names = list(dict.fromkeys(field.name for field in known.values()))
    near = suggest(key, names) or (f": known are {', '.join(names)}" if len(names) <= 12 else "")
    return f"{kind.__name__} has no field {show(key)}{near}"
