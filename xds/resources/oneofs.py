"""Oneofs: of fields that exclude each other, the last one counts, as protobuf has it.

Raw fields are joined to our own, so that an encoded message may have two of them. Envoy and every other parser
take the last; betterproto2's refuses the message, unless it is settled first.
"""

from collections.abc import Iterator, Mapping

from xds.catalog.envoy_types import Field, find_fields

WIDTHS = {1: 8, 5: 4}
BYTES = 2


def settle(kind: type, message: bytes) -> bytes:
    """Give the same message with one field of each oneof, in those inside it too."""
    fields = {field.number: field for field in find_fields(kind).values()}
    kept: list[tuple[int, bytes, bytes]] = []
    for number, head, payload in _split(message):
        field = fields.get(number)
        if field is None:
            kept.append((number, head, payload))
            continue
        if field.oneof:
            kept = [one for one in kept if one[0] == number or _group(fields, one[0]) != field.oneof]
        if _is_message(field) and not field.repeated and any(one[0] == number for one in kept):
            [before] = [one for one in kept if one[0] == number]
            kept.remove(before)
            payload = before[2] + payload  # they merge
        kept.append((number, head, payload))
    return b"".join(_join(fields.get(number), head, payload) for number, head, payload in kept)


def _join(field: Field | None, head: bytes, payload: bytes) -> bytes:
    if head[0] & 7 != BYTES:
        return head + payload
    if field is not None and _is_message(field):
        payload = settle(field.type, payload)
    return head + _encode_varint(len(payload)) + payload


def _is_message(field: Field) -> bool:
    return field.kind == "message" and not field.key_kind


def _group(fields: Mapping[int, Field], number: int) -> str | None:
    return fields[number].oneof if number in fields else None


def _split(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Give each field's number, its tag, and what follows, without the length."""
    start = 0
    while start < len(message):
        tag, at = _read_varint(message, start)
        head, wire_type = message[start:at], tag & 7
        if wire_type == BYTES:
            length, at = _read_varint(message, at)
            end = at + length
        elif wire_type in WIDTHS:
            end = at + WIDTHS[wire_type]
        else:
            _, end = _read_varint(message, at)
        yield tag >> 3, head, message[at:end]
        start = end


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
