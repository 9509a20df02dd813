"""Writes `protos/xds/wire/envoy/`: the messages of Envoy that xds builds, read from envoy-data-plane's classes.

They are the messages and enums that a module of `xds` names, as in `Cluster.EdsClusterConfig`. Each has all fields
whose types are among them, except deprecated ones. To use another one, name it as if it were there, and run
`python protos/generate.py`. Nothing is written by hand, and a test fails if a file is not up to date.

Decision 8 in `xds/adr` has the reasons.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import betterproto2
import envoy_data_plane
from envoy_data_plane.message_pool import default_message_pool

PREFIX = "xds.wire."
"""The prefix of Envoy's names, so that a program can load Envoy's own protos beside these."""

FOLDER = Path("xds/wire/envoy")
SOURCE = Path(str(envoy_data_plane.__file__)).parent
HEADER = "// Of {package} what xds builds; written by protos/generate.py from envoy-data-plane's classes."
KNOWN = {
    "Any": "any",
    "Duration": "duration",
    "ListValue": "struct",
    "NullValue": "struct",
    "Struct": "struct",
    "Timestamp": "timestamp",
    "Value": "struct",
    **{f"{kind}Value": "wrappers" for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String")},
    **{f"UInt{bits}Value": "wrappers" for bits in (32, 64)},
}
"""The messages of google.protobuf that are used, and the names of their files."""


def name_file(package: str) -> str:
    """Return the name of a package's file, without suffix: `config_cluster_v3` for `envoy.config.cluster.v3`."""
    return package.removeprefix("envoy.").replace(".", "_")


@cache
def list_packages() -> dict[str, str]:
    """Return envoy-data-plane's packages by `name_file`."""
    folders = (path.parent.relative_to(SOURCE) for path in SOURCE.rglob("__init__.py"))
    packages = [".".join(folder.parts) for folder in folders if folder.parts]
    return {name_file(package): package for package in packages}


@cache
def list_types(package: str) -> dict[str, type]:
    """Return the messages and enums of a package by Envoy's names, such as `Cluster.LbPolicy`."""
    module = import_module(f"envoy_data_plane.{package}")
    classes = [one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__]
    messages = {one: _name_message(one, package) for one in classes if issubclass(one, betterproto2.Message)}
    enums = {one: _name_enum(one, messages) for one in classes if issubclass(one, betterproto2.Enum)}
    return {name: one for named in (messages, enums) for one, name in named.items()}


def _name_message(kind: type[betterproto2.Message], package: str) -> str:
    return default_message_pool.type_to_url[kind].partition(f"/{package}.")[2]


def _name_enum(kind: type, messages: dict[type[betterproto2.Message], str]) -> str:
    """Return the name of an enum; in envoy-data-plane an outer message's name and the enum's are one word."""
    outer = [one for one in messages if kind.__name__.startswith(one.__name__) and kind.__name__ != one.__name__]
    if not outer:
        return kind.__name__
    last = max(outer, key=lambda one: len(one.__name__))
    return f"{messages[last]}.{kind.__name__.removeprefix(last.__name__)}"


def name_type(kind: type) -> tuple[str, str]:
    """Return the package of a message or enum, and its name in the package."""
    package = kind.__module__.removeprefix("envoy_data_plane.")
    return package, next(name for name, one in list_types(package).items() if one is kind)


def find_used(root: Path) -> dict[str, set[str]]:
    """Return the names of the messages and enums that modules of xds name, and of their outer messages, by package."""
    used: dict[str, set[str]] = {}
    for path in sorted((root / "xds").rglob("*.py")):
        if path.is_relative_to(root / FOLDER):
            continue
        for package, name in _find_named(ast.parse(path.read_text())):
            names = name.split(".")
            used.setdefault(package, set()).update(".".join(names[: end + 1]) for end in range(len(names)))
    return used


def _find_named(tree: ast.Module) -> Iterator[tuple[str, str]]:
    imported = {
        alias.asname or alias.name: (list_packages()[path.name.removesuffix("_pb2")], alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (path := Path(*(node.module or "").split("."))).parent == FOLDER
        for alias in node.names
    }
    yield from imported.values()
    for node in ast.walk(tree):
        root, *names = _read_names(node)
        if root in imported and names:
            package, outer = imported[root]
            dotted = [".".join([outer, *names[:end]]) for end in range(1, len(names) + 1)]
            yield from ((package, name) for name in dotted if name in list_types(package))


def _read_names(node: ast.AST) -> list[str]:
    """Return the names in an expression such as `Cluster.LbPolicy`; one empty name for any other expression."""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(value=value, attr=name):
            outer = _read_names(value)
            return [*outer, name] if outer[0] else outer
    return [""]


class Writer:
    """Writes the proto of one package; `used` has the names of all packages' types."""

    def __init__(self, package: str, used: dict[str, set[str]]) -> None:
        self._package, self._used = package, used
        self._imports: set[str] = set()

    def write(self) -> str:
        """Return the proto's text."""
        body = [*self._write_types("")]
        imports = [f'import "{one}";' for one in sorted(self._imports)]
        head = [HEADER.format(package=self._package), "", 'syntax = "proto3";', "", f"package {PREFIX}{self._package};"]
        return "\n".join([*head, *([""] if imports else []), *imports, *body, ""])

    def _write_types(self, outer: str) -> Iterator[str]:
        """Yield the lines of the types inside `outer`; of the top-level types if that is empty."""
        for name in sorted(self._used[self._package]):
            if name.rpartition(".")[0] == outer:
                indent = "  " * name.count(".")
                kind = list_types(self._package)[name]
                keyword = "enum" if issubclass(kind, betterproto2.Enum) else "message"
                yield ""
                yield f"{indent}{keyword} {name.rpartition('.')[2]} {{"
                yield from (f"  {indent}{line}" for line in self._write_body(kind))
                yield from self._write_types(name)
                yield f"{indent}}}"

    def _write_body(self, kind: Any) -> Iterator[str]:
        if issubclass(kind, betterproto2.Enum):
            renamed = kind.betterproto_value_to_renamed_proto_names()
            yield from (f"{renamed.get(one.value, one.name)} = {one.value};" for one in kind)
            return
        oneofs: dict[str, list[str]] = {}
        for name, meta, found in _read_fields(kind):
            if (written := self._write_type(meta, found)) is None:
                continue
            line = f"{written} {name} = {meta.number};"
            if meta.group:
                oneofs.setdefault(meta.group, []).append(line)
            elif meta.optional and meta.proto_type != "message":
                yield f"optional {line}"
            else:
                yield f"repeated {line}" if meta.repeated else line
        for oneof, lines in oneofs.items():
            yield f"oneof {oneof} {{"
            yield from (f"  {line}" for line in lines)
            yield "}"

    def _write_type(self, meta: Any, found: type) -> str | None:
        if meta.map_meta:
            key, value = meta.map_meta
            written = self._write_type(value, found)
            return written and f"map<{key.proto_type}, {written}>"
        if meta.proto_type not in ("message", "enum"):
            return str(meta.proto_type)
        package, name = name_type(meta.unwrap() if meta.unwrap else found)
        if package == "google.protobuf" and name in KNOWN:
            self._imports.add(f"google/protobuf/{KNOWN[name]}.proto")
            return f"google.protobuf.{name}"
        if name not in self._used.get(package, ()):
            return None
        if package != self._package:
            self._imports.add(f"{FOLDER}/{name_file(package)}.proto")
            return f"{PREFIX}{package}.{name}"
        return name


def _read_fields(kind: Any) -> Iterator[tuple[str, Any, type]]:
    """Yield each field of a message: its name, betterproto2's metadata, and its type."""
    deprecated = _find_deprecated(kind)
    for field in dataclasses.fields(kind):
        known = kind._betterproto
        meta = known.meta_by_field_name[field.name]
        found = known.cls_by_field[f"{field.name}.value" if meta.map_meta else field.name]
        if field.name not in deprecated:
            yield field.name.rstrip("_"), meta, found


def _find_deprecated(kind: type) -> set[str]:
    """Return the names of a class's deprecated fields: those that its constructor warns about."""
    if "__post_init__" not in vars(kind):
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(vars(kind)["__post_init__"])))
    return {
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "is_set"
        if isinstance(call.args[0], ast.Constant)
    }


def write_protos(root: Path) -> dict[Path, str]:
    """Return the text of the proto of each package that xds uses, by its path relative to `protos/`."""
    used = find_used(root)
    return {FOLDER / f"{name_file(package)}.proto": Writer(package, used).write() for package in sorted(used)}
