"""Protobuf's encoding of varints and of length-delimited fields."""

VARINT = 0
LENGTH_DELIMITED = 2
"""The wire types of integers, and of strings, bytes and messages."""

FIXED_SIZES = {1: 8, 5: 4}
"""The sizes of the wire types with a fixed size."""

MAX_SHIFT = 63
"""The shift of the last byte that a varint can have."""


def encode_varint(value: int) -> bytes:
    """Encode an integer as a varint; a negative one as its two's complement in 64 bits."""
    value %= 2**64
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the varint at an offset, and the offset after it.

    Raises IndexError if the message ends before it does, and ValueError if it has more than 10 bytes.
    """
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > MAX_SHIFT:
            raise ValueError("a varint has more than 10 bytes")


def read_head(message: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of the field at an offset, the size of its value, and the offset of its value.

    A varint counts as read: its size is 0. Raises IndexError and ValueError as `read_varint`, and ValueError for a tag
    that is none and for groups.
    """
    tag, at = read_varint(message, at)
    wire_type = tag & 7
    if tag >= 2**32:
        raise ValueError("a tag has more than 32 bits")
    if wire_type == VARINT:
        return tag, 0, read_varint(message, at)[1]
    if wire_type == LENGTH_DELIMITED:
        size, at = read_varint(message, at)
        return tag, size, at
    if wire_type not in FIXED_SIZES:
        raise ValueError(f"no wire type: {wire_type}")
    return tag, FIXED_SIZES[wire_type], at


def encode_field(number: int, value: bytes) -> bytes:
    """Encode a field with a string, bytes or an encoded message."""
    return encode_varint(number << 3 | LENGTH_DELIMITED) + encode_varint(len(value)) + value
