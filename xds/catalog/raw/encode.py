"""Encodes plain values as a message of Envoy, checked against the types of envoy-data-plane.

It goes through the fields of the types and builds no objects of them: so it finds every mistake, with its location.
"""

import re
from collections.abc import Mapping

from xds.catalog.raw.types import PREFIX, Field, explain_unknown, find_fields, find_type, suggest_type
from xds.catalog.raw.values import INTEGERS, WELL_KNOWN, WRAPPED, encode_scalar
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.regex import compile_pattern
from xds.wire.varint import encode_field
from xds.wording import show


def encode(type_name: str, value: object, owned: Mapping[str, str]) -> tuple[dict[str, bytes], list[Mistake]]:
    """Encode a message of the type with that full name: return the bytes of each field by name, and the mistakes.

    `owned` has the fields that may not be set, as names joined by dots, and for each the message about it.
    """
    mistakes: list[Mistake] = []
    return _Encoder(owned, mistakes).encode_fields(find_type(type_name), value, (), ""), mistakes


class _Encoder:
    """Encodes one value. It records each mistake, and continues."""

    def __init__(self, owned: Mapping[str, str], mistakes: list[Mistake]) -> None:
        self._owned = owned
        self._mistakes = mistakes

    def encode_fields(self, kind: type, value: object, loc: Loc, path: str) -> dict[str, bytes]:
        """Encode a message field by field; `path` has Envoy's names of the fields that lead to it."""
        encoded: dict[str, bytes] = {}
        if not isinstance(value, Mapping):
            self._refuse(loc, f"expected a mapping, fields of {kind.__name__}, found {show(value)}")
            return encoded
        known = find_fields(kind)
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
                message = f"has `{groups[field.oneof]}` or `{field.name}`, not both"
                self._mistakes.append(Mistake(here, message, at_key=True))
            else:
                encoded[field.name] = self._encode_field(field, one, here, f"{path}{field.name}.")
                if kind.__name__ == "RegexMatcher" and field.name == "regex" and isinstance(one, str):
                    self._check_pattern(one, here)
        return encoded

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
        try:
            kind = find_type(name)
        except LookupError:
            return self._refuse((*loc, "@type"), f"there is no type {show(name)}{suggest_type(name)}")
        rest = {key: one for key, one in value.items() if key != "@type"}
        if kind.__module__.endswith(".google.protobuf") and kind.__name__ in {*WRAPPED, *WELL_KNOWN, "Any"}:
            encoded = self.encode_message(kind, rest.get("value"), (*loc, "value"), "")
        else:
            # The catalog sets no field inside an Any, so all of its fields may be written.
            encoded = b"".join(_Encoder({}, self._mistakes).encode_fields(kind, rest, loc, "").values())
        return encode_field(1, f"{PREFIX}{name}".encode()) + encode_field(2, encoded)


def _show_untyped(value: object) -> str:
    return "no `@type`" if isinstance(value, Mapping) else show(value)


def _read_key(field: Field, key: str) -> object:
    return int(key) if field.key_kind in INTEGERS and re.fullmatch(r"-?\d{1,20}", key) else key
