"""Encodes plain values as a message of Envoy, checked against the types of envoy-data-plane.

It goes through the fields of the types and builds no objects of them: so it finds every mistake, with its location.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from xds.catalog.raw.clusters import BOOTSTRAP, GRPC, NamedCluster, is_cluster_name
from xds.catalog.raw.contrib import explain_contrib
from xds.catalog.raw.given import Given
from xds.catalog.raw.types import (
    PREFIX,
    TYPED_STRUCT,
    Field,
    explain_unknown,
    find_fields,
    find_name,
    find_type,
    suggest_type,
)
from xds.catalog.raw.values import INTEGERS, WELL_KNOWN, WRAPPED, encode_scalar
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.regex import compile_pattern
from xds.wire.varint import encode_field
from xds.wording import show


@dataclass(slots=True)
class Encoded:
    """An encoded message: the bytes of each field by name, the mistakes, and what is told of a message without any.

    `clusters` are the clusters that it names in any depth. `given` has its fields, but not those inside an Any.
    """

    fields: dict[str, bytes] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    clusters: list[NamedCluster] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)


def encode(type_name: str, value: object, owned: Mapping[str, str]) -> Encoded:
    """Encode a message of the type with that full name.

    `owned` has the fields that may not be set, as names joined by dots, and for each the message about it.
    """
    encoded = Encoded()
    encoder = _Encoder(owned, encoded.mistakes, encoded.clusters, encoded.given)
    encoded.fields = encoder.encode_fields(find_type(type_name), value, (), "")
    return encoded


class _Encoder:
    """Encodes one value. It records each mistake, and continues."""

    def __init__(
        self,
        owned: Mapping[str, str],
        mistakes: list[Mistake],
        clusters: list[NamedCluster],
        given: list[Given] | None = None,
    ) -> None:
        self._owned = owned
        self._mistakes = mistakes
        self._clusters = clusters
        self._given = [] if given is None else given

    def encode_fields(self, kind: type, value: object, loc: Loc, path: str) -> dict[str, bytes]:
        """Encode a message field by field; `path` has Envoy's names of the fields that lead to it."""
        encoded: dict[str, bytes] = {}
        if not isinstance(value, Mapping):
            self._refuse(loc, f"expected a mapping, fields of {kind.__name__}, found {show(value)}")
            return encoded
        known, message = find_fields(kind), find_name(kind)
        # Envoy takes only a cluster of its bootstrap as the source of resources.
        found = len(self._clusters) if message == BOOTSTRAP else None
        groups: dict[str, str] = {}
        for key, one in value.items():
            here = (*loc, key)
            field = known.get(key)
            if field is None:
                self._mistakes.append(Mistake(here, explain_unknown(key, kind, known), at_key=True))
            elif field.name in encoded:
                self._mistakes.append(Mistake(here, f"`{field.name}` is given twice, by its two names", at_key=True))
            elif reason := self._owned.get(f"{path}{field.name}"):
                self._mistakes.append(Mistake(here, reason, at_key=True))
            elif field.oneof and groups.setdefault(field.oneof, field.name) != field.name:
                both = f"has `{groups[field.oneof]}` or `{field.name}`, not both"
                self._mistakes.append(Mistake(here, both, at_key=True))
            else:
                self._given.append(Given(f"{path}{field.name}", here, _note(one)))
                if is_cluster_name(message, field):
                    self._note_clusters(here, one, grpc=message == GRPC)
                encoded[field.name] = self._encode_field(field, one, here, f"{path}{field.name}.")
                if kind.__name__ == "RegexMatcher" and field.name == "regex" and isinstance(one, str):
                    self._check_pattern(one, here)
        if found is not None:
            del self._clusters[found:]
        return encoded

    def _note_clusters(self, loc: Loc, value: object, *, grpc: bool) -> None:
        """Record the name of a cluster, or each of a list of names."""
        named = [((*loc, index), one) for index, one in enumerate(value)] if isinstance(value, list) else [(loc, value)]
        self._clusters += [NamedCluster(here, one, grpc) for here, one in named if one and isinstance(one, str)]

    def _refuse(self, loc: Loc, message: str) -> bytes:
        self._mistakes.append(Mistake(loc, message))
        return b""

    def _check_pattern(self, pattern: str, loc: Loc) -> None:
        """Refuse a pattern that RE2 does not read. How large one may be is a setting of the Envoy's."""
        try:
            compile_pattern(pattern)
        except ValueError as error:
            self._mistakes.append(Mistake(loc, str(error)))

    def _encode_field(self, field: Field, value: object, loc: Loc, path: str) -> bytes:
        if field.key_kind:
            return self._encode_map(field, value, loc, path)
        if not field.repeated:
            return self._encode_one(field, value, loc, path)
        if not isinstance(value, list):
            return self._refuse(loc, f"expected a list, found {show(value)}")
        return b"".join(self._encode_one(field, one, (*loc, index), path) for index, one in enumerate(value))

    def _encode_map(self, field: Field, value: object, loc: Loc, path: str) -> bytes:
        if not isinstance(value, Mapping):
            return self._refuse(loc, f"expected a mapping, found {show(value)}")
        encoded = b""
        for key, one in value.items():
            here = (*loc, key)
            self._given.append(Given(f"{path}{key}", here, _note(one)))
            entry = self._encode_one(
                Field("key", 1, field.key_kind, None, False, None), _read_key(field, key), here, path
            )
            entry += self._encode_one(field._replace(number=2, key_kind=""), one, here, path)
            encoded += encode_field(field.number, entry)
        return encoded

    def _encode_one(self, field: Field, value: object, loc: Loc, path: str) -> bytes:
        """Encode one value of a field, with its tag."""
        if field.kind == "message":
            return encode_field(field.number, self.encode_message(field.type, value, loc, path))
        try:
            return encode_scalar(field.number, field.kind, field.type, value)
        except ValueError as error:
            return self._refuse(loc, str(error))

    def encode_message(self, kind: type, value: object, loc: Loc, path: str) -> bytes:
        """Encode a message without a tag; protobuf's well-known types are written as in protobuf's JSON."""
        name = kind.__name__ if kind.__module__.endswith(".google.protobuf") else ""
        try:
            if name in WRAPPED:
                return encode_scalar(1, WRAPPED[name], None, value)
            if name in WELL_KNOWN:
                return WELL_KNOWN[name](value)
        except ValueError as error:
            return self._refuse(loc, str(error))
        if name == "Any":
            return self._encode_any(value, loc)
        return b"".join(self.encode_fields(kind, value, loc, path).values())

    def _encode_any(self, value: object, loc: Loc) -> bytes:
        """Encode a google.protobuf.Any from a mapping with the key `@type`."""
        if not isinstance(value, Mapping) or not isinstance(value.get("@type"), str):
            example = f'{{"@type": {PREFIX}envoy.…, …}}'
            return self._refuse(loc, f"expected a mapping with its type, as in {example}, found {_show_untyped(value)}")
        name = value["@type"].rpartition("/")[2]
        if value["@type"] != f"{PREFIX}{name}":
            return self._refuse((*loc, "@type"), f"a type URL begins with {PREFIX}, found {show(value['@type'])}")
        rest = {key: one for key, one in value.items() if key != "@type"}
        try:
            kind = find_type(name)
        except LookupError:
            told = explain_contrib(name) or f"there is no type {show(name)}{suggest_type(name)}"
            return self._refuse((*loc, "@type"), told)
        if kind.__module__.endswith(".google.protobuf") and kind.__name__ in {*WRAPPED, *WELL_KNOWN, "Any"}:
            encoded = self.encode_message(kind, rest.get("value"), (*loc, "value"), "")
        else:
            # The catalog sets no field inside an Any, so all of its fields may be written.
            inner = _Encoder({}, self._mistakes, self._clusters)
            if name == TYPED_STRUCT:
                self._check_struct(rest, loc)
            encoded = b"".join(inner.encode_fields(kind, rest, loc, "").values())
        return encode_field(1, f"{PREFIX}{name}".encode()) + encode_field(2, encoded)

    def _check_struct(self, struct: Mapping[str, object], loc: Loc) -> None:
        """Check a TypedStruct. If its type is known, its value is checked as that of an Any of the type is."""
        url = struct.get("type_url", struct.get("typeUrl"))
        if not isinstance(url, str) or not url:
            self._refuse(loc, "`type_url` is missing: the type that `value` has the fields of")
            return
        try:
            kind = find_type(url.rpartition("/")[2])
        except LookupError:
            return
        _Encoder({}, self._mistakes, self._clusters).encode_fields(kind, struct.get("value", {}), (*loc, "value"), "")


def _note(value: object) -> object:
    """Return a value that is not a mapping, and has none in it, as a hashable one; None for any other."""
    if isinstance(value, list):
        return tuple(map(str, value)) if all(isinstance(one, str) for one in value) else None
    return value if isinstance(value, str | int | float) else None


def _show_untyped(value: object) -> str:
    return "no `@type`" if isinstance(value, Mapping) else show(value)


def _read_key(field: Field, key: str) -> object:
    return int(key) if field.key_kind in INTEGERS and re.fullmatch(r"-?\d{1,20}", key) else key
