"""Merges the fields of an encoded message that come several times, by protobuf's rules.

A catalog's raw fields are appended to the bytes that xds builds. Every parser of Envoy and of protobuf merges them;
betterproto2 has only the last occurrence of a message, and refuses two fields of a oneof.
"""

from collections.abc import Iterator, Mapping

from xds.catalog.raw.types import Field, find_fields, find_type
from xds.wire.varint import LENGTH_DELIMITED, encode_field, encode_varint, read_varint

WIDTHS = {1: 8, 5: 4}
"""The number of bytes of a value, by the wire types of fixed length."""

ANY = "google.protobuf.Any"


def merge_fields(kind: type, message: bytes) -> bytes:
    """Return the encoded message with each of its messages once, and with only the last field of each oneof.

    The same holds for the messages inside it, those in lists, maps and a google.protobuf.Any too.
    """
    fields = {field.number: field for field in find_fields(kind).values()}
    kept: list[tuple[int, bytes, bytes]] = []
    for number, head, payload in _split(message):
        field = fields.get(number)
        if field is not None:
            if field.oneof:
                kept = [one for one in kept if one[0] == number or _group(fields, one[0]) != field.oneof]
            if _is_single_message(field):
                before = [one for one in kept if one[0] == number]
                kept = [one for one in kept if one[0] != number]
                payload = b"".join(one for _, _, one in before) + payload  # encoded messages merge
        kept.append((number, head, payload))
    return b"".join(_join(fields.get(number), head, payload) for number, head, payload in kept)


def _join(field: Field | None, head: bytes, payload: bytes) -> bytes:
    if head[0] & 7 != LENGTH_DELIMITED:
        return head + payload
    if field is not None and field.kind == "message":
        payload = _merge_entry(field, payload) if field.key_kind else _merge_message(field.type, payload)
    return head + encode_varint(len(payload)) + payload


def _merge_entry(field: Field, entry: bytes) -> bytes:
    """Merge the fields of a map's entry. Of two entries with one key the last counts, also for betterproto2."""
    value = field._replace(number=2, key_kind="")
    return b"".join(_join(value if number == 2 else None, head, payload) for number, head, payload in _split(entry))


def _merge_message(kind: type, message: bytes) -> bytes:
    if kind is not find_type(ANY):
        return merge_fields(kind, message)
    parts = {number: payload for number, _, payload in _split(message)}
    try:
        packed = find_type(parts.get(1, b"").decode(errors="replace").rpartition("/")[2])
    except LookupError:
        return message
    return encode_field(1, parts[1]) + encode_field(2, merge_fields(packed, parts.get(2, b"")))


def _is_single_message(field: Field) -> bool:
    return field.kind == "message" and not field.repeated and not field.key_kind


def _group(fields: Mapping[int, Field], number: int) -> str | None:
    return fields[number].oneof if number in fields else None


def _split(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number, the tag and the value (without its length) of each field."""
    start = 0
    while start < len(message):
        tag, at = read_varint(message, start)
        head, wire_type = message[start:at], tag & 7
        if wire_type == LENGTH_DELIMITED:
            length, at = read_varint(message, at)
            end = at + length
        elif wire_type in WIDTHS:
            end = at + WIDTHS[wire_type]
        else:
            _, end = read_varint(message, at)
        yield tag >> 3, head, message[at:end]
        start = end
