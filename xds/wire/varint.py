"""Protobuf's encoding of varints and of length-delimited fields."""

LENGTH_DELIMITED = 2
"""The wire type of strings, bytes and messages."""


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
    """Return the varint at an offset, and the offset after it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def encode_field(number: int, value: bytes) -> bytes:
    """Encode a field with a string, bytes or an encoded message."""
    return encode_varint(number << 3 | LENGTH_DELIMITED) + encode_varint(len(value)) + value
